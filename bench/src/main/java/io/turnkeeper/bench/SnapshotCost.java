package io.turnkeeper.bench;

import com.github.luben.zstd.Zstd;
import io.turnkeeper.base.Json;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import io.turnkeeper.snapshot.Saved;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.snapshot.StateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** An agent's files after each turn: what they take, and how long. */
final class SnapshotCost implements Scenario {
  private static final int TURN_BYTES = 6_000;
  private static final int KILOBYTE = 1_024;
  private static final int KEEP = 200;
  private static final String[] WORDS =
      ("the agent reads a file and writes what it found into another one, then says so to its user;"
              + " tool call result edit run test fail pass path line value error return import class")
          .split(" ", -1);

  /** Sizes in KB, and the reference's POST and GET in ms, on the machine of its measurements. */
  private static final Map<Integer, double[]> REFERENCE =
      Map.of(
          1, new double[] {1.2, 0.5},
          100, new double[] {4.6, 1.2},
          633, new double[] {20, 6.7},
          4_096, new double[] {117, 36});

  @Override
  public String name() {
    return "snapshots";
  }

  @Override
  public String claim() {
    return "what a turn adds to an agent's files is what it costs to keep them";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, 4, lab.scratch("snapshots")),
                new NoopPool(false, (turn, listener) -> {}))) {
      Bare bare = Bare.in(database, engine);
      Snapshots snapshots =
          new Snapshots(engine.db(), new Snapshots.Limits(1L << 30, 50_000, KEEP));
      var all = Backlog.conversations(engine, 8);
      // Wide conversations: as many turns as are measured.
      int turns = lab.mode().pick(100, 100, 10);
      int repeats = lab.mode().pick(30, 15, 3);
      Backlog.runs(engine, all, all.size() * Math.max(turns, 2 * repeats + 2));
      grow(lab, sheet, new Place(bare, snapshots, lab.scratch("grow")), turns);
      for (int kilobytes : List.of(1, 100, 633, 4_096)) {
        lab.progress().say("save and restore " + kilobytes + " KB");
        sized(sheet, new Place(bare, snapshots, lab.scratch("sized")), kilobytes, repeats);
      }
      int megabytes = lab.mode().pick(64, 64, 4);
      lab.progress().say("a HOME of " + megabytes + " MB of which 1 % changes");
      changed(sheet, new Place(bare, snapshots, lab.scratch("changed")), megabytes);
    }
    REFERENCE.forEach((kilobytes, millis) -> {
      sheet.figure(
          "save " + kilobytes + " KB, ms", "save " + kilobytes + " KB", Sheet.Bound.atMost(millis[0]));
      sheet.figure(
          "restore " + kilobytes + " KB, ms",
          "restore " + kilobytes + " KB",
          Sheet.Bound.atMost(millis[1]));
    });
    sheet.ratio(
        "stored by all turns, over the final transcript compressed",
        "stored by all turns",
        "final transcript, compressed",
        Sheet.Bound.atMost(1.2, 4));
    sheet.ratio(
        "stored for a change of 1 %, over the whole",
        "stored for a change of 1 %",
        "the whole HOME",
        Sheet.Bound.atMost(0.05, 0.3));
  }

  private record Place(Bare bare, Snapshots snapshots, Path root) {
    Path home() {
      return root.resolve("state/home");
    }

    /** One turn under a lease: its files saved, its run completed. */
    Turned turn(Claimed claimed) {
      StateFiles files = StateFiles.of(root.resolve("state"), List.of());
      long start = System.nanoTime();
      Saved saved =
          snapshots.save(
              claimed.lease(), claimed.run().id(), claimed.run().turn(), files, Json.object());
      double millis = (System.nanoTime() - start) / 1e6;
      if (!(saved instanceof Saved.Stored stored)) {
        throw new IllegalStateException("not saved: " + saved);
      }
      return new Turned(millis, stored.addedBytes());
    }

    /** The next run of the same lease. */
    Claimed next(Claimed before) {
      var queue = bare.engine().queue();
      return bare.engine()
          .db()
          .inTx(tx -> {
            var lease = before.lease();
            var held = queue.lock(tx, bare.replica(), List.of(lease));
            var ended =
                queue.settle(
                    tx,
                    bare.replica(),
                    List.of(
                        new Settlement(
                            lease, before.run().id(), RunStatus.COMPLETED, Json.array(), null)));
            snapshots.complete(tx, ended);
            var started = queue.startNext(tx, bare.replica(), List.copyOf(held));
            return new Claimed(lease, started.runs().values().iterator().next(), true);
          });
    }
  }

  private record Turned(double millis, long added) {}

  private static void grow(Lab lab, Sheet sheet, Place place, int turns) throws IOException {
    lab.progress().say(turns + " turns that add " + TURN_BYTES + " bytes each");
    Random random = new Random(7);
    Files.createDirectories(place.home());
    Path transcript = place.home().resolve("session.jsonl");
    Files.createFile(transcript);
    Claimed now = place.bare().claim(1).getFirst();
    long added = 0;
    for (int i = 0; i < turns; i++) {
      Files.writeString(transcript, line(random, TURN_BYTES), StandardOpenOption.APPEND);
      Turned turned = place.turn(now);
      sheet.add("save of a turn that adds 6 KB", "ms", turned.millis());
      added += turned.added();
      now = place.next(now);
    }
    sheet.add("stored by all turns", "KB", added / (double) KILOBYTE);
    sheet.add(
        "final transcript, compressed",
        "KB",
        Zstd.compress(Files.readAllBytes(transcript)).length / (double) KILOBYTE);
  }

  /** Whole files, each new to the store, as the reference sends them. */
  private static void sized(Sheet sheet, Place place, int kilobytes, int repeats)
      throws IOException {
    Random random = new Random(kilobytes);
    Files.createDirectories(place.home());
    Claimed now = place.bare().claim(1).getFirst();
    for (int i = 0; i < repeats; i++) {
      Files.writeString(
          place.home().resolve("session.jsonl"), line(random, kilobytes * KILOBYTE));
      Turned turned = place.turn(now);
      now = place.next(now);
      Path into = place.root().resolveSibling("into-" + System.nanoTime());
      long start = System.nanoTime();
      var restored =
          place
              .snapshots()
              .restore(now.lease().conversation(), StateFiles.of(into.resolve("state"), List.of()));
      double millis = (System.nanoTime() - start) / 1e6;
      sheet.holds(kilobytes + " KB are there", restored.isPresent());
      Programs.removeTree(into);
      if (i >= repeats / 5) {
        // The first ones are the compiler's.
        sheet.add("save " + kilobytes + " KB", "ms", turned.millis());
        sheet.add("restore " + kilobytes + " KB", "ms", millis);
      }
    }
  }

  private static void changed(Sheet sheet, Place place, int megabytes) throws IOException {
    Random random = new Random(3);
    Files.createDirectories(place.home());
    byte[] megabyte = new byte[KILOBYTE * KILOBYTE];
    for (int i = 0; i < megabytes; i++) {
      random.nextBytes(megabyte);
      Files.write(place.home().resolve("file-" + i), megabyte);
    }
    Claimed now = place.bare().claim(1).getFirst();
    Turned whole = place.turn(now);
    now = place.next(now);
    // One percent, in the middle of as few files as hold it.
    int left = megabytes * KILOBYTE * KILOBYTE / 100;
    for (int i = 0; left > 0; i++) {
      byte[] part = new byte[Math.min(left, KILOBYTE * KILOBYTE / 2)];
      random.nextBytes(part);
      Path file = place.home().resolve("file-" + i);
      byte[] content = Files.readAllBytes(file);
      System.arraycopy(part, 0, content, 100_000, part.length);
      Files.write(file, content);
      left -= part.length;
    }
    Turned again = place.turn(now);
    sheet.add("the whole HOME", "KB", whole.added() / (double) KILOBYTE);
    sheet.add("stored for a change of 1 %", "KB", again.added() / (double) KILOBYTE);
    sheet.add("save of the whole HOME", "ms", whole.millis());
    sheet.add("save of a change of 1 %", "ms", again.millis());
  }

  /** A line of a transcript: words, and ids that no compressor knows. */
  private static String line(Random random, int bytes) {
    StringBuilder text = new StringBuilder(bytes + 64).append("{\"text\":\"");
    while (text.length() < bytes - 3) {
      text.append(
          random.nextInt(8) == 0
              ? Long.toHexString(random.nextLong())
              : WORDS[random.nextInt(WORDS.length)]);
      text.append(' ');
    }
    return text.append("\"}\n").toString();
  }
}

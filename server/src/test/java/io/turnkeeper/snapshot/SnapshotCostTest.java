package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.luben.zstd.Zstd;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a conversation costs whose transcript grows by about 6 KB a turn, a hundred times. */
@DbTest
@Tag("embedded")
class SnapshotCostTest {
  private static final int TURNS = 100;

  @TempDir Path directory;
  private final World world;
  private final Db db;
  private LeaseToken lease;

  SnapshotCostTest(Db db) {
    this.db = db;
    this.world = new World(db);
    this.lease = world.leased(world.replica());
  }

  @BeforeEach
  void start() {
    lease = world.leased(world.replica());
  }

  /** More than its own size compressed as a whole: what one turn says is compressed by itself. */
  @Test
  void a_transcript_of_text_costs_well_below_its_size() throws IOException {
    assertThat(cost(turn -> lines(turn, 6_000))).isLessThan(1.7);
  }

  @Test
  void a_transcript_that_cannot_be_compressed_costs_about_its_own_size() throws IOException {
    assertThat(cost(turn -> SnapshotsTest.random(turn, 6_000))).isLessThan(1.2);
  }

  @Test
  void a_turn_that_changes_one_small_file_among_many_costs_little() throws IOException {
    Snapshots snapshots = new Snapshots(db, new Snapshots.Limits(64 << 20, 5_000, 20));
    Path home = directory.resolve("state/home");
    for (int i = 0; i < 500; i++) {
      World.write(home.resolve("d" + i % 20 + "/f" + i), text(i, 800));
    }
    World.Turn first = world.turn(lease);
    World.saved(snapshots, lease, first, directory.resolve("state"));
    long chunks = world.count("snapshot_chunks", lease);
    assertThat(chunks).isLessThan(60);
    World.write(home.resolve("d3/f3"), text(1_000, 900));
    Saved.Stored stored = world.completed(snapshots, lease, directory.resolve("state"));
    assertThat(stored.addedBytes()).isLessThan(2_000);
  }

  /** Bytes added over all turns, with manifests, per byte of the whole transcript compressed. */
  private double cost(IntFunction<byte[]> said) throws IOException {
    Snapshots snapshots = new Snapshots(db, new Snapshots.Limits(64 << 20, 5_000, 1_000));
    Path root = directory.resolve("state");
    Path transcript = root.resolve("home/.agent/sessions/transcript.jsonl");
    World.write(root.resolve("home/.agent/settings.json"), "{}");
    World.write(transcript, "");
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    long added = 0;
    for (int turn = 0; turn < TURNS; turn++) {
      byte[] more = said.apply(turn);
      all.writeBytes(more);
      Files.write(transcript, more, StandardOpenOption.APPEND);
      added += world.completed(snapshots, lease, root).addedBytes();
    }
    long compressed = Zstd.compress(all.toByteArray(), 6).length;
    return (double) added / compressed;
  }

  /** Whole lines: a save waits for one that is still being written. */
  private static byte[] lines(int seed, int length) {
    String text = new String(text(seed, length), StandardCharsets.UTF_8);
    return text.substring(0, text.lastIndexOf('\n') + 1).getBytes(StandardCharsets.UTF_8);
  }

  /** Lines as agents write them: JSON around words, of which some come often. */
  static byte[] text(int seed, int length) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder();
    while (text.length() < length) {
      text.append("{\"type\":\"assistant\",\"uuid\":\"")
          .append(new java.util.UUID(random.nextLong(), random.nextLong()))
          .append("\",\"timestamp\":\"2026-11-23T15:")
          .append(random.nextInt(60))
          .append(
              "Z\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"");
      for (int i = 0; i < 120; i++) {
        text.append(word((int) (Math.pow(random.nextDouble(), 3) * 4_000))).append(' ');
      }
      text.append("\"}]}}\n");
    }
    return text.substring(0, length).getBytes(StandardCharsets.UTF_8);
  }

  private static String word(int number) {
    Random random = new Random(number);
    StringBuilder word = new StringBuilder();
    for (int i = 0; i < 3 + random.nextInt(7); i++) {
      word.append((char) ('a' + random.nextInt(26)));
    }
    return word.toString();
  }
}

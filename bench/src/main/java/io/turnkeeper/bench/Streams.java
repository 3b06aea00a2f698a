package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.HdrHistogram.Histogram;

/** Thousands of streams open on one replica, each over its own connection. */
final class Streams implements Scenario {
  static final Pattern SAID = Pattern.compile("@(\\d+) ");
  private static final int POSTERS = 32;
  private static final int EVENTS_PER_SECOND = 1_000;
  private static final int MEGABYTE = 1 << 20;

  @Override
  public String name() {
    return "streams";
  }

  @Override
  public String claim() {
    return "thousands of streams on one replica cost memory by the kilobyte and no latency";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int streams = lab.mode().pick(10_000, 10_000, 200);
    int seconds = lab.mode().pick(30, 10, 2);
    for (int repeat = 0; repeat < lab.mode().pick(3, 1, 1); repeat++) {
      try (Database database = lab.postgres().fresh();
          Hosted host = Hosted.start(lab, database, streams)) {
        measure(lab, sheet, host, new Load(streams, seconds));
      }
    }
    sheet.figure("more resident memory", "more resident memory", Sheet.Bound.atMost(300));
    sheet.figure("append to client, p99", "append to client, p99", Sheet.Bound.atMost(50));
    sheet.ratio(
        "p99 with a tenth stalled, over without",
        "with a tenth stalled, p99",
        "append to client, p99",
        Sheet.Bound.atMost(1.2, 50));
  }

  private record Load(int streams, int seconds) {
    /** So that all together say {@link #EVENTS_PER_SECOND}. */
    int everyMillis() {
      return Math.max(1, streams * 1_000 / EVENTS_PER_SECOND);
    }
  }

  private static void measure(Lab lab, Sheet sheet, Hosted host, Load load) {
    lab.progress().say(load.streams() + " conversations begin to speak");
    String say = "say 1000000 " + load.everyMillis();
    List<String> paths = begin(host, load.streams(), say);
    Threads.sleep(3_000);
    long before = host.residentBytes();
    lab.progress().say("opening the streams");
    Readers readers = new Readers();
    paths.forEach(path -> readers.open(host, path));
    sheet.holds(
        "every stream shows something",
        Threads.await(
            50,
            20 + 3 * load.everyMillis() / 1_000,
            () -> readers.heard.get() == load.streams()));
    lab.progress().say("reading");
    readers.measure(load.seconds());
    sheet.add("append to client, p50", "ms", OpenLoop.millis(readers.times, 50));
    sheet.add("append to client, p99", "ms", OpenLoop.millis(readers.times, 99));
    sheet.add("events to clients", "/s", readers.times.getTotalCount() / (double) load.seconds());
    sheet.add(
        "more resident memory", "MB", (host.residentBytes() - before) / (double) MEGABYTE);
    lab.progress().say("a tenth of as many more, of whom none reads");
    List<Wire> stalled = new ArrayList<>();
    for (int i = 0; i < load.streams() / 10; i++) {
      Wire wire = host.wire();
      wire.stall(paths.get(i));
      stalled.add(wire);
    }
    Threads.sleep(2_000);
    readers.measure(load.seconds());
    sheet.add("with a tenth stalled, p50", "ms", OpenLoop.millis(readers.times, 50));
    sheet.add("with a tenth stalled, p99", "ms", OpenLoop.millis(readers.times, 99));
    stalled.forEach(Wire::close);
    readers.close();
  }

  /** Posts a run to each of so many conversations; the paths of their streams. */
  static List<String> begin(Hosted host, int conversations, String say) {
    String[] paths = new String[conversations];
    List<Wire> wires = new ArrayList<>();
    AtomicInteger next = new AtomicInteger();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < Math.min(POSTERS, conversations); i++) {
      Wire wire = host.wire();
      wires.add(wire);
      threads.add(
          Thread.ofVirtual()
              .start(() -> {
                for (int n = next.getAndIncrement(); n < paths.length; n = next.getAndIncrement()) {
                  String answer =
                      wire.post("/threads/s" + n + "/runs", EnqueueHttp.body(say));
                  String run = Json.parse(answer).path("run_id").asString();
                  paths[n] = "/threads/s" + n + "/runs/" + run + "/stream?stream_mode=custom";
                }
              }));
    }
    Threads.join(threads);
    wires.forEach(Wire::close);
    return List.of(paths);
  }

  /** Read all streams, and note how old what they get is, while they are asked to. */
  static final class Readers implements AutoCloseable {
    private final List<Wire> wires = new ArrayList<>();
    private final AtomicBoolean noting = new AtomicBoolean();
    final AtomicInteger heard = new AtomicInteger();
    final Histogram times = OpenLoop.histogram();

    void open(Hosted host, String path) {
      Wire wire = host.wire();
      wires.add(wire);
      Thread.ofVirtual()
          .start(() -> {
            boolean[] first = {true};
            try {
              wire.stream(
                  path,
                  line -> {
                    Matcher said = SAID.matcher(line);
                    if (said.find()) {
                      if (first[0]) {
                        first[0] = false;
                        heard.incrementAndGet();
                      }
                      if (noting.get()) {
                        OpenLoop.note(times, Long.parseLong(said.group(1)));
                      }
                    }
                    return true;
                  });
            } catch (RuntimeException closed) {
              // The measurement is over.
            }
          });
    }

    void measure(int seconds) {
      times.reset();
      noting.set(true);
      Threads.sleep(seconds * 1_000L);
      noting.set(false);
    }

    @Override
    public void close() {
      wires.forEach(Wire::close);
    }
  }
}

package io.turnkeeper.bench;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.HdrHistogram.Histogram;

/** From the moment a message is to be sent until its worker starts on it. */
final class Dispatch implements Scenario {
  private static final int CONVERSATIONS = 300;
  private static final int POOL = 10;

  @Override
  public String name() {
    return "dispatch";
  }

  @Override
  public String claim() {
    return "a message reaches its worker in milliseconds, on this replica and on another";
  }

  @Override
  public void run(Lab lab, Sheet sheet) throws Exception {
    for (int repeat = 0; repeat < lab.repeats(); repeat++) {
      sheet.add("limit: a round trip", "ms", lab.limits().selectMillis());
      for (int rate : List.of(200, 10)) {
        int seconds = lab.mode().pick(12, 6, 2);
        lab.progress().say("dispatch at " + rate + "/s");
        measure(lab, sheet, "Turnkeeper, " + rate + "/s", new Load(rate, seconds, false));
        if (rate == 200) {
          measure(lab, sheet, "Turnkeeper, other replica", new Load(rate, seconds, true));
        }
        lab.peers(sheet).latency(rate, seconds);
      }
    }
    for (String of : List.of("p50", "p99")) {
      for (int rate : List.of(200, 10)) {
        lab.peers(sheet)
            .lowest("latency", rate + "/s, " + of)
            .ifPresent(best ->
                sheet.ratio(
                    rate + "/s, " + of + " over the best peer across processes",
                    "Turnkeeper, " + rate + "/s, " + of,
                    best,
                    Sheet.Bound.atMost(1)));
        sheet.ratio(
            rate + "/s, " + of + " over db-scheduler's immediate execution",
            "Turnkeeper, " + rate + "/s, " + of,
            "db-scheduler immediate, " + rate + "/s, " + of,
            Sheet.Bound.atMost(1));
      }
    }
    sheet.ratio(
        "other replica's p50 over the local one",
        "Turnkeeper, other replica, p50",
        "Turnkeeper, 200/s, p50",
        Sheet.Bound.atMost(1.5, 20));
  }

  private record Load(int rate, int seconds, boolean elsewhere) {}

  private static void measure(Lab lab, Sheet sheet, String name, Load load) {
    int count = load.rate() * load.seconds();
    long[] intended = new long[count];
    AtomicInteger started = new AtomicInteger();
    Histogram times = OpenLoop.histogram();
    NoopPool workers =
        new NoopPool(
            true,
            (turn, listener) -> {
              String text = turn.input().at("/messages/0/content").asString();
              int number = Integer.parseInt(text, 0, text.indexOf(' '), 10);
              if (number >= 0) {
                OpenLoop.note(times, intended[number]);
                started.incrementAndGet();
              }
            });
    try (Database database = lab.postgres().fresh();
        Engine works =
            Engine.prepare(
                database, new Engine.Shape(CONVERSATIONS, POOL, lab.scratch("works")), workers);
        Engine sends =
            Engine.prepare(
                database,
                new Engine.Shape(load.elsewhere() ? 0 : CONVERSATIONS, POOL, lab.scratch("sends")),
                workers)) {
      works.join();
      if (load.elsewhere()) {
        sends.join();
      }
      Engine from = load.elsewhere() ? sends : works;
      warmUp(from);
      database.settle();
      OpenLoop.run(
          load.rate(),
          load.seconds(),
          (number, at) -> {
            intended[number] = at;
            var unused = from.post("c" + number % CONVERSATIONS, number + " " + Engine.TEXT);
          });
      sheet.holds(name + ": all arrived", Threads.await(5, 30, () -> started.get() == count));
      sheet.add(name + ", p50", "ms", OpenLoop.millis(times, 50));
      sheet.add(name + ", p99", "ms", OpenLoop.millis(times, 99));
    }
  }

  /** Every conversation has its worker, and the compiler has seen the path. */
  private static void warmUp(Engine from) {
    for (int round = 0; round < 4; round++) {
      ClosedLoop.run(
          8,
          CONVERSATIONS,
          number -> {
            var unused = from.post("c" + number, "-1 " + Engine.TEXT);
          });
      Threads.sleep(300);
    }
  }
}

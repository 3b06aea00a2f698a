package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/** Messages over HTTP, by clients that keep their connections. */
final class EnqueueHttp implements Scenario {
  private static final int CONNECTIONS = 64;
  private static final int CONVERSATIONS = 1_000;

  /** What the reference reached inside its own process, on the machine of its measurements. */
  private static final double REFERENCE = 2_000;

  @Override
  public String name() {
    return "enqueue-http";
  }

  @Override
  public String claim() {
    return "the same over HTTP, with a key checked and an answer written";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int calls = lab.mode().pick(40_000, 12_000, 640);
    for (int repeat = 0; repeat < lab.repeats(); repeat++) {
      sheet.add(
          "limit: one insert per commit, 64 clients",
          "/s",
          lab.limits().insertsPerSecond(CONNECTIONS));
      lab.progress().say("enqueue over HTTP, " + CONNECTIONS + " connections");
      try (Database database = lab.postgres().fresh();
          Hosted host = Hosted.start(lab, database, 0)) {
        BlockingQueue<Wire> wires = new ArrayBlockingQueue<>(CONNECTIONS);
        for (int i = 0; i < CONNECTIONS; i++) {
          wires.add(host.wire());
        }
        List<Wire> all = new ArrayList<>(wires);
        ClosedLoop.run(CONNECTIONS, calls / 2, number -> send(wires, number));
        ClosedLoop.Outcome outcome =
            ClosedLoop.run(CONNECTIONS, calls, number -> send(wires, number));
        all.forEach(Wire::close);
        sheet.add("Turnkeeper", "/s", outcome.perSecond());
        sheet.add("Turnkeeper, median", "ms", OpenLoop.millis(outcome.millis(), 50));
        sheet.add("Turnkeeper, p99", "ms", OpenLoop.millis(outcome.millis(), 99));
      }
    }
    sheet.figure("a second", "Turnkeeper", Sheet.Bound.atLeast(5_000));
    sheet.figure(
        "a second; twice the reference's in-process rate",
        "Turnkeeper",
        Sheet.Bound.atLeast(2 * REFERENCE));
    sheet.ratio(
        "over the limit of one insert per commit",
        "Turnkeeper",
        "limit: one insert per commit, 64 clients",
        Sheet.Bound.atLeast(0.25, 0.01));
  }

  private static void send(BlockingQueue<Wire> wires, int number) {
    try {
      Wire wire = wires.take();
      var unused = wire.post("/threads/c" + number % CONVERSATIONS + "/runs", body(Engine.TEXT));
      wires.add(wire);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
  }

  static String body(String text) {
    return Json.write(
        Json.object()
            .put("assistant_id", "noop")
            .put("if_not_exists", "create")
            .set("input", Engine.input(text)));
  }
}

package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.util.List;
import java.util.Map;
import java.time.Duration;
import org.HdrHistogram.Histogram;

/** A conversation that no replica has: everything but the agent, until its answer is with us. */
final class Cold implements Scenario {
  private static final List<String> AGENT = List.of("/bin/sh", "-c", "cat >/dev/null; echo hello");

  @Override
  public String name() {
    return "cold";
  }

  @Override
  public String claim() {
    return "a new conversation costs its agent's start, and little of ours";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int turns = lab.mode().pick(200, 80, 8);
    try (Database database = lab.postgres().fresh();
        Replica replica = Replica.start(lab, lab.scratch("cold"), database);
        Wire wire = replica.wire()) {
      var unused =
          wire.post(
              "/admin/agents",
              Json.write(
                  Json.object()
                      .put("name", "noop")
                      .put("kind", "command")
                      .set(
                          "command",
                          Json.array().add(AGENT.get(0)).add(AGENT.get(1)).add(AGENT.get(2)))));
      for (int repeat = 0; repeat < lab.repeats(); repeat++) {
        int round = repeat;
        lab.progress().say("cold conversations");
        ask(wire, turns / 4, "w" + round);
        Histogram whole = ask(wire, turns, "c" + round);
        Histogram alone =
            ClosedLoop.run(
                    1,
                    turns,
                    number -> {
                      var said =
                          Programs.run(AGENT, lab.scratch(), Map.of(), Duration.ofSeconds(10));
                    })
                .millis();
        sheet.add("message to answer, p50", "ms", OpenLoop.millis(whole, 50));
        sheet.add("its program alone, p50", "ms", OpenLoop.millis(alone, 50));
        sheet.add(
            "our share, p50", "ms", OpenLoop.millis(whole, 50) - OpenLoop.millis(alone, 50));
      }
    }
    sheet.figure("our share, p50 in ms", "our share, p50", Sheet.Bound.atMost(50));
  }

  private static Histogram ask(Wire wire, int turns, String prefix) {
    return ClosedLoop.run(
            1,
            turns,
            number -> {
              var unused =
                  wire.post(
                      "/threads/" + prefix + "-" + number + "/runs/wait",
                      EnqueueHttp.body(Engine.TEXT));
            })
        .millis();
  }
}

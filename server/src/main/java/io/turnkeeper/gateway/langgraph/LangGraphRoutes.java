package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import tools.jackson.databind.node.ObjectNode;

/** The client API, as LangGraph's clients speak it. */
public final class LangGraphRoutes {
  private LangGraphRoutes() {}

  /** What a webhook is told of an ended run. */
  public static Function<Run, ObjectNode> webhookBody(Conversations conversations, Clock clock) {
    return run -> {
      ObjectNode body = Shapes.run(run);
      Instant started = run.times().started();
      Instant ended = run.times().finished();
      body.put("run_started_at", started == null ? null : started.toString());
      body.put("run_ended_at", ended == null ? null : ended.toString());
      body.put("webhook_sent_at", clock.now().toString());
      body.putObject("values")
          .set(
              "messages",
              conversations.messages(run.organization(), run.conversation().key(), run.turn()));
      if (run.error() != null) {
        body.set("error", run.error());
      }
      return body;
    };
  }

  public static List<Route> of(
      Guard guard, Agents agents, Conversations conversations, String version, Clock clock) {
    Threads threads = new Threads(conversations);
    RunStreams streams = new RunStreams(conversations, threads, agents, clock);
    return Stream.of(
            new MetaRoutes(guard, version).routes(),
            new AssistantRoutes(guard, agents).routes(),
            new ThreadRoutes(guard, conversations, threads, streams).routes(),
            new RunRoutes(guard, agents, conversations, streams).routes())
        .flatMap(List::stream)
        .toList();
  }
}

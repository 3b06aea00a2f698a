package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import java.util.List;
import java.util.stream.Stream;

/** The client API, as LangGraph's clients speak it. */
public final class LangGraphRoutes {
  private LangGraphRoutes() {}

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

package io.turnkeeper.gateway.admin;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.tenancy.Tenancy;
import java.util.List;
import java.util.stream.Stream;

/** The routes of operators and administrators. */
public final class AdminRoutes {
  private AdminRoutes() {}

  /** Every route under {@code /admin}. Each asks for a key first. */
  public static List<Route> of(
      Tenancy tenancy, Agents agents, Conversations conversations, ClusterView cluster) {
    Guard guard = new Guard(tenancy);
    return Stream.of(
            new TenancyRoutes(guard, tenancy, agents, conversations).routes(),
            new AgentRoutes(guard, agents, cluster).routes(),
            new RunRoutes(guard, agents, conversations).routes(),
            new StatusRoutes(guard, cluster).routes())
        .flatMap(List::stream)
        .toList();
  }
}

package io.turnkeeper.gateway.admin;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.Tenancy;
import java.util.List;
import java.util.stream.Stream;

/** The routes of operators and administrators. */
public final class AdminRoutes {
  private AdminRoutes() {}

  /** Every route under {@code /admin}. Each asks for a key first. */
  public static List<Route> of(Tenancy tenancy, Agents agents) {
    Guard guard = new Guard(tenancy);
    return Stream.of(
            new TenancyRoutes(guard, tenancy).routes(), new AgentRoutes(guard, agents).routes())
        .flatMap(List::stream)
        .toList();
  }
}

package io.turnkeeper.ui;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.orchestrator.Reports;
import io.turnkeeper.tenancy.Sessions;
import io.turnkeeper.tenancy.Tenancy;
import java.util.List;
import java.util.stream.Stream;

/** The web console's routes, all under {@code /console}. */
public final class Console {
  private Console() {}

  /** What the console shows and acts on. */
  public record Parts(
      Tenancy tenancy,
      Sessions sessions,
      Agents agents,
      Conversations conversations,
      Reports reports,
      Installation installation,
      Clock clock) {}

  /** Every route of the console. Nothing of it costs anything before somebody opens a page. */
  public static List<Route> of(Parts parts) {
    Templates templates = new Templates();
    Assets assets = new Assets();
    Signing signing = new Signing(parts, templates, assets.version());
    Live live = new Live(signing, parts.clock());
    Desk desk = new Desk(parts, templates, signing, live);
    return Stream.of(
            assets.routes(),
            signing.routes(),
            new OverviewPage(desk).routes(),
            new ConversationsPage(desk).routes(),
            new ConversationPage(desk).routes(),
            new RunsPage(desk).routes(),
            new BulkPage(desk).routes(),
            new AgentsPage(desk).routes(),
            new ReplicasPage(desk).routes(),
            new TenantsPage(desk).routes(),
            new AuditPage(desk).routes())
        .flatMap(List::stream)
        .toList();
  }

  /** What the pages work with. */
  record Desk(Parts parts, Templates templates, Signing signing, Live live) {
    /**
     * Asked before runs are queued.
     *
     * @throws io.turnkeeper.base.Refusal.Limited over a limit of the organization
     */
    void mayQueue(View view, int runs) {
      if (view.elsewhere()) {
        parts.tenancy().mayQueue(parts.tenancy().organization(view.organizationName()), runs);
      } else {
        parts.tenancy().mayQueue(view.caller(), runs);
      }
    }
  }
}

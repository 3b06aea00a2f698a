package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.Audit;
import io.turnkeeper.tenancy.AuditEntry;
import io.turnkeeper.tenancy.Role;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Who did what to keys, agents, caps and conversations. */
final class AuditPage {
  private static final int PAGE = 100;

  private final Console.Desk desk;

  AuditPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    return List.of(Route.get("/console/audit", desk.signing().page(this::show)));
  }

  private void show(Exchange exchange, View view) {
    view.caller().require(Role.ADMIN);
    String asked = exchange.query("subject").orElse("").strip();
    String cursor = exchange.query("cursor").orElse("");
    if (!cursor.matches("[0-9]{0,18}")) {
      throw new Refusal.Invalid(
          "invalid_cursor", "cursor", "the cursor is none of an earlier page");
    }
    // The log knows a conversation by a digest: who knows its id may ask with it.
    Optional<String> subject =
        exchange
            .query("conversation")
            .filter(id -> !id.isEmpty())
            .map(Audit::thread)
            .or(() -> Optional.of(asked).filter(text -> !text.isEmpty()));
    List<AuditEntry> found =
        desk.parts()
            .tenancy()
            .audit()
            .entries(
                view.organization(),
                cursor.isEmpty() ? null : Long.valueOf(cursor),
                subject.orElse(null),
                PAGE);
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("entries", found);
    model.put("subject", subject.orElse(""));
    model.put("cursor", cursor);
    model.put("next", found.size() < PAGE ? "" : Long.toString(found.getLast().id()));
    desk.signing().html(exchange, 200, desk.templates().render("audit", model));
  }
}

package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.Role;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** Replicas: who lives, what each holds, and who was lost. For the operator. */
final class ReplicasPage {
  private final Console.Desk desk;

  ReplicasPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    Signing signing = desk.signing();
    return List.of(
        Route.get("/console/replicas", signing.operatorPage(this::show)),
        Route.get("/console/live/replicas", signing.operatorPage(this::live)),
        Route.post(
            "/console/replicas/{id}/cap", signing.action(Role.ADMIN, deed("cap"), this::cap)),
        Route.post(
            "/console/replicas/{id}/drain",
            signing.action(Role.ADMIN, deed("drain"), this::drain)));
  }

  private static Guard.Deed deed(String verb) {
    return new Guard.Deed("replica." + verb, "replica", "id");
  }

  private void show(Exchange exchange, View view) {
    desk.signing().html(exchange, 200, desk.templates().render("replicas", model(view)));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    desk.live().stream(
        exchange,
        () -> Map.of("replicas", desk.templates().render("parts/replicas", model(view))),
        null);
  }

  private Map<String, Object> model(View view) {
    List<ReplicaInfo> all = desk.parts().installation().replicas().get();
    OptionalInt self = desk.parts().installation().self().get();
    return Map.of(
        "view", view,
        "alive", all.stream().filter(one -> one.endedAt() == null).toList(),
        "ended", all.stream().filter(one -> one.endedAt() != null).toList(),
        "self", self.orElse(0));
  }

  /** A number, 0 to drain, or nothing for the replica's own cap. */
  private Signing.Done cap(Exchange exchange, View view, Form form) {
    String wanted = form.field("max_leases").orElse("");
    if (!wanted.matches("[0-9]{0,6}")) {
      throw new Refusal.Invalid(
          "out_of_range", "max_leases", "the cap is a whole number from 0, or empty");
    }
    return want(exchange, view, wanted.isEmpty() ? null : Integer.valueOf(wanted));
  }

  private Signing.Done drain(Exchange exchange, View view, Form form) {
    return want(exchange, view, 0);
  }

  private Signing.Done want(Exchange exchange, View view, @Nullable Integer leases) {
    view.caller().requireOperator();
    String given = exchange.pathParam("id");
    int id = given.matches("[1-9][0-9]{0,8}") ? Integer.parseInt(given) : 0;
    if (id == 0 || !desk.parts().installation().want().leases(id, leases)) {
      throw new Refusal.NotFound("replica", given);
    }
    String said =
        leases == null
            ? "Replica " + id + " holds as many as it was started for"
            : leases == 0
                ? "Replica " + id + " drains"
                : "Replica " + id + " holds at most " + leases;
    return new Signing.Done(view.link("/replicas"), said, true);
  }
}

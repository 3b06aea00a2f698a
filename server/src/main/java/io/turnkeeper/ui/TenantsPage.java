package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.ui.Signing.Done;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** Tenants, for the operator, and the keys of one, for its admins. */
final class TenantsPage {
  private static final int SHOWN_MAX = 200;

  private final Console.Desk desk;

  TenantsPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    Signing signing = desk.signing();
    return List.of(
        Route.get("/console/tenants", signing.page(this::show)),
        Route.post("/console/tenants", signing.actionPage(Role.ADMIN, this::create)),
        Route.post("/console/tenants/pause", signing.action(Role.ADMIN, this::pause)),
        Route.post("/console/tenants/resume", signing.action(Role.ADMIN, this::resume)),
        Route.post("/console/keys", signing.actionPage(Role.ADMIN, this::createKey)),
        Route.post("/console/keys/{id}/revoke", signing.action(Role.ADMIN, this::revokeKey)));
  }

  private void show(Exchange exchange, View view) {
    view.caller().require(Role.ADMIN);
    desk.signing().html(exchange, 200, desk.templates().render("tenants", model(view, "", "")));
  }

  /**
   * @param secret a key that is shown this once; empty is none
   */
  private Map<String, Object> model(View view, String secret, String of) {
    Map<String, Object> model = new HashMap<>();
    model.put("view", view);
    model.put("keys", desk.parts().tenancy().keys(view.organization()));
    model.put("secret", secret);
    model.put("secretOf", of);
    model.put(
        "tenants",
        view.operator()
            ? desk.parts().tenancy().organizations().stream()
                .limit(SHOWN_MAX)
                .map(one -> new TenantView(one, desk.parts().reports().depth(one.id())))
                .toList()
            : List.of());
    return model;
  }

  private String create(Exchange exchange, View view, Form form) {
    view.caller().requireOperator();
    String cap = form.field("max_running").orElse("");
    if (!cap.matches("[0-9]{0,6}")) {
      throw new Refusal.Invalid(
          "out_of_range", "max_running", "the cap is a whole number from 0, or empty");
    }
    Tenancy.Founded founded =
        desk.parts()
            .tenancy()
            .createOrganization(
                form.required("name", "a name").strip(),
                cap.isEmpty() ? null : Integer.valueOf(cap));
    return desk.templates()
        .render(
            "tenants",
            model(
                view,
                founded.adminKey().text(),
                "the first admin of " + founded.organization().name()));
  }

  private Done pause(Exchange exchange, View view, Form form) {
    view.caller().requireOperator();
    desk.parts().tenancy().pause(form.required("name", "a tenant"), view.caller().keyName());
    return new Done(view.link("/tenants"), "Paused", false);
  }

  private Done resume(Exchange exchange, View view, Form form) {
    view.caller().requireOperator();
    desk.parts().tenancy().resume(form.required("name", "a tenant"));
    return new Done(view.link("/tenants"), "Resumed", false);
  }

  private String createKey(Exchange exchange, View view, Form form) {
    Role role = Role.parse(form.required("role", "a role"), "role");
    NewKey made =
        desk.parts()
            .tenancy()
            .createKey(view.organization(), form.required("name", "a name").strip(), role);
    return desk.templates().render("tenants", model(view, made.text(), made.key().name()));
  }

  private Done revokeKey(Exchange exchange, View view, Form form) {
    String id = exchange.pathParam("id");
    UUID key = Uuid7.parse(id).orElseThrow(() -> new Refusal.NotFound("key", id));
    desk.parts().tenancy().revokeKey(view.organization(), key);
    return new Done(view.link("/tenants"), "Revoked", false);
  }
}

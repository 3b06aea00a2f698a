package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Organization;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.ui.Signing.Done;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
        Route.post(
            "/console/tenants",
            signing.actionPage(Role.ADMIN, organization("create"), this::create)),
        Route.post(
            "/console/tenants/pause",
            signing.action(Role.ADMIN, organization("pause"), this::pause)),
        Route.post(
            "/console/tenants/resume",
            signing.action(Role.ADMIN, organization("resume"), this::resume)),
        Route.post(
            "/console/tenants/limits",
            signing.action(Role.ADMIN, organization("limit"), this::limit)),
        Route.post(
            "/console/keys",
            signing.actionPage(Role.ADMIN, key("create", "name"), this::createKey)),
        Route.post(
            "/console/keys/{id}/revoke",
            signing.action(Role.ADMIN, key("revoke", "id"), this::revokeKey)));
  }

  private static Guard.Deed organization(String verb) {
    return new Guard.Deed("organization." + verb, "organization", "name");
  }

  private static Guard.Deed key(String verb, String names) {
    return new Guard.Deed("key." + verb, "key", names);
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
    model.put("limits", limits(view));
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

  private LimitsView limits(View view) {
    Organization of = desk.parts().tenancy().organization(view.organizationName());
    return new LimitsView(
        of.maxRunning(),
        desk.parts().reports().depth(of.id()).running(),
        desk.parts().tenancy().usage(of));
  }

  /** All of them at once: what the form leaves empty is no limit. */
  private Done limit(Exchange exchange, View view, Form form) {
    view.caller().requireOperator();
    Tenancy.NewLimits limits =
        new Tenancy.NewLimits(
            limit(form, "max_running", 0),
            limit(form, "requests_per_second", 1),
            limit(form, "streams", 0),
            limit(form, "queued", 0),
            limit(form, "stored_bytes", 0));
    desk.parts().tenancy().limit(form.required("name", "a tenant"), limits);
    return new Done(view.link("/tenants"), "Limits set", false);
  }

  private static Optional<Tenancy.Limit> limit(Form form, String field, long min) {
    Optional<String> given = form.field(field).map(String::strip);
    if (given.isEmpty()) {
      return Optional.of(new Tenancy.Limit(null));
    }
    boolean number =
        given.get().matches(field.equals("stored_bytes") ? "[0-9]{1,18}" : "[0-9]{1,9}");
    if (!number || Long.parseLong(given.get()) < min) {
      throw new Refusal.Invalid(
          "out_of_range", field, field + " must be a whole number from " + min + ", or empty");
    }
    return Optional.of(new Tenancy.Limit(Long.valueOf(given.get())));
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

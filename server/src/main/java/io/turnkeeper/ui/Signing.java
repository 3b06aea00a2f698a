package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Handler;
import io.turnkeeper.http.Route;
import io.turnkeeper.http.StreamClosed;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.tenancy.Audit;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Organization;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Sessions;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * Who looks, and what may be done from where: sign-in with a key, a session in a cookie, and the
 * wrappings of pages, actions and streams that ask for it.
 */
final class Signing {
  private static final String COOKIE = "turnkeeper_console";
  private static final String SIGN_IN = "/console/sign-in";

  /** Nothing from elsewhere, nothing inline, framed by nobody. */
  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
          + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

  private final Console.Parts parts;
  private final Templates templates;
  private final String assets;

  Signing(Console.Parts parts, Templates templates, String assets) {
    this.parts = parts;
    this.templates = templates;
    this.assets = assets;
  }

  /** Answers a request of somebody who has signed in. */
  @FunctionalInterface
  interface Page {
    void answer(Exchange exchange, View view) throws Exception;
  }

  /** Does what a form asks for. */
  @FunctionalInterface
  interface Action {
    /** Where to see what came of it. */
    Done act(Exchange exchange, View view, Form form) throws Exception;
  }

  /** Does what a form asks for, and shows what came of it. */
  @FunctionalInterface
  interface ActionPage {
    String html(Exchange exchange, View view, Form form) throws Exception;
  }

  /**
   * What came of an action.
   *
   * @param said to a person who stays on the page
   * @param stays whether the page that sent it shows the outcome by itself
   */
  record Done(String location, String said, boolean stays) {}

  List<Route> routes() {
    return List.of(
        Route.get(SIGN_IN, this::form),
        Route.post(SIGN_IN, this::signIn),
        Route.post("/console/sign-out", this::signOut));
  }

  /** A page, or whatever else a GET answers. */
  Handler page(Page page) {
    return exchange -> guarded(exchange, view -> page.answer(exchange, view));
  }

  /** The same, for the operator only. */
  Handler operatorPage(Page page) {
    return page((exchange, view) -> {
      view.caller().requireOperator();
      page.answer(exchange, view);
    });
  }

  Handler action(Role role, Action action) {
    return form(role, (exchange, view, form) -> answer(exchange, action.act(exchange, view, form)));
  }

  /** An action that the audit log names before it is done. */
  Handler action(Role role, Guard.Deed deed, Action action) {
    return form(
        role,
        (exchange, view, form) ->
            answer(
                exchange,
                audited(deed(deed, exchange, view, form), () -> action.act(exchange, view, form))));
  }

  /** What a form asks for, where its answer is shown this once: a page of its own. */
  Handler actionPage(Role role, ActionPage action) {
    return form(
        role, (exchange, view, form) -> html(exchange, 200, action.html(exchange, view, form)));
  }

  /** The same, for what the audit log names before it is done. */
  Handler actionPage(Role role, Guard.Deed deed, ActionPage action) {
    return form(
        role,
        (exchange, view, form) ->
            html(
                exchange,
                200,
                audited(
                    deed(deed, exchange, view, form), () -> action.html(exchange, view, form))));
  }

  private interface Sent {
    void handle(Exchange exchange, View view, Form form) throws Exception;
  }

  private Handler form(Role role, Sent sent) {
    return exchange ->
        guarded(
            exchange,
            view -> {
              Form form = Form.of(exchange);
              checkToken(exchange, view, form);
              view.caller().require(role);
              sent.handle(exchange, view, form);
            });
  }

  private static Audit.Deed deed(Guard.Deed deed, Exchange exchange, View view, Form form) {
    String name =
        exchange.route().path().contains("{" + deed.names() + "}")
            ? exchange.pathParam(deed.names())
            : form.field(deed.names()).orElse("");
    return new Audit.Deed(
        view.organization(),
        view.caller(),
        deed.action(),
        deed.kind().equals("thread") ? Audit.thread(name) : deed.kind() + ":" + Refusal.shown(name),
        exchange.requestId());
  }

  private <T> T audited(Audit.Deed deed, Callable<T> work) throws Exception {
    Audit audit = parts.tenancy().audit();
    audit.asked(deed);
    try {
      return work.call();
    } catch (Refusal refusal) {
      audit.refused(deed);
      throw refusal;
    }
  }

  /** Whether the session of a stream is still good. */
  boolean stillIn(Exchange exchange) {
    return exchange.cookie(COOKIE).flatMap(parts.sessions()::caller).isPresent();
  }

  /** Sends a page's HTML, and says how long it took: browsers show it. */
  void html(Exchange exchange, int status, String html) {
    double millis = exchange.age().toNanos() / 1e6;
    exchange.responseHeader("Server-Timing", String.format(Locale.ROOT, "total;dur=%.1f", millis));
    exchange.text(status, "text/html; charset=utf-8", html);
  }

  private interface Work {
    void run(View view) throws Exception;
  }

  private void guarded(Exchange exchange, Work work) throws Exception {
    headers(exchange);
    Optional<String> token = exchange.cookie(COOKIE);
    Optional<Caller> caller = token.flatMap(parts.sessions()::caller);
    if (caller.isEmpty() || token.isEmpty()) {
      toSignIn(exchange);
      return;
    }
    LogField.ORGANIZATION.set(caller.get().organizationName());
    View own = view(exchange, caller.get(), token.get());
    try {
      parts.tenancy().admit(caller.get());
      exchange.permitStreams(() -> parts.tenancy().openStream(caller.get()));
      work.run(scoped(exchange, own));
    } catch (Refusal refused) {
      refuse(exchange, own, refused);
    } catch (StreamClosed closed) {
      throw closed;
    }
  }

  private View view(Exchange exchange, Caller caller, String token) {
    return new View(
        caller,
        caller.organization(),
        caller.organizationName(),
        exchange.path(),
        Sessions.formToken(token),
        assets,
        parts.clock().now());
  }

  /** The operator may look at any tenant's data; to others there is only their own. */
  private View scoped(Exchange exchange, View own) {
    Optional<String> named = exchange.query("organization").filter(name -> !name.isEmpty());
    if (named.isEmpty() || named.get().equals(own.organizationName())) {
      return own;
    }
    own.caller().requireOperator();
    Organization organization = parts.tenancy().organization(named.get());
    return new View(
        own.caller(),
        organization.id(),
        named.get(),
        own.path(),
        own.formToken(),
        own.assets(),
        own.now());
  }

  private static void checkToken(Exchange exchange, View view, Form form) {
    String given = form.field("form_token").or(() -> exchange.header("x-form-token")).orElse("");
    if (!MessageDigest.isEqual(
        given.getBytes(StandardCharsets.UTF_8),
        view.formToken().getBytes(StandardCharsets.UTF_8))) {
      throw new Refusal.Denied(
          "form_outdated", "this form is of an earlier session; load the page again");
    }
  }

  private static void answer(Exchange exchange, Done done) {
    if (exchange.header("hx-request").isEmpty()) {
      exchange.seeOther(done.location());
    } else if (done.stays()) {
      exchange.responseHeader("X-Said", View.segment(done.said()));
      exchange.empty(204);
    } else {
      exchange.responseHeader("HX-Redirect", done.location());
      exchange.empty(204);
    }
  }

  private void refuse(Exchange exchange, View view, Refusal refused) {
    int status = status(refused);
    String message = String.valueOf(refused.getMessage());
    if (exchange.header("hx-request").isPresent()) {
      exchange.text(status, "text/plain; charset=utf-8", message);
      return;
    }
    html(
        exchange,
        status,
        templates.render("problem", Map.of("view", view, "status", status, "message", message)));
  }

  private static int status(Refusal refusal) {
    return switch (refusal) {
      case Refusal.Malformed _ -> 400;
      case Refusal.Unauthenticated _ -> 401;
      case Refusal.Denied _ -> 403;
      case Refusal.NotFound _ -> 404;
      case Refusal.Conflict _ -> 409;
      case Refusal.TooLarge _ -> 413;
      case Refusal.Invalid _ -> 422;
      case Refusal.Limited _ -> 429;
      case Refusal.Unsupported _ -> 501;
      case Refusal.Unavailable _ -> 503;
    };
  }

  private static void toSignIn(Exchange exchange) {
    boolean page = exchange.header("accept").orElse("").contains("text/html");
    if (exchange.header("hx-request").isPresent()) {
      exchange.responseHeader("HX-Redirect", SIGN_IN);
      exchange.empty(204);
    } else if (page) {
      String query = exchange.queryString();
      String here = exchange.path() + (query.isEmpty() ? "" : "?" + query);
      boolean read = exchange.route().method() == Route.Method.GET;
      exchange.seeOther(SIGN_IN + (read ? "?next=" + View.segment(here) : ""));
    } else {
      throw new Refusal.Unauthenticated("session_over", "the session is over; sign in again");
    }
  }

  private void form(Exchange exchange) {
    headers(exchange);
    if (stillIn(exchange)) {
      exchange.seeOther(next(exchange.query("next").orElse("")));
      return;
    }
    html(exchange, 200, signInPage(exchange.query("next").orElse(""), null));
  }

  private void signIn(Exchange exchange) {
    headers(exchange);
    Form form = Form.of(exchange);
    String next = form.field("next").orElse("");
    String site = exchange.header("sec-fetch-site").orElse("none");
    if (!site.equals("same-origin") && !site.equals("none")) {
      throw new Refusal.Denied("other_site", "sign in from the console's own page");
    }
    Caller caller;
    try {
      caller =
          parts.tenancy().admit(form.field("key").map(String::strip), exchange.remoteAddress());
    } catch (Refusal.Unauthenticated wrong) {
      html(exchange, 401, signInPage(next, "That key is not valid, or it was revoked."));
      return;
    } catch (Refusal.Limited often) {
      exchange.responseHeader("Retry-After", Long.toString(often.retryAfter().toSeconds() + 1));
      html(exchange, 429, signInPage(next, String.valueOf(often.getMessage())));
      return;
    }
    LogField.ORGANIZATION.set(caller.organizationName());
    if (caller.role() == Role.WORKER) {
      html(exchange, 403, signInPage(next, "A worker's key opens nothing here; use another."));
      return;
    }
    cookie(exchange, parts.sessions().open(caller), Sessions.WHOLE.toSeconds());
    exchange.seeOther(next(next));
  }

  private void signOut(Exchange exchange) throws Exception {
    guarded(
        exchange,
        view -> {
          checkToken(exchange, view, Form.of(exchange));
          exchange.cookie(COOKIE).ifPresent(parts.sessions()::close);
          cookie(exchange, "", 0);
          exchange.seeOther(SIGN_IN);
        });
  }

  private String signInPage(String next, @Nullable String problem) {
    return templates.render(
        "signin",
        Map.of("next", next, "problem", problem == null ? "" : problem, "assets", assets));
  }

  private static void cookie(Exchange exchange, String value, long seconds) {
    exchange.responseHeader(
        "Set-Cookie",
        COOKIE
            + "="
            + value
            + "; Path=/console; HttpOnly; SameSite=Lax; Max-Age="
            + seconds
            + (exchange.secure() ? "; Secure" : ""));
  }

  /** Only into the console, whatever the link said. */
  private static String next(String given) {
    boolean inside = given.matches("/console(/[^\\\\]*)?(\\?[^\\\\]*)?");
    return inside && !given.startsWith(SIGN_IN) && !given.contains("//") ? given : "/console";
  }

  private static void headers(Exchange exchange) {
    exchange.responseHeader("Content-Security-Policy", POLICY);
    exchange.responseHeader("Referrer-Policy", "same-origin");
    exchange.responseHeader("Cache-Control", "no-store");
  }
}

package io.turnkeeper.gateway;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Handler;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.tenancy.Audit;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.tenancy.Usage;
import java.util.Optional;

/** Who may call a route. Nothing of a request is read before its caller is known. */
public final class Guard {
  private final Tenancy tenancy;

  public Guard(Tenancy tenancy) {
    this.tenancy = tenancy;
  }

  /** Answers a request of a known caller. */
  @FunctionalInterface
  public interface Action {
    void handle(Exchange exchange, Caller caller) throws Exception;
  }

  public Handler reader(Action action) {
    return atLeast(Role.READER, action);
  }

  public Handler client(Action action) {
    return atLeast(Role.CLIENT, action);
  }

  public Handler admin(Action action) {
    return atLeast(Role.ADMIN, action);
  }

  /** For keys of role worker alone: those of other roles are no agent's. */
  public Handler worker(Action action) {
    return exchange -> {
      Caller caller = caller(exchange);
      caller.requireAgent();
      action.handle(exchange, caller);
    };
  }

  public Handler operator(Action action) {
    return exchange -> action.handle(exchange, caller(exchange).requireOperator());
  }

  /** Holds a request to its organization's limits, when it is not a key that says whose it is. */
  public void admit(OrganizationId organization) {
    tenancy.admit(organization);
  }

  /** A caller of any role, for routes that then look further. */
  public Caller identified(Exchange exchange) {
    return caller(exchange);
  }

  /**
   * Something that is written to the audit log before it is done.
   *
   * @param action such as {@code key.create}
   * @param kind of its subject, which the log names with it
   * @param names the field of the path, or else of the body, that holds the subject's name
   */
  public record Deed(String action, String kind, String names) {}

  public Handler client(Deed deed, Action action) {
    return client((exchange, caller) -> audited(deed, exchange, caller, action));
  }

  public Handler admin(Deed deed, Action action) {
    return admin((exchange, caller) -> audited(deed, exchange, caller, action));
  }

  public Handler operator(Deed deed, Action action) {
    return operator((exchange, caller) -> audited(deed, exchange, caller, action));
  }

  private void audited(Deed deed, Exchange exchange, Caller caller, Action action)
      throws Exception {
    Audit.Deed done =
        new Audit.Deed(
            organization(exchange, caller),
            caller,
            deed.action(),
            subject(deed, exchange),
            exchange.requestId());
    tenancy.audit().asked(done);
    try {
      action.handle(exchange, caller);
    } catch (Refusal refusal) {
      tenancy.audit().refused(done);
      throw refusal;
    }
  }

  private static String subject(Deed deed, Exchange exchange) {
    String name =
        exchange.route().path().contains("{" + deed.names() + "}")
            ? exchange.pathParam(deed.names())
            : exchange.bodyObjectOrEmpty().path(deed.names()).asString("");
    return deed.kind().equals("thread")
        ? Audit.thread(name)
        : deed.kind() + ":" + Refusal.shown(name);
  }

  /** The caller's organization, or for the operator the one that it names. */
  public OrganizationId organization(Exchange exchange, Caller caller) {
    Optional<String> named = exchange.query("organization");
    if (named.isEmpty() || named.get().equals(caller.organizationName())) {
      return caller.organization();
    }
    caller.requireOperator();
    return tenancy.organization(named.get()).id();
  }

  /**
   * Asked before runs are queued for the caller.
   *
   * @throws Refusal.Limited over a limit of its organization
   */
  public void mayQueue(Caller caller, int runs) {
    tenancy.mayQueue(caller, runs);
  }

  /** What the caller's organization uses of its limits. */
  public Usage usage(Caller caller) {
    return tenancy.usage(caller);
  }

  private Handler atLeast(Role role, Action action) {
    return exchange -> action.handle(exchange, caller(exchange).require(role));
  }

  private Caller caller(Exchange exchange) {
    Caller caller = tenancy.admit(exchange.credential(), exchange.remoteAddress());
    exchange.permitStreams(() -> tenancy.openStream(caller));
    LogField.ORGANIZATION.set(caller.organizationName());
    return caller;
  }
}

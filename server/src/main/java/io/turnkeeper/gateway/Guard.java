package io.turnkeeper.gateway;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Handler;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Role;
import io.turnkeeper.tenancy.Tenancy;
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

  /** A caller of any role, for routes that then look further. */
  public Caller identified(Exchange exchange) {
    return caller(exchange);
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

  private Handler atLeast(Role role, Action action) {
    return exchange -> action.handle(exchange, caller(exchange).require(role));
  }

  private Caller caller(Exchange exchange) {
    Caller caller = tenancy.authenticate(exchange.credential());
    LogField.ORGANIZATION.set(caller.organizationName());
    return caller;
  }
}

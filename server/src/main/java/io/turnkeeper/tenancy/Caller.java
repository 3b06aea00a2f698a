package io.turnkeeper.tenancy;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Who sent a request: a key of one organization.
 *
 * @param organizationName for people and logs; the id is what counts
 * @param agent the one that a worker's key is for; null for all other roles
 */
public record Caller(
    OrganizationId organization,
    String organizationName,
    Role role,
    @Nullable AgentId agent,
    UUID keyId,
    String keyName) {

  /** An admin of the first organization: manages organizations and replicas. */
  public boolean operator() {
    return role == Role.ADMIN && organizationName.equals(Tenancy.FIRST_ORGANIZATION);
  }

  /**
   * This caller, when its role is at least the one needed.
   *
   * @throws Refusal.Denied otherwise
   */
  public Caller require(Role needed) {
    if (role.compareTo(needed) < 0) {
      throw new Refusal.Denied(
          "role_too_low",
          "this needs a key with role " + needed.wire() + "; yours has " + role.wire());
    }
    return this;
  }

  /**
   * The agent that this caller works for.
   *
   * @throws Refusal.Denied when its key is not a worker's
   */
  public AgentId requireAgent() {
    if (role != Role.WORKER || agent == null) {
      throw new Refusal.Denied(
          "worker_key_needed", "this needs a key with role worker; yours has " + role.wire());
    }
    return agent;
  }

  /**
   * This caller, when it is the operator.
   *
   * @throws Refusal.Denied otherwise
   */
  public Caller requireOperator() {
    if (!operator()) {
      throw new Refusal.Denied(
          "operator_only", "this needs an admin key of organization " + Tenancy.FIRST_ORGANIZATION);
    }
    return this;
  }
}

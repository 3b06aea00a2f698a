package io.turnkeeper.base;

import java.util.UUID;

/** An agent definition of an organization, whatever its version. */
public record AgentId(UUID value) {
  @Override
  public String toString() {
    return value.toString();
  }
}

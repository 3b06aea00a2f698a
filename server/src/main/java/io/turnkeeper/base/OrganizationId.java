package io.turnkeeper.base;

import java.util.UUID;

/** A tenant. Every row and every statement carries one. */
public record OrganizationId(UUID value) {
  @Override
  public String toString() {
    return value.toString();
  }
}

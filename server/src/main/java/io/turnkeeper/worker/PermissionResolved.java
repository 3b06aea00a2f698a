package io.turnkeeper.worker;

/**
 * A question has its answer.
 *
 * @param id the request's
 * @param answer what the agent was told; {@code by} is "policy", "cancel", or what the caller gave
 */
public record PermissionResolved(String id, PermissionAnswer answer) {}

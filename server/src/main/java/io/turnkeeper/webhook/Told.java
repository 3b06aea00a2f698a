package io.turnkeeper.webhook;

import org.jspecify.annotations.Nullable;

/**
 * How far a run's delivery has got.
 *
 * @param state {@code due}, {@code delivered} or {@code failed}
 * @param answer what came of the last attempt
 */
public record Told(String state, int attempts, @Nullable String answer) {}

package io.turnkeeper.queue;

import java.time.Duration;

/**
 * How a run goes back to its place.
 *
 * @param delay before it may start again
 * @param begun whether the attempt counts: its worker had been told to start
 */
public record Again(Duration delay, boolean begun) {}

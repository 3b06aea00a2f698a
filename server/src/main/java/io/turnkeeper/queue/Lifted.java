package io.turnkeeper.queue;

/**
 * What became of conversations that a cap or a pause held back.
 *
 * @param moved made ready
 * @param capped whether caps held some back when this began
 */
public record Lifted(int moved, boolean capped) {}

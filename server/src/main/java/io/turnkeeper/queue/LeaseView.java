package io.turnkeeper.queue;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Who holds a conversation, and what waits in it.
 *
 * @param state as the database has it: idle, ready, delayed, capped, paused or leased
 * @param replica who holds it; null while nobody does
 * @param epoch grows with each lease
 * @param since it is in this state
 */
public record LeaseView(
    String state,
    boolean running,
    int pending,
    @Nullable Integer replica,
    long epoch,
    Instant since,
    @Nullable String pausedBy) {}

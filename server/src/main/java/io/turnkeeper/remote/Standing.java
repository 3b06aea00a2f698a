package io.turnkeeper.remote;

import io.turnkeeper.base.RunId;

/**
 * How a run at a worker stands.
 *
 * @param worker the name of who has it; "" when nobody does
 * @param silent whether its worker, or the offer, is past its deadline
 */
public record Standing(
    RunId run,
    long epoch,
    int attempt,
    RemoteTurn.State state,
    String worker,
    int received,
    boolean silent) {}

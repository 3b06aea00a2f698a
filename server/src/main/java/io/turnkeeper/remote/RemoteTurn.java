package io.turnkeeper.remote;

import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A run's place with a worker from elsewhere.
 *
 * @param epoch of the lease under which it was offered
 * @param received the number of the last message that was accepted; 0 before the first
 * @param cancel why it is to stop; null while it is not
 * @param answers what people answered to its questions, oldest first
 * @param keyRevoked whether the key that took it has been revoked
 */
public record RemoteTurn(
    long epoch,
    int attempt,
    State state,
    @Nullable UUID worker,
    int received,
    @Nullable String cancel,
    JsonNode answers,
    boolean keyRevoked) {

  /** How far it has come. */
  public enum State {
    /** Nobody has it. */
    OFFERED,
    /** A worker has it. */
    TAKEN,
    /** Its result is there, or it was taken from its worker: nothing more is accepted. */
    ENDED
  }
}

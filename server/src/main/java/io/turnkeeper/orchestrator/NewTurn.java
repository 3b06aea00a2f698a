package io.turnkeeper.orchestrator;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.queue.NewRun.Idempotency;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A message to a conversation.
 *
 * @param agent its name or id
 * @param conversation null makes one for this message alone, gone some time after its run ended
 * @param createConversation whether it is made when it is not there
 * @param busy what happens when the conversation has a run already
 * @param options kept with the run for whoever streams it
 * @param expiry from now; null for never
 */
public record NewTurn(
    OrganizationId organization,
    String agent,
    @Nullable String conversation,
    boolean createConversation,
    Busy busy,
    ObjectNode input,
    ObjectNode options,
    ObjectNode metadata,
    int priority,
    Duration delay,
    @Nullable Duration expiry,
    @Nullable Idempotency idempotency) {

  /** What a new message does to a conversation that has one under way. */
  public enum Busy {
    /** Waits its turn. */
    ENQUEUE,
    /** Is refused. */
    REJECT,
    /** Cancels what runs and what waits, then is next. */
    INTERRUPT
  }
}

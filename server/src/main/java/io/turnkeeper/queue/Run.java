package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One turn of a conversation, as it is kept.
 *
 * @param turn its number in its conversation, dense from 1
 * @param attempt how often it was started; 0 while it never was
 * @param agentVersion the version that ran it last; null before its start, and when its agent had
 *     been removed by then
 * @param input what the client sent
 * @param options what the client asked of the stream and of the end
 * @param output the turn's messages, whole, once it ended
 * @param error {@code code} and {@code message} of a run that did not complete
 * @param cancelRequested why it is to end, once somebody has asked for that
 * @param restoreMode how the agent got its memory back
 */
public record Run(
    RunId id,
    Conversation conversation,
    long turn,
    String type,
    RunStatus status,
    int priority,
    int attempt,
    int maxAttempts,
    @Nullable Integer agentVersion,
    ObjectNode input,
    ObjectNode options,
    ObjectNode metadata,
    @Nullable JsonNode output,
    @Nullable ObjectNode error,
    @Nullable String cancelRequested,
    @Nullable String restoreMode,
    Times times) {

  /**
   * @param runAt not started before
   * @param expiresAt not started after
   */
  public record Times(
      Instant created,
      Instant runAt,
      @Nullable Instant expiresAt,
      @Nullable Instant started,
      @Nullable Instant finished) {}

  public OrganizationId organization() {
    return conversation.organization();
  }

  public AgentId agent() {
    return conversation.agent();
  }
}

package io.turnkeeper.conversation;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.OrganizationId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A conversation as it is kept, with what its runs say of it.
 *
 * @param agent empty until its first run binds it
 * @param updatedAt the newest change to it or to its runs
 */
public record StoredConversation(
    OrganizationId organization,
    @Nullable AgentId agent,
    long key,
    String id,
    ObjectNode metadata,
    boolean ephemeral,
    Activity activity,
    Instant createdAt,
    Instant updatedAt) {

  /** What a conversation is doing. */
  public enum Activity {
    /** Nothing queued, nothing running; its last run, if any, ended well or was cancelled. */
    IDLE,
    /** A run is queued or running. */
    BUSY,
    /** Its run waits for a person's answer. */
    WAITING,
    /** Nothing queued, nothing running; its last run failed. */
    FAILED
  }

  /**
   * @throws IllegalStateException when no run has bound it to an agent yet
   */
  public Conversation bound() {
    if (agent == null) {
      throw new IllegalStateException("conversation without an agent");
    }
    return new Conversation(organization, agent, key, id);
  }
}

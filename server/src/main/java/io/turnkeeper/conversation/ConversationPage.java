package io.turnkeeper.conversation;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.conversation.StoredConversation.Activity;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Some conversations, in an order that pages can go on from.
 *
 * @param next goes on from here; null at the end
 * @param looked whether the page ended because as many were looked at as one request may, and not
 *     because it is full
 */
public record ConversationPage(List<Row> rows, @Nullable String next, boolean looked) {

  /**
   * @param turns runs that it has had and has
   * @param pending runs that wait
   * @param asked the beginning of its newest message
   */
  public record Row(
      String id,
      @Nullable AgentId agent,
      ObjectNode metadata,
      Activity activity,
      long turns,
      int pending,
      String asked,
      Instant createdAt,
      Instant updatedAt) {}
}

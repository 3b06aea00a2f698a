package io.turnkeeper.conversation;

import io.turnkeeper.conversation.StoredConversation.Activity;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Which conversations of an organization, and in which order. Absent parts do not filter.
 *
 * @param metadata every key must be there with an equal value
 * @param limit at least 1
 */
public record ConversationQuery(
    @Nullable ObjectNode metadata,
    @Nullable List<String> ids,
    @Nullable Activity activity,
    @Nullable String agentName,
    Order order,
    boolean ascending,
    int limit,
    int offset) {

  public enum Order {
    CREATED,
    UPDATED,
    ID,
    ACTIVITY
  }
}

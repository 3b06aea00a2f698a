package io.turnkeeper.conversation;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.conversation.StoredConversation.Activity;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a page of conversations shows. Absent parts do not filter.
 *
 * @param text is in the id
 * @param metadataKey has, in the metadata, the value {@code metadataValue}
 * @param since not created before
 * @param cursor where the page before ended
 */
public record ConversationFilter(
    @Nullable String text,
    @Nullable String metadataKey,
    @Nullable String metadataValue,
    @Nullable Activity activity,
    @Nullable AgentId agent,
    @Nullable Instant since,
    @Nullable String cursor,
    int limit) {}

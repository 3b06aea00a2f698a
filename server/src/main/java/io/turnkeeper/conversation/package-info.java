/** Conversations: identity and metadata, cold. */
@NullMarked
package io.turnkeeper.conversation;

import org.jspecify.annotations.NullMarked;

package io.turnkeeper.base;

/**
 * The right of one replica to work on one conversation. Every write made for a run takes one, and
 * the database refuses it when the epoch is no longer the conversation's: the epoch is the fencing
 * token.
 *
 * <p>Only a claim makes one ({@code queue}); a test holds that.
 */
public record LeaseToken(Conversation conversation, long epoch, int replica) {}

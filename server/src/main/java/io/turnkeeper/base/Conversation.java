package io.turnkeeper.base;

/**
 * A conversation: an ordered mailbox of runs.
 *
 * @param key the database's own narrow key; never shown to a client
 * @param id the id that clients know, unique in its organization
 */
public record Conversation(OrganizationId organization, AgentId agent, long key, String id) {}

package io.turnkeeper.remote;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import java.time.Duration;
import java.util.UUID;

/**
 * A worker that connects, or polls.
 *
 * @param key the key that it showed
 * @param name unique among the agent's workers: a second one takes the first one's place
 * @param capacity the most runs that it works on at once
 * @param stays for how long it counts as there without another word
 */
public record Arrival(
    OrganizationId organization,
    AgentId agent,
    UUID key,
    String name,
    int capacity,
    Duration stays) {}

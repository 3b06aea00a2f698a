package io.turnkeeper.agents;

import java.time.Instant;

/** One version of an agent's definition. */
public record AgentVersion(int version, AgentDefinition definition, Instant createdAt) {}

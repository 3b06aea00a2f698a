package io.turnkeeper.eventlog;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import tools.jackson.databind.JsonNode;

/**
 * An event to be written under a lease, with the number that its writer, the only one there is,
 * gave it.
 */
public record Append(LeaseToken lease, RunId run, int seq, String kind, JsonNode data) {}

package io.turnkeeper.eventlog;

import java.time.Instant;
import tools.jackson.databind.JsonNode;

/**
 * One durable entry of a run's log.
 *
 * @param seq its number in its run, dense from 1
 * @param at by the database's clock
 */
public record Event(int seq, String kind, JsonNode data, Instant at) {}

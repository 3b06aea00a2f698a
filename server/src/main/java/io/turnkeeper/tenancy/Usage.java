package io.turnkeeper.tenancy;

import org.jspecify.annotations.Nullable;

/**
 * How much of its limits an organization uses.
 *
 * @param streams open on this replica
 * @param queued as counted a moment ago; null while nobody asked for a limit on it
 * @param storedBytes as counted some minutes ago; null as queued
 */
public record Usage(
    Limits limits, int streams, @Nullable Long queued, @Nullable Long storedBytes) {}

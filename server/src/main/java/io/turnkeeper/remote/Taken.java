package io.turnkeeper.remote;

import io.turnkeeper.base.RunId;

/** A run that a worker was given, under the epoch and in the attempt in which it is valid. */
public record Taken(RunId run, long epoch, int attempt) {}

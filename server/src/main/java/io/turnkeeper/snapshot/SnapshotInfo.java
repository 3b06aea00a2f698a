package io.turnkeeper.snapshot;

import io.turnkeeper.base.RunId;
import tools.jackson.databind.node.ObjectNode;

/** A snapshot that can be restored, without its files. */
public record SnapshotInfo(RunId run, long turn, ObjectNode session) {}

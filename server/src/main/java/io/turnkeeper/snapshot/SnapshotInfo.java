package io.turnkeeper.snapshot;

import io.turnkeeper.base.RunId;
import tools.jackson.databind.node.ObjectNode;

public record SnapshotInfo(RunId run, long turn, ObjectNode session) {}

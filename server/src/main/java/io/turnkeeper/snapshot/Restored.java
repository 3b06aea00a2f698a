package io.turnkeeper.snapshot;

import io.turnkeeper.base.RunId;
import tools.jackson.databind.node.ObjectNode;

public record Restored(RunId run, long turn, ObjectNode session, int files, long bytes) {}

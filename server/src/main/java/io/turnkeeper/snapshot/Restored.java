package io.turnkeeper.snapshot;

import io.turnkeeper.base.RunId;
import tools.jackson.databind.node.ObjectNode;

/**
 * The files are as they were after this run.
 *
 * @param session what was kept with them for the worker to find its session again
 */
public record Restored(RunId run, long turn, ObjectNode session, int files, long bytes) {}

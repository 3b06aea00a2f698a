package io.turnkeeper.orchestrator;

import io.turnkeeper.queue.Run;

/**
 * A run that was started here.
 *
 * @param first it was never started before: its log is empty
 */
record Begun(Run run, boolean first) {}

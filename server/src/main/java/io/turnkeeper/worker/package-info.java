/**
 * What executes runs: agent processes, the Agent Client Protocol, plain commands, the warden. No
 * SQL.
 */
@NullMarked
package io.turnkeeper.worker;

import org.jspecify.annotations.NullMarked;

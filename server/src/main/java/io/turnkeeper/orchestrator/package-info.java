/** Composes the capabilities below: dispatcher, run sessions, policies. */
@NullMarked
package io.turnkeeper.orchestrator;

import org.jspecify.annotations.NullMarked;

/** Telling whoever asked for it that a run has ended. */
@NullMarked
package io.turnkeeper.webhook;

import org.jspecify.annotations.NullMarked;

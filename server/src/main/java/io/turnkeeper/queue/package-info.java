/** Runs and mailboxes: enqueue, claim, settle, cancel, pause, and why a run is not running. */
@NullMarked
package io.turnkeeper.queue;

import org.jspecify.annotations.NullMarked;

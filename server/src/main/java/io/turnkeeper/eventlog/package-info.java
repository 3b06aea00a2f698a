/** The append-only log of run events: fenced append, cursors, wake-ups, retention. */
@NullMarked
package io.turnkeeper.eventlog;

import org.jspecify.annotations.NullMarked;

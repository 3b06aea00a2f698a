/** An agent's files after each run: content-defined chunks, save and restore. */
@NullMarked
package io.turnkeeper.snapshot;

import org.jspecify.annotations.NullMarked;

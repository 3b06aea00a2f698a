/** The command line. Talks HTTP only, except for up, demo, migrate and config. */
@NullMarked
package io.turnkeeper.cli;

import org.jspecify.annotations.NullMarked;

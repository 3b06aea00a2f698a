/** The composition root: everything is made here, in order, and stopped in reverse. */
@NullMarked
package io.turnkeeper.server;

import org.jspecify.annotations.NullMarked;

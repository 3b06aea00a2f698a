/** The HTTP API of workers that connect from elsewhere, and of agents' own tools. */
@NullMarked
package io.turnkeeper.gateway.worker;

import org.jspecify.annotations.NullMarked;

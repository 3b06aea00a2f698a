/** Several replicas in one process on one real PostgreSQL, one step at a time, picked by a seed. */
@NullMarked
package io.turnkeeper.sim;

import org.jspecify.annotations.NullMarked;

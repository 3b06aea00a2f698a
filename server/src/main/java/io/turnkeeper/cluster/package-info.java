/** Replicas: session connection, heartbeat, watch, fencing. */
@NullMarked
package io.turnkeeper.cluster;

import org.jspecify.annotations.NullMarked;

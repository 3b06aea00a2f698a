/** Metrics registry, log fields and trace context. */
@NullMarked
package io.turnkeeper.telemetry;

import org.jspecify.annotations.NullMarked;

/** Typed ids, refusals, clock, JSON: what every floor above may use. Knows no other package. */
@NullMarked
package io.turnkeeper.base;

import org.jspecify.annotations.NullMarked;

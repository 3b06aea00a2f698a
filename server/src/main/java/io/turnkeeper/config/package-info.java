/** Settings: defaults, then file, then environment, then flags; typed, with units and ranges. */
@NullMarked
package io.turnkeeper.config;

import org.jspecify.annotations.NullMarked;

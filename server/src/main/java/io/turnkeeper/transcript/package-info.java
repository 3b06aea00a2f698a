/** How a turn's events become messages. Pure: no SQL, no clock. */
@NullMarked
package io.turnkeeper.transcript;

import org.jspecify.annotations.NullMarked;

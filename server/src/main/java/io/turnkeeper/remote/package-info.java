/** Workers that connect from elsewhere: who is there, what they were given and what they said. */
@NullMarked
package io.turnkeeper.remote;

import org.jspecify.annotations.NullMarked;

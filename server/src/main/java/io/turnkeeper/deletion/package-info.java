/** What is to be forgotten, and how far that has got. */
@NullMarked
package io.turnkeeper.deletion;

import org.jspecify.annotations.NullMarked;

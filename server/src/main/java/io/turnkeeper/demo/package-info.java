/** The built-in demo agent: a program of its own, which only happens to ship in the same jar. */
@NullMarked
package io.turnkeeper.demo;

import org.jspecify.annotations.NullMarked;

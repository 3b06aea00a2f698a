/** Run tokens: what lets a worker, or an agent's own tools, act as one run and nothing more. */
@NullMarked
package io.turnkeeper.tokens;

import org.jspecify.annotations.NullMarked;

/** Agent definitions, versioned. */
@NullMarked
package io.turnkeeper.agents;

import org.jspecify.annotations.NullMarked;

/** How fast the product is, measured beside its peers and the machine's own limits. */
@NullMarked
package io.turnkeeper.bench;

import org.jspecify.annotations.NullMarked;

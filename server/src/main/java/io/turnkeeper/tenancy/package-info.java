/** Organizations and their API keys. */
@NullMarked
package io.turnkeeper.tenancy;

import org.jspecify.annotations.NullMarked;

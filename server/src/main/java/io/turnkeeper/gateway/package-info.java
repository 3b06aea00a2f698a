/** What all gateways share: who may call. */
@NullMarked
package io.turnkeeper.gateway;

import org.jspecify.annotations.NullMarked;

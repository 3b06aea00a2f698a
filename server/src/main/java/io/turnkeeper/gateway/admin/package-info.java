/** The operators' API: organizations, keys, agents, replicas, health, metrics. */
@NullMarked
package io.turnkeeper.gateway.admin;

import org.jspecify.annotations.NullMarked;

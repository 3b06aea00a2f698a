/** HTTP server, problem details and server-sent events. No domain word appears here. */
@NullMarked
package io.turnkeeper.http;

import org.jspecify.annotations.NullMarked;

/** The web console: pages for people, rendered here, live by server-sent events. */
@NullMarked
package io.turnkeeper.ui;

import org.jspecify.annotations.NullMarked;

/**
 * The client API: threads, runs and assistants as LangGraph clients speak it. No SQL, no threads.
 */
@NullMarked
package io.turnkeeper.gateway.langgraph;

import org.jspecify.annotations.NullMarked;

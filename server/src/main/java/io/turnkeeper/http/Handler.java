package io.turnkeeper.http;

/** Answers one request. Runs on the request's own virtual thread and may block. */
@FunctionalInterface
public interface Handler {
  /**
   * Refusals become problem details; any other exception becomes a 500 that says only the request's
   * id.
   */
  void handle(Exchange exchange) throws Exception;
}

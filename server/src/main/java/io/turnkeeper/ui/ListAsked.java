package io.turnkeeper.ui;

import io.turnkeeper.http.Exchange;

/** What the address of a list says, as the filters' fields show it again. */
public record ListAsked(
    String text,
    String metadata,
    String status,
    String agent,
    String error,
    String since,
    String cursor) {

  static ListAsked of(Exchange exchange) {
    return new ListAsked(
        exchange.query("q").orElse("").strip(),
        exchange.query("metadata").orElse("").strip(),
        exchange.query("status").orElse(""),
        exchange.query("agent").orElse(""),
        exchange.query("error").orElse(""),
        exchange.query("since").orElse(""),
        exchange.query("cursor").orElse(""));
  }

  public boolean filters() {
    return !(text + metadata + status + agent + error + since).isEmpty();
  }
}

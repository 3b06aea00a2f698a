package io.turnkeeper.http;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * An error as RFC 9457 has it, with a stable code.
 *
 * @param field the request field at fault, if there is one
 * @param retryAfter when the same request may succeed, if it may
 */
record Problem(
    int status,
    String title,
    String code,
    String detail,
    @Nullable String field,
    @Nullable Duration retryAfter) {

  static final String CONTENT_TYPE = "application/problem+json";
  private static final String TYPE_PREFIX = "urn:turnkeeper:problem:";

  static Problem of(Refusal refusal) {
    return switch (refusal) {
      case Refusal.Malformed _ -> of(400, "Bad request", refusal, null);
      case Refusal.Unauthenticated _ -> of(401, "Not authenticated", refusal, null);
      case Refusal.Denied _ -> of(403, "Not allowed", refusal, null);
      case Refusal.NotFound _ -> of(404, "Not found", refusal, null);
      case Refusal.Conflict _ -> of(409, "Conflict", refusal, null);
      case Refusal.TooLarge _ -> of(413, "Too large", refusal, null);
      case Refusal.Invalid _ -> of(422, "Invalid", refusal, null);
      case Refusal.Limited limited -> of(429, "Limited", refusal, limited.retryAfter());
      case Refusal.Unsupported _ -> of(501, "Not supported", refusal, null);
      case Refusal.Unavailable away -> of(503, "Unavailable", refusal, away.retryAfter());
    };
  }

  /** What a caller learns of a defect: nothing but where to look for it. */
  static Problem internal() {
    return new Problem(
        500,
        "Internal error",
        "internal_error",
        "the server failed; its log has the details under this request_id",
        null,
        null);
  }

  static Problem noRoute() {
    return new Problem(
        404, "Not found", "route_not_found", "nothing is served at this path", null, null);
  }

  static Problem wrongMethod(String allowed) {
    return new Problem(
        405,
        "Method not allowed",
        "method_not_allowed",
        "this path answers " + allowed,
        null,
        null);
  }

  /** A request that did not get as far as a route: the reason is the HTTP server's. */
  static Problem transport(int status) {
    return switch (status) {
      case 404 -> noRoute();
      case 413 ->
          new Problem(413, "Too large", "body_too_large", "the request is too large", null, null);
      case 414 ->
          new Problem(
              414,
              "URI too long",
              "uri_too_long",
              "the request's path and query are too long",
              null,
              null);
      case 431 ->
          new Problem(
              431,
              "Headers too large",
              "headers_too_large",
              "the request's headers are too large",
              null,
              null);
      case 503 ->
          new Problem(
              503,
              "Unavailable",
              "stopping",
              "the server is stopping",
              null,
              Duration.ofSeconds(1));
      default ->
          status >= 500
              ? internal()
              : new Problem(
                  status,
                  "Bad request",
                  "bad_request",
                  "the request is not valid HTTP",
                  null,
                  null);
    };
  }

  ObjectNode body(@Nullable String instance, String requestId, @Nullable String traceId) {
    ObjectNode body = Json.object();
    body.put("type", TYPE_PREFIX + code);
    body.put("title", title);
    body.put("status", status);
    body.put("detail", detail);
    if (instance != null) {
      body.put("instance", Refusal.shown(instance));
    }
    body.put("code", code);
    if (field != null) {
      body.put("field", field);
    }
    body.put("request_id", requestId);
    if (traceId != null) {
      body.put("trace_id", traceId);
    }
    return body;
  }

  /** Whole seconds, at least one, as the header wants it. */
  long retryAfterSeconds() {
    return retryAfter == null ? 0 : Math.max(1, retryAfter.plusMillis(999).toSeconds());
  }

  private static Problem of(int status, String title, Refusal refusal, @Nullable Duration retry) {
    String message = refusal.getMessage();
    return new Problem(
        status, title, refusal.code(), message == null ? title : message, refusal.field(), retry);
  }
}

package io.turnkeeper.http;

import io.javalin.http.Context;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.telemetry.LogField;
import io.turnkeeper.telemetry.Metrics;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.ee10.servlet.ServletContextRequest;
import org.eclipse.jetty.io.EofException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens around every handler: names for the logs, cross-origin headers, errors, the
 * request's log line.
 */
final class RequestCycle {
  private static final Logger log = LoggerFactory.getLogger(HttpServer.class);
  private static final Logger requests = LoggerFactory.getLogger("io.turnkeeper.http.requests");
  private static final int CORS_MAX_AGE_SECONDS = 600;
  private static final String ANSWERED = "turnkeeper.answered";

  /** So much of a refused body is read, for the connection to live on. */
  private static final int LEFT_UNREAD_MAX = 64 << 10;

  private final HttpConfig config;
  private final Streams streams;
  private final Metrics metrics;

  RequestCycle(HttpConfig config, Streams streams, Metrics metrics) {
    this.config = config;
    this.streams = streams;
    this.metrics = metrics;
  }

  /** Runs a route's handler and answers whatever becomes of it. */
  void run(Context context, Route route) {
    long start = System.nanoTime();
    RequestTags tags = begin(context);
    Exchange exchange = new Exchange(context, route, streams, config, tags);
    try {
      route.handler().handle(exchange);
    } catch (Exception failure) {
      fail(context, exchange, tags, failure);
    } finally {
      finish(context, exchange);
      exchange.over();
      long nanos = System.nanoTime() - start;
      int status = context.res().getStatus();
      metrics.httpRequest(route.method().name(), route.path(), status, nanos);
      logRequest(context, status, nanos);
      LogField.clearAll();
    }
  }

  void options(Context context, String allowed) {
    begin(context);
    context.res().setHeader("Allow", allowed);
    if (allowedOrigin(context) != null
        && context.req().getHeader("Access-Control-Request-Method") != null) {
      context.res().setHeader("Access-Control-Allow-Methods", allowed);
      context
          .res()
          .setHeader(
              "Access-Control-Allow-Headers",
              "Content-Type, Authorization, X-Api-Key, Last-Event-ID, Idempotency-Key, Prefer, Traceparent");
      context.res().setHeader("Access-Control-Max-Age", Integer.toString(CORS_MAX_AGE_SECONDS));
    }
    context.res().setStatus(204);
    context.res().setContentType(null);
    LogField.clearAll();
  }

  void wrongMethod(Context context, String allowed) {
    context.res().setHeader("Allow", allowed);
    problem(context, Problem.wrongMethod(allowed));
  }

  /** Answers a request that no route's handler sees. */
  void problem(Context context, Problem problem) {
    RequestTags tags = begin(context);
    Route none = Route.get("-", _ -> {});
    try {
      settleBody(context);
      new Exchange(context, none, streams, config, tags).problem(problem);
      metrics.httpRequest(context.method().name(), "-", problem.status(), 0);
    } catch (StreamClosed _) {
      // nobody is left to tell
    } finally {
      LogField.clearAll();
    }
  }

  /** True when {@link #begin} saw this request, so that it has its answer. */
  boolean answered(Context context) {
    return context.attribute(ANSWERED) != null;
  }

  private RequestTags begin(Context context) {
    var request = context.req();
    RequestTags tags =
        RequestTags.of(request.getHeader("X-Request-Id"), request.getHeader("traceparent"));
    LogField.REQUEST_ID.set(tags.requestId());
    LogField.TRACE_ID.set(tags.trace().traceId());
    headers(context, tags);
    context.attribute(ANSWERED, true);
    return tags;
  }

  private void headers(Context context, RequestTags tags) {
    var response = context.res();
    response.setHeader("X-Request-Id", tags.requestId());
    response.setHeader("X-Content-Type-Options", "nosniff");
    response.setHeader("X-Frame-Options", "DENY");
    response.setHeader("Referrer-Policy", "no-referrer");
    response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
    response.setHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    response.setHeader("Cache-Control", "no-store");
    if (config.tls() != null) {
      response.setHeader("Strict-Transport-Security", "max-age=31536000");
    }
    if (!config.corsOrigins().isEmpty()) {
      response.setHeader("Vary", "Origin");
      String origin = allowedOrigin(context);
      if (origin != null) {
        response.setHeader("Access-Control-Allow-Origin", origin);
        response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
        response.setHeader(
            "Access-Control-Expose-Headers",
            "Content-Location, Location, Retry-After, X-Request-Id, X-Pagination-Next, X-Pagination-Total");
      }
    }
  }

  private @Nullable String allowedOrigin(Context context) {
    String origin = context.req().getHeader("Origin");
    if (origin == null) {
      return null;
    }
    boolean allowed = config.corsOrigins().contains("*") || config.corsOrigins().contains(origin);
    return allowed ? origin : null;
  }

  private void fail(Context context, Exchange exchange, RequestTags tags, Exception failure) {
    if (failure instanceof StreamClosed) {
      return;
    }
    Problem problem;
    if (failure instanceof Refusal refusal) {
      problem = Problem.of(refusal);
    } else {
      log.error("{} {} failed", context.method(), exchange.route().path(), failure);
      problem = Problem.internal();
    }
    if (context.res().isCommitted()) {
      if (failure instanceof Refusal refusal) {
        log.warn("{} after the answer began: {}", refusal.code(), refusal.getMessage());
      }
      return;
    }
    try {
      context.res().reset();
      headers(context, tags);
      settleBody(context);
      exchange.problem(problem);
    } catch (StreamClosed _) {
      // nobody is left to tell
    }
  }

  /**
   * Reads what is left of a short body. After a long one the connection ends, and the answer says
   * so: a peer that sent its next request on it would get no answer.
   */
  private static void settleBody(Context context) {
    var request = context.req();
    long declared = request.getContentLengthLong();
    if (declared == 0 || (declared < 0 && request.getHeader("Transfer-Encoding") == null)) {
      return;
    }
    boolean brief =
        declared > 0 && declared <= LEFT_UNREAD_MAX && request.getHeader("Expect") == null;
    if (!(brief && readToItsEnd(request)) && request.getProtocol().startsWith("HTTP/1")) {
      context.res().setHeader("Connection", "close");
    }
  }

  /** False when it did not come in time: whoever waits for the answer first still gets it. */
  private static boolean readToItsEnd(HttpServletRequest request) {
    try {
      request.getInputStream().transferTo(OutputStream.nullOutputStream());
      return true;
    } catch (IOException late) {
      return false;
    }
  }

  /**
   * A long response that its handler did not end is cut: the peer must not take it for complete.
   */
  private void finish(Context context, Exchange exchange) {
    LongResponse response = exchange.longResponse();
    if (response == null) {
      return;
    }
    streams.remove(response);
    if (!response.ended()) {
      ServletContextRequest.getServletContextRequest(context.req())
          .getServletChannel()
          .abort(new EofException("cut"));
    }
  }

  private static void logRequest(Context context, int status, long nanos) {
    requests
        .atInfo()
        .addKeyValue("method", context.method().name())
        .addKeyValue("path", Refusal.shown(context.path()))
        .addKeyValue("status", status)
        .addKeyValue("duration_ms", TimeUnit.NANOSECONDS.toMillis(nanos))
        .log("request");
  }
}

package io.turnkeeper.http;

import io.javalin.http.Context;
import io.javalin.http.HandlerType;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.telemetry.TraceContext;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One request and its response. Belongs to its handler's thread. Exactly one answering method may
 * be called.
 */
public final class Exchange {
  private static final String JSON = "application/json";
  private static final String BEARER = "bearer ";

  private final Context context;
  private final Route route;
  private final Streams streams;
  private final HttpConfig config;
  private final String requestId;
  private final TraceContext trace;
  private final long beganNanos = System.nanoTime();
  private byte @Nullable [] body;
  private @Nullable LongResponse longResponse;
  private Supplier<Runnable> permit = () -> () -> {};
  private @Nullable Runnable release;

  Exchange(Context context, Route route, Streams streams, HttpConfig config, RequestTags tags) {
    this.context = context;
    this.route = route;
    this.streams = streams;
    this.config = config;
    this.requestId = tags.requestId();
    this.trace = tags.trace();
  }

  /** The route that matched. */
  public Route route() {
    return route;
  }

  /** The path as the client sent it, percent-encoded, without the query. */
  public String path() {
    return context.path();
  }

  /** How long this server has worked on it. */
  public Duration age() {
    return Duration.ofNanos(System.nanoTime() - beganNanos);
  }

  /** What names this request in logs and problems. */
  public String requestId() {
    return requestId;
  }

  /** The trace that this request belongs to; work that it starts carries it on. */
  public TraceContext trace() {
    return trace;
  }

  /** A decoded segment of the path. */
  public String pathParam(String name) {
    String value = context.pathParam(name);
    RequestBody.checkText(value, name);
    return value;
  }

  /** A header's first value. Names are case-insensitive. */
  public Optional<String> header(String name) {
    return Optional.ofNullable(context.req().getHeader(name));
  }

  /** What the client proves itself with: {@code x-api-key}, or a bearer token. */
  public Optional<String> credential() {
    Optional<String> key = header("x-api-key").filter(text -> !text.isBlank());
    if (key.isPresent()) {
      return key.map(String::strip);
    }
    return header("authorization")
        .filter(text -> text.toLowerCase(Locale.ROOT).startsWith(BEARER))
        .map(text -> text.substring(BEARER.length()).strip());
  }

  /** The address that the connection comes from: the client's, or its proxy's. */
  public String remoteAddress() {
    return context.req().getRemoteAddr();
  }

  /**
   * Asks before a stream is opened. May refuse; otherwise what it gives is run once the stream is
   * over.
   */
  public void permitStreams(Supplier<Runnable> asks) {
    permit = asks;
  }

  /** A cookie's value. */
  public Optional<String> cookie(String name) {
    for (String pair : header("cookie").orElse("").split(";", -1)) {
      int equals = pair.indexOf('=');
      if (equals > 0 && pair.substring(0, equals).strip().equals(name)) {
        return Optional.of(pair.substring(equals + 1).strip());
      }
    }
    return Optional.empty();
  }

  /** Whether the peer speaks to this server, or to the proxy before it, over TLS. */
  public boolean secure() {
    return context.req().isSecure()
        || header("x-forwarded-proto").filter(proto -> proto.equals("https")).isPresent();
  }

  /** The query as the client sent it; empty when there is none. */
  public String queryString() {
    String query = context.req().getQueryString();
    return query == null ? "" : query;
  }

  /** A query parameter's first value, decoded. */
  public Optional<String> query(String name) {
    String value = context.queryParam(name);
    if (value != null) {
      RequestBody.checkText(value, name);
    }
    return Optional.ofNullable(value);
  }

  /** Every value of a query parameter, decoded, in order. */
  public List<String> queryAll(String name) {
    List<String> values = List.copyOf(context.queryParams(name));
    values.forEach(value -> RequestBody.checkText(value, name));
    return values;
  }

  /**
   * A query parameter that is a whole number.
   *
   * @throws Refusal.Invalid naming the parameter when it is not a number from min to max
   */
  public long queryLong(String name, long whenAbsent, long min, long max) {
    Optional<String> text = query(name);
    if (text.isEmpty()) {
      return whenAbsent;
    }
    try {
      long value = Long.parseLong(text.get());
      if (value >= min && value <= max) {
        return value;
      }
    } catch (NumberFormatException notANumber) {
      // refused below, as a number out of range is
    }
    throw new Refusal.Invalid(
        "out_of_range",
        name,
        name
            + " must be a whole number from "
            + min
            + " to "
            + max
            + ", not "
            + Refusal.shown(text.get()));
  }

  /** As {@link #queryLong}, for small numbers. */
  public int queryInt(String name, int whenAbsent, int min, int max) {
    return Math.toIntExact(queryLong(name, whenAbsent, min, max));
  }

  /**
   * A query parameter that is {@code true}, {@code false}, {@code 1} or {@code 0}.
   *
   * @throws Refusal.Invalid naming the parameter when it is something else
   */
  public boolean queryBoolean(String name, boolean whenAbsent) {
    Optional<String> text = query(name);
    if (text.isEmpty()) {
      return whenAbsent;
    }
    return switch (text.get().toLowerCase(Locale.ROOT)) {
      case "true", "1" -> true;
      case "false", "0" -> false;
      default ->
          throw new Refusal.Invalid(
              "not_a_boolean",
              name,
              name + " must be true or false, not " + Refusal.shown(text.get()));
    };
  }

  /**
   * A query parameter that names a constant, in lower case.
   *
   * @throws Refusal.Invalid naming the parameter and what it may be
   */
  public <E extends Enum<E>> Optional<E> queryEnum(String name, Class<E> type) {
    return query(name)
        .map(text ->
            Arrays.stream(type.getEnumConstants())
                .filter(constant -> constant.name().toLowerCase(Locale.ROOT).equals(text))
                .findFirst()
                .orElseThrow(() -> unknownValue(name, text, type)));
  }

  /**
   * The body, whole.
   *
   * @throws Refusal.TooLarge over the configured limit
   */
  public byte[] bodyBytes() {
    byte[] read = body;
    if (read == null) {
      if (header("content-encoding")
          .filter(coding -> !coding.equalsIgnoreCase("identity"))
          .isPresent()) {
        throw new Refusal.Malformed("content_encoding", null, "the body must not be compressed");
      }
      try {
        read =
            RequestBody.read(
                context.req().getInputStream(),
                context.req().getContentLengthLong(),
                config.bodyBytesMax());
      } catch (IOException broken) {
        throw new StreamClosed(StreamClosed.Reason.PEER);
      }
      body = read;
    }
    return read;
  }

  /**
   * The body as JSON of any kind.
   *
   * @throws Refusal.Malformed when it is missing, not JSON or too deep
   * @throws Refusal.Invalid when a string in it could not be stored
   */
  public JsonNode bodyJson() {
    return RequestBody.parse(bodyBytes());
  }

  /** The body as a JSON object; otherwise as {@link #bodyJson}. */
  public ObjectNode bodyObject() {
    if (bodyJson() instanceof ObjectNode object) {
      return object;
    }
    throw new Refusal.Invalid("body_not_object", null, "the body must be a JSON object");
  }

  /** As {@link #bodyObject}; no body at all is an empty object. */
  public ObjectNode bodyObjectOrEmpty() {
    return bodyBytes().length == 0 ? Json.object() : bodyObject();
  }

  /** Sets a response header. Line breaks are dropped. Before the answering method. */
  public void responseHeader(String name, String value) {
    response().setHeader(name, value.replaceAll("[\\r\\n]", ""));
  }

  /** Answers with a document. */
  public void json(int status, JsonNode document) {
    bytes(status, JSON, Json.write(document).getBytes(StandardCharsets.UTF_8));
  }

  /** Answers with text in UTF-8. */
  public void text(int status, String contentType, String text) {
    bytes(status, contentType, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Answers with bytes. */
  public void bytes(int status, String contentType, byte[] bytes) {
    HttpServletResponse response = response();
    response.setStatus(status);
    response.setContentType(contentType);
    response.setContentLength(bytes.length);
    try {
      response.getOutputStream().write(bytes);
      response.flushBuffer();
    } catch (IOException gone) {
      throw new StreamClosed(StreamClosed.Reason.PEER);
    }
  }

  /** Answers 303: what came of a form is to be seen at another path. */
  public void seeOther(String location) {
    responseHeader("Location", location);
    empty(303);
  }

  /** Answers 204, or another status without a body. */
  public void empty(int status) {
    response().setStatus(status);
    context.res().setContentType(null);
  }

  /**
   * Answers 200 with an event stream. The handler keeps the thread until the stream is over, and
   * writes at least a heartbeat every {@link HttpConfig#heartbeat}.
   *
   * @throws Refusal.Unavailable when as many streams are open as may be, or this server stops;
   *     nothing was sent
   */
  public SseStream sse() {
    return open("text/event-stream", SseStream::new);
  }

  /**
   * Answers 200 with a document that is not known yet; otherwise as {@link #sse}.
   *
   * @throws Refusal.Unavailable as {@link #sse}
   */
  public PendingJson pendingJson() {
    return open(JSON, PendingJson::new);
  }

  /**
   * Answers 200 with a document of unknown length; otherwise as {@link #sse}.
   *
   * @throws Refusal.Unavailable as {@link #sse}
   */
  public Download download(String contentType) {
    return open(contentType, Download::new);
  }

  /** The request is over. */
  void over() {
    Runnable last = release;
    release = null;
    if (last != null) {
      last.run();
    }
  }

  @Nullable LongResponse longResponse() {
    return longResponse;
  }

  void problem(Problem problem) {
    if (problem.retryAfter() != null) {
      responseHeader("Retry-After", Long.toString(problem.retryAfterSeconds()));
    }
    if (problem.status() == 401) {
      responseHeader("WWW-Authenticate", "Bearer");
    }
    ObjectNode document = problem.body(path(), requestId, trace.traceId());
    bytes(
        problem.status(),
        Problem.CONTENT_TYPE,
        Json.write(document).getBytes(StandardCharsets.UTF_8));
  }

  private <R extends LongResponse> R open(
      String contentType, java.util.function.Function<java.io.OutputStream, R> make) {
    HttpServletResponse response = response();
    try {
      response.setStatus(200);
      response.setContentType(contentType);
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("X-Accel-Buffering", "no");
      if (context.method().equals(HandlerType.HEAD)) {
        // All that was asked for is said; a stream would be written to nobody until its end.
        throw new StreamClosed(StreamClosed.Reason.PEER);
      }
      release = permit.get();
      R opened = make.apply(response.getOutputStream());
      streams.add(opened);
      longResponse = opened;
      response.flushBuffer();
      return opened;
    } catch (IOException gone) {
      throw new StreamClosed(StreamClosed.Reason.PEER);
    }
  }

  private HttpServletResponse response() {
    HttpServletResponse response = context.res();
    if (response.isCommitted()) {
      throw new IllegalStateException("the request has been answered already");
    }
    return response;
  }

  private static <E extends Enum<E>> Refusal unknownValue(String name, String text, Class<E> type) {
    String known =
        String.join(
            ", ",
            Arrays.stream(type.getEnumConstants())
                .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                .toList());
    return new Refusal.Invalid(
        "unknown_value", name, name + " must be one of " + known + ", not " + Refusal.shown(text));
  }
}

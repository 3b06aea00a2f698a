package io.turnkeeper.http;

import io.javalin.Javalin;
import io.javalin.compression.CompressionStrategy;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.HandlerType;
import io.javalin.router.Endpoint;
import io.javalin.util.JavalinBindException;
import io.javalin.util.JavalinException;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.telemetry.Metrics;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http2.server.HTTP2CServerConnectionFactory;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The HTTP server: HTTP/1.1 and HTTP/2 in clear text, or HTTP/1.1 over TLS, on one port. Each
 * request has a virtual thread of its own.
 *
 * <p>Implementation note: of Javalin it uses the router; what Javalin and Jetty leave open by
 * default (threads, sizes, stop, error pages, idle connections) is set here, once.
 */
public final class HttpServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(HttpServer.class);
  private static final int PLATFORM_THREADS_MAX = 32;
  private static final int PLATFORM_THREADS_MIN = 4;

  /** Room for an id of 10 KB in a path, so that it gets the answer of an unknown id. */
  private static final int REQUEST_HEADER_BYTES_MAX = 32 * 1024;

  private static final int RESPONSE_HEADER_BYTES_MAX = 16 * 1024;

  /** A connection that is kept alive without a request must not hold up a stop. */
  private static final Duration SHUTDOWN_IDLE = Duration.ofMillis(200);

  private final Javalin javalin;
  private final Streams streams;

  private HttpServer(Javalin javalin, Streams streams) {
    this.javalin = javalin;
    this.streams = streams;
  }

  /**
   * Binds the port and serves.
   *
   * @throws Refusal.Unavailable when the address cannot be bound; the message says what to do
   */
  public static HttpServer start(HttpConfig config, List<Route> routes, Metrics metrics) {
    Streams streams = new Streams(config.streamsMax(), metrics);
    RequestCycle cycle = new RequestCycle(config, streams, metrics);
    Javalin javalin = Javalin.create(settings -> configure(settings, config, routes, cycle));
    try {
      javalin.start();
    } catch (JavalinBindException inUse) {
      throw cannotListen(config.host(), config.port());
    }
    return new HttpServer(javalin, streams);
  }

  /**
   * Says early what {@link #start} would say in the end. Binds and lets go: what were only held
   * would let clients connect and wait for a server that may never be there.
   *
   * @throws Refusal.Unavailable when the address cannot be bound; the message says what to do
   */
  public static void checkFree(String host, int port) {
    try (ServerSocketChannel probe = ServerSocketChannel.open()) {
      probe.bind(new InetSocketAddress(host, port));
    } catch (IOException | UnresolvedAddressException taken) {
      throw cannotListen(host, port);
    }
  }

  private static Refusal cannotListen(String host, int port) {
    return new Refusal.Unavailable(
        "address_in_use",
        "cannot listen on "
            + host
            + ":"
            + port
            + ": it is in use or not allowed; stop what holds it, or choose another port with --port",
        Duration.ofSeconds(1));
  }

  /** The port that is bound. */
  public int port() {
    return javalin.port();
  }

  /** Streams that are open now. */
  public int openStreams() {
    return streams.size();
  }

  /**
   * Cuts every open stream and refuses new ones, so that clients go on at another replica. Other
   * requests are still served. May be called more than once.
   */
  public void closeStreams() {
    streams.stop();
  }

  /** Closes the streams, waits for requests under way for at most the stop timeout, then stops. */
  @Override
  public void close() {
    closeStreams();
    try {
      javalin.stop();
    } catch (JavalinException late) {
      log.warn("requests were still under way after the stop timeout, and were cut", late);
    }
  }

  private static void configure(
      JavalinConfig settings, HttpConfig config, List<Route> routes, RequestCycle cycle) {
    settings.startup.showJavalinBanner = false;
    settings.startup.showOldJavalinVersionWarning = false;
    settings.startup.startupWatcherEnabled = false;
    settings.http.compressionStrategy = CompressionStrategy.NONE;
    settings.http.generateEtags = false;
    settings.jetty.threadPool = threads();
    settings.jetty.modifyServer(server -> {
      server.setHandler(new GracefulHandler());
      server.setStopTimeout(config.stopTimeout().toMillis());
      server.setErrorHandler(new ProblemErrors());
    });
    settings.jetty.modifyServletContextHandler(context -> {
      context.setErrorHandler(new ProblemErrors());
      context.getServletHandler().setDecodeAmbiguousURIs(true);
    });
    settings.jetty.modifyHttpConfiguration(HttpServer::tune);
    settings.jetty.addConnector((server, http) -> connector(server, http, config));
    register(settings, routes, cycle);
  }

  /** Platform threads for the selectors, a virtual thread for every request. */
  private static QueuedThreadPool threads() {
    QueuedThreadPool pool = new QueuedThreadPool(PLATFORM_THREADS_MAX, PLATFORM_THREADS_MIN);
    pool.setName("jetty");
    // Not a bounded pool of virtual threads: as many open streams as its bound would starve every
    // other request.
    pool.setVirtualThreadsExecutor(
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("http-", 0).factory()));
    return pool;
  }

  private static void tune(HttpConfiguration http) {
    http.setSendServerVersion(false);
    http.setSendXPoweredBy(false);
    http.setRequestHeaderSize(REQUEST_HEADER_BYTES_MAX);
    http.setResponseHeaderSize(RESPONSE_HEADER_BYTES_MAX);
    // An id may hold any character, also a slash, as %2F.
    http.setUriCompliance(
        UriCompliance.from(
            EnumSet.of(
                UriCompliance.Violation.AMBIGUOUS_PATH_SEPARATOR,
                UriCompliance.Violation.AMBIGUOUS_PATH_ENCODING)));
  }

  private static Connector connector(Server server, HttpConfiguration http, HttpConfig config) {
    HttpConfig.Tls tls = config.tls();
    ServerConnector connector =
        tls == null
            ? new ServerConnector(
                server, new HttpConnectionFactory(http), new HTTP2CServerConnectionFactory(http))
            : new ServerConnector(server, Certificates.read(tls), new HttpConnectionFactory(http));
    connector.setHost(config.host());
    connector.setPort(config.port());
    connector.setIdleTimeout(config.idleTimeout().toMillis());
    connector.setShutdownIdleTimeout(SHUTDOWN_IDLE.toMillis());
    return connector;
  }

  /** Literals before names, so that the order in which the routes were given does not matter. */
  private static void register(JavalinConfig settings, List<Route> routes, RequestCycle cycle) {
    Map<String, Map<String, Route>> byPath = new LinkedHashMap<>();
    routes.stream()
        .sorted(Comparator.comparing(HttpServer::sortKey))
        .forEach(route -> addTo(byPath, route));
    byPath.forEach((path, methods) -> {
      String allowed = allowed(methods.keySet());
      for (HandlerType method : HandlerType.commonHttp()) {
        endpoint(settings, method, path, handlerOf(method, methods, allowed, cycle));
      }
    });
    settings.routes.error(404, context -> noRoute(context, cycle));
  }

  private static void noRoute(Context context, RequestCycle cycle) {
    if (!cycle.answered(context)) {
      cycle.problem(context, Problem.noRoute());
    }
  }

  private static io.javalin.http.Handler handlerOf(
      HandlerType method, Map<String, Route> methods, String allowed, RequestCycle cycle) {
    if (method.equals(HandlerType.OPTIONS)) {
      return context -> cycle.options(context, allowed);
    }
    Route route = methods.get(method.equals(HandlerType.HEAD) ? "GET" : method.name());
    if (route == null) {
      return context -> cycle.wrongMethod(context, allowed);
    }
    return context -> cycle.run(context, route);
  }

  private static void addTo(Map<String, Map<String, Route>> byPath, Route route) {
    Route before =
        byPath
            .computeIfAbsent(route.path(), _ -> new LinkedHashMap<>())
            .put(route.method().name(), route);
    if (before != null) {
      throw new IllegalArgumentException("two routes for " + route.method() + " " + route.path());
    }
  }

  private static void endpoint(
      JavalinConfig settings, HandlerType method, String path, io.javalin.http.Handler handler) {
    settings.routes.addEndpoint(new Endpoint(method, path, handler));
  }

  private static String allowed(Set<String> methods) {
    List<String> all = new ArrayList<>(methods);
    if (methods.contains("GET")) {
      all.add("HEAD");
    }
    all.add("OPTIONS");
    return all.stream().sorted().collect(Collectors.joining(", "));
  }

  private static String sortKey(Route route) {
    return route.path().replaceAll("\\{[^/]*}", "\uffff");
  }
}

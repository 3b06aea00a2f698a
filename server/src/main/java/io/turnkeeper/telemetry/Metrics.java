package io.turnkeeper.telemetry;

import io.prometheus.metrics.core.datapoints.GaugeDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.ExpositionFormats;
import io.prometheus.metrics.instrumentation.jvm.JvmMetrics;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What this process counts, in one registry of its own. Safe for use by many threads; nothing here
 * blocks.
 */
public final class Metrics {
  private static final Logger log = LoggerFactory.getLogger(Metrics.class);
  private static final double[] RUN_SECONDS = {
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600
  };
  private static final double[] REQUEST_SECONDS = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10
  };

  private final PrometheusRegistry registry = new PrometheusRegistry();
  private final ExpositionFormats formats = ExpositionFormats.init();
  private final io.prometheus.metrics.core.metrics.Gauge streams =
      io.prometheus.metrics.core.metrics.Gauge.builder()
          .name("turnkeeper_streams_open")
          .help("Responses that are open and written piece by piece.")
          .register(registry);
  private final GaugeDataPoint openStreams = streams;
  private final Histogram requests =
      Histogram.builder()
          .name("turnkeeper_http_request_duration_seconds")
          .help("HTTP requests, to the end of the answer.")
          .unit(Unit.SECONDS)
          .labelNames("method", "route", "status")
          .classicOnly()
          .classicUpperBounds(REQUEST_SECONDS)
          .register(registry);
  private final Histogram runs =
      Histogram.builder()
          .name("turnkeeper_run_duration_seconds")
          .help("Runs, from the start of the first attempt to the terminal event, by outcome.")
          .unit(Unit.SECONDS)
          .labelNames("outcome")
          .classicOnly()
          .classicUpperBounds(RUN_SECONDS)
          .register(registry);
  private final Counter restores =
      Counter.builder()
          .name("turnkeeper_restores_total")
          .help("How agents got their memory back.")
          .labelNames("mode")
          .register(registry);
  private final Counter events =
      Counter.builder()
          .name("turnkeeper_events_total")
          .help("Events appended to run logs.")
          .register(registry);
  private final Counter snapshots =
      Counter.builder()
          .name("turnkeeper_snapshots_total")
          .help("Snapshots stored.")
          .register(registry);
  private final Counter snapshotBytes =
      Counter.builder()
          .name("turnkeeper_snapshot_added_bytes_total")
          .help("Compressed bytes that snapshots added to the database.")
          .register(registry);

  /** A registry with the JVM's own metrics in it. */
  public Metrics() {
    JvmMetrics.builder().register(registry);
  }

  /** Values that are read when somebody asks for the metrics. */
  public enum Gauge {
    RUNS_PENDING("turnkeeper_runs_pending", "Runs that wait for their turn, all organizations."),
    OLDEST_READY_SECONDS(
        "turnkeeper_oldest_ready_seconds",
        "For how long the oldest conversation has been ready to run."),
    MAILBOXES_READY(
        "turnkeeper_mailboxes_ready", "Conversations that could run now, and wait for a slot."),
    LEASES("turnkeeper_leases", "Conversations that this replica holds."),
    LEASES_MAX("turnkeeper_leases_max", "The most conversations that this replica may hold."),
    POOL_ACTIVE("turnkeeper_db_connections_active", "Database connections in use."),
    POOL_WAITING(
        "turnkeeper_db_connections_waiting", "Threads that wait for a database connection."),
    LIMITED("turnkeeper_limited", "Requests refused for a limit of their tenant since the start."),
    POOL_MAX("turnkeeper_db_connections_max", "The most database connections of the pool.");

    private final String metric;
    private final String help;

    Gauge(String metric, String help) {
      this.metric = metric;
      this.help = help;
    }
  }

  /** Exposes a value. Once per gauge. A source that throws leaves its value out of that scrape. */
  public void watch(Gauge gauge, DoubleSupplier source) {
    GaugeWithCallback.builder()
        .name(gauge.metric)
        .help(gauge.help)
        .callback(callback -> {
          try {
            callback.call(source.getAsDouble());
          } catch (RuntimeException unreadable) {
            log.debug("{} cannot be read", gauge.metric, unreadable);
          }
        })
        .register(registry);
  }

  public void streamOpened() {
    openStreams.inc();
  }

  public void streamClosed() {
    openStreams.dec();
  }

  /**
   * @param route the template, never the path itself: its ids would make a series each
   */
  public void httpRequest(String method, String route, int status, long nanos) {
    requests
        .labelValues(method, route, Integer.toString(status))
        .observe((double) nanos / TimeUnit.SECONDS.toNanos(1));
  }

  /**
   * @param outcome the terminal status
   */
  public void runEnded(String outcome, Duration duration) {
    runs.labelValues(outcome).observe((double) duration.toNanos() / TimeUnit.SECONDS.toNanos(1));
  }

  /**
   * @param mode as in the event {@code worker.ready}
   */
  public void restored(String mode) {
    restores.labelValues(mode).inc();
  }

  public void eventsAppended(int count) {
    events.inc(count);
  }

  public void snapshotStored(long addedBytes) {
    snapshots.inc();
    snapshotBytes.inc(addedBytes);
  }

  /** The metrics as text in the format that the caller's {@code Accept} header asks for. */
  public Exposition scrape(@Nullable String accept) {
    var writer = formats.findWriter(accept);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      writer.write(out, registry.scrape());
    } catch (IOException cannotHappen) {
      throw new UncheckedIOException(cannotHappen);
    }
    return new Exposition(
        writer.getContentType(), out.toString(java.nio.charset.StandardCharsets.UTF_8));
  }

  /** Metrics as text. */
  public record Exposition(String contentType, String text) {}
}

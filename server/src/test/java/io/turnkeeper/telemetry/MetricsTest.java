package io.turnkeeper.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class MetricsTest {
  private final Metrics metrics = new Metrics();

  @Test
  void what_is_counted_can_be_scraped() {
    metrics.runEnded("completed", Duration.ofMillis(300));
    metrics.restored("resume");
    metrics.eventsAppended(3);
    metrics.snapshotStored(1000);
    metrics.httpRequest("GET", "/threads/{thread_id}", 200, 2_000_000);
    metrics.streamOpened();
    metrics.watch(Metrics.Gauge.LEASES, () -> 7);
    String text = metrics.scrape(null).text();
    assertThat(text)
        .contains(
            "turnkeeper_run_duration_seconds_count{outcome=\"completed\"} 1",
            "turnkeeper_restores_total{mode=\"resume\"} 1.0",
            "turnkeeper_events_total 3.0",
            "turnkeeper_snapshots_total 1.0",
            "turnkeeper_snapshot_added_bytes_total 1000.0",
            "route=\"/threads/{thread_id}\"",
            "turnkeeper_streams_open 1.0",
            "turnkeeper_leases 7.0",
            "jvm_memory_used_bytes");
  }

  @Test
  void a_gauge_that_cannot_be_read_spares_the_others() {
    metrics.watch(
        Metrics.Gauge.RUNS_PENDING,
        () -> {
          throw new IllegalStateException("the database is away");
        });
    metrics.watch(Metrics.Gauge.POOL_MAX, () -> 20);
    assertThat(metrics.scrape("text/plain").text()).contains("turnkeeper_db_connections_max 20.0");
  }

  @Test
  void the_format_follows_the_accept_header() {
    assertThat(metrics.scrape("application/openmetrics-text; version=1.0.0").contentType())
        .startsWith("application/openmetrics-text");
    assertThat(metrics.scrape("*/*").contentType()).startsWith("text/plain");
  }
}

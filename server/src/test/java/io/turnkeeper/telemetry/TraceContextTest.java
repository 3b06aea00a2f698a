package io.turnkeeper.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TraceContextTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";

  @Test
  void a_valid_header_is_continued_under_a_new_span() {
    TraceContext context = TraceContext.continuing("00-" + TRACE + "-b7ad6b7169203331-01");
    assertThat(context.traceId()).isEqualTo(TRACE);
    assertThat(context.spanId()).isNotEqualTo("b7ad6b7169203331").hasSize(16);
    assertThat(context.sampled()).isTrue();
    assertThat(TraceContext.parse(context.traceparent())).contains(context);
  }

  @Test
  void a_later_version_may_have_more_fields() {
    assertThat(TraceContext.parse("01-" + TRACE + "-b7ad6b7169203331-00-more")).isPresent();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "nonsense",
        "00-" + TRACE + "-b7ad6b7169203331",
        "00-" + TRACE + "-b7ad6b7169203331-01-more",
        "ff-" + TRACE + "-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-" + TRACE + "-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c8031xx-b7ad6b7169203331-01"
      })
  void an_invalid_header_starts_a_new_trace(String header) {
    assertThat(TraceContext.parse(header)).isEmpty();
    assertThat(TraceContext.continuing(header).traceId()).matches("[0-9a-f]{32}");
  }
}

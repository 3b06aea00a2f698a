package io.turnkeeper.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import io.turnkeeper.base.Json;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.event.KeyValuePair;
import tools.jackson.databind.JsonNode;

class LogLayoutTest {
  private final LoggerContext context = new LoggerContext();

  @AfterEach
  void clear() {
    LogField.clearAll();
  }

  private LogLayout layout(boolean text) {
    context.setMDCAdapter(new ch.qos.logback.classic.util.LogbackMDCAdapter());
    LogLayout layout = new LogLayout();
    layout.setText(text);
    layout.setContext(context);
    layout.start();
    return layout;
  }

  private LoggingEvent event(String message, @Nullable Throwable failure) {
    return new LoggingEvent(
        "fqcn", context.getLogger("io.turnkeeper.Some"), Level.WARN, message, failure, null);
  }

  @Test
  void a_line_is_one_json_object_with_the_stack_in_a_field() {
    LogLayout layout = layout(false);
    LoggingEvent event = event("it\nbroke", new IllegalStateException("why\nso"));
    event.addKeyValuePair(new KeyValuePair("status", 503));
    String line = layout.doLayout(event);
    assertThat(line).endsWith("\n").doesNotContain("\n{");
    assertThat(line.strip().lines()).hasSize(1);
    JsonNode json = Json.parse(line);
    assertThat(json.path("time").asString())
        .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z");
    assertThat(json.path("level").asString()).isEqualTo("WARN");
    assertThat(json.path("logger").asString()).isEqualTo("io.turnkeeper.Some");
    assertThat(json.path("message").asString()).isEqualTo("it\nbroke");
    assertThat(json.path("status").asInt()).isEqualTo(503);
    assertThat(json.path("stack").asString())
        .contains("IllegalStateException: why", "LogLayoutTest");
  }

  @ParameterizedTest
  @CsvSource({
    "key tk_AZqtzY9ZdW2pKJr3S8LQ9g_bm90LWEtcmVhbC1zZWNyZXQtbm90LWEtcmVhbC1zZWNyZXQ, bm90",
    "Authorization: Bearer abcdefghijklmnop, abcdefgh",
    "postgresql://user:hunter2@host/db, hunter2",
    "jdbc?password=hunter2&ssl=true, hunter2",
    "api_key=hunter2, hunter2",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl, eyJzdWIiOiIxIn0",
    "OPENAI sk-proj-abcdefghijklmnop, abcdefgh"
  })
  void secrets_in_known_forms_are_blotted_out(String text, String secret) {
    assertThat(LogLayout.redact(text)).doesNotContain(secret).contains("***");
    assertThat(layout(false).doLayout(event(text, new IllegalStateException(text))))
        .doesNotContain(secret);
    assertThat(layout(true).doLayout(event(text, new IllegalStateException(text))))
        .doesNotContain(secret);
  }

  @Test
  void ordinary_text_is_left_alone() {
    String text = "run 0199-aa failed: token budget 5, task_id tk_x, bearer of news";
    assertThat(LogLayout.redact(text)).isEqualTo(text);
  }

  @Test
  void a_field_is_put_back_after_its_block() {
    LogField.RUN.set("outer");
    try (var _ = LogField.RUN.with("inner")) {
      assertThat(LogField.RUN.value()).isEqualTo("inner");
    }
    assertThat(LogField.RUN.value()).isEqualTo("outer");
    try (var _ = LogField.EPOCH.with("3")) {
      assertThat(LogField.EPOCH.value()).isEqualTo("3");
    }
    assertThat(LogField.EPOCH.value()).isNull();
  }
}

package io.turnkeeper.telemetry;

import ch.qos.logback.classic.pattern.ThrowableProxyConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.LayoutBase;
import io.turnkeeper.base.Json;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.regex.Pattern;
import org.slf4j.event.KeyValuePair;
import tools.jackson.databind.node.ObjectNode;

/**
 * Log lines: one JSON object each, or short text when a person reads them at a terminal. Public
 * because Logback makes it by name. Secrets in known forms are blotted out; code must not rely on
 * that.
 */
public final class LogLayout extends LayoutBase<ILoggingEvent> {
  private static final Pattern SECRET =
      Pattern.compile(
          "tk_[A-Za-z0-9_-]{16,}"
              + "|\\bsk-[A-Za-z0-9_-]{16,}"
              + "|\\beyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*"
              + "|(?<=://)[^/\\s:@]*:[^/\\s@]+(?=@)"
              + "|(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"
              + "|(?i)(?<=(?:password|passwd|secret|api[_-]?key)=)[^\\s&,;\"']+");
  private static final String BLOT = "***";
  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss.SSS");
  private static final DateTimeFormatter UTC =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSX").withZone(ZoneOffset.UTC);

  private final ThrowableProxyConverter stack = new ThrowableProxyConverter();
  private boolean text = System.console() != null && System.console().isTerminal();

  /** JSON lines, unless the process has a terminal. */
  public LogLayout() {}

  /** Text lines when true, JSON lines when false, whatever the process has. */
  public void setText(boolean text) {
    this.text = text;
  }

  @Override
  public void start() {
    stack.start();
    super.start();
  }

  @Override
  public String doLayout(ILoggingEvent event) {
    return text ? textLine(event) : jsonLine(event);
  }

  /** The text with everything blotted out that has the form of a secret. */
  static String redact(String text) {
    return SECRET.matcher(text).replaceAll(BLOT);
  }

  private String jsonLine(ILoggingEvent event) {
    ObjectNode line = Json.object();
    line.put("time", UTC.format(event.getInstant()));
    line.put("level", event.getLevel().toString());
    line.put("logger", event.getLoggerName());
    line.put("message", redact(String.valueOf(event.getFormattedMessage())));
    for (Map.Entry<String, String> field : event.getMDCPropertyMap().entrySet()) {
      line.put(field.getKey(), redact(field.getValue()));
    }
    if (event.getKeyValuePairs() != null) {
      for (KeyValuePair pair : event.getKeyValuePairs()) {
        put(line, pair);
      }
    }
    if (event.getThrowableProxy() != null) {
      line.put("stack", redact(stack.convert(event)));
    }
    return Json.write(line) + "\n";
  }

  private static void put(ObjectNode line, KeyValuePair pair) {
    switch (pair.value) {
      case Integer number -> line.put(pair.key, number);
      case Long number -> line.put(pair.key, number);
      case Boolean flag -> line.put(pair.key, flag);
      case null -> line.putNull(pair.key);
      default -> line.put(pair.key, redact(pair.value.toString()));
    }
  }

  private String textLine(ILoggingEvent event) {
    StringBuilder line = new StringBuilder(120);
    line.append(CLOCK.format(event.getInstant().atZone(ZoneId.systemDefault())));
    line.append(' ').append(event.getLevel()).append(' ').append(event.getFormattedMessage());
    if (event.getKeyValuePairs() != null) {
      event
          .getKeyValuePairs()
          .forEach(pair -> line.append(' ').append(pair.key).append('=').append(pair.value));
    }
    String run = event.getMDCPropertyMap().get(LogField.RUN.key());
    if (run != null) {
      line.append(" run=").append(run);
    }
    line.append('\n');
    if (event.getThrowableProxy() != null) {
      line.append(stack.convert(event));
    }
    return redact(line.toString());
  }
}

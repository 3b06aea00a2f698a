package io.turnkeeper.telemetry;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/**
 * Fields of every log line that the current thread writes. They belong to the thread: work handed
 * to another thread names its own.
 */
public enum LogField {
  ORGANIZATION("organization"),
  CONVERSATION("conversation"),
  RUN("run"),
  EPOCH("epoch"),
  REPLICA("replica"),
  TRACE_ID("trace_id"),
  REQUEST_ID("request_id");

  private final String key;

  LogField(String key) {
    this.key = key;
  }

  /** The name in a log line. */
  public String key() {
    return key;
  }

  /** Sets the field until {@link #clear}, or until the thread ends. */
  public void set(String value) {
    MDC.put(key, value);
  }

  /** Removes the field. */
  public void clear() {
    MDC.remove(key);
  }

  /** The field's value on this thread, if it has one. */
  public @Nullable String value() {
    return MDC.get(key);
  }

  /** Sets the field for a block: {@code try (var field = LogField.RUN.with(id)) {…}}. */
  public Block with(String value) {
    String before = MDC.get(key);
    MDC.put(key, value);
    return new Block(this, before);
  }

  /**
   * The work with this thread's fields as they are now, on whatever thread it runs; without {@link
   * #RUN}, which changes while such a thread lives.
   */
  public static Runnable handedOn(Runnable work) {
    Map<String, String> fields = MDC.getCopyOfContextMap();
    if (fields == null) {
      return work;
    }
    fields.remove(RUN.key);
    return () -> {
      MDC.setContextMap(fields);
      try {
        work.run();
      } finally {
        MDC.clear();
      }
    };
  }

  /** Removes every field of this thread. */
  public static void clearAll() {
    MDC.clear();
  }

  /** Puts back what the field was before. */
  public record Block(LogField field, @Nullable String before) implements AutoCloseable {
    @Override
    public void close() {
      if (before == null) {
        field.clear();
      } else {
        field.set(before);
      }
    }
  }
}

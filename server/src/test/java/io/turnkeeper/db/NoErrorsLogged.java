package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.slf4j.LoggerFactory;

/** Fails a test during which anything logs an ERROR that the test did not announce. */
public final class NoErrorsLogged implements BeforeEachCallback, AfterEachCallback {
  private static final List<String> EXPECTED = new CopyOnWriteArrayList<>();
  private static final Queue<String> ERRORS = new ConcurrentLinkedQueue<>();

  private static final class Watch extends AppenderBase<ILoggingEvent> {
    @Override
    protected void append(ILoggingEvent event) {
      if (event.getLevel().isGreaterOrEqual(Level.ERROR)) {
        ERRORS.add(event.getLoggerName() + ": " + event.getFormattedMessage());
      }
    }
  }

  private final Watch watch = new Watch();

  /** For the rest of this test an ERROR that contains the text is as it should be. */
  public static void expect(String text) {
    EXPECTED.add(text);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    ERRORS.clear();
    EXPECTED.clear();
    watch.setContext(root().getLoggerContext());
    watch.start();
    root().addAppender(watch);
  }

  @Override
  public void afterEach(ExtensionContext context) {
    root().detachAppender(watch);
    watch.stop();
    assertThat(ERRORS)
        .as("errors in the log")
        .allMatch(error -> EXPECTED.stream().anyMatch(error::contains));
  }

  private static Logger root() {
    return (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
  }
}

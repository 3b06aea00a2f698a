package io.turnkeeper.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import io.turnkeeper.config.Settings;
import io.turnkeeper.telemetry.LogLayout;
import java.util.Iterator;
import org.slf4j.LoggerFactory;

/** What this process logs: a replica as its settings say, a command only what goes wrong. */
final class Logs {
  private Logs() {}

  static void ofReplica(Settings.Log settings) {
    root().setLevel(Level.valueOf(settings.level()));
    if (settings.format() == Settings.LogFormat.AUTO) {
      return;
    }
    boolean text = settings.format() == Settings.LogFormat.TEXT;
    for (Iterator<Appender<ILoggingEvent>> all = root().iteratorForAppenders(); all.hasNext(); ) {
      if (all.next() instanceof ConsoleAppender<ILoggingEvent> console
          && console.getEncoder() instanceof LayoutWrappingEncoder<ILoggingEvent> encoder
          && encoder.getLayout() instanceof LogLayout layout) {
        layout.setText(text);
      }
    }
  }

  static void ofCommand() {
    root().setLevel(Level.ERROR);
  }

  private static Logger root() {
    LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
    return context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
  }
}

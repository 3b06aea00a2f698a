package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.node.ObjectNode;

/** What it was measured on: figures mean nothing without it. */
final class Machine {
  private static final Pattern MODEL = Pattern.compile("model name\\s*:\\s*(.+)");
  private static final Pattern MEMORY = Pattern.compile("MemTotal:\\s*(\\d+) kB");

  private Machine() {}

  static ObjectNode facts(Postgres postgres) {
    return Json.object()
        .put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString())
        .put("cores", Runtime.getRuntime().availableProcessors())
        .put("processor", found(Path.of("/proc/cpuinfo"), MODEL))
        .put("memory_kb", found(Path.of("/proc/meminfo"), MEMORY))
        .put("java", Runtime.version().toString())
        .put("postgres", postgres.version())
        .put("load_average", firstWord(Path.of("/proc/loadavg")));
  }

  private static String found(Path file, Pattern pattern) {
    Matcher matcher = pattern.matcher(read(file));
    return matcher.find() ? matcher.group(1).strip() : "unknown";
  }

  private static String firstWord(Path file) {
    String text = read(file);
    int end = text.indexOf(' ');
    return end < 0 ? text : text.substring(0, end);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException unreadable) {
      return "";
    }
  }
}

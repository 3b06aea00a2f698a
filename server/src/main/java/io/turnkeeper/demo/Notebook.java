package io.turnkeeper.demo;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;

/** The agent's files: plain text, one fact or message per line. */
final class Notebook {
  private static final String USER = "user ";
  private static final String AGENT = "agent ";

  /** One message of a session. */
  record Line(boolean isUser, String text) {}

  private final Path memory;
  private final Path sessions;

  Notebook(Path home) {
    memory = home.resolve("memory.txt");
    sessions = home.resolve("sessions");
  }

  /** A new session's id. */
  String open() {
    String session = UUID.randomUUID().toString();
    try {
      Files.createDirectories(sessions);
      Files.createFile(file(session));
    } catch (IOException e) {
      throw new UncheckedIOException("no session can be kept under HOME", e);
    }
    return session;
  }

  private Path file(String session) {
    return sessions.resolve(session + ".txt");
  }

  boolean has(String session) {
    return session.matches("[0-9a-f-]{36}") && Files.exists(file(session));
  }

  List<Line> transcript(String session) {
    List<Line> lines = new ArrayList<>();
    for (String line : read(file(session))) {
      boolean isUser = line.startsWith(USER);
      String text = line.substring(isUser ? USER.length() : AGENT.length());
      lines.add(new Line(isUser, text.translateEscapes()));
    }
    return lines;
  }

  void append(String session, Line line) {
    String escaped = line.text().replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r");
    write(file(session), (line.isUser() ? USER : AGENT) + escaped);
  }

  List<String> facts() throws IOException {
    return Files.exists(memory) ? Files.readAllLines(memory) : List.of();
  }

  void remember(String fact) throws IOException {
    if (!facts().contains(fact)) {
      write(memory, fact);
    }
  }

  /** Drops the facts that mention any of the words; returns how many. */
  int forget(String what) throws IOException {
    List<String> before = facts();
    List<String> words =
        List.of(what.toLowerCase(Locale.ROOT).split("\\W+")).stream()
            .filter(word -> word.length() > 2)
            .toList();
    boolean everything = words.contains("everything") || words.contains("all");
    List<String> kept =
        before.stream()
            .filter(fact -> !everything)
            .filter(fact -> words.stream().noneMatch(fact.toLowerCase(Locale.ROOT)::contains))
            .toList();
    Files.write(memory, kept);
    return before.size() - kept.size();
  }

  private static List<String> read(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void write(Path file, String line) {
    try {
      Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

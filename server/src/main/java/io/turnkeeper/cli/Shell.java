package io.turnkeeper.cli;

import java.io.Console;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * What a command gets from its process.
 *
 * @param terminal whether a person is at both ends
 */
record Shell(
    InputStream in,
    PrintStream out,
    PrintStream err,
    boolean terminal,
    Map<String, String> env,
    Path home) {

  Shell {
    env = Map.copyOf(env);
  }

  /** UTF-8 whatever the locale: JSON and agents' answers are. */
  static Shell ofProcess() {
    return new Shell(
        new FileInputStream(FileDescriptor.in),
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false),
        System.getenv(),
        Path.of(System.getProperty("user.home", "/")));
  }

  Screen screen() {
    boolean styled =
        terminal && env.get("NO_COLOR") == null && !"dumb".equals(env.getOrDefault("TERM", "dumb"));
    return new Screen(out, err, styled);
  }
}

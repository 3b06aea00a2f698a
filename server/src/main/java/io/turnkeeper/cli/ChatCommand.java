package io.turnkeeper.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "chat",
    description = {
      "Send a message to an agent and stream the answer.",
      "Without a message: a conversation on a terminal, else the message is read from stdin.",
      "Ctrl-C cancels the run. The thread's id goes to stderr. When the agent asks for a permission"
          + " and nobody is at the terminal, the run waits, and the status is 5."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  turnkeeper chat opencode \"what is in this directory?\"",
      "  turnkeeper chat opencode --thread 0b1f… \"and in the one above?\"",
      "  git diff | turnkeeper chat reviewer > review.md",
      "  turnkeeper chat opencode"
    })
final class ChatCommand implements Callable<Integer> {
  private static final int STDIN_BYTES_MAX = 16 * 1024 * 1024;

  private final Shell shell;
  @Mixin private ServerOptions server = new ServerOptions();

  @Parameters(index = "0", paramLabel = "AGENT", description = "An agent's name.")
  private String agent = "";

  @Parameters(
      index = "1..*",
      arity = "0..*",
      paramLabel = "MESSAGE",
      description = "What to say; its words are joined by spaces.")
  private List<String> words = new ArrayList<>();

  @Option(
      names = "--thread",
      paramLabel = "ID",
      description = "The conversation. Default: a new one.")
  private Optional<String> thread = Optional.empty();

  @Option(names = "--json", description = "Print each event as a line of JSON.")
  private boolean json;

  ChatCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws IOException {
    String id = thread.orElseGet(() -> UUID.randomUUID().toString());
    if (id.isBlank()) {
      throw new Failure(ExitCode.USAGE, "--thread is empty: leave it out for a new thread");
    }
    try (Api api = server.open(shell)) {
      if (!words.isEmpty()) {
        return once(api, id, String.join(" ", words)).status();
      }
      if (shell.terminal()) {
        return conversation(api, id).status();
      }
      String message = new String(shell.in().readNBytes(STDIN_BYTES_MAX), StandardCharsets.UTF_8);
      if (message.isBlank()) {
        throw new Failure(
            ExitCode.USAGE, "there is no message, neither as an argument nor on stdin");
      }
      // As the shell's $(…) does: the last end of line is no part of what was said.
      return once(api, id, message.replaceFirst("\\R$", "")).status();
    }
  }

  private ExitCode once(Api api, String id, String message) {
    Screen screen = shell.screen();
    screen.remark("thread " + id);
    ChatTurn turn = new ChatTurn(api, new AnswerPrinter(screen, json), this::ask);
    // Ctrl-C ends the process: what is left to do is to tell the server.
    Thread cancel = new Thread(turn::cancel, "cancel");
    Runtime.getRuntime().addShutdownHook(cancel);
    try {
      return turn.run(agent, id, message);
    } finally {
      turn.detach();
      removeHook(cancel);
    }
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException alreadyEnding) {
      // Then it runs, and has nothing left to cancel.
    }
  }

  private Optional<String> ask(String question) {
    if (!shell.terminal()) {
      return Optional.empty();
    }
    shell.err().print(question);
    shell.err().flush();
    try {
      return Optional.ofNullable(
          new BufferedReader(new InputStreamReader(shell.in(), StandardCharsets.UTF_8)).readLine());
    } catch (IOException gone) {
      return Optional.empty();
    }
  }

  private ExitCode conversation(Api api, String first) throws IOException {
    Screen screen = shell.screen();
    String id = first;
    // Now, and not after the first message was typed: is the server there, and the agent?
    api.get("/admin/agents/" + Api.segment(agent));
    screen.remark("thread " + id + "; /new starts another, Ctrl-D ends");
    AtomicReference<Runnable> onInterrupt = new AtomicReference<>(() -> {});
    try (Terminal terminal = TerminalBuilder.builder().system(true).build()) {
      terminal.handle(Terminal.Signal.INT, signal -> onInterrupt.get().run());
      LineReader lines = lineReader(terminal);
      while (true) {
        Optional<String> line = read(screen, lines, "> ");
        if (line.isEmpty()) {
          return ExitCode.OK;
        }
        String message = line.get().strip();
        if (message.equals("/new")) {
          id = UUID.randomUUID().toString();
          screen.remark("thread " + id);
        } else if (!message.isEmpty()) {
          ChatTurn turn =
              new ChatTurn(
                  api, new AnswerPrinter(screen, json), prompt -> read(screen, lines, prompt));
          onInterrupt.set(turn::cancel);
          say(screen, turn, id, message);
          onInterrupt.set(() -> {});
        }
      }
    } catch (UncheckedIOException lost) {
      throw new Failure(ExitCode.FAILED, "the terminal is gone");
    }
  }

  /** A failed run does not end the conversation. */
  private void say(Screen screen, ChatTurn turn, String id, String message) {
    try {
      turn.run(agent, id, message);
    } catch (Failure failure) {
      screen.notice("turnkeeper: " + failure.getMessage());
    }
  }

  private LineReader lineReader(Terminal terminal) throws IOException {
    Path directory = server.dataDirectory(shell);
    Files.createDirectories(directory);
    return LineReaderBuilder.builder()
        .terminal(terminal)
        .appName("turnkeeper")
        .variable(LineReader.HISTORY_FILE, directory.resolve("history"))
        .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
        .build();
  }

  /**
   * Empty at the end of input; an interrupt drops the line. On an empty line the first one only
   * says how to leave: it may have been meant for an answer that was just over.
   */
  private static Optional<String> read(Screen screen, LineReader lines, String prompt) {
    boolean told = false;
    while (true) {
      try {
        return Optional.of(lines.readLine(prompt));
      } catch (UserInterruptException dropped) {
        if (dropped.getPartialLine().isEmpty()) {
          if (told) {
            return Optional.empty();
          }
          told = true;
          screen.remark("Ctrl-D ends, or Ctrl-C once more");
        }
      } catch (EndOfFileException end) {
        return Optional.empty();
      }
    }
  }
}

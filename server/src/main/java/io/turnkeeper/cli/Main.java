package io.turnkeeper.cli;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.config.Units;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command line. {@link #main} is the program's entry. */
@Command(
    name = "turnkeeper",
    scope = ScopeType.INHERIT,
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    sortOptions = false,
    usageHelpWidth = 100,
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0:done",
      "1:failed",
      "2:wrong usage",
      "3:refused by the server, or not found",
      "4:the server cannot be reached",
      "5:the run did not complete",
      "130:interrupted"
    })
public final class Main implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  private Main() {}

  public static void main(String[] args) {
    System.exit(run(Shell.ofProcess(), args));
  }

  /** Runs one command and gives its exit status. */
  static int run(Shell shell, String... args) {
    Logs.ofCommand();
    PrintWriter out = writer(shell.out());
    PrintWriter err = writer(shell.err());
    CommandLine line = commandLine(shell);
    line.setOut(out);
    line.setErr(err);
    line.setColorScheme(
        CommandLine.Help.defaultColorScheme(
            shell.screen().styled() ? CommandLine.Help.Ansi.ON : CommandLine.Help.Ansi.OFF));
    line.registerConverter(Duration.class, Main::duration);
    line.setParameterExceptionHandler((wrong, given) -> usage(shell, wrong));
    line.setExecutionExceptionHandler((thrown, command, parsed) -> failed(shell, thrown));
    return line.execute(args);
  }

  static CommandLine commandLine(Shell shell) {
    CommandLine.IFactory factory = new WithShell(shell);
    CommandLine line = new CommandLine(new Main(), factory);
    for (Class<?> command : COMMANDS) {
      line.addSubcommand(command);
    }
    return line;
  }

  private static final List<Class<?>> COMMANDS =
      List.of(
          UpCommand.class,
          DemoCommand.class,
          AgentCommands.class,
          ChatCommand.class,
          ThreadCommands.class,
          RunCommands.class,
          KeyCommands.class,
          OrgCommands.class,
          ReplicaCommands.class,
          StatusCommand.class,
          DoctorCommand.class,
          AuditCommand.class,
          SecretCommands.class,
          ConfigCommands.class,
          MigrateCommand.class,
          CompletionCommand.class);

  @Override
  public void run() {
    spec.commandLine().usage(spec.commandLine().getOut());
  }

  private static PrintWriter writer(PrintStream stream) {
    return new PrintWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8), true);
  }

  private static Duration duration(String text) {
    try {
      return Units.duration(text);
    } catch (IllegalArgumentException wrong) {
      throw new TypeConversionException(Objects.requireNonNull(wrong.getMessage()));
    }
  }

  private static int usage(Shell shell, ParameterException wrong) {
    CommandLine command = wrong.getCommandLine();
    String message = Objects.requireNonNullElse(wrong.getMessage(), "wrong usage");
    if (wrong instanceof UnmatchedArgumentException unmatched) {
      message = unmatched(unmatched, command.getCommandSpec());
    }
    shell
        .err()
        .println(
            "turnkeeper: %s; see: %s --help"
                .formatted(
                    oneLine(message).replace("option option", "option"),
                    command.getCommandSpec().qualifiedName()));
    return ExitCode.USAGE.status();
  }

  /** A word that fits nothing: what it may have been meant to be. */
  private static String unmatched(UnmatchedArgumentException wrong, CommandSpec command) {
    String word = wrong.getUnmatched().getFirst();
    if (word.startsWith("-")) {
      boolean runsProgram =
          command.positionalParameters().stream()
              .anyMatch(parameter -> parameter.paramLabel().startsWith("COMMAND"));
      return runsProgram
          ? "unknown option %s: is it the program's? Then put -- before the program".formatted(word)
          : "unknown option " + word + suggested(wrong);
    }
    return command.subcommands().isEmpty()
        ? "what is '%s' for? Text with spaces goes in quotes".formatted(word)
        : "unknown command '" + word + "'" + suggested(wrong);
  }

  private static String suggested(UnmatchedArgumentException wrong) {
    List<String> near = wrong.getSuggestions();
    return near.isEmpty() ? "" : ": did you mean %s?".formatted(near.getFirst());
  }

  private static int failed(Shell shell, Exception thrown) {
    return switch (thrown) {
      case Failure failure -> {
        shell.err().println("turnkeeper: " + oneLine(text(failure)));
        yield failure.code().status();
      }
      case Refusal refusal -> {
        shell.err().println("turnkeeper: " + oneLine(text(refusal)));
        yield ExitCode.FAILED.status();
      }
      default -> {
        shell.err().println("turnkeeper: this is a bug, please report it:");
        thrown.printStackTrace(shell.err());
        yield ExitCode.FAILED.status();
      }
    };
  }

  private static String text(Exception thrown) {
    return Objects.requireNonNullElse(thrown.getMessage(), thrown.toString());
  }

  private static String oneLine(String text) {
    return text.replaceAll("\\s*\\R\\s*", " ");
  }

  /** Makes commands that take a {@link Shell}, and everything else as picocli does. */
  private record WithShell(Shell shell) implements CommandLine.IFactory {
    @Override
    public <K> K create(Class<K> type) throws Exception {
      for (Constructor<?> constructor : type.getDeclaredConstructors()) {
        Class<?>[] parameters = constructor.getParameterTypes();
        if (parameters.length == 1 && parameters[0] == Shell.class) {
          return type.cast(constructor.newInstance(shell));
        }
      }
      return CommandLine.defaultFactory().create(type);
    }
  }

  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {"turnkeeper " + (version == null ? "from source" : version)};
    }
  }
}

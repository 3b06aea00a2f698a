package io.turnkeeper.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;

/** Commands on one kind of thing: each asks the server once and prints the answer. */
abstract class Group implements Runnable {
  private static final int CELL_CHARS_MAX = 80;

  private final Shell shell;
  @Spec private CommandSpec spec = CommandSpec.create();

  Group(Shell shell) {
    this.shell = shell;
  }

  /** A group alone is not a command. */
  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "say what to do");
  }

  final CommandSpec spec() {
    return spec;
  }

  final Shell shell() {
    return shell;
  }

  final Screen screen() {
    return shell.screen();
  }

  /** Prints the answer as JSON, or as people read it. */
  final int show(
      ServerOptions server,
      boolean json,
      Function<Api, JsonNode> question,
      Consumer<JsonNode> print) {
    return act(server, question, json ? screen()::json : print);
  }

  final int act(ServerOptions server, Function<Api, JsonNode> question, Consumer<JsonNode> print) {
    try (Api api = server.open(shell)) {
      print.accept(question.apply(api));
    }
    return ExitCode.OK.status();
  }

  /** A column of a table: a field of each row, and how it reads. */
  record Column(String head, String field, Function<JsonNode, String> reads) {
    Column(String field) {
      this(field, value -> Screen.brief(value, CELL_CHARS_MAX));
    }

    Column(String field, Function<JsonNode, String> reads) {
      this(field.replace('_', ' ').toUpperCase(Locale.ROOT), field, reads);
    }
  }

  final void listed(JsonNode items, String whenNone, List<Column> columns) {
    if (items.isEmpty()) {
      screen().remark(whenNone);
      return;
    }
    List<List<String>> rows = new ArrayList<>();
    for (JsonNode item : items) {
      rows.add(
          columns.stream().map(column -> column.reads().apply(item.path(column.field()))).toList());
    }
    screen().table(columns.stream().map(Column::head).toList(), rows);
  }
}

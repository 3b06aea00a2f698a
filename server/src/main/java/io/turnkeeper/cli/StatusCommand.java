package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "status",
    description = "Show how the server is: queue, replicas, leases.",
    footerHeading = "%nExamples:%n",
    footer = {"  turnkeeper status", "  turnkeeper status --json"})
final class StatusCommand implements Callable<Integer> {
  private static final List<String> REPLICA =
      List.of("id", "state", "self", "address", "host", "pid", "leases", "max_leases", "version");

  private final Shell shell;
  @Mixin private ServerOptions server = new ServerOptions();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  StatusCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    Screen screen = shell.screen();
    try (Api api = server.open(shell)) {
      JsonNode status = api.get("/admin/status");
      if (json) {
        screen.json(status);
      } else {
        show(screen, api.url(), status);
      }
    }
    return ExitCode.OK.status();
  }

  private static void show(Screen screen, URI url, JsonNode status) {
    ObjectNode flat = Json.object().put("server", url.toString());
    status
        .properties()
        .forEach(field -> {
          if (!field.getValue().isContainer()) {
            flat.set(field.getKey(), field.getValue());
          }
        });
    status.path("queue").properties().forEach(it -> flat.set(it.getKey(), it.getValue()));
    screen.fields(flat);
    List<List<String>> rows = new ArrayList<>();
    for (JsonNode replica : status.path("replicas")) {
      rows.add(REPLICA.stream().map(field -> Screen.text(replica.path(field))).toList());
    }
    if (!rows.isEmpty()) {
      screen.line("");
      screen.table(
          REPLICA.stream().map(it -> it.replace('_', ' ').toUpperCase(Locale.ROOT)).toList(), rows);
    }
  }
}

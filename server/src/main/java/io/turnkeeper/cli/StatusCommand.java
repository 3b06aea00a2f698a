package io.turnkeeper.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;

@Command(
    name = "status",
    description = "Show how the server is: queue, replicas, leases.",
    footerHeading = "%nExamples:%n",
    footer = {"  turnkeeper status", "  turnkeeper status --json"})
final class StatusCommand implements Callable<Integer> {
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
        screen.line("server  " + api.url());
        screen.fields(status);
      }
    }
    return ExitCode.OK.status();
  }
}

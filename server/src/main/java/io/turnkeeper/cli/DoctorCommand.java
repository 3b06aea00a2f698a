package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.Settings;
import io.turnkeeper.server.Server;
import io.turnkeeper.worker.Wall;
import io.turnkeeper.worker.Workers;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "doctor",
    description = {
      "Say which walls around workers hold on this machine, and what is missing.",
      "Starts a worker as up would with the same settings and user, and looks around from inside."
          + " Exit status 1 when a wall is missing."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  turnkeeper doctor",
      "  turnkeeper doctor --json | jq -r '.walls[] | select(.holds | not) | .todo'",
      "  turnkeeper doctor --set worker.sandbox=bubblewrap"
    })
final class DoctorCommand implements Callable<Integer> {
  private final Shell shell;
  @Mixin private SettingOptions options = new SettingOptions();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  DoctorCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    Settings settings = options.load(shell).settings();
    List<Wall> walls = Workers.examine(Server.walls(settings.worker().walls()), settings.data());
    boolean all = walls.stream().allMatch(Wall::holds);
    Screen screen = shell.screen();
    if (json) {
      ObjectNode answer = Json.object().put("all_hold", all);
      ArrayNode list = answer.putArray("walls");
      for (Wall wall : walls) {
        list.addObject()
            .put("name", wall.name())
            .put("holds", wall.holds())
            .put("detail", wall.detail())
            .put("todo", wall.todo());
      }
      screen.json(answer);
    } else {
      screen.table(
          List.of("WALL", "HOLDS", "WHAT", "TO DO"),
          walls.stream()
              .map(it -> List.of(it.name(), it.holds() ? "yes" : "no", it.detail(), it.todo()))
              .toList());
    }
    return (all ? ExitCode.OK : ExitCode.FAILED).status();
  }
}

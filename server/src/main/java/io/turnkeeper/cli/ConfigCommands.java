package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.ConfigLoader;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.node.ArrayNode;

@Command(name = "config", description = "Settings.")
final class ConfigCommands extends Group {
  ConfigCommands(Shell shell) {
    super(shell);
  }

  @Command(
      name = "print",
      description = {
        "Print every setting: its value, where it comes from, and what is allowed.",
        "Defaults are overruled by the file, the file by the environment, that by flags."
      },
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper config print",
        "  turnkeeper config print --set lease.ttl=10s --json",
        "  TURNKEEPER_LOG_FORMAT=json turnkeeper config print"
      })
  int print(
      @Mixin SettingOptions settings,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    List<ConfigLoader.Shown> all = settings.load(shell()).shown();
    if (json) {
      ArrayNode list = Json.array();
      for (ConfigLoader.Shown one : all) {
        list.addObject()
            .put("name", one.name())
            .put("value", one.value())
            .put("source", one.source())
            .put("range", one.range())
            .put("env", one.env())
            .put("doc", one.doc());
      }
      screen().json(list);
    } else {
      screen()
          .table(
              List.of("NAME", "VALUE", "SOURCE", "ALLOWED", "WHAT"),
              all.stream()
                  .map(
                      one -> List.of(one.name(), one.value(), one.source(), one.range(), one.doc()))
                  .toList());
    }
    return ExitCode.OK.status();
  }
}

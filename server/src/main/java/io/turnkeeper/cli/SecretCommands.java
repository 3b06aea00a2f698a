package io.turnkeeper.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "secrets", description = "The encryption of agents' variables. For the operator.")
final class SecretCommands extends Group {
  SecretCommands(Shell shell) {
    super(shell);
  }

  @Command(
      name = "rotate",
      description = "Encrypt all variables with the first key of secrets.key. May be repeated.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper secrets rotate")
  int rotate(
      @Mixin ServerOptions server,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server,
        json,
        api -> api.post("/admin/secrets/rotate", null),
        answer -> {
          screen().line(Screen.text(answer.path("sealed")) + " versions encrypted anew");
          if (answer.path("unreadable").asInt(0) > 0) {
            screen()
                .line(
                    Screen.text(answer.path("unreadable"))
                        + " stay as they are: their key is not in secrets.key");
          }
        });
  }
}

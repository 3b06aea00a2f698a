package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

@Command(name = "orgs", description = "Organizations: tenants. For the operator only.")
final class OrgCommands extends Group {
  OrgCommands(Shell shell) {
    super(shell);
  }

  @Command(
      name = "create",
      description = "Make an organization and print its admin key, this once only.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs create acme --max-running 20")
  int create(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME") String name,
      @Option(
              names = "--max-running",
              paramLabel = "N",
              description = "Runs of this organization at once.")
          Optional<Integer> maxRunning,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    ObjectNode body = Json.object();
    body.put("name", name);
    maxRunning.ifPresent(it -> body.put("max_running", it));
    return show(
        server,
        json,
        api -> api.post("/admin/organizations", body),
        answer -> {
          screen().line(Screen.text(answer.path("admin_key")));
          screen().remark("the admin key of " + name + "; keep it: it is not shown again");
        });
  }

  @Command(
      name = "list",
      description = "List the organizations.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs list --json")
  int list(
      @Mixin ServerOptions server,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server,
        json,
        api -> api.get("/admin/organizations"),
        answer ->
            listed(
                answer.path("organizations"),
                "no organizations",
                List.of(
                    new Column("id"),
                    new Column("name"),
                    new Column("paused_by"),
                    new Column("max_running"),
                    new Column("created_at"))));
  }
}

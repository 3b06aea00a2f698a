package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

@Command(name = "keys", description = "API keys.")
final class KeyCommands extends Group {
  KeyCommands(Shell shell) {
    super(shell);
  }

  enum Role {
    worker,
    reader,
    client,
    admin
  }

  /** Whose keys. */
  static final class Whose {
    @Option(
        names = "--organization",
        paramLabel = "NAME",
        description = "For the operator: another organization's.")
    private Optional<String> organization = Optional.empty();

    private String query() {
      return organization.map(it -> "?organization=" + Api.segment(it)).orElse("");
    }
  }

  @Command(
      name = "create",
      description = {"Make a key and print it. It is shown this once only."},
      footerHeading = "%nExample:%n",
      footer = {
        "  KEY=$(turnkeeper keys create web --role client)",
        "  KEY=$(turnkeeper keys create gpu-box --role worker --agent gpu)"
      })
  int create(
      @Mixin ServerOptions server,
      @Mixin Whose whose,
      @Parameters(paramLabel = "NAME", description = "What it is for.") String name,
      @Mixin Making making) {
    ObjectNode body = Json.object();
    body.put("name", name);
    body.put("role", making.role.name());
    making.agent.ifPresent(it -> body.put("agent", it));
    return show(
        server,
        making.json,
        api -> api.post("/admin/keys" + whose.query(), body),
        answer -> {
          screen().line(Screen.text(answer.path("key")));
          screen().remark("keep it: it is not shown again");
        });
  }

  /** What kind of key, and how it is printed. */
  static final class Making {
    @Option(
        names = "--role",
        paramLabel = "worker|reader|client|admin",
        description =
            "worker: works for one agent, and nothing else. reader: reads. client: also runs."
                + " admin: everything. Default: client.")
    private Role role = Role.client;

    @Option(
        names = "--agent",
        paramLabel = "NAME",
        description = "With --role worker: the agent of kind remote that it works for.")
    private Optional<String> agent = Optional.empty();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;
  }

  @Command(
      name = "list",
      description = "List the keys, without their secrets.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper keys list")
  int list(
      @Mixin ServerOptions server,
      @Mixin Whose whose,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server,
        json,
        api -> api.get("/admin/keys" + whose.query()),
        answer ->
            listed(
                answer.path("keys"),
                "no keys",
                List.of(
                    new Column("id"),
                    new Column("name"),
                    new Column("role"),
                    new Column("created_at"),
                    new Column("revoked_at"))));
  }

  @Command(
      name = "revoke",
      description = "Revoke a key. It stops working at once.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper keys revoke 0199…")
  int revoke(
      @Mixin ServerOptions server,
      @Mixin Whose whose,
      @Parameters(paramLabel = "ID", description = "As keys list shows it.") String id) {
    return act(
        server,
        api -> api.delete("/admin/keys/" + Api.segment(id) + whose.query()),
        answer -> screen().line("key " + id + " revoked"));
  }
}

package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "replicas",
    description = "The server processes on this database. For the operator only.")
final class ReplicaCommands extends Group {
  ReplicaCommands(Shell shell) {
    super(shell);
  }

  @Command(
      name = "list",
      description = "List the replicas, the newest first, with those that ended within the hour.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper replicas list --json")
  int list(
      @Mixin ServerOptions server,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server, json, api -> api.get("/admin/replicas"), answer -> table(answer.path("replicas")));
  }

  @Command(
      name = "drain",
      description = {
        "Let a replica take no more conversations.",
        "Idle ones it gives back at once, the others when their runs end; it goes on serving"
            + " requests. Undo it with: replicas cap ID --own"
      },
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper replicas drain 7")
  int drain(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "ID", description = "As replicas list shows it.") int id,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server, json, api -> api.post("/admin/replicas/" + id + "/drain", null), this::changed);
  }

  @Command(
      name = "cap",
      description = {
        "Say how many conversations a replica may hold at once.",
        "What it holds above that it gives back: idle ones at once, the others when their runs"
            + " end. 0 drains it. It holds until the process ends."
      },
      footerHeading = "%nExamples:%n",
      footer = {"  turnkeeper replicas cap 7 20", "  turnkeeper replicas cap 7 --own"})
  int cap(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "ID", description = "As replicas list shows it.") int id,
      @Parameters(
              paramLabel = "N",
              arity = "0..1",
              index = "1",
              description = "The most conversations, from 0.")
          Optional<Integer> leases,
      @Option(names = "--own", description = "As many as it was started for.") boolean own,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    if (own == leases.isPresent()) {
      throw new ParameterException(spec().commandLine(), "give either N or --own");
    }
    ObjectNode body = Json.object();
    body.put("max_leases", leases.orElse(null));
    return show(
        server, json, api -> api.post("/admin/replicas/" + id + "/cap", body), this::changed);
  }

  private void changed(JsonNode replica) {
    table(Json.array().add(replica));
  }

  private void table(JsonNode replicas) {
    listed(
        replicas,
        "no replicas",
        List.of(
            new Column("id"),
            new Column("state"),
            new Column("leases"),
            new Column("max_leases"),
            new Column("wanted_leases"),
            new Column("heartbeat_age_ms"),
            new Column("address"),
            new Column("version"),
            new Column("started_at")));
  }
}

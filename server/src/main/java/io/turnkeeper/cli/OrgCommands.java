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

  @Command(
      name = "limits",
      description = "Limit an organization; what is not named stays. A negative number lifts it.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs limits acme --queued 1000 --requests-per-second 50")
  int limits(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME") String name,
      @Mixin Limiting limiting) {
    return show(
        server,
        limiting.json,
        api -> api.post("/admin/organizations/" + Api.segment(name) + "/limits", limiting.body()),
        answer -> screen().fields((ObjectNode) answer.path("limits")));
  }

  @Command(
      name = "pause",
      description = "Start no more of an organization's runs; they wait.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs pause acme")
  int pause(@Mixin ServerOptions server, @Parameters(paramLabel = "NAME") String name) {
    return turn(server, name, "pause");
  }

  @Command(
      name = "resume",
      description = "Start an organization's runs again.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs resume acme")
  int resume(@Mixin ServerOptions server, @Parameters(paramLabel = "NAME") String name) {
    return turn(server, name, "resume");
  }

  @Command(
      name = "delete",
      description = {
        "Delete an organization with its keys, agents, threads, runs and files.",
        "Its log of who did what stays. There is no way back: export its threads first."
      },
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper orgs delete acme --yes")
  int delete(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME") String name,
      @Option(names = "--yes", description = "Do it. Without, nothing is done.") boolean yes) {
    if (!yes) {
      throw new Failure(
          ExitCode.USAGE, "this deletes all that " + name + " has; if that is meant, add --yes");
    }
    return act(
        server,
        api -> api.delete("/admin/organizations/" + Api.segment(name)),
        answer -> screen().line("organization " + name + " is being deleted"));
  }

  private int turn(ServerOptions server, String name, String verb) {
    return act(
        server,
        api -> api.post("/admin/organizations/" + Api.segment(name) + "/" + verb, null),
        answer -> screen().line("organization " + name + ": " + verb + "d"));
  }

  /** The limits that are named. */
  static final class Limiting {
    @Option(names = "--max-running", paramLabel = "N", description = "Runs at once; more wait.")
    private Optional<Long> running = Optional.empty();

    @Option(names = "--requests-per-second", paramLabel = "N", description = "On each replica.")
    private Optional<Long> requests = Optional.empty();

    @Option(names = "--streams", paramLabel = "N", description = "Open at once on each replica.")
    private Optional<Long> streams = Optional.empty();

    @Option(names = "--queued", paramLabel = "N", description = "Runs that have not started.")
    private Optional<Long> queued = Optional.empty();

    @Option(
        names = "--stored-bytes",
        paramLabel = "N",
        description = "Of runs, events and snapshots.")
    private Optional<Long> stored = Optional.empty();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    ObjectNode body() {
      ObjectNode body = Json.object();
      put(body, "max_running", running);
      put(body, "requests_per_second", requests);
      put(body, "streams", streams);
      put(body, "queued", queued);
      put(body, "stored_bytes", stored);
      return body;
    }

    private static void put(ObjectNode body, String field, Optional<Long> limit) {
      limit.ifPresent(max -> {
        if (max < 0) {
          body.putNull(field);
        } else {
          body.put(field, max);
        }
      });
    }
  }
}

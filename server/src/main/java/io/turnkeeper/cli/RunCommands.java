package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;

@Command(name = "runs", description = "Runs: one message and its answer each.")
final class RunCommands extends Group {
  RunCommands(Shell shell) {
    super(shell);
  }

  /** Which runs. */
  static final class Filter {
    @Option(
        names = "--status",
        paramLabel = "S",
        description = "pending, running, waiting, completed, failed, cancelled or timeout.")
    private Optional<String> status = Optional.empty();

    @Option(names = "--agent", paramLabel = "NAME", description = "Only this agent's.")
    private Optional<String> agent = Optional.empty();

    @Option(names = "--thread", paramLabel = "ID", description = "Only this thread's.")
    private Optional<String> thread = Optional.empty();

    @Option(names = "--limit", paramLabel = "N", description = "At most this many. Default: 20.")
    private int limit = 20;

    @Option(
        names = "--cursor",
        paramLabel = "C",
        description = "Go on where next_cursor of the list before says.")
    private Optional<String> cursor = Optional.empty();

    private String query() {
      StringBuilder text = new StringBuilder("?limit=").append(limit);
      status.ifPresent(it -> text.append("&status=").append(Api.segment(it)));
      agent.ifPresent(it -> text.append("&agent=").append(Api.segment(it)));
      thread.ifPresent(it -> text.append("&thread=").append(Api.segment(it)));
      cursor.ifPresent(it -> text.append("&cursor=").append(Api.segment(it)));
      return text.toString();
    }
  }

  @Command(
      name = "list",
      description = "List runs, the latest first.",
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper runs list --status failed --limit 5",
        "  turnkeeper runs list --agent opencode --json"
      })
  int list(
      @Mixin ServerOptions server,
      @Mixin Filter filter,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server,
        json,
        api -> api.get("/admin/runs" + filter.query()),
        answer -> {
          listed(
              answer.path("runs"),
              "no such runs",
              List.of(
                  new Column("run_id"),
                  new Column("thread_id"),
                  new Column("agent"),
                  new Column("status"),
                  new Column("turn"),
                  new Column("attempt"),
                  new Column("created_at")));
          if (answer.path("next_cursor").isString()) {
            screen().remark("more: --cursor " + answer.path("next_cursor").asString());
          }
        });
  }

  @Command(
      name = "show",
      description = "Show a run.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper runs show 0199…")
  int show(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "RUN", description = "The run's id.") String run,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(server, json, api -> api.get("/admin/runs/" + Api.segment(run)), screen()::fields);
  }

  @Command(
      name = "why",
      description = {
        "Say why a run is not running.",
        "Behind which run, which cap, paused by whom, held by whom, waiting until when."
      },
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper runs why 0199…")
  int why(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "RUN", description = "The run's id.") String run,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server, json, api -> api.get("/admin/runs/" + Api.segment(run) + "/why"), screen()::fields);
  }

  @Command(
      name = "cancel",
      description = "Cancel a run, pending or running.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper runs cancel 0199…")
  int cancel(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "RUN", description = "The run's id.") String run) {
    return act(
        server,
        api -> api.post("/admin/runs/" + Api.segment(run) + "/cancel", null),
        answer -> screen().line("run " + run + ": " + state(answer)));
  }

  @Command(
      name = "tail",
      description = {
        "Follow a run's events until it ends.",
        "Ends with status 5 when the run did not complete."
      },
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper runs tail 0199…",
        "  turnkeeper runs tail 0199… --json | jq 'select(.kind == \"agent.update\")'"
      })
  int tail(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "RUN", description = "The run's id.") String run,
      @Option(names = "--after", paramLabel = "SEQ", description = "Skip the events up to this.")
          long after,
      @Option(names = "--json", description = "Print each event as a line of JSON.") boolean json) {
    try (Api api = server.open(shell())) {
      return new RunTail(api, screen(), json).follow(run, after).status();
    }
  }

  @Command(
      name = "answer",
      description = {
        "Answer what a waiting run asks.",
        "What it asks, and the options' ids, are in its event permission.requested: runs tail."
      },
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper runs answer 0199… p1 allow")
  int answer(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "RUN", description = "The run's id.") String run,
      @Parameters(paramLabel = "PERMISSION", description = "The permission's id, such as p1.")
          String permission,
      @Parameters(paramLabel = "OPTION", description = "The id of the option that is chosen.")
          String option) {
    return act(
        server,
        api -> {
          JsonNode asked = api.get("/admin/runs/" + Api.segment(run));
          return api.post(
              "/threads/%s/runs/%s/permissions/%s"
                  .formatted(
                      Api.segment(asked.path("thread_id").asString("")),
                      Api.segment(run),
                      Api.segment(permission)),
              Json.object().put("option_id", option));
        },
        answer -> screen().line("run " + run + ": " + permission + " answered with " + option));
  }

  private static String state(JsonNode answer) {
    return answer.path("status").asString("cancel requested");
  }
}

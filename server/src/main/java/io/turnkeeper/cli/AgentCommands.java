package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import io.turnkeeper.config.Units;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "agent",
    description = "Agents: the programs that answer.",
    subcommands = AgentCommands.Add.class)
final class AgentCommands extends Group {
  private static final int COMMAND_CHARS_SHOWN = 60;

  AgentCommands(Shell shell) {
    super(shell);
  }

  /** Lower case, as the API spells it. */
  enum Kind {
    acp,
    command,
    remote
  }

  enum OnWorkerLoss {
    fail,
    retry,
    resume
  }

  enum Network {
    host,
    none
  }

  enum Permissions {
    allow,
    deny,
    ask
  }

  @Command(
      name = "add",
      description = {
        "Register an agent, or a new version of it when the name exists.",
        "Conversations go on with the new version from their next run."
      },
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper agent add opencode --env OPENAI_API_KEY=… -- opencode acp",
        "  turnkeeper agent add claude --permissions ask -- claude-agent-acp",
        "  turnkeeper agent add upper --kind command -- sh -c 'jq -r .messages[-1].content | tr a-z"
            + " A-Z'",
        "  turnkeeper agent add gpu --kind remote"
      })
  static final class Add implements java.util.concurrent.Callable<Integer> {
    private final Shell shell;
    @Mixin private ServerOptions server = new ServerOptions();

    @Parameters(
        index = "0",
        paramLabel = "NAME",
        description = "1 to 63 of a-z, 0-9, '.', '_' and '-'.")
    private String name = "";

    @Parameters(
        index = "1..*",
        arity = "0..*",
        paramLabel = "COMMAND",
        description =
            "The program and its arguments, after --. No shell reads them. None with --kind"
                + " remote.")
    private List<String> command = new ArrayList<>();

    @Option(
        names = "--kind",
        description =
            "acp: speaks the Agent Client Protocol on stdio. command: one process per run, the"
                + " input on stdin, the answer on stdout. remote: a program elsewhere that connects"
                + " with a key of role worker. Default: ${DEFAULT-VALUE}.",
        paramLabel = "acp|command|remote")
    private Kind kind = Kind.acp;

    @Option(
        names = "--env",
        paramLabel = "K=V",
        description = "A variable for the program, which sees no others. May be repeated.")
    private Map<String, String> env = new LinkedHashMap<>();

    @Option(
        names = "--state",
        paramLabel = "GLOB",
        description = "Files of its HOME to keep. May be repeated. Default: all but caches.")
    private List<String> state = new ArrayList<>();

    @Option(
        names = "--idle-timeout",
        paramLabel = "D",
        description = "How long an idle process is kept. Default: 5m.")
    private Optional<Duration> idleTimeout = Optional.empty();

    @Option(
        names = "--run-timeout",
        paramLabel = "D",
        description = "The longest run, not counting its wait in the queue. Default: 1h.")
    private Optional<Duration> runTimeout = Optional.empty();

    @Option(
        names = "--progress-timeout",
        paramLabel = "D",
        description = "The longest silence in a run. Default: 10m.")
    private Optional<Duration> progressTimeout = Optional.empty();

    @Option(
        names = "--on-worker-loss",
        paramLabel = "fail|retry|resume",
        description =
            "What happens to a run whose process or replica is lost. fail: it fails, and is tried"
                + " again only if it had said nothing. retry: it starts again. resume: it starts"
                + " again, and the agent is told that it was interrupted. Default: fail.")
    private Optional<OnWorkerLoss> onWorkerLoss = Optional.empty();

    @Option(
        names = "--permissions",
        paramLabel = "allow|deny|ask",
        description = "How its requests for permission are answered. Default: ask.")
    private Optional<Permissions> permissions = Optional.empty();

    @Option(
        names = "--permission-timeout",
        paramLabel = "D",
        description = "How long a person may take to answer. Default: 1h.")
    private Optional<Duration> permissionTimeout = Optional.empty();

    @Option(
        names = "--start-timeout",
        paramLabel = "D",
        description = "How long the program may take to be ready. Default: 1m.")
    private Optional<Duration> startTimeout = Optional.empty();

    @Option(
        names = "--max-attempts",
        paramLabel = "N",
        description = "How often a run may be started. Default: 3.")
    private Optional<Integer> maxAttempts = Optional.empty();

    @Option(
        names = "--max-running",
        paramLabel = "N",
        description = "Runs of this agent at once, on all replicas. Default: no cap.")
    private Optional<Integer> maxRunning = Optional.empty();

    @Option(
        names = "--network",
        paramLabel = "host|none",
        description =
            "Whether its processes may use the machine's network. none needs a sandbox on the"
                + " replicas. Default: host.")
    private Optional<Network> network = Optional.empty();

    @Option(
        names = "--memory",
        paramLabel = "SIZE",
        description =
            "Memory of one of its workers with all its processes, such as 512MiB. Default, and at"
                + " most: what the replica's setting worker.memory says.")
    private Optional<String> memory = Optional.empty();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    Add(Shell shell) {
      this.shell = shell;
    }

    @Override
    public Integer call() {
      ObjectNode body = Json.object();
      body.put("name", name);
      body.put("kind", kind.name());
      if (command.isEmpty() && kind != Kind.remote) {
        throw new Failure(
            ExitCode.USAGE, "name the program to run, after --; or --kind remote for none");
      }
      ArrayNode words = body.putArray("command");
      command.forEach(words::add);
      if (!env.isEmpty()) {
        ObjectNode variables = body.putObject("env");
        env.forEach(variables::put);
      }
      if (!state.isEmpty()) {
        ArrayNode globs = body.putArray("state");
        state.forEach(globs::add);
      }
      idleTimeout.ifPresent(it -> body.put("idle_timeout_ms", it.toMillis()));
      runTimeout.ifPresent(it -> body.put("run_timeout_ms", it.toMillis()));
      progressTimeout.ifPresent(it -> body.put("progress_timeout_ms", it.toMillis()));
      onWorkerLoss.ifPresent(it -> body.put("on_worker_loss", it.name()));
      permissions.ifPresent(it -> body.put("permissions", it.name()));
      permissionTimeout.ifPresent(it -> body.put("permission_timeout_ms", it.toMillis()));
      startTimeout.ifPresent(it -> body.put("start_timeout_ms", it.toMillis()));
      maxAttempts.ifPresent(it -> body.put("max_attempts", it));
      network.ifPresent(it -> body.put("network", it.name()));
      memory.ifPresent(it -> body.put("memory_bytes", bytes(it)));
      maxRunning.ifPresent(it -> body.put("max_running", it));
      Screen screen = shell.screen();
      try (Api api = server.open(shell)) {
        JsonNode agent = api.post("/admin/agents", body);
        if (json) {
          screen.json(agent);
        } else {
          screen.line(
              "agent %s, version %s; try: turnkeeper chat %s \"hello\""
                  .formatted(name, Screen.text(agent.path("version")), name));
        }
      }
      return ExitCode.OK.status();
    }

    private static long bytes(String size) {
      try {
        return Units.size(size);
      } catch (IllegalArgumentException wrong) {
        throw new Failure(ExitCode.USAGE, "--memory: " + wrong.getMessage());
      }
    }
  }

  @Command(
      name = "list",
      description = "List the agents.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper agent list --json | jq -r '.agents[].name'")
  int list(
      @Mixin ServerOptions server,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server,
        json,
        api -> api.get("/admin/agents"),
        answer ->
            listed(
                answer.path("agents"),
                "no agents yet; add one with: turnkeeper agent add NAME -- COMMAND",
                List.of(
                    new Column("name"),
                    new Column("version"),
                    new Column("kind"),
                    new Column("paused_by"),
                    new Column("command", AgentCommands::commandLine))));
  }

  @Command(
      name = "show",
      description = "Show an agent; the values of its variables stay hidden.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper agent show opencode")
  int show(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME", description = "The agent's name.") String name,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server, json, api -> api.get("/admin/agents/" + Api.segment(name)), screen()::fields);
  }

  @Command(
      name = "remove",
      description = "Remove an agent. Its conversations stay readable.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper agent remove opencode")
  int remove(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME", description = "The agent's name.") String name) {
    return act(
        server,
        api -> api.delete("/admin/agents/" + Api.segment(name)),
        answer -> screen().line("agent " + name + " removed"));
  }

  @Command(
      name = "pause",
      description = "Start no more of an agent's runs; they wait.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper agent pause opencode")
  int pause(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME", description = "The agent's name.") String name) {
    return turn(server, name, "pause");
  }

  @Command(
      name = "resume",
      description = "Start an agent's runs again.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper agent resume opencode")
  int resume(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "NAME", description = "The agent's name.") String name) {
    return turn(server, name, "resume");
  }

  private int turn(ServerOptions server, String name, String verb) {
    return act(
        server,
        api -> api.post("/admin/agents/" + Api.segment(name) + "/" + verb, null),
        answer -> screen().line("agent " + name + ": " + verb.toLowerCase(Locale.ROOT) + "d"));
  }

  private static String commandLine(JsonNode command) {
    StringBuilder text = new StringBuilder();
    command.forEach(word -> text.append(text.isEmpty() ? "" : " ").append(word.asString()));
    return Screen.brief(Json.MAPPER.valueToTree(text.toString()), COMMAND_CHARS_SHOWN);
  }
}

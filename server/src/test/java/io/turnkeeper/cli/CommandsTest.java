package io.turnkeeper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.agents.AgentDefinition;
import io.turnkeeper.base.Json;
import io.turnkeeper.cli.FakeServer.Answer;
import io.turnkeeper.config.Units;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

class CommandsTest {
  private static final String RUN = "/threads/t1/runs/r1";

  @TempDir private Path home;
  private FakeServer server;
  private final Map<String, String> env = new HashMap<>();
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();
  private String stdin = "";

  CommandsTest() throws IOException {
    server = new FakeServer();
  }

  @BeforeEach
  void knowTheServer() {
    env.put("TURNKEEPER_URL", server.url());
    env.put("TURNKEEPER_API_KEY", "tk_secret");
  }

  @AfterEach
  void close() {
    server.close();
  }

  @Test
  void adding_an_agent_sends_all_that_was_said() {
    server.on("POST /admin/agents", Answer.json(201, "{\"name\":\"a\",\"version\":3}"));

    int status =
        run(
            "agent",
            "add",
            "a",
            "--kind",
            "command",
            "--env",
            "K=v=w",
            "--env",
            "L=",
            "--state",
            "*.db",
            "--idle-timeout",
            "1m30s",
            "--on-worker-loss",
            "retry",
            "--permissions",
            "deny",
            "--",
            "sh",
            "-c",
            "echo --json");

    assertThat(status).isZero();
    JsonNode body = Json.parse(server.asked().getFirst().body());
    assertThat(Json.write(body))
        .isEqualTo(
            Json.write(
                Json.parse(
                    """
                    {"name":"a","kind":"command","command":["sh","-c","echo --json"],
                     "env":{"K":"v=w","L":""},"state":["*.db"],"idle_timeout_ms":90000,
                     "on_worker_loss":"retry","permissions":"deny"}
                    """)));
    assertThat(server.asked().getFirst().key()).isEqualTo("tk_secret");
    assertThat(text(out)).contains("agent a, version 3");
  }

  @Test
  void a_word_that_fits_nothing_is_answered_with_what_it_may_have_been() {
    assertThat(run("agnet", "list")).isEqualTo(2);
    assertThat(text(err)).contains("unknown command 'agnet'").contains("did you mean agent?");
    err.reset();
    assertThat(run("agent", "add", "a", "opencode", "acp", "--foo")).isEqualTo(2);
    assertThat(text(err)).contains("put -- before the program");
    err.reset();
    assertThat(run("agent", "add", "a", "--env", "FOO", "--", "cat")).isEqualTo(2);
    assertThat(text(err)).contains("--env").doesNotContain("option option");
  }

  @Test
  void an_organization_is_deleted_only_when_that_is_said_twice() {
    server.on("DELETE /admin/organizations/acme", Answer.json(202, "{\"deleting\":true}"));

    assertThat(run("orgs", "delete", "acme")).isEqualTo(2);
    assertThat(text(err)).contains("--yes");
    assertThat(server.asked()).isEmpty();
    assertThat(run("orgs", "delete", "acme", "--yes")).isZero();
    assertThat(text(out)).contains("acme is being deleted");
  }

  @Test
  void an_export_is_a_file_only_when_it_is_whole() throws IOException {
    Path into = home.resolve("t1.json");
    Answer broken = new Answer(200, "application/json", Map.of(), "{\"runs\":[", true);
    server.on("GET /threads/t1/export", broken, Answer.json(200, "{\"runs\":[]}"));

    assertThat(run("threads", "export", "t1", "--out", into.toString())).isEqualTo(4);
    assertThat(into).doesNotExist();
    assertThat(run("threads", "export", "t1", "--out", into.toString())).isZero();
    assertThat(into).hasContent("{\"runs\":[]}");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(into)))
        .isEqualTo("rw-------");
    assertThat(run("threads", "export", "t1")).isZero();
    assertThat(text(out)).contains("{\"runs\":[]}");
  }

  @Test
  void what_a_waiting_run_asks_is_answered_by_its_id() {
    server.on("GET /admin/runs/r1", Answer.json(200, "{\"thread_id\":\"t1\"}"));
    server.on("POST " + RUN + "/permissions/p1", Answer.json(200, "{}"));

    assertThat(run("runs", "answer", "r1", "p1", "allow")).isZero();
    assertThat(server.asked().getLast().body()).isEqualTo("{\"option_id\":\"allow\"}");
  }

  @Test
  void the_defaults_that_the_help_names_are_the_defaults() {
    AgentDefinition.Timeouts timeouts = AgentDefinition.Timeouts.DEFAULT;
    assertThat(run("agent", "add", "--help")).isZero();
    String help = text(out).replaceAll("\\s+", " ");
    for (Duration each :
        List.of(
            timeouts.idle(),
            timeouts.run(),
            timeouts.progress(),
            timeouts.start(),
            timeouts.permission())) {
      assertThat(help).contains("Default: " + Units.show(each) + ".");
    }
  }

  @Test
  void replicas_are_listed_capped_and_drained() {
    String row =
        """
        {"id":7,"state":"live","leases":3,"max_leases":20,"wanted_leases":20,
         "heartbeat_age_ms":40,"address":"http://h:1","version":"0.1","started_at":"now"}
        """;
    server.on("GET /admin/replicas", Answer.json(200, "{\"replicas\":[" + row + "]}"));
    server.on("POST /admin/replicas/7/cap", Answer.json(200, row));
    server.on("POST /admin/replicas/7/drain", Answer.json(200, row));

    assertThat(run("replicas", "list")).isZero();
    assertThat(text(out)).contains("WANTED LEASES").contains("http://h:1");
    assertThat(run("replicas", "cap", "7", "20")).isZero();
    assertThat(run("replicas", "cap", "7", "--own")).isZero();
    assertThat(run("replicas", "drain", "7", "--json")).isZero();
    assertThat(server.asked().stream().map(FakeServer.Asked::body).toList())
        .containsExactly("", "{\"max_leases\":20}", "{\"max_leases\":null}", "{}");
    assertThat(run("replicas", "cap", "7")).isEqualTo(2);
    assertThat(run("replicas", "cap", "7", "20", "--own")).isEqualTo(2);
  }

  @Test
  void a_list_is_a_table_for_people_and_json_for_programs() {
    server.on(
        "GET /admin/agents",
        Answer.json(
            200,
            """
            {"agents":[{"name":"a","version":3,"kind":"acp","command":["x","y z"],"paused_by":null}]}
            """));

    assertThat(run("agent", "list")).isZero();
    assertThat(text(out).lines().toList())
        .containsExactly(
            "NAME  VERSION  KIND  PAUSED BY  COMMAND", "a     3        acp   -          x y z");

    out.reset();
    assertThat(run("agent", "list", "--json")).isZero();
    assertThat(Json.parse(text(out)).path("agents").path(0).path("name").asString()).isEqualTo("a");
  }

  @Test
  void an_empty_list_says_what_to_do_on_stderr_only() {
    server.on("GET /admin/agents", Answer.json(200, "{\"agents\":[]}"));

    assertThat(run("agent", "list")).isZero();
    assertThat(text(out)).isEmpty();
    assertThat(text(err)).contains("turnkeeper agent add");
  }

  @Test
  void a_refusal_is_one_line_with_its_code_and_status_3() {
    server.on(
        "GET /admin/agents/nobody",
        Answer.json(
            404,
            "{\"status\":404,\"detail\":\"no such agent: nobody\",\"code\":\"agent_not_found\"}"));

    assertThat(run("agent", "show", "nobody")).isEqualTo(3);
    assertThat(text(err))
        .isEqualTo("turnkeeper: no such agent: nobody [agent_not_found]" + System.lineSeparator());
  }

  @Test
  void a_server_that_is_away_is_status_4_and_says_how_to_start_one() {
    env.put("TURNKEEPER_URL", "http://127.0.0.1:1");
    assertThat(run("status")).isEqualTo(4);
    assertThat(text(err)).contains("nothing listens there").contains("turnkeeper up");
    assertThat(text(err).lines()).hasSize(1);
  }

  @Test
  void no_known_server_is_status_4() {
    env.clear();
    assertThat(run("status")).isEqualTo(4);
    assertThat(text(err)).contains("turnkeeper up");
  }

  @Test
  void wrong_usage_is_status_2_and_one_line() {
    assertThat(run("agent", "add")).isEqualTo(2);
    assertThat(run("nonsense")).isEqualTo(2);
    assertThat(run("agent")).isEqualTo(2);
    assertThat(run("agent", "add", "a", "--idle-timeout", "5", "--", "x")).isEqualTo(2);
    assertThat(text(err).lines()).hasSize(4).allMatch(line -> line.contains("--help"));
  }

  @Test
  void stored_credentials_are_found_and_their_key_goes_to_their_server_only() {
    env.clear();
    new Credentials(server.url(), "tk_stored").write(home.resolve(".turnkeeper"));
    server.on("GET /admin/status", Answer.json(200, "{}"));

    assertThat(run("status")).isZero();
    try (FakeServer other = new FakeServer()) {
      other.on("GET /admin/status", Answer.json(200, "{}"));
      assertThat(run("status", "--url", other.url())).isZero();
      assertThat(other.asked().getFirst().key()).isEqualTo("null");
    } catch (IOException failed) {
      throw new java.io.UncheckedIOException(failed);
    }
    assertThat(server.asked().getFirst().key()).isEqualTo("tk_stored");
  }

  @Test
  void credentials_are_readable_by_their_owner_only() throws IOException {
    Credentials written = new Credentials("http://127.0.0.1:8787", "tk_stored");
    written.write(home);

    assertThat(Credentials.read(home)).contains(written);
    assertThat(
            PosixFilePermissions.toString(Files.getPosixFilePermissions(Credentials.fileIn(home))))
        .isEqualTo("rw-------");
  }

  @Test
  void a_key_is_printed_alone_on_stdout_once() {
    server.on("POST /admin/keys", Answer.json(201, "{\"id\":\"1\",\"key\":\"tk_new\"}"));

    assertThat(run("keys", "create", "web", "--role", "reader")).isZero();
    assertThat(text(out)).isEqualTo("tk_new" + System.lineSeparator());
    assertThat(text(err)).doesNotContain("tk_new").doesNotContain("tk_secret");
    assertThat(server.asked().getFirst().body()).contains("\"role\":\"reader\"");
  }

  @Test
  void a_chat_prints_the_answer_and_nothing_else_when_piped() {
    server
        .on(
            "POST /threads/t1/runs/stream",
            Answer.events(
                RUN + "/stream",
                chunk("1.1", "agent_thought_chunk", "hm")
                    + chunk("1.2", "agent_message_chunk", "Grüß ")
                    + ": heartbeat\n"
                    + "event: custom\nid: 1.3\ndata: {\"sessionUpdate\":\"tool_call\",\"title\":\"x\"}\n\n"
                    + chunk("1.4", "agent_message_chunk", "dich"),
                false))
        .on("GET " + RUN, Answer.json(200, "{\"status\":\"success\"}"));

    assertThat(run("chat", "a", "--thread", "t1", "hello", "you")).isZero();
    assertThat(text(out)).isEqualTo("Grüß dich" + System.lineSeparator());
    assertThat(text(err)).isEqualTo("thread t1" + System.lineSeparator());
    JsonNode body = Json.parse(server.asked().getFirst().body());
    assertThat(body.path("assistant_id").asString()).isEqualTo("a");
    assertThat(body.path("input").path("messages").path(0).path("content").asString())
        .isEqualTo("hello you");
  }

  @Test
  void a_message_may_come_from_stdin() {
    stdin = "from a pipe\n";
    server
        .on("POST /threads/t1/runs/stream", Answer.events(RUN + "/stream", "", false))
        .on("GET " + RUN, Answer.json(200, "{\"status\":\"success\"}"));

    assertThat(run("chat", "a", "--thread", "t1")).isZero();
    assertThat(server.asked().getFirst().body()).contains("from a pipe");
  }

  @Test
  void a_lost_connection_is_joined_again_after_the_last_event_that_was_seen() {
    server
        .on(
            "POST /threads/t1/runs/stream",
            Answer.events(RUN + "/stream", chunk("1.2", "agent_message_chunk", "one "), true))
        .on(
            "GET " + RUN + "/stream",
            Answer.events(RUN + "/stream", chunk("1.3", "agent_message_chunk", "two"), false))
        .on("GET " + RUN, Answer.json(200, "{\"status\":\"success\"}"));

    assertThat(run("chat", "a", "--thread", "t1", "hi")).isZero();
    assertThat(text(out)).contains("one ").contains("two");
    assertThat(
            server.asked().stream()
                .filter(asked -> asked.line().equals("GET " + RUN + "/stream"))
                .map(FakeServer.Asked::lastEventId))
        .containsExactly("1.2");
  }

  @Test
  void a_stream_that_ends_before_its_run_is_joined_again() {
    server
        .on("POST /threads/t1/runs/stream", Answer.events(RUN + "/stream", "", false))
        .on(
            "GET " + RUN + "/stream",
            Answer.events(RUN + "/stream", chunk("1.1", "agent_message_chunk", "late"), false))
        .on(
            "GET " + RUN,
            Answer.json(200, "{\"status\":\"running\"}"),
            Answer.json(200, "{\"status\":\"success\"}"));

    assertThat(run("chat", "a", "--thread", "t1", "hi")).isZero();
    assertThat(text(out)).contains("late");
  }

  @Test
  void a_run_that_fails_is_status_5_and_says_why() {
    server
        .on(
            "POST /threads/t1/runs/stream",
            Answer.events(
                RUN + "/stream",
                "event: error\ndata: {\"error\":\"agent_died\",\"message\":\"exit status 7\"}\n\n",
                false))
        .on("GET " + RUN, Answer.json(200, "{\"status\":\"error\"}"));

    assertThat(run("chat", "a", "--thread", "t1", "hi")).isEqualTo(5);
    assertThat(text(err)).contains("exit status 7");
  }

  @Test
  void a_permission_is_asked_once_and_answered_with_the_choice() {
    String asks =
        """
        event: updates
        id: 1.2
        data: {"__interrupt__":[{"id":"p1","value":{"type":"permission","permission_id":"p1",\
        "tool_call":{"title":"rm -rf"},"options":[{"optionId":"yes","name":"Allow"},\
        {"optionId":"no","name":"Reject"}]}}]}

        """;
    server
        .on("POST /threads/t1/runs/stream", Answer.events(RUN + "/stream", asks + asks, false))
        .on("POST " + RUN + "/permissions/p1", Answer.json(200, "{}"))
        .on("GET " + RUN, Answer.json(200, "{\"status\":\"success\"}"));
    Deque<String> typed = new ArrayDeque<>(List.of("maybe", "3", "2"));

    try (Api api = new Api(URI.create(server.url()), "tk_secret")) {
      AnswerPrinter printer = new AnswerPrinter(shell().screen(), false);
      ExitCode end =
          new ChatTurn(api, printer, question -> Optional.of(typed.removeFirst()))
              .run("a", "t1", "hi");
      assertThat(end).isEqualTo(ExitCode.OK);
    }

    assertThat(text(err)).contains("rm -rf").contains("1  Allow").contains("2  Reject");
    assertThat(
            server.asked().stream()
                .filter(asked -> asked.line().contains("/permissions/"))
                .map(FakeServer.Asked::body))
        .containsExactly("{\"option_id\":\"no\"}");
  }

  @Test
  void tail_prints_every_event_once_and_ends_with_the_run() {
    server
        .on(
            "GET /admin/runs/r1",
            Answer.json(200, "{\"status\":\"running\"}"),
            Answer.json(200, "{\"status\":\"failed\"}"))
        .on(
            "GET /admin/runs/r1/events?after=0&limit=500",
            Answer.json(200, "{\"events\":[{\"seq\":1,\"kind\":\"run.started\",\"data\":{}}]}"))
        .on(
            "GET /admin/runs/r1/events?after=1&limit=500",
            Answer.json(200, "{\"events\":[{\"seq\":2,\"kind\":\"run.failed\",\"data\":{}}]}"));

    assertThat(run("runs", "tail", "r1", "--json")).isEqualTo(5);
    assertThat(text(out).lines().map(line -> Json.parse(line).path("seq").asInt(0)))
        .containsExactly(1, 2);
  }

  @Test
  void what_an_agent_says_cannot_move_the_cursor_of_a_table() {
    server.on("GET /admin/agents/a", Answer.json(200, "{\"name\":\"a\\u001b[2J\",\"other\":null}"));

    assertThat(run("agent", "show", "a")).isZero();
    assertThat(text(out)).doesNotContain("\u001b").contains("other  -");
  }

  @Test
  void every_command_has_a_help_with_an_example_and_the_exit_statuses() {
    List<CommandLine> all = leaves(Main.commandLine(shell()));
    assertThat(all).hasSizeGreaterThan(20);
    for (CommandLine command : all) {
      assertThat(command.getUsageMessage(CommandLine.Help.Ansi.OFF))
          .as(command.getCommandSpec().qualifiedName())
          .contains("Exit status:")
          .contains("Example");
    }
  }

  @Test
  void the_completion_script_knows_every_command() {
    assertThat(run("completion")).isZero();
    assertThat(text(out)).contains("agent").contains("--on-worker-loss").contains("complete -F");
  }

  @Test
  void config_print_masks_passwords() {
    env.put("TURNKEEPER_DATABASE_URL", "postgresql://me:hunter2@db/x");
    assertThat(run("config", "print")).isZero();
    assertThat(text(out)).contains("me:***@db/x").doesNotContain("hunter2");
    out.reset();
    assertThat(run("config", "print", "--json")).isZero();
    assertThat(text(out)).doesNotContain("hunter2");
  }

  private static List<CommandLine> leaves(CommandLine line) {
    return line.getSubcommands().isEmpty()
        ? List.of(line)
        : line.getSubcommands().values().stream().flatMap(it -> leaves(it).stream()).toList();
  }

  private static String chunk(String id, String kind, String text) {
    return "event: custom\nid: %s\ndata: {\"sessionUpdate\":\"%s\",\"content\":{\"type\":\"text\",\"text\":\"%s\"}}\n\n"
        .formatted(id, kind, text);
  }

  private int run(String... args) {
    return Main.run(shell(), args);
  }

  private Shell shell() {
    return new Shell(
        new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)),
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8),
        false,
        env,
        home);
  }

  private static String text(ByteArrayOutputStream stream) {
    return stream.toString(StandardCharsets.UTF_8);
  }
}

package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "demo",
    description = {
      "Show the main job, end to end, in a scratch directory.",
      "Two replicas on an embedded PostgreSQL; a message and its streamed answer; the replica that"
          + " answers killed in the middle of an answer, which the other one finishes; everything"
          + " stopped, the working files wiped, a fresh replica: the agent remembers. Every claim"
          + " is checked. Nothing stays behind."
    },
    footerHeading = "%nExample:%n",
    footer = "  turnkeeper demo")
final class DemoCommand implements Callable<Integer> {
  private static final String AGENT = "demo";
  private static final String FACT = "Ada Lovelace";
  private static final String FIRST = "Hello! My name is " + FACT;
  private static final String LONG = "Count to 6 slowly, please";
  private static final String LAST_WORD = "6.";
  private static final int PIECES_BEFORE_KILL = 2;
  private static final String SECOND = "What do you remember about me?";
  private static final int LOG_LINES_SHOWN = 30;

  private final Screen screen;
  private final Path temporary;
  private final UUID thread = UUID.randomUUID();
  private final long started = System.nanoTime();
  private final CountDownLatch cleaned = new CountDownLatch(1);

  private volatile boolean interrupted;
  private int step;
  private String key = "";

  DemoCommand(Shell shell) {
    this.screen = shell.screen();
    String wanted = shell.env().getOrDefault("TMPDIR", "");
    this.temporary = Path.of(wanted.isBlank() ? System.getProperty("java.io.tmpdir") : wanted);
  }

  @Override
  public Integer call() throws Exception {
    DemoScratch scratch = new DemoScratch(temporary);
    Thread onInterrupt =
        new Thread(
            () -> {
              interrupted = true;
              clean(scratch);
            },
            "demo-clean");
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    try {
      play(scratch);
    } catch (Failure | Refusal | IOException failure) {
      if (interrupted) {
        cleaned.await(); // the hook ends the process
      }
      DemoReplica.tail(scratch.log(), LOG_LINES_SHOWN).forEach(screen::remark);
      throw new Failure(
          ExitCode.FAILED, "the demo failed in step " + step + ": " + failure.getMessage());
    } finally {
      if (!interrupted) {
        clean(scratch);
        Runtime.getRuntime().removeShutdownHook(onInterrupt);
      }
    }
    Path directory = scratch.directory();
    check(!Files.exists(directory), "the scratch directory is still there: " + directory);
    check(scratch.leftProcesses().isEmpty(), "processes of the demo are still running");
    farewell();
    return ExitCode.OK.status();
  }

  private void play(DemoScratch scratch) throws IOException, InterruptedException {
    announce("Start a PostgreSQL of the demo's own, and two replicas that share it");
    List<DemoReplica> both = startTwo(scratch);

    announce("Register an agent: a small ACP program, shipped in the jar");
    try (Api api = api(both.getFirst())) {
      api.post("/admin/agents", agent(scratch));
      done("any program that speaks ACP will do: OpenCode, Claude Code, Codex, Gemini CLI");
    }

    announce("Send a message; the answer streams, and is durable before you see it");
    DemoReplica holder;
    try (Api api = api(both.getFirst())) {
      AnswerPrinter answer =
          talk(new ChatTurn(api, printer(), question -> Optional.empty()), FIRST);
      check(answer.chunks() > 1, "the answer came in one piece: it did not stream");
      check(answer.spread().isPositive(), "the answer's pieces came all at once");
      holder = answering(api, both);
      done(
          "%d pieces over %d ms, from the agent's process %s on replica %s"
              .formatted(
                  answer.chunks(),
                  answer.spread().toMillis(),
                  numbers(DemoScratch.processes(scratch.marker())),
                  name(both, holder)));
    }

    DemoReplica survivor = both.getFirst() == holder ? both.getLast() : both.getFirst();
    announce("Kill the replica that is answering, in the middle of an answer");
    killWhileItAnswers(scratch, both, holder);

    announce("Stop the other one too, and wipe all working files");
    Set<Long> before = stopAndWipe(scratch, survivor);

    announce("Start a fresh replica on the same database, and ask");
    remember(scratch, before);
  }

  private List<DemoReplica> startTwo(DemoScratch scratch) throws IOException {
    long from = System.nanoTime();
    scratch.startPostgres();
    CompletableFuture<DemoReplica> a = starting(scratch, "a");
    CompletableFuture<DemoReplica> b = starting(scratch, "b");
    List<DemoReplica> both = List.of(joined(a), joined(b));
    key =
        Stream.of("a", "b")
            .map(scratch::data)
            .flatMap(data -> Credentials.read(data).stream())
            .map(Credentials::key)
            .findFirst()
            .orElseThrow(
                () -> new Failure(ExitCode.FAILED, "the first start stored no credentials"));
    done("PostgreSQL and both replicas are ready after " + since(from));
    for (DemoReplica one : both) {
      done("replica %s at %s, process %d".formatted(name(both, one), one.url(), one.pid()));
    }
    return both;
  }

  private static CompletableFuture<DemoReplica> starting(DemoScratch scratch, String name) {
    CompletableFuture<DemoReplica> replica = new CompletableFuture<>();
    Thread.ofVirtual()
        .name("demo-start-" + name)
        .start(() -> {
          try {
            replica.complete(scratch.startReplica(name));
          } catch (IOException | InterruptedException | RuntimeException failed) {
            replica.completeExceptionally(failed);
          }
        });
    return replica;
  }

  private static DemoReplica joined(CompletableFuture<DemoReplica> replica) throws IOException {
    try {
      return replica.join();
    } catch (CompletionException failed) {
      throw new IOException(
          Optional.ofNullable(failed.getCause()).map(Throwable::getMessage).orElse("it failed"),
          failed);
    }
  }

  private void killWhileItAnswers(DemoScratch scratch, List<DemoReplica> both, DemoReplica holder)
      throws IOException {
    DemoReplica other = both.getFirst() == holder ? both.getLast() : both.getFirst();
    Set<Long> agents = DemoScratch.processes(scratch.marker());
    AtomicLong killedAt = new AtomicLong();
    try (Api at = api(holder);
        Api elsewhere = api(other)) {
      AnswerPrinter printer = printer();
      printer.onPiece(pieces -> {
        if (pieces == PIECES_BEFORE_KILL) {
          printer.line("   " + screen.bold("✂     ") + " kill -9 " + holder.pid());
          killedAt.set(System.nanoTime());
          holder.kill();
        }
      });
      ChatTurn turn = new ChatTurn(at, printer, question -> Optional.empty());
      turn.orElse(elsewhere);
      AnswerPrinter answer = talk(turn, LONG);
      check(killedAt.get() != 0, "the answer was over before anything could be killed");
      long goesOn =
          answer
              .goesOnSinceNanos()
              .orElseThrow(() -> new Failure(ExitCode.FAILED, "no second attempt answered"));
      check(answer.said().endsWith(LAST_WORD), "the answer is not whole: " + answer.said());
      JsonNode run = lastRun(elsewhere);
      check(run.path("attempt").asInt() == 2, "the run does not say that it took two attempts");
      check(
          logged(elsewhere, run.path("run_id").asString("")).equals(answer.said()),
          "what was shown is not what the log holds, each event once");
      check(DemoScratch.gone(agents), "the agent's process outlived its replica");
      done(
          "replica %s went on with it: its first word %d ms after the kill, on the same stream"
              .formatted(name(both, other), (goesOn - killedAt.get()) / 1_000_000));
      done("what you saw is what the log holds, every event once; the run says: attempt 2");
    }
  }

  private Set<Long> stopAndWipe(DemoScratch scratch, DemoReplica survivor)
      throws IOException, InterruptedException {
    check(remembers(scratch), "the agent has no memory file to lose");
    Set<Long> agents = DemoScratch.processes(scratch.marker());
    survivor.stop();
    check(DemoScratch.gone(agents), "the agent's process outlived its replica");
    for (String name : List.of("a", "b")) {
      DemoScratch.delete(scratch.data(name));
    }
    check(!remembers(scratch), "the agent's memory file is still there");
    done("the agent's processes and its HOME are gone; what is left is in PostgreSQL");
    return agents;
  }

  private void remember(DemoScratch scratch, Set<Long> before)
      throws IOException, InterruptedException {
    long from = System.nanoTime();
    DemoReplica fresh = scratch.startReplica("c");
    done("ready at %s after %s, process %d".formatted(fresh.url(), since(from), fresh.pid()));
    try (Api api = api(fresh)) {
      AnswerPrinter answer =
          talk(new ChatTurn(api, printer(), question -> Optional.empty()), SECOND);
      check(answer.said().contains(FACT), "the agent forgot: its answer does not say " + FACT);
      Set<Long> after = DemoScratch.processes(scratch.marker());
      check(!after.isEmpty(), "no agent process is there");
      check(after.stream().noneMatch(before::contains), "the agent is still the old process");
      done(
          "a new process (%s), its files restored from the database by: %s"
              .formatted(numbers(after), restored(api)));
    }
  }

  private AnswerPrinter printer() {
    return new AnswerPrinter(screen, false);
  }

  private AnswerPrinter talk(ChatTurn turn, String message) {
    screen.line("   " + screen.bold("you   ") + " " + message);
    screen.print("   " + screen.bold("agent ") + " ");
    ExitCode end = turn.run(AGENT, thread.toString(), message);
    check(end == ExitCode.OK, "the run did not complete");
    return turn.printer();
  }

  /** Whose agent process the conversation has. */
  private DemoReplica answering(Api api, List<DemoReplica> replicas) {
    JsonNode events = events(api, lastRun(api).path("run_id").asString(""));
    int number = events.path(0).path("data").path("replica").asInt(-1);
    for (JsonNode replica : api.get("/admin/replicas").path("replicas")) {
      if (replica.path("id").asInt(-2) == number) {
        long pid = replica.path("pid").asLong(-1);
        for (DemoReplica one : replicas) {
          if (one.pid() == pid) {
            return one;
          }
        }
      }
    }
    throw new Failure(ExitCode.FAILED, "nobody says which replica answered");
  }

  private JsonNode lastRun(Api api) {
    return api.get("/admin/runs?limit=1&thread=" + thread).path("runs").path(0);
  }

  private static JsonNode events(Api api, String run) {
    return api.get("/admin/runs/" + Api.segment(run) + "/events?after=0&limit=500").path("events");
  }

  /** The agent's words of all attempts, in the log's order. */
  private static String logged(Api api, String run) {
    StringBuilder text = new StringBuilder();
    for (JsonNode event : events(api, run)) {
      JsonNode data = event.path("data");
      if (data.path("sessionUpdate").asString("").equals("agent_message_chunk")) {
        text.append(data.path("content").path("text").asString(""));
      }
    }
    return text.toString();
  }

  private String restored(Api api) {
    String mode = lastRun(api).path("restore_mode").asString("");
    check(
        Set.of("load", "resume", "replay").contains(mode),
        "the run does not say that its files were restored, but: " + mode);
    return mode;
  }

  private Api api(DemoReplica replica) {
    return new Api(URI.create(replica.url()), key);
  }

  private static ObjectNode agent(DemoScratch scratch) {
    ObjectNode body = Json.object();
    body.put("name", AGENT);
    body.put("kind", "acp");
    body.put("on_worker_loss", "resume");
    List<String> command =
        DemoReplica.java(
            "-Xmx48m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xlog:disable", // the JVM's own warnings go to stdout, which is the protocol's
            "-D" + scratch.marker());
    command.add("io.turnkeeper.demo.DemoAgent");
    command.forEach(body.putArray("command")::add);
    return body;
  }

  private static boolean remembers(DemoScratch scratch) throws IOException {
    try (Stream<Path> files = Files.walk(scratch.directory())) {
      return files.anyMatch(file -> file.endsWith("memory.txt"));
    }
  }

  private void clean(DemoScratch scratch) {
    try {
      scratch.clean();
    } catch (IOException stuck) {
      screen.notice("turnkeeper: cannot remove " + scratch.directory() + ": " + stuck.getMessage());
    } finally {
      cleaned.countDown();
    }
  }

  private static String name(List<DemoReplica> both, DemoReplica one) {
    return both.getFirst() == one ? "A" : "B";
  }

  private void announce(String what) {
    step++;
    screen.line("");
    screen.line(screen.bold(step + "  " + what));
  }

  private void done(String what) {
    screen.line(screen.dim("   ✓ " + what));
  }

  private void farewell() {
    screen.line("");
    screen.line("Done in %s. No process and no file is left behind.".formatted(since(started)));
    screen.line("");
    screen.line("Try next:");
    for (String line :
        List.of(
            "turnkeeper up                                 a replica to keep",
            "turnkeeper agent add opencode -- opencode acp any ACP agent, in another terminal",
            "turnkeeper chat opencode                      talk to it",
            "turnkeeper --help                             everything else")) {
      screen.line("  " + line);
    }
  }

  private static String numbers(Set<Long> pids) {
    return pids.stream().sorted().map(String::valueOf).collect(Collectors.joining(", "));
  }

  private static String since(long from) {
    return "%.1f s".formatted((System.nanoTime() - from) / 1e9);
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new Failure(ExitCode.FAILED, otherwise);
    }
  }
}

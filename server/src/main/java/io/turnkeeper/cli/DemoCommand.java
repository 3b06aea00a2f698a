package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@Command(
    name = "demo",
    description = {
      "Show the main job, end to end, in a scratch directory.",
      "A replica on an embedded PostgreSQL; a message and its streamed answer; the replica stopped,"
          + " its working files wiped, started again; a second message that shows the memory."
          + " Every claim is checked. Nothing stays behind."
    },
    footerHeading = "%nExample:%n",
    footer = "  turnkeeper demo")
final class DemoCommand implements Callable<Integer> {
  private static final String AGENT = "demo";
  private static final String FACT = "Ada Lovelace";
  private static final String FIRST = "Hello! My name is " + FACT;
  private static final String SECOND = "What do you remember about me?";
  private static final int LOG_LINES_SHOWN = 30;
  private static final Duration LEFT_PROCESS_GRACE = Duration.ofSeconds(5);
  private static final Duration LOOK_EVERY = Duration.ofMillis(20);

  private final Screen screen;
  private final UUID thread = UUID.randomUUID();
  private final long started = System.nanoTime();

  private volatile @Nullable Path scratch;
  private volatile @Nullable DemoReplica replica;
  private volatile boolean interrupted;
  private int step;

  DemoCommand(Shell shell) {
    this.screen = shell.screen();
  }

  @Override
  public Integer call() throws Exception {
    Path directory = Files.createTempDirectory("turnkeeper-demo-");
    scratch = directory;
    Thread onInterrupt =
        new Thread(
            () -> {
              interrupted = true;
              clean();
            },
            "demo-clean");
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    try {
      play(directory);
    } catch (Failure | IOException failure) {
      if (interrupted) {
        LockSupport.parkNanos(LEFT_PROCESS_GRACE.toNanos()); // the hook ends the process
      }
      DemoReplica.tail(log(directory), LOG_LINES_SHOWN).forEach(screen::remark);
      throw new Failure(
          ExitCode.FAILED, "the demo failed in step " + step + ": " + failure.getMessage());
    } finally {
      if (!interrupted) {
        clean();
        Runtime.getRuntime().removeShutdownHook(onInterrupt);
      }
    }
    check(!Files.exists(directory), "the scratch directory is still there: " + directory);
    check(processes(directory.toString()).isEmpty(), "processes of the demo are still running");
    farewell();
    return ExitCode.OK.status();
  }

  private void play(Path directory) throws IOException, InterruptedException {
    Path data = directory.resolve("replica");

    announce("Start a replica, on a PostgreSQL of its own");
    start(directory);

    announce("Register an agent: a small ACP program, shipped in the jar");
    try (Api api = api(data)) {
      api.post("/admin/agents", agent(directory));
      done("any program that speaks ACP will do: OpenCode, Claude Code, Codex, Gemini CLI");
    }

    announce("Send a message; the answer streams, and is durable before you see it");
    Set<Long> before;
    try (Api api = api(data)) {
      AnswerPrinter answer = talk(api, FIRST);
      check(answer.chunks() > 1, "the answer came in one piece: it did not stream");
      check(answer.spread().isPositive(), "the answer's pieces came all at once");
      before = processes(marker(directory));
      check(!before.isEmpty(), "no agent process is there to be stopped");
      done(
          "%d pieces over %d ms, from process %s"
              .formatted(answer.chunks(), answer.spread().toMillis(), numbers(before)));
    }

    announce("Stop the replica, and wipe its working files");
    stopAndWipe(directory, data);

    announce("Start it again, and ask");
    start(directory);
    try (Api api = api(data)) {
      AnswerPrinter answer = talk(api, SECOND);
      check(answer.said().contains(FACT), "the agent forgot: its answer does not say " + FACT);
      Set<Long> after = processes(marker(directory));
      check(!after.isEmpty(), "no agent process is there");
      check(after.stream().noneMatch(before::contains), "the agent is still the old process");
      done(
          "a new process (%s), its files restored from the database by: %s"
              .formatted(numbers(after), restored(api)));
    }
  }

  private void start(Path directory) throws IOException, InterruptedException {
    long from = System.nanoTime();
    DemoReplica fresh = DemoReplica.start(directory.resolve("replica"), log(directory));
    replica = fresh;
    done("ready at %s after %s, process %d".formatted(fresh.url(), since(from), fresh.pid()));
  }

  private void stopAndWipe(Path directory, Path data) throws IOException, InterruptedException {
    check(remembers(data), "the agent has no memory file to lose");
    DemoReplica running = replica;
    if (running != null) {
      running.stop();
    }
    check(gone(marker(directory)), "the agent's process outlived its replica");
    delete(data.resolve("conversations"));
    check(!remembers(data), "the agent's memory file is still there");
    done("the agent's process and its HOME are gone; what is left is in PostgreSQL");
  }

  private AnswerPrinter talk(Api api, String message) {
    screen.line("   " + screen.bold("you   ") + " " + message);
    screen.print("   " + screen.bold("agent ") + " ");
    AnswerPrinter answer = new AnswerPrinter(screen, false);
    ExitCode end =
        new ChatTurn(api, answer, question -> Optional.empty())
            .run(AGENT, thread.toString(), message);
    check(end == ExitCode.OK, "the run did not complete");
    return answer;
  }

  private String restored(Api api) {
    JsonNode runs = api.get("/admin/runs?limit=1&thread=" + thread).path("runs");
    String mode = runs.path(0).path("restore_mode").asString("");
    check(
        Set.of("load", "resume", "replay").contains(mode),
        "the run does not say that its files were restored, but: " + mode);
    return mode;
  }

  private static Api api(Path data) {
    Credentials credentials =
        Credentials.read(data)
            .orElseThrow(
                () -> new Failure(ExitCode.FAILED, "the first start stored no credentials"));
    return new Api(URI.create(credentials.url()), credentials.key());
  }

  private static ObjectNode agent(Path directory) {
    ObjectNode body = Json.object();
    body.put("name", AGENT);
    body.put("kind", "acp");
    List<String> command =
        DemoReplica.java(
            "-Xmx48m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xlog:disable", // the JVM's own warnings go to stdout, which is the protocol's
            "-D" + marker(directory));
    command.add("io.turnkeeper.demo.DemoAgent");
    command.forEach(body.putArray("command")::add);
    return body;
  }

  /** A word in the agent's command line, by which its processes are found. */
  private static String marker(Path directory) {
    return "agent.of=" + directory.getFileName();
  }

  private static Path log(Path directory) {
    return directory.resolve("replica.log");
  }

  private static Set<Long> processes(String word) {
    return ProcessHandle.allProcesses()
        .filter(process -> process.pid() != ProcessHandle.current().pid())
        .filter(process ->
            process
                .info()
                .arguments()
                .map(all -> Stream.of(all).anyMatch(one -> one.contains(word)))
                .orElse(false))
        .map(ProcessHandle::pid)
        .collect(Collectors.toSet());
  }

  /** Waits a moment for what has been told to end. */
  private static boolean gone(String word) {
    long until = System.nanoTime() + LEFT_PROCESS_GRACE.toNanos();
    while (!processes(word).isEmpty()) {
      if (System.nanoTime() > until) {
        return false;
      }
      LockSupport.parkNanos(LOOK_EVERY.toNanos());
    }
    return true;
  }

  private static boolean remembers(Path data) throws IOException {
    Path conversations = data.resolve("conversations");
    if (!Files.exists(conversations)) {
      return false;
    }
    try (Stream<Path> files = Files.walk(conversations)) {
      return files.anyMatch(file -> file.endsWith("memory.txt"));
    }
  }

  /** Ends the replica and removes the scratch directory. Does nothing the second time. */
  private synchronized void clean() {
    DemoReplica running = replica;
    if (running != null) {
      running.close();
      replica = null;
    }
    Path directory = scratch;
    if (directory != null) {
      for (long left : processes(directory.toString())) {
        ProcessHandle.of(left).ifPresent(ProcessHandle::destroyForcibly);
      }
      try {
        delete(directory);
        scratch = null;
      } catch (IOException stuck) {
        screen.notice("turnkeeper: cannot remove " + directory + ": " + stuck.getMessage());
      }
    }
  }

  private static void delete(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return;
    }
    Files.walkFileTree(
        directory,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.deleteIfExists(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException failed) throws IOException {
            if (failed instanceof NoSuchFileException) {
              return FileVisitResult.CONTINUE;
            }
            throw failed;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException failed)
              throws IOException {
            Files.deleteIfExists(visited);
            return FileVisitResult.CONTINUE;
          }
        });
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

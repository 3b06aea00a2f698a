package io.turnkeeper.worker;

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An ACP agent that misbehaves as its arguments say. It reads JSON with regular expressions, so
 * that it needs no class path and starts fast.
 */
final class FakeAgent {
  private static final Pattern ID = Pattern.compile("\"id\":(\\d+|\"[^\"]*\")");
  private static final Pattern METHOD = Pattern.compile("\"method\":\"([^\"]*)\"");
  private static final Pattern SESSION = Pattern.compile("\"sessionId\":\"([^\"]*)\"");

  private final Set<String> flags;
  private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private final BlockingQueue<String> answers = new LinkedBlockingQueue<>();
  private final BlockingQueue<String> cancels = new LinkedBlockingQueue<>();
  private String session = "none";

  private FakeAgent(Set<String> flags) {
    this.flags = flags;
  }

  /** The command that runs this agent. */
  static List<String> command(String... flags) {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    List<String> command =
        new java.util.ArrayList<>(
            List.of(
                java,
                "-Xshare:auto",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx128m",
                "-cp",
                testClasses(),
                FakeAgent.class.getName()));
    command.addAll(List.of(flags));
    return command;
  }

  static String testClasses() {
    return Path.of(FakeAgent.class.getProtectionDomain().getCodeSource().getLocation().getPath())
        .toString();
  }

  static void main(String[] args) throws Exception {
    new FakeAgent(Set.of(args)).run();
  }

  private boolean is(String flag) {
    return flags.contains(flag);
  }

  private void run() throws Exception {
    if (is("die-at-start")) {
      System.err.println("no model configured, key " + System.getenv("API_KEY"));
      System.exit(7);
    }
    if (is("ignore-term")) {
      Runtime.getRuntime().addShutdownHook(new Thread(FakeAgent::forever));
    }
    if (is("garbage-only")) {
      say("Welcome to the agent! Type /help for help.");
    }
    if (is("mute") || is("garbage-only")) {
      forever();
    }
    // Not System.in: its close at exit would wait for the reader in it.
    try (var in =
        new BufferedReader(
            new InputStreamReader(new FileInputStream("/dev/stdin"), StandardCharsets.UTF_8))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        take(line);
      }
    }
  }

  private void take(String line) throws Exception {
    String id = first(ID, line);
    switch (first(METHOD, line)) {
      case "initialize" -> respond(id, initialized());
      case "session/new" -> {
        session = "new-" + ProcessHandle.current().pid();
        if (is("wants-login")) {
          error(id, -32000, "Authentication required");
        } else {
          respond(id, "{\"sessionId\":\"" + session + "\"}");
        }
      }
      case "session/load", "session/resume" -> restore(line, id);
      case "session/prompt" -> Thread.ofPlatform().start(() -> turn(line, id));
      case "session/cancel" -> cancels.add(line);
      default -> answers.add(line);
    }
  }

  private String initialized() {
    return "{\"protocolVersion\":"
        + (is("v2") ? 2 : 1)
        + ",\"agentCapabilities\":{\"loadSession\":"
        + (is("load") || is("load-lies") || is("load-refuses"))
        + ",\"sessionCapabilities\":{"
        + (is("resume") ? "\"resume\":{}" : "")
        + "}}}";
  }

  private void restore(String line, String id) {
    session = first(SESSION, line);
    if (line.contains("session/resume")) {
      respond(id, "{}");
    } else if (is("load-refuses")) {
      error(id, -32002, "no such session");
    } else {
      if (!is("load-lies")) {
        update("{\"sessionUpdate\":\"user_message_chunk\",\"content\":{}}");
        chunk("an old answer");
      }
      respond(id, "null");
    }
  }

  private void turn(String line, String id) {
    try {
      turn0(line, id);
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private void turn0(String line, String id) throws IOException, InterruptedException {
    if (is("garbage")) {
      say("npm warn deprecated");
      say("{\"half\": ");
      say("[1,2]");
      say("42");
      say("{\"jsonrpc\":\"2.0\"}");
      out.write(new byte[] {(byte) 0xff, (byte) 0xfe, 0, '\n'});
    }
    if (is("env")) {
      chunk(String.join(" ", System.getenv().keySet().stream().sorted().toList()));
      chunk(" in " + Path.of("").toAbsolutePath());
    }
    if (is("echo")) {
      chunk(line.replace('"', '\''));
    }
    if (is("big")) {
      chunk("x".repeat(10 * 1024 * 1024));
    }
    if (is("over-limit")) {
      chunk("y".repeat(17 * 1024 * 1024));
    }
    if (is("unknown")) {
      update("{\"sessionUpdate\":\"hologram\",\"shape\":{\"faces\":6}}");
      say("{\"jsonrpc\":\"2.0\",\"method\":\"_vendor/news\",\"params\":{}}");
      say("{\"jsonrpc\":\"2.0\",\"id\":\"r1\",\"method\":\"fs/read_text_file\",\"params\":{}}");
      chunk(answers.take().replace('"', '\''));
    }
    if (is("fork")) {
      Process sleeper = new ProcessBuilder("sleep", "600").inheritIO().start();
      Process escaped = new ProcessBuilder("setsid", "sleep", "600").inheritIO().start();
      chunk(sleeper.pid() + " " + escaped.pid());
    }
    if (is("die")) {
      System.err.println("FATAL: out of tokens, key " + System.getenv("API_KEY"));
      System.err.flush();
      Runtime.getRuntime().halt(3);
    }
    if (is("ask")) {
      ask("42");
      chunk(answers.take().contains("\"selected\"") ? "allowed" : "not allowed");
    }
    if (is("never-ends")) {
      chunk("working");
      forever();
    }
    if (is("until-cancel") || is("ask-on-cancel")) {
      chunk("working");
      cancels.take();
      if (is("ask-on-cancel")) {
        ask("\"late-question\"");
        chunk(answers.take().contains("\"cancelled\"") ? "told cancelled" : "told something else");
      }
      respond(id, "{\"stopReason\":\"cancelled\"}");
      return;
    }
    chunk("hello ");
    chunk("world");
    if (is("prompt-error")) {
      error(id, -32603, "the model said no to " + System.getenv("API_KEY"));
      return;
    }
    String end = "{\"stopReason\":\"end_turn\",\"usage\":{\"totalTokens\":7}}";
    if (is("no-newline")) {
      out.print("{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"result\":" + end + "}");
      out.flush();
      Runtime.getRuntime().halt(0);
    }
    respond(id, end);
    if (is("answers-twice")) {
      respond(id, "{\"stopReason\":\"refusal\"}");
    }
    if (is("late")) {
      Files.createFile(Path.of("ended"));
      while (!Files.exists(Path.of("go-on"))) {
        Thread.sleep(5);
      }
      chunk("one more thing");
    }
  }

  private void ask(String id) {
    say(
        "{\"jsonrpc\":\"2.0\",\"id\":"
            + id
            + ",\"method\":\"session/request_permission\",\"params\":{\"sessionId\":\""
            + session
            + "\",\"toolCall\":{\"toolCallId\":\"t1\",\"title\":\"rm\"},\"options\":["
            + "{\"optionId\":\"yes\",\"name\":\"Yes\",\"kind\":\"allow_once\"},"
            + "{\"optionId\":\"no\",\"name\":\"No\",\"kind\":\"reject_once\"}]}}");
  }

  private void chunk(String text) {
    update(
        "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\""
            + text.replace("\\", "\\\\")
            + "\"}}");
  }

  private void update(String update) {
    say(
        "{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{\"sessionId\":\""
            + session
            + "\",\"update\":"
            + update
            + "}}");
  }

  private void respond(String id, String result) {
    say("{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"result\":" + result + "}");
  }

  private void error(String id, int code, String message) {
    say(
        "{\"jsonrpc\":\"2.0\",\"id\":"
            + id
            + ",\"error\":{\"code\":"
            + code
            + ",\"message\":\""
            + message
            + "\"}}");
  }

  private synchronized void say(String line) {
    out.print(line + "\n");
    out.flush();
  }

  private static String first(Pattern pattern, String line) {
    Matcher matcher = pattern.matcher(line);
    return matcher.find() ? matcher.group(1) : "";
  }

  private static void forever() {
    try {
      new java.util.concurrent.CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

package io.turnkeeper.demo;

import com.agentclientprotocol.sdk.agent.AcpAgent;
import com.agentclientprotocol.sdk.agent.AcpSyncAgent;
import com.agentclientprotocol.sdk.agent.SyncPromptContext;
import com.agentclientprotocol.sdk.agent.transport.StdioAcpAgentTransport;
import com.agentclientprotocol.sdk.error.AcpErrorCodes;
import com.agentclientprotocol.sdk.error.AcpProtocolException;
import com.agentclientprotocol.sdk.json.AcpJsonMapper;
import com.agentclientprotocol.sdk.spec.AcpSchema;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A small ACP agent without a model: it streams, uses tools, asks, remembers, can be slow and can
 * crash, so that a server can be tried without any account. Keeps its memory in {@code
 * $HOME/memory.txt} and its sessions in {@code $HOME/sessions}.
 */
public final class DemoAgent {
  /** A person may take a while to answer a question. */
  private static final Duration ANSWER_WITHIN = Duration.ofDays(2);

  private static final int CRASH_EXIT_CODE = 70;

  private final Notebook notebook;
  private final Set<String> cancelled = ConcurrentHashMap.newKeySet();
  private @Nullable AcpSyncAgent agent;

  private DemoAgent(Notebook notebook) {
    this.notebook = notebook;
  }

  /** The command that starts this agent from the class path of the running program. */
  public static List<String> command() {
    List<String> classPath =
        List.of(System.getProperty("java.class.path").split(File.pathSeparator)).stream()
            .map(entry -> Path.of(entry).toAbsolutePath().toString())
            .toList();
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx48m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1", // it lives for seconds: starting fast is all that counts
        "-Xshare:auto",
        "-Xlog:disable", // the JVM's own warnings go to stdout, which is the protocol's
        "-cp",
        String.join(File.pathSeparator, classPath),
        DemoAgent.class.getName());
  }

  /** Speaks ACP on stdin and stdout until stdin ends. Takes no arguments. */
  public static void main(String[] args) {
    OutputStream protocol = System.out;
    System.setOut(System.err); // whatever prints by mistake must not break the protocol
    System.setProperty("slf4j.internal.verbosity", "WARN");
    System.setProperty("slf4j.provider", "org.slf4j.helpers.NOP_FallbackServiceProvider");
    String home = System.getenv().getOrDefault("HOME", ".");
    DemoAgent demo = new DemoAgent(new Notebook(Path.of(home)));
    AcpSyncAgent agent =
        AcpAgent.sync(
                new StdioAcpAgentTransport(AcpJsonMapper.createDefault(), System.in, protocol))
            .requestTimeout(ANSWER_WITHIN)
            .initializeHandler(request -> initialized())
            .newSessionHandler(
                request -> new AcpSchema.NewSessionResponse(demo.notebook.open(), null, null))
            .loadSessionHandler(demo::load)
            .promptHandler(demo::prompt)
            .cancelHandler(cancel -> demo.cancelled.add(cancel.sessionId()))
            .build();
    demo.agent = agent;
    agent.run();
    System.exit(0);
  }

  private static AcpSchema.InitializeResponse initialized() {
    return new AcpSchema.InitializeResponse(
        1,
        new AcpSchema.AgentCapabilities(
            true, new AcpSchema.McpCapabilities(), new AcpSchema.PromptCapabilities()),
        List.of(),
        new AcpSchema.Implementation("turnkeeper-demo", "0.1.0"),
        Map.of());
  }

  private AcpSchema.LoadSessionResponse load(AcpSchema.LoadSessionRequest request) {
    String session = request.sessionId();
    if (!notebook.has(session)) {
      throw new AcpProtocolException(
          AcpErrorCodes.SESSION_NOT_FOUND, "there is no session " + session);
    }
    AcpSyncAgent replayTo = agent;
    if (replayTo != null) {
      for (Notebook.Line line : notebook.transcript(session)) {
        AcpSchema.TextContent text = new AcpSchema.TextContent(line.text());
        replayTo.sendSessionUpdate(
            session,
            line.isUser()
                ? new AcpSchema.UserMessageChunk("user_message_chunk", text)
                : new AcpSchema.AgentMessageChunk("agent_message_chunk", text));
      }
    }
    return new AcpSchema.LoadSessionResponse(null, null);
  }

  private AcpSchema.PromptResponse prompt(
      AcpSchema.PromptRequest request, SyncPromptContext context) {
    String session = request.sessionId();
    cancelled.remove(session);
    String message = lastText(request);
    notebook.append(session, new Notebook.Line(true, message));
    Reply reply = new Reply(context, () -> cancelled.contains(session));
    try {
      if (wasInterrupted(request)) {
        reply.say("I was interrupted, so once more: ");
      }
      answer(message, reply, notebook.transcript(session));
    } catch (IOException e) {
      throw new AcpProtocolException(
          AcpErrorCodes.INTERNAL_ERROR, "my memory file cannot be used: " + e);
    } finally {
      notebook.append(session, new Notebook.Line(false, reply.text()));
    }
    return new AcpSchema.PromptResponse(
        reply.isCancelled() ? AcpSchema.StopReason.CANCELLED : AcpSchema.StopReason.END_TURN);
  }

  /** Whether the server says that an attempt at this message was lost. */
  private static boolean wasInterrupted(AcpSchema.PromptRequest request) {
    return request.meta() != null
        && request.meta().get("turnkeeper") instanceof Map<?, ?> said
        && Boolean.TRUE.equals(said.get("interrupted"));
  }

  /** Notes of the server come before what the user wrote. */
  private static String lastText(AcpSchema.PromptRequest request) {
    return request.prompt().reversed().stream()
        .filter(AcpSchema.TextContent.class::isInstance)
        .map(block -> ((AcpSchema.TextContent) block).text().strip())
        .findFirst()
        .orElse("");
  }

  private void answer(String message, Reply reply, List<Notebook.Line> transcript)
      throws IOException {
    switch (Wish.of(message)) {
      case Wish.Remember(String fact) -> {
        reply.tool("Write memory.txt", AcpSchema.ToolKind.EDIT, fact);
        notebook.remember(fact);
        reply.say("I wrote it down: " + fact + ". I will still know it after a restart.");
      }
      case Wish.Recall() -> recall(reply, transcript);
      case Wish.Delete(String what) -> delete(what, reply);
      case Wish.Count(int to, boolean slowly) -> reply.count(to, slowly);
      case Wish.Crash() -> {
        reply.say("As you wish. ");
        System.err.println("the user asked the demo agent to crash");
        Runtime.getRuntime().halt(CRASH_EXIT_CODE);
      }
      case Wish.Other() ->
          reply.say(
              "You said: “"
                  + message
                  + "”. I am the built-in demo agent, so I have no model to think with. Try “my"
                  + " name is Ada”, “what do you remember?”, “count to 20 slowly”, “please delete"
                  + " my name” or “please crash”.");
    }
  }

  private void recall(Reply reply, List<Notebook.Line> transcript) throws IOException {
    reply.think("Let me look into my notes.");
    List<String> facts = notebook.facts();
    reply.tool("Read memory.txt", AcpSchema.ToolKind.READ, facts.size() + " notes");
    long messages = transcript.stream().filter(Notebook.Line::isUser).count();
    String first = transcript.getFirst().text();
    reply.say(
        facts.isEmpty()
            ? "I have no notes yet. "
            : "I remember: " + String.join("; ", facts) + ". ");
    reply.say(
        messages == 1
            ? "This is your first message here."
            : "This is message " + messages + " here; the first was “" + first + "”.");
  }

  private void delete(String what, Reply reply) throws IOException {
    if (!reply.mayDelete(what)) {
      if (!reply.isCancelled()) {
        reply.say("I left it alone, as you did not allow it.");
      }
      return;
    }
    int deleted = notebook.forget(what);
    reply.say("Deleted " + deleted + (deleted == 1 ? " note." : " notes."));
  }
}

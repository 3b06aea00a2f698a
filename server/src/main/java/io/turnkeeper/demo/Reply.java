package io.turnkeeper.demo;

import com.agentclientprotocol.sdk.agent.SyncPromptContext;
import com.agentclientprotocol.sdk.spec.AcpSchema;
import com.agentclientprotocol.sdk.spec.AcpSchema.PermissionOptionKind;
import com.agentclientprotocol.sdk.spec.AcpSchema.ToolCallStatus;
import com.agentclientprotocol.sdk.spec.AcpSchema.ToolKind;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** One reply in the making: what goes to the client while it is thought up. */
final class Reply {
  private static final Duration TOKEN_EVERY = Duration.ofMillis(8);
  private static final Duration SLOW_EVERY = Duration.ofMillis(500);

  private final SyncPromptContext context;
  private final BooleanSupplier cancelled;
  private final StringBuilder said = new StringBuilder();

  Reply(SyncPromptContext context, BooleanSupplier cancelled) {
    this.context = context;
    this.cancelled = cancelled;
  }

  String text() {
    return said.toString();
  }

  boolean isCancelled() {
    return cancelled.getAsBoolean();
  }

  /** Says it word by word, until the turn is cancelled. */
  void say(String text) {
    for (String token : text.split("(?<= )")) {
      say(token, TOKEN_EVERY);
    }
  }

  void count(int to, boolean slowly) {
    for (int i = 1; i <= to && !isCancelled(); i++) {
      say(i + (i < to ? " " : "."), slowly ? SLOW_EVERY : TOKEN_EVERY);
    }
  }

  private void say(String token, Duration pause) {
    if (isCancelled()) {
      return;
    }
    context.sendMessage(token);
    said.append(token);
    long until = System.nanoTime() + pause.toNanos();
    while (!isCancelled() && System.nanoTime() < until) {
      pauseFor(Math.min(TOKEN_EVERY.toMillis(), pause.toMillis()));
    }
  }

  private static void pauseFor(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  void think(String thought) {
    context.sendThought(thought);
  }

  /** A tool call that is done as soon as it is told. */
  void tool(String title, ToolKind kind, String result) {
    String id = UUID.randomUUID().toString();
    send(toolCall(id, title, kind));
    send(toolDone(id, ToolCallStatus.COMPLETED, result));
  }

  /** Asks the client; false when it says no, or when the turn was cancelled meanwhile. */
  boolean mayDelete(String what) {
    String id = UUID.randomUUID().toString();
    String title = "Delete " + what;
    send(toolCall(id, title, ToolKind.DELETE));
    var question =
        new AcpSchema.ToolCallUpdate(
            id, title, ToolKind.DELETE, ToolCallStatus.PENDING, List.of(), List.of(), null, null);
    AcpSchema.RequestPermissionResponse answer =
        context.requestPermission(
            new AcpSchema.RequestPermissionRequest(
                context.getSessionId(),
                question,
                List.of(
                    new AcpSchema.PermissionOption(
                        "allow", "Delete it", PermissionOptionKind.ALLOW_ONCE),
                    new AcpSchema.PermissionOption(
                        "reject", "Leave it", PermissionOptionKind.REJECT_ONCE))));
    boolean allowed =
        answer.outcome() instanceof AcpSchema.PermissionSelected selected
            && selected.optionId().equals("allow");
    send(
        toolDone(
            id,
            allowed ? ToolCallStatus.COMPLETED : ToolCallStatus.FAILED,
            allowed ? "done" : "not allowed"));
    return allowed;
  }

  private static AcpSchema.ToolCall toolCall(String id, String title, ToolKind kind) {
    return new AcpSchema.ToolCall(
        "tool_call",
        id,
        title,
        kind,
        ToolCallStatus.PENDING,
        List.of(),
        List.of(),
        Map.of("title", title),
        null,
        null);
  }

  private static AcpSchema.ToolCallUpdateNotification toolDone(
      String id, ToolCallStatus status, @Nullable String result) {
    return new AcpSchema.ToolCallUpdateNotification(
        "tool_call_update",
        id,
        null,
        null,
        status,
        List.of(
            new AcpSchema.ToolCallContentBlock(
                "content", new AcpSchema.TextContent(String.valueOf(result)))),
        null,
        null,
        null,
        null);
  }

  private void send(AcpSchema.SessionUpdate update) {
    context.sendUpdate(context.getSessionId(), update);
  }
}

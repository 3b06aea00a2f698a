package io.turnkeeper.worker;

import io.turnkeeper.base.Json;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.MissingNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The client side of the Agent Client Protocol, version 1, without process, thread or clock: lines
 * go in, lines and happenings come out. No line that an agent may send throws. Not thread-safe.
 */
final class AcpProtocol {
  static final int VERSION = 1;

  private static final int INVALID_REQUEST = -32600;
  private static final int METHOD_NOT_FOUND = -32601;
  private static final int INVALID_PARAMS = -32602;
  private static final int AUTH_REQUIRED = -32000;
  private static final int CANCELLED = -32800;

  /** Only these show that a loaded session holds history; a list of commands does not. */
  private static final Set<String> HISTORY =
      Set.of("user_message_chunk", "agent_message_chunk", "agent_thought_chunk", "tool_call");

  /** What the caller has to act on. */
  sealed interface Happening {
    /** The session is there. */
    record Ready(Session session, Restore restore) implements Happening {}

    record StartFailed(String code, String message) implements Happening {}

    record Update(ObjectNode update) implements Happening {}

    record Late(ObjectNode update) implements Happening {}

    record Asked(PermissionRequest request) implements Happening {}

    record Resolved(PermissionResolved resolved) implements Happening {}

    record Ended(TurnEnd end) implements Happening {}

    /** A line that was skipped, and why. */
    record Skipped(String why, String line) implements Happening {}
  }

  /** What is wanted of the start. */
  record Start(String cwd, @Nullable Session previous, boolean hasHistory) {}

  private enum Step {
    INITIALIZE,
    LOAD,
    RESUME,
    NEW
  }

  private enum Phase {
    STARTING,
    IDLE,
    PROMPTING,
    OVER
  }

  private record Open(JsonNode rpcId, PermissionRequest request) {}

  private final WorkerSpec.Permissions permissions;
  private final Start start;
  private final List<String> out = new ArrayList<>();
  private final List<Happening> happenings = new ArrayList<>();
  private final Deque<Step> plan = new ArrayDeque<>();
  private final Map<Long, String> calls = new HashMap<>();
  private final Map<String, Open> open = new LinkedHashMap<>();
  private Phase phase = Phase.STARTING;
  private Step step = Step.INITIALIZE;
  private JsonNode promptCapabilities = MissingNode.getInstance();
  private @Nullable String sessionId;
  private boolean withServers = true;
  private boolean cancelling;
  private boolean restoredInVain;
  private boolean prompted;
  private int replayed;
  private int attempt = 1;
  private long nextCall;
  private long nextPermission;

  AcpProtocol(WorkerSpec.Permissions permissions, Start start) {
    this.permissions = permissions;
    this.start = start;
  }

  /** The lines to send, in order, since the last call. */
  List<String> takeLines() {
    return take(out);
  }

  /** What happened, in order, since the last call. */
  List<Happening> takeHappenings() {
    return take(happenings);
  }

  private static <T> List<T> take(List<T> from) {
    List<T> taken = List.copyOf(from);
    from.clear();
    return taken;
  }

  void begin() {
    ObjectNode params = Json.object().put("protocolVersion", VERSION);
    ObjectNode capabilities = params.putObject("clientCapabilities");
    // Files and terminals are the agent's own: it runs beside its working directory.
    capabilities.putObject("fs").put("readTextFile", false).put("writeTextFile", false);
    capabilities.put("terminal", false);
    params.putObject("clientInfo").put("name", "turnkeeper").put("version", "0.1.0");
    call("initialize", params);
  }

  /** What the agent takes in a prompt besides text and links: image, audio, embeddedContext. */
  boolean takes(String capability) {
    return promptCapabilities.path(capability).asBoolean(false);
  }

  boolean idle() {
    return phase == Phase.IDLE;
  }

  /**
   * Opens a turn.
   *
   * @throws IllegalStateException when the session is not idle
   */
  void prompt(ArrayNode blocks, ObjectNode meta, int attempt) {
    if (phase != Phase.IDLE) {
      throw new IllegalStateException("the session is not idle: " + phase);
    }
    this.attempt = attempt;
    phase = Phase.PROMPTING;
    prompted = true;
    cancelling = false;
    ObjectNode params = Json.object().put("sessionId", sessionId);
    params.set("prompt", blocks);
    params.set("_meta", meta);
    call("session/prompt", params);
  }

  /** Asks the agent to end its turn. Never sent to an idle session: that poisons some agents. */
  void cancel() {
    if (phase != Phase.PROMPTING || cancelling) {
      return;
    }
    cancelling = true;
    notice("session/cancel", Json.object().put("sessionId", sessionId));
    cancelOpenPermissions();
  }

  Worker.Answered answer(String permissionId, PermissionAnswer answer) {
    Open asked = open.get(permissionId);
    if (asked == null) {
      return Worker.Answered.GONE;
    }
    if (answer instanceof PermissionAnswer.Selected(String optionId, var _)
        && !offers(asked.request(), optionId)) {
      return Worker.Answered.NO_SUCH_OPTION;
    }
    settle(permissionId, answer);
    return Worker.Answered.DONE;
  }

  /** The process is gone: whatever is open ends with this. */
  void over(String code, String message) {
    Phase was = phase;
    phase = Phase.OVER;
    for (Open asked : open.values()) {
      happenings.add(
          new Happening.Resolved(
              new PermissionResolved(
                  asked.request().id(), new PermissionAnswer.Cancelled("cancel"))));
    }
    open.clear();
    if (was == Phase.PROMPTING) {
      happenings.add(
          new Happening.Ended(
              cancelling ? new TurnEnd.Cancelled() : new TurnEnd.Failed(code, message)));
    } else if (was == Phase.STARTING) {
      happenings.add(new Happening.StartFailed(code, "before its session was ready, " + message));
    }
  }

  /** One line from the agent, without its line feed. */
  void line(String line) {
    if (line.isBlank() || phase == Phase.OVER) {
      return;
    }
    JsonNode node;
    try {
      node = Plain.node(Json.parse(line), line);
    } catch (JacksonException e) {
      skip("not JSON", line);
      return;
    }
    if (!(node instanceof ObjectNode message)) {
      skip("not an object", line);
      return;
    }
    JsonNode id = message.path("id");
    boolean hasId = id.isNumber() || id.isString();
    JsonNode method = message.path("method");
    if (method.isString() && hasId) {
      request(method.asString(), message);
    } else if (method.isString()) {
      notification(method.asString(), message.path("params"), line);
    } else if (hasId && (message.has("result") || message.has("error"))) {
      response(message, line);
    } else {
      skip("neither request, notification nor response", line);
    }
  }

  private void skip(String why, String line) {
    happenings.add(new Happening.Skipped(why, line));
  }

  // ---- what the agent answers

  private void response(ObjectNode message, String line) {
    String method = callOf(message.path("id")).map(calls::remove).orElse(null);
    if (method == null) {
      skip("answers nothing that is open", line);
      return;
    }
    JsonNode error = message.path("error");
    if (method.equals("session/prompt")) {
      promptEnded(message.path("result"), error);
    } else if (error.isMissingNode() || error.isNull()) {
      stepDone(message.path("result"));
    } else {
      stepFailed(error);
    }
  }

  /** Some agents echo our number as a string. */
  private static Optional<Long> callOf(JsonNode id) {
    try {
      return Optional.of(id.isString() ? Long.parseLong(id.asString()) : id.asLong());
    } catch (NumberFormatException | JacksonException e) {
      return Optional.empty();
    }
  }

  private void promptEnded(JsonNode result, JsonNode error) {
    cancelOpenPermissions();
    phase = Phase.IDLE;
    TurnEnd end;
    if (cancelling) {
      end = new TurnEnd.Cancelled();
    } else if (error.isObject()) {
      String code = error.path("code").asInt(0) == AUTH_REQUIRED ? "auth_required" : "agent_error";
      end = new TurnEnd.Failed(code, "the agent answered with an error: " + describe(error));
    } else {
      JsonNode usage = result.path("usage");
      end =
          new TurnEnd.Ended(
              result.path("stopReason").asString("unknown"), usage.isObject() ? usage : null);
    }
    happenings.add(new Happening.Ended(end));
  }

  private static final int DESCRIBED_CHARS = 2000;

  private static String describe(JsonNode error) {
    String text = error.path("message").asString("no message");
    JsonNode data = error.path("data");
    if (!data.isMissingNode() && !data.isNull()) {
      text += " " + (data.isString() ? data.asString() : Json.write(data));
    }
    text += " (" + error.path("code").asInt(0) + ")";
    return text.length() <= DESCRIBED_CHARS ? text : text.substring(0, DESCRIBED_CHARS) + "…";
  }

  // ---- the way to a session: initialize, then load, resume or new, whichever works first

  private void stepDone(JsonNode result) {
    switch (step) {
      case INITIALIZE -> initialized(result);
      case LOAD -> loaded();
      case RESUME -> ready(Restore.RESUME);
      case NEW -> {
        JsonNode id = result.path("sessionId");
        if (!id.isString() || id.asString().isEmpty()) {
          failStart("protocol_broken", "the agent answered session/new without a sessionId");
          return;
        }
        sessionId = id.asString();
        ready(start.hasHistory() ? Restore.REPLAY : Restore.NONE);
      }
    }
  }

  private void initialized(JsonNode result) {
    int version = result.path("protocolVersion").asInt(0);
    if (version != VERSION) {
      failStart(
          "protocol_version",
          "the agent speaks version "
              + version
              + " of the Agent Client Protocol, this server speaks version "
              + VERSION);
      return;
    }
    JsonNode capabilities = result.path("agentCapabilities");
    promptCapabilities = capabilities.path("promptCapabilities");
    if (start.previous() != null) {
      // Load first: its replay shows whether the agent has the history. Resume shows nothing.
      if (capabilities.path("loadSession").asBoolean(false)) {
        plan.add(Step.LOAD);
      }
      JsonNode resume = capabilities.path("sessionCapabilities").path("resume");
      if (resume.isObject() || resume.asBoolean(false)) {
        plan.add(Step.RESUME);
      }
    }
    plan.add(Step.NEW);
    nextStep();
  }

  private void nextStep() {
    step = plan.remove();
    withServers = true;
    sendStep();
  }

  private void sendStep() {
    ObjectNode params = Json.object();
    replayed = 0;
    Session previous = start.previous();
    if (step != Step.NEW && previous != null) {
      sessionId = previous.id();
      params.put("sessionId", sessionId);
    }
    params.put("cwd", start.cwd());
    if (withServers) {
      params.putArray("mcpServers");
    }
    call(
        switch (step) {
          case LOAD -> "session/load";
          case RESUME -> "session/resume";
          default -> "session/new";
        },
        params);
  }

  private void loaded() {
    if (start.hasHistory() && replayed == 0) {
      // It says that it loaded and shows nothing. Resume could not be checked either.
      restoredInVain = true;
      plan.remove(Step.RESUME);
      nextStep();
      return;
    }
    ready(Restore.LOAD);
  }

  private void stepFailed(JsonNode error) {
    int code = error.path("code").asInt(0);
    if (code == AUTH_REQUIRED) {
      failStart(
          "auth_required",
          "the agent wants a login; put its API key or token into the agent's env: "
              + describe(error));
    } else if (step == Step.INITIALIZE) {
      failStart("agent_error", "the agent refused initialize: " + describe(error));
    } else if (code == INVALID_PARAMS && withServers) {
      // Some agents are stricter about this field in one call than in another.
      withServers = false;
      sendStep();
    } else if (step == Step.NEW) {
      failStart("agent_error", "the agent refused session/new: " + describe(error));
    } else {
      restoredInVain = true;
      nextStep();
    }
  }

  /** Whether the agent was asked for its old session and did not bring it back. */
  boolean restoredInVain() {
    return restoredInVain;
  }

  private void ready(Restore restore) {
    phase = Phase.IDLE;
    String id = sessionId;
    if (id != null) {
      happenings.add(new Happening.Ready(new Session(id, start.cwd()), restore));
    }
  }

  private void failStart(String code, String message) {
    phase = Phase.OVER;
    happenings.add(new Happening.StartFailed(code, message));
  }

  // ---- what the agent sends by itself

  private void notification(String method, JsonNode params, String line) {
    switch (method) {
      case "session/update" -> update(params, line);
      case "$/cancel_request" -> withdrawn(params.path("requestId"), params.path("id"));
      default -> skip("unknown notification", line);
    }
  }

  private void update(JsonNode params, String line) {
    if (!(params.path("update") instanceof ObjectNode update)) {
      skip("an update without an object", line);
      return;
    }
    if (phase == Phase.STARTING) {
      // A load replays the history before it answers: clients have seen it all.
      if (HISTORY.contains(update.path("sessionUpdate").asString(""))) {
        replayed++;
      }
      return;
    }
    if (!isCurrent(params)) {
      skip("an update of another session", line);
    } else if (phase == Phase.PROMPTING) {
      happenings.add(new Happening.Update(update));
    } else if (prompted) {
      happenings.add(new Happening.Late(update));
    }
  }

  private boolean isCurrent(JsonNode params) {
    JsonNode id = params.path("sessionId");
    return !id.isString() || id.asString().equals(sessionId);
  }

  private void withdrawn(JsonNode requestId, JsonNode otherId) {
    JsonNode id = requestId.isMissingNode() ? otherId : requestId;
    Optional<Open> asked = open.values().stream().filter(o -> o.rpcId().equals(id)).findFirst();
    asked.ifPresent(o -> {
      open.remove(o.request().id());
      respondError(o.rpcId(), CANCELLED, "cancelled");
      happenings.add(
          new Happening.Resolved(
              new PermissionResolved(o.request().id(), new PermissionAnswer.Cancelled("agent"))));
    });
  }

  private void request(String method, ObjectNode message) {
    JsonNode id = message.path("id");
    if (!method.equals("session/request_permission")) {
      respondError(id, METHOD_NOT_FOUND, "not supported: " + method);
      return;
    }
    JsonNode params = message.path("params");
    if (!(params.path("toolCall") instanceof ObjectNode toolCall)
        || !(params.path("options") instanceof ArrayNode options)) {
      respondError(id, INVALID_PARAMS, "toolCall must be an object, options an array");
      return;
    }
    if (open.values().stream().anyMatch(o -> o.rpcId().equals(id))) {
      respondError(id, INVALID_REQUEST, "a request with this id is open");
      return;
    }
    if (phase != Phase.PROMPTING || cancelling || !isCurrent(params)) {
      respondOutcome(id, new PermissionAnswer.Cancelled("cancel"));
      return;
    }
    // A later attempt of the same run has another worker: its ids must not be told twice.
    String name = "p" + ++nextPermission + (attempt > 1 ? "a" + attempt : "");
    PermissionRequest asked = new PermissionRequest(name, toolCall, options);
    open.put(name, new Open(id, asked));
    happenings.add(new Happening.Asked(asked));
    switch (permissions) {
      case ALLOW -> settle(name, byPolicy(asked, "allow_once", "allow_always"));
      case DENY -> settle(name, byPolicy(asked, "reject_once", "reject_always"));
      case ASK -> {}
    }
  }

  private static PermissionAnswer byPolicy(PermissionRequest asked, String once, String always) {
    for (String kind : List.of(once, always)) {
      for (JsonNode option : asked.options()) {
        if (option.path("kind").asString("").equals(kind) && option.path("optionId").isString()) {
          return new PermissionAnswer.Selected(option.path("optionId").asString(), "policy");
        }
      }
    }
    return new PermissionAnswer.Cancelled("policy");
  }

  private static boolean offers(PermissionRequest asked, String optionId) {
    for (JsonNode option : asked.options()) {
      if (option.path("optionId").asString("").equals(optionId)) {
        return true;
      }
    }
    return false;
  }

  private void settle(String permissionId, PermissionAnswer answer) {
    Open asked = open.remove(permissionId);
    if (asked != null) {
      respondOutcome(asked.rpcId(), answer);
      happenings.add(new Happening.Resolved(new PermissionResolved(permissionId, answer)));
    }
  }

  private void cancelOpenPermissions() {
    for (String id : List.copyOf(open.keySet())) {
      settle(id, new PermissionAnswer.Cancelled("cancel"));
    }
  }

  // ---- what is sent

  private void call(String method, ObjectNode params) {
    long id = ++nextCall;
    calls.put(id, method);
    ObjectNode message = Json.object().put("jsonrpc", "2.0").put("id", id).put("method", method);
    message.set("params", params);
    out.add(Json.write(message));
  }

  private void notice(String method, ObjectNode params) {
    ObjectNode message = Json.object().put("jsonrpc", "2.0").put("method", method);
    message.set("params", params);
    out.add(Json.write(message));
  }

  private void respondOutcome(JsonNode id, PermissionAnswer answer) {
    ObjectNode message = Json.object().put("jsonrpc", "2.0");
    message.set("id", id);
    ObjectNode outcome = message.putObject("result").putObject("outcome");
    switch (answer) {
      case PermissionAnswer.Selected(String optionId, var _) ->
          outcome.put("outcome", "selected").put("optionId", optionId);
      case PermissionAnswer.Cancelled _ -> outcome.put("outcome", "cancelled");
    }
    out.add(Json.write(message));
  }

  private void respondError(JsonNode id, int code, String text) {
    ObjectNode message = Json.object().put("jsonrpc", "2.0");
    message.set("id", id);
    message.putObject("error").put("code", code).put("message", text);
    out.add(Json.write(message));
  }
}

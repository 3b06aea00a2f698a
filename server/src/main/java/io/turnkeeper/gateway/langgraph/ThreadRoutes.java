package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.conversation.ConversationQuery;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.gateway.Export;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.tenancy.Caller;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Threads: conversations as LangGraph's clients know them. */
final class ThreadRoutes {
  private static final int LIMIT_MAX = 1_000;
  private static final int OFFSET_MAX = 1_000_000;
  private static final String ID = "thread_id";

  /** What a thread's stream may be asked for; its runs are shown in the modes of each. */
  private static final List<String> FOLLOWED = List.of("run_modes", "lifecycle", "state_update");

  private final Guard guard;
  private final Conversations conversations;
  private final Threads threads;
  private final RunStreams streams;

  ThreadRoutes(Guard guard, Conversations conversations, Threads threads, RunStreams streams) {
    this.guard = guard;
    this.conversations = conversations;
    this.threads = threads;
    this.streams = streams;
  }

  List<Route> routes() {
    return List.of(
        Route.post("/threads", guard.client(this::create)),
        Route.post("/threads/search", guard.reader(this::search)),
        Route.post("/threads/count", guard.reader(this::count)),
        Route.get("/threads/{thread_id}", guard.reader(this::get)),
        Route.patch("/threads/{thread_id}", guard.client(this::update)),
        Route.delete(
            "/threads/{thread_id}",
            guard.client(new Guard.Deed("thread.delete", "thread", ID), this::delete)),
        Route.get("/threads/{thread_id}/export", guard.reader(this::export)),
        Route.post("/threads/{thread_id}/copy", guard.client(this::copy)),
        Route.get("/threads/{thread_id}/state", guard.reader(this::state)),
        Route.post("/threads/{thread_id}/state", guard.client(this::updateState)),
        Route.patch("/threads/{thread_id}/state", guard.client(this::updateState)),
        Route.post("/threads/{thread_id}/state/checkpoint", guard.reader(this::stateAtCheckpoint)),
        Route.get("/threads/{thread_id}/state/{checkpoint_id}", guard.reader(this::stateAt)),
        Route.get("/threads/{thread_id}/history", guard.reader(this::history)),
        Route.post("/threads/{thread_id}/history", guard.reader(this::history)),
        Route.get("/threads/{thread_id}/stream", guard.reader(this::stream)));
  }

  private void create(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObjectOrEmpty());
    for (String field : List.of("supersteps", "ttl")) {
      if (body.has(field) && !body.get(field).isEmpty()) {
        throw new Refusal.Unsupported(
            field + "_not_supported", field, field + " is not supported yet");
      }
    }
    String id = body.string(ID).orElseGet(() -> UUID.randomUUID().toString());
    if (id.isEmpty() || id.length() > Threads.ID_CHARS_MAX) {
      throw new Refusal.Invalid(
          "invalid_thread_id", ID, "a thread id has 1 to " + Threads.ID_CHARS_MAX + " characters");
    }
    boolean raise = body.word("if_exists", "raise", "raise", "do_nothing").equals("raise");
    ObjectNode metadata = body.object("metadata");
    StoredConversation thread =
        conversations
            .create(caller.organization(), id, metadata)
            .orElseGet(() -> {
              if (raise) {
                throw new Refusal.Conflict("thread_exists", "there is a thread of that id");
              }
              return threads.thread(caller.organization(), id);
            });
    exchange.json(200, shown(thread));
  }

  private void get(Exchange exchange, Caller caller) {
    exchange.json(200, shown(thread(exchange, caller)));
  }

  /** Not LangGraph's: all that there is of it, for whoever takes it elsewhere or deletes it. */
  private void export(Exchange exchange, Caller caller) {
    Export.answer(exchange, conversations, thread(exchange, caller), caller.role());
  }

  private void update(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObject());
    String id = exchange.pathParam(ID);
    threads.thread(caller.organization(), id);
    StoredConversation changed =
        conversations
            .mergeMetadata(caller.organization(), id, body.object("metadata"))
            .orElseThrow(() -> new Refusal.NotFound("thread", id));
    if (exchange.header("prefer").orElse("").contains("return=minimal")) {
      exchange.empty(204);
    } else {
      exchange.json(200, shown(changed));
    }
  }

  private void delete(Exchange exchange, Caller caller) throws InterruptedException {
    conversations.delete(thread(exchange, caller));
    exchange.empty(204);
  }

  private void copy(Exchange exchange, Caller caller) {
    thread(exchange, caller);
    throw new Refusal.Unsupported(
        "copy_not_supported", null, "copying a thread is not supported yet");
  }

  private void updateState(Exchange exchange, Caller caller) {
    thread(exchange, caller);
    throw new Refusal.Unsupported(
        "update_state_not_supported",
        null,
        "the state is what the agent said: it cannot be changed from outside");
  }

  private void search(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObjectOrEmpty());
    int limit = body.integer("limit", 10, 1, LIMIT_MAX);
    int offset = body.integer("offset", 0, 0, OFFSET_MAX);
    List<String> select = body.strings("select");
    List<StoredConversation> found =
        conversations.search(caller.organization(), query(body, limit + 1, offset));
    boolean more = found.size() > limit;
    if (more) {
      exchange.responseHeader("X-Pagination-Next", Integer.toString(offset + limit));
    }
    ArrayNode answer = Json.array();
    boolean whole = select == null || select.contains("values") || select.contains("interrupts");
    for (StoredConversation thread : more ? found.subList(0, limit) : found) {
      answer.add(
          whole
              ? selected(shown(thread), select)
              : selected(Shapes.thread(thread, Json.object(), Json.array()), select));
    }
    exchange.json(200, answer);
  }

  private void count(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObjectOrEmpty());
    exchange.json(
        200,
        tools.jackson.databind.node.JsonNodeFactory.instance.numberNode(
            conversations.count(caller.organization(), query(body, 1, 0))));
  }

  private static ConversationQuery query(Body body, int limit, int offset) {
    String order =
        body.word(
            "sort_by",
            "created_at",
            "thread_id",
            "status",
            "created_at",
            "updated_at",
            "state_updated_at");
    String status =
        body.has("status") ? body.word("status", "", "idle", "busy", "interrupted", "error") : "";
    if (body.has("values") && !body.object("values").isEmpty()) {
      throw new Refusal.Unsupported(
          "search_by_values_not_supported", "values", "search by metadata, ids or status");
    }
    return new ConversationQuery(
        body.has("metadata") ? body.object("metadata") : null,
        body.strings("ids"),
        activity(status),
        null,
        switch (order) {
          case "thread_id" -> ConversationQuery.Order.ID;
          case "status" -> ConversationQuery.Order.ACTIVITY;
          case "created_at" -> ConversationQuery.Order.CREATED;
          default -> ConversationQuery.Order.UPDATED;
        },
        body.word("sort_order", "desc", "asc", "desc").equals("asc"),
        limit,
        offset);
  }

  private static @Nullable Activity activity(String status) {
    return switch (status) {
      case "idle" -> Activity.IDLE;
      case "busy" -> Activity.BUSY;
      case "interrupted" -> Activity.WAITING;
      case "error" -> Activity.FAILED;
      default -> null;
    };
  }

  private void state(Exchange exchange, Caller caller) {
    StoredConversation thread = thread(exchange, caller);
    Threads.Now now = threads.now(thread);
    exchange.json(200, stateNow(thread, now, ended(turns(thread))));
  }

  private ObjectNode stateNow(StoredConversation thread, Threads.Now now, List<Run> ended) {
    Run waiting = now.waiting();
    return waiting == null
        ? Shapes.state(thread, now.values(), last(ended, 0), last(ended, 1), now.interrupts())
        : Shapes.state(thread, now.values(), waiting, last(ended, 0), now.interrupts());
  }

  private void stateAt(Exchange exchange, Caller caller) {
    stateAt(exchange, thread(exchange, caller), exchange.pathParam("checkpoint_id"));
  }

  private void stateAtCheckpoint(Exchange exchange, Caller caller) {
    Body body = new Body(exchange.bodyObject());
    JsonNode checkpoint = body.object("checkpoint").path("checkpoint_id");
    StoredConversation thread = thread(exchange, caller);
    if (checkpoint.isString()) {
      stateAt(exchange, thread, checkpoint.stringValue());
    } else {
      state(exchange, caller);
    }
  }

  private void stateAt(Exchange exchange, StoredConversation thread, String checkpoint) {
    List<Run> turns = turns(thread);
    List<Run> ended = ended(turns);
    for (int i = 0; i < ended.size(); i++) {
      if (ended.get(i).id().toString().equals(checkpoint)) {
        exchange.json(200, stateAfter(thread, turns, ended, i));
        return;
      }
    }
    Threads.Now now = threads.now(thread);
    if (!isAt(now.waiting(), checkpoint)) {
      throw new Refusal.NotFound("checkpoint", checkpoint);
    }
    exchange.json(200, stateNow(thread, now, ended));
  }

  private void history(Exchange exchange, Caller caller) {
    StoredConversation thread = thread(exchange, caller);
    Body body = new Body(exchange.bodyObjectOrEmpty());
    int limit =
        exchange.query("limit").isPresent()
            ? exchange.queryInt("limit", 10, 1, LIMIT_MAX)
            : body.integer("limit", 10, 1, LIMIT_MAX);
    String before = before(exchange, body);
    List<Run> turns = turns(thread);
    List<Run> ended = ended(turns);
    ArrayNode states = Json.array();
    boolean reached = before.isEmpty();
    Threads.Now now = threads.now(thread);
    if (now.waiting() != null) {
      if (reached) {
        states.add(stateNow(thread, now, ended));
      }
      reached = reached || isAt(now.waiting(), before);
    }
    for (int i = ended.size() - 1; i >= 0 && states.size() < limit; i--) {
      if (reached) {
        states.add(stateAfter(thread, turns, ended, i));
      } else {
        reached = ended.get(i).id().toString().equals(before);
      }
    }
    exchange.json(200, states);
  }

  private static String before(Exchange exchange, Body body) {
    JsonNode before = body.get("before");
    if (before.isString()) {
      return before.stringValue();
    }
    JsonNode id = before.path("checkpoint_id");
    JsonNode nested = before.path("configurable").path("checkpoint_id");
    return id.isString()
        ? id.stringValue()
        : nested.isString() ? nested.stringValue() : exchange.query("before").orElse("");
  }

  private static boolean isAt(@Nullable Run run, String checkpoint) {
    return run != null && run.id().toString().equals(checkpoint);
  }

  private static ObjectNode stateAfter(
      StoredConversation thread, List<Run> turns, List<Run> ended, int place) {
    Run run = ended.get(place);
    return Shapes.state(
        thread,
        Shapes.values(
            Conversations.messages(
                turns.stream().filter(turn -> turn.turn() <= run.turn()).toList())),
        run,
        place == 0 ? null : ended.get(place - 1),
        Json.array());
  }

  private void stream(Exchange exchange, Caller caller) throws InterruptedException {
    StoredConversation thread = thread(exchange, caller);
    for (String list : exchange.queryAll("stream_mode")) {
      for (String mode : list.replaceAll("[\\[\\]\"\\s]", "").split(",")) {
        if (!FOLLOWED.contains(mode)) {
          throw new Refusal.Invalid(
              "unknown_stream_mode",
              "stream_mode",
              "stream_mode of a thread must be one or more of " + String.join(", ", FOLLOWED));
        }
      }
    }
    streams.follow(
        exchange,
        thread,
        exchange.header("last-event-id").map(Cursor::parse).orElseGet(() -> now(thread)));
  }

  /** Behind everything that has ended. */
  private Cursor now(StoredConversation thread) {
    List<Run> live = conversations.live(thread);
    if (!live.isEmpty()) {
      return new Cursor(live.getFirst().turn(), 0, 0);
    }
    List<Run> newest = conversations.runs(thread, Set.of(), 1, 0);
    return newest.isEmpty() ? Cursor.START : new Cursor(newest.getFirst().turn() + 1, 0, 0);
  }

  private List<Run> turns(StoredConversation thread) {
    return conversations.turns(thread, Long.MAX_VALUE);
  }

  /** Those that have ended and had begun, in their order. */
  private static List<Run> ended(List<Run> turns) {
    List<Run> ended = new ArrayList<>();
    for (Run run : turns) {
      if (run.status().terminal() && run.times().started() != null) {
        ended.add(run);
      }
    }
    return ended;
  }

  private static @Nullable Run last(List<Run> runs, int back) {
    int place = runs.size() - 1 - back;
    return place < 0 ? null : runs.get(place);
  }

  private StoredConversation thread(Exchange exchange, Caller caller) {
    return threads.thread(caller.organization(), exchange.pathParam(ID));
  }

  private ObjectNode shown(StoredConversation thread) {
    Threads.Now now = threads.now(thread);
    return Shapes.thread(thread, now.values(), now.interrupts());
  }

  static ObjectNode selected(ObjectNode node, @Nullable List<String> select) {
    return select == null ? node : node.retain(select);
  }
}

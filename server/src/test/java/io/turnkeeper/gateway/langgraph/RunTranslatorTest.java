package io.turnkeeper.gateway.langgraph;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Json;
import io.turnkeeper.gateway.langgraph.RunTranslator.Frame;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

class RunTranslatorTest {
  private static final int SEEDS = 200;
  private static final long TURN = 7;

  private record Told(String kind, JsonNode data) {}

  private static Told told(String kind, String json) {
    return new Told(kind, Json.parse(json));
  }

  private static Told says(String text) {
    return told(
        "agent.update",
        "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\""
            + text
            + "\"}}");
  }

  private static final Told STARTED =
      told("run.started", "{\"attempt\":1,\"agent_version\":3,\"replica\":7}");
  private static final Told READY = told("worker.ready", "{\"restore\":\"none\"}");
  private static final Told THINKS =
      told(
          "agent.update",
          "{\"sessionUpdate\":\"agent_thought_chunk\",\"content\":{\"type\":\"text\",\"text\":\"hm\"}}");
  private static final Told CALLS =
      told(
          "agent.update",
          "{\"sessionUpdate\":\"tool_call\",\"toolCallId\":\"c\",\"title\":\"Read\",\"rawInput\":{\"p\":1}}");
  private static final Told RESULT =
      told(
          "agent.update",
          "{\"sessionUpdate\":\"tool_call_update\",\"toolCallId\":\"c\",\"status\":\"completed\",\"rawOutput\":\"42\"}");
  private static final Told COMPLETED = told("run.completed", "{\"status\":\"completed\"}");
  private static final Told FAILED =
      told(
          "run.failed",
          "{\"status\":\"failed\",\"error\":{\"code\":\"agent_error\",\"message\":\"no\"}}");
  private static final Told CANCELLED =
      told("run.cancelled", "{\"status\":\"cancelled\",\"error\":{\"code\":\"cancelled\"}}");

  private static Told asks(String id) {
    return told(
        "permission.requested",
        "{\"id\":\""
            + id
            + "\",\"tool_call\":{\"toolCallId\":\"c\"},\"options\":[{\"optionId\":\"y\",\"kind\":\"allow_once\"}],\"expires_at\":\"2026-01-01T00:00:00Z\"}");
  }

  private static Told answered(String id) {
    return told(
        "permission.resolved",
        "{\"id\":\"" + id + "\",\"outcome\":\"selected\",\"option_id\":\"y\",\"by\":\"web\"}");
  }

  private static RunTranslator translator(Set<StreamMode> modes) {
    ArrayNode before = Json.array();
    before.addObject().put("type", "human").put("id", "r-in-0").put("content", "hi");
    return new RunTranslator(new RunTranslator.Subject("r", "t", "echo", before), modes);
  }

  private static List<Frame> frames(Set<StreamMode> modes, Told... log) {
    RunTranslator translator = translator(modes);
    List<Frame> frames = new ArrayList<>();
    for (Told event : log) {
      frames.addAll(translator.apply(event.kind(), event.data()));
    }
    return frames;
  }

  private static List<Frame> frames(StreamMode mode, Told... log) {
    return frames(EnumSet.of(mode), log);
  }

  private static List<String> names(List<Frame> frames) {
    return frames.stream().map(Frame::event).toList();
  }

  private static String contents(JsonNode messages) {
    StringBuilder all = new StringBuilder();
    messages.forEach(message ->
        all.append(message.path("type").asString())
            .append(':')
            .append(message.path("content").asString())
            .append(' '));
    return all.toString().strip();
  }

  @Test
  void values_are_the_conversation_at_the_start_after_each_tool_and_at_the_end() {
    List<Frame> frames =
        frames(
            StreamMode.VALUES,
            STARTED,
            READY,
            says("I look. "),
            CALLS,
            RESULT,
            says("42"),
            COMPLETED);
    assertThat(names(frames)).containsExactly("metadata", "values", "values", "values");
    assertThat(Json.write(frames.getFirst().data()))
        .isEqualTo("{\"run_id\":\"r\",\"attempt\":1,\"thread_id\":\"t\"}");
    assertThat(frames.subList(1, 4).stream().map(f -> contents(f.data().path("messages"))))
        .containsExactly(
            "human:hi", "human:hi ai:I look.  tool:42", "human:hi ai:I look.  tool:42 ai:42");
  }

  @Test
  void updates_are_what_the_turn_added_by_the_agent_s_name() {
    List<Frame> frames = frames(StreamMode.UPDATES, STARTED, says("a"), says("b"), COMPLETED);
    assertThat(names(frames)).containsExactly("metadata", "updates");
    assertThat(contents(frames.getLast().data().path("echo").path("messages"))).isEqualTo("ai:ab");
  }

  @Test
  void messages_grow_under_one_id_and_are_complete_at_the_end() {
    List<Frame> frames = frames(StreamMode.MESSAGES, STARTED, says("a"), says("b"), COMPLETED);
    assertThat(names(frames))
        .containsExactly(
            "metadata",
            "messages/metadata",
            "messages/partial",
            "messages/partial",
            "messages/complete");
    assertThat(contents(frames.get(2).data())).isEqualTo("ai:a");
    assertThat(contents(frames.get(3).data())).isEqualTo("ai:ab");
    assertThat(frames.get(3).data().path(0)).isEqualTo(frames.get(4).data().path(0));
    String id = frames.get(2).data().path(0).path("id").asString();
    assertThat(frames.get(1).data().has(id)).isTrue();
  }

  @Test
  void chunks_of_messages_tuple_add_up_to_the_message_that_bears_their_id() {
    Told[] log = {STARTED, THINKS, says("a"), says("b"), CALLS, RESULT, COMPLETED};
    List<Frame> frames = frames(StreamMode.MESSAGES_TUPLE, log);
    assertThat(names(frames))
        .containsExactly("metadata", "messages", "messages", "messages", "messages", "messages");
    JsonNode message = translatedMessage(log);
    StringBuilder text = new StringBuilder();
    for (Frame frame : frames.subList(1, 5)) {
      JsonNode chunk = frame.data().path(0);
      assertThat(chunk.path("type").asString()).isEqualTo("AIMessageChunk");
      assertThat(chunk.path("id")).isEqualTo(message.path("id"));
      text.append(chunk.path("content").asString());
      assertThat(frame.data().path(1).path("langgraph_node").asString()).isEqualTo("echo");
    }
    assertThat(text).hasToString(message.path("content").asString());
    assertThat(
            frames
                .get(1)
                .data()
                .path(0)
                .path("additional_kwargs")
                .path("reasoning_content")
                .asString())
        .isEqualTo("hm");
    JsonNode call = frames.get(4).data().path(0).path("tool_call_chunks").path(0);
    assertThat(call.path("name").asString()).isEqualTo("Read");
    assertThat(Json.parse(call.path("args").asString()).path("p").asInt()).isEqualTo(1);
    assertThat(frames.get(5).data().path(0).path("type").asString()).isEqualTo("tool");
  }

  private static JsonNode translatedMessage(Told... log) {
    return frames(StreamMode.VALUES, log).getLast().data().path("messages").path(1);
  }

  @Test
  void custom_is_what_the_agent_said_as_it_said_it() {
    Told unknown = told("agent.update", "{\"sessionUpdate\":\"of_next_year\",\"x\":1}");
    List<Frame> frames = frames(StreamMode.CUSTOM, STARTED, unknown, COMPLETED);
    assertThat(names(frames)).containsExactly("metadata", "custom");
    assertThat(frames.getLast().data()).isEqualTo(unknown.data());
  }

  @Test
  void tools_begin_and_end_also_when_they_begin_with_an_update() {
    Told late =
        told(
            "agent.update",
            "{\"sessionUpdate\":\"tool_call_update\",\"toolCallId\":\"d\",\"title\":\"Run\"}");
    List<Frame> frames = frames(StreamMode.TOOLS, STARTED, CALLS, RESULT, late, COMPLETED);
    assertThat(frames.stream().skip(1).map(f -> f.data().path("event").asString()))
        .containsExactly("on_tool_start", "on_tool_end", "on_tool_start");
    assertThat(frames.get(2).data().path("output").asString()).isEqualTo("42");
  }

  @Test
  void modes_that_an_agent_has_nothing_for_carry_nothing() {
    Set<StreamMode> modes =
        EnumSet.of(StreamMode.EVENTS, StreamMode.DEBUG, StreamMode.TASKS, StreamMode.CHECKPOINTS);
    assertThat(names(frames(modes, STARTED, says("a"), CALLS, RESULT, COMPLETED)))
        .containsExactly("metadata");
  }

  @Test
  void a_failure_is_an_error_and_the_last_frame() {
    List<Frame> frames = frames(StreamMode.VALUES, STARTED, says("a"), FAILED);
    assertThat(names(frames)).containsExactly("metadata", "values", "error");
    assertThat(Json.write(frames.getLast().data()))
        .isEqualTo("{\"error\":\"agent_error\",\"message\":\"no\"}");
  }

  @Test
  void a_run_that_never_started_shows_nothing_of_itself() {
    assertThat(names(frames(EnumSet.allOf(StreamMode.class), CANCELLED)))
        .containsExactly("metadata");
    assertThat(names(frames(EnumSet.allOf(StreamMode.class), FAILED)))
        .containsExactly("metadata", "error");
  }

  @Test
  void what_a_person_is_asked_is_an_interrupt_until_it_is_answered() {
    RunTranslator translator = translator(EnumSet.of(StreamMode.VALUES, StreamMode.UPDATES));
    translator.apply(STARTED.kind(), STARTED.data());
    List<Frame> asked = translator.apply(asks("p1").kind(), asks("p1").data());
    assertThat(names(asked)).containsExactly("updates", "values");
    for (Frame frame : asked) {
      JsonNode interrupt = frame.data().path("__interrupt__").path(0);
      assertThat(interrupt.path("id").asString()).isEqualTo("p1");
      assertThat(interrupt.path("value").path("options")).hasSize(1);
    }
    assertThat(translator.interrupted()).isTrue();
    assertThat(translator.apply(answered("p1").kind(), answered("p1").data())).isEmpty();
    assertThat(translator.interrupted()).isFalse();
    List<Frame> end = translator.apply(COMPLETED.kind(), COMPLETED.data());
    assertThat(end.getLast().data().has("__interrupt__")).isFalse();
  }

  @Test
  void of_two_questions_the_one_without_an_answer_is_asked_again() {
    List<Frame> frames =
        frames(StreamMode.UPDATES, STARTED, asks("p1"), asks("p2"), answered("p1"));
    assertThat(names(frames)).containsExactly("metadata", "updates", "updates", "updates");
    JsonNode left = frames.getLast().data().path("__interrupt__");
    assertThat(left).hasSize(1);
    assertThat(left.path(0).path("id").asString()).isEqualTo("p2");
  }

  @Test
  void what_a_policy_answers_is_no_interrupt() {
    Told byPolicy = told("permission.requested", "{\"id\":\"p1\",\"tool_call\":{},\"options\":[]}");
    assertThat(names(frames(StreamMode.VALUES, STARTED, byPolicy, COMPLETED)))
        .containsExactly("metadata", "values", "values");
  }

  @Test
  void a_call_whose_outcome_nobody_knows_ends_with_that_word() {
    Told interrupted =
        told(
            "run.interrupted",
            "{\"reason\":\"replica_lost\",\"unknown_tool_calls\":[{\"toolCallId\":\"c\",\"title\":\"Read\"}]}");
    Told again = told("run.started", "{\"attempt\":2}");
    List<Frame> tools =
        frames(EnumSet.of(StreamMode.TOOLS), STARTED, READY, CALLS, interrupted, again, CALLS)
            .stream()
            .filter(frame -> frame.event().equals("tools"))
            .toList();
    assertThat(tools.stream().map(frame -> frame.data().path("event").asString()))
        .containsExactly("on_tool_start", "on_tool_error", "on_tool_start");
    assertThat(tools.get(1).data().path("error").asString()).startsWith("outcome unknown");
    List<JsonNode> told =
        frames(EnumSet.of(StreamMode.MESSAGES_TUPLE), STARTED, READY, CALLS, interrupted).stream()
            .filter(frame -> frame.event().equals("messages"))
            .map(frame -> frame.data().get(0))
            .toList();
    assertThat(told.getLast().path("type").asString()).isEqualTo("tool");
    assertThat(told.getLast().path("tool_call_id").asString()).isEqualTo("c");
    assertThat(told.getLast().path("status").asString()).isEqualTo("error");
    assertThat(told.getLast().path("content").asString()).startsWith("outcome unknown");
  }

  @Test
  void another_attempt_starts_the_answer_anew() {
    Told again = told("run.started", "{\"attempt\":2}");
    Told lost = told("run.interrupted", "{\"reason\":\"replica_lost\",\"attempt\":1}");
    List<Frame> frames =
        frames(StreamMode.VALUES, STARTED, says("lost"), lost, again, says("kept"), COMPLETED);
    assertThat(names(frames)).containsExactly("metadata", "values", "metadata", "values", "values");
    assertThat(frames.get(2).data().path("attempt").asInt()).isEqualTo(2);
    assertThat(contents(frames.getLast().data().path("messages"))).isEqualTo("human:hi ai:kept");
  }

  /** One line of a stream, with the id that it was sent with. */
  private record Sent(String id, Frame frame) {}

  private static List<Sent> stream(List<Told> log, Set<StreamMode> modes, Cursor from) {
    RunTranslator translator = translator(modes);
    List<Sent> sent = new ArrayList<>();
    for (int seq = 1; seq <= log.size(); seq++) {
      List<Frame> frames = translator.apply(log.get(seq - 1).kind(), log.get(seq - 1).data());
      for (int i = 1; i <= frames.size(); i++) {
        if (!from.covers(TURN, seq, i)) {
          sent.add(new Sent(Cursor.id(TURN, seq, i, frames.size()), frames.get(i - 1)));
        }
      }
    }
    return sent;
  }

  private static List<Told> anyLog(Random random) {
    List<Told> log = new ArrayList<>(List.of(STARTED, READY));
    int calls = 0;
    for (int i = random.nextInt(12); i > 0; i--) {
      switch (random.nextInt(7)) {
        case 0 -> log.add(THINKS);
        case 1 -> log.add(CALLS);
        case 2 -> log.add(RESULT);
        case 3 -> {
          log.add(asks("p" + calls));
          log.add(answered("p" + calls++));
        }
        case 4 -> log.add(told("run.started", "{\"attempt\":2}"));
        default -> log.add(says("w" + i + " "));
      }
    }
    log.add(List.of(COMPLETED, FAILED, CANCELLED).get(random.nextInt(3)));
    return log;
  }

  private static Set<StreamMode> anyModes(Random random) {
    Set<StreamMode> modes = EnumSet.noneOf(StreamMode.class);
    for (StreamMode mode : StreamMode.values()) {
      if (random.nextBoolean()) {
        modes.add(mode);
      }
    }
    return modes;
  }

  @Test
  @Promise(4)
  void whoever_goes_on_from_any_id_gets_the_rest_each_frame_once() {
    for (int seed = 0; seed < SEEDS; seed++) {
      Random random = new Random(seed);
      List<Told> log = anyLog(random);
      Set<StreamMode> modes = anyModes(random);
      List<Sent> all = stream(log, modes, Cursor.parse("-1"));
      assertThat(all.stream().map(Sent::id)).as("seed " + seed).doesNotHaveDuplicates();
      for (int i = 0; i < all.size(); i++) {
        List<Sent> rest = stream(log, modes, Cursor.parse(all.get(i).id()));
        assertThat(rest)
            .as("seed %d after %s", seed, all.get(i).id())
            .isEqualTo(all.subList(i + 1, all.size()));
      }
    }
  }

  @Test
  void an_id_of_an_earlier_turn_is_before_everything_and_one_of_a_later_turn_behind_it() {
    List<Told> log = List.of(STARTED, says("a"), COMPLETED);
    Set<StreamMode> modes = EnumSet.of(StreamMode.VALUES);
    assertThat(stream(log, modes, Cursor.parse("6.999"))).hasSize(3);
    assertThat(stream(log, modes, Cursor.parse("8.1"))).isEmpty();
  }
}

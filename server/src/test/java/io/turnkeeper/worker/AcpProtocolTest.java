package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Json;
import io.turnkeeper.worker.AcpProtocol.Happening;
import io.turnkeeper.worker.WorkerSpec.Permissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The protocol without a process: every line is an argument. */
final class AcpProtocolTest {
  private static final Session OLD = new Session("old", "/w");

  private final List<JsonNode> sent = new ArrayList<>();
  private final List<Happening> happened = new ArrayList<>();
  private AcpProtocol protocol = new AcpProtocol(Permissions.ASK, start(null, false));

  private static AcpProtocol.Start start(@Nullable Session previous, boolean hasHistory) {
    return new AcpProtocol.Start("/w", previous, hasHistory);
  }

  private void agent(String... lines) {
    for (String line : lines) {
      protocol.line(line.replace('\'', '"'));
      collect();
    }
  }

  private void collect() {
    protocol.takeLines().forEach(line -> sent.add(Json.parse(line)));
    happened.addAll(protocol.takeHappenings());
  }

  private JsonNode lastSent() {
    return sent.getLast();
  }

  private void begin(String capabilities) {
    protocol.begin();
    agent("{'id':1,'result':{'protocolVersion':1,'agentCapabilities':" + capabilities + "}}");
  }

  private void ready() {
    begin("{}");
    agent("{'id':2,'result':{'sessionId':'s'}}");
    assertThat(happened).containsExactly(new Happening.Ready(new Session("s", "/w"), Restore.NONE));
    happened.clear();
    sent.clear();
  }

  private void prompt() {
    protocol.prompt(Json.array(), Json.object(), 1);
    collect();
  }

  private static String update(String session, String text) {
    return "{'method':'session/update','params':{'sessionId':'"
        + session
        + "','update':{'sessionUpdate':'agent_message_chunk','content':{'text':'"
        + text
        + "'}}}}";
  }

  private static String ask(String id) {
    return "{'id':"
        + id
        + ",'method':'session/request_permission','params':{'sessionId':'s','toolCall':{},"
        + "'options':[{'optionId':'a','kind':'allow_always'},{'optionId':'r','kind':'reject_once'}]}}";
  }

  @Test
  void it_says_who_it_is_and_offers_neither_files_nor_terminals() {
    protocol.begin();
    collect();
    assertThat(lastSent().path("method").asString()).isEqualTo("initialize");
    assertThat(lastSent().at("/params/protocolVersion").asInt()).isEqualTo(1);
    assertThat(lastSent().at("/params/clientCapabilities/fs/readTextFile").asBoolean()).isFalse();
    assertThat(lastSent().at("/params/clientCapabilities/terminal").asBoolean()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hello",
        "{",
        "{'id':3,'result':{'stopReason':'end_turn'}",
        "[]",
        "[{'id':3,'result':{}}]",
        "null",
        "7",
        "'text'",
        "{}",
        "{'jsonrpc':'2.0'}",
        "{'id':3}",
        "{'id':null,'result':{}}",
        "{'id':{},'result':{}}",
        "{'id':99,'result':{'stopReason':'end_turn'}}",
        "{'id':3.5e400,'result':{}}",
        "{'id':'three','result':{}}",
        "{'method':7}",
        "{'method':'session/update'}",
        "{'method':'session/update','params':[]}",
        "{'method':'session/update','params':{'update':'x'}}",
        "{'method':'session/update','params':{'sessionId':'other','update':{}}}",
        "{'method':'$/cancel_request'}",
        "{'method':'$/progress','params':{}}",
        "{'result':{'stopReason':'end_turn'}} {}",
        "\u0000\u0001",
        "\uFFFD\uFFFD"
      })
  void a_line_that_means_nothing_does_not_disturb_an_open_turn(String line) {
    ready();
    prompt();
    agent(line);
    assertThat(happened).allMatch(Happening.Skipped.class::isInstance);
    agent(update("s", "still here"), "{'id':3,'result':{'stopReason':'end_turn'}}");
    assertThat(happened.getLast())
        .isEqualTo(new Happening.Ended(new TurnEnd.Ended("end_turn", null)));
  }

  @Test
  void no_line_whatever_throws() {
    Random random = new Random(7);
    String alphabet = "{}[]:,'\"idmethodresult0129.-eE\\u \n\u0000é";
    ready();
    prompt();
    for (int i = 0; i < 20_000; i++) {
      StringBuilder line = new StringBuilder();
      for (int j = random.nextInt(40); j > 0; j--) {
        line.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      protocol.line(line.toString());
    }
    protocol.line("[".repeat(100_000));
    collect();
    assertThat(happened).allMatch(Happening.Skipped.class::isInstance);
  }

  @Test
  void what_the_database_cannot_store_is_replaced() {
    ready();
    prompt();
    agent(update("s", "a\\u0000b \\ud83d\\ude00 \\ud83d \\\\u0000"));
    Happening.Update update = (Happening.Update) happened.getLast();
    assertThat(update.update().at("/content/text").asString())
        .isEqualTo("a\uFFFDb \uD83D\uDE00 \uFFFD \\u0000");
  }

  @Test
  void an_id_that_comes_back_as_text_is_ours_all_the_same() {
    ready();
    prompt();
    agent("{'id':'3','result':{'stopReason':'refusal'}}");
    assertThat(happened).containsExactly(new Happening.Ended(new TurnEnd.Ended("refusal", null)));
  }

  @Test
  void unknown_requests_are_refused_and_their_ids_kept_as_they_were() {
    ready();
    agent("{'id':'x-1','method':'terminal/create','params':{}}");
    assertThat(lastSent().toString())
        .isEqualTo(
            "{\"jsonrpc\":\"2.0\",\"id\":\"x-1\",\"error\":"
                + "{\"code\":-32601,\"message\":\"not supported: terminal/create\"}}");
  }

  @Test
  void cancel_is_sent_only_while_a_prompt_is_open_and_only_once() {
    ready();
    protocol.cancel();
    collect();
    assertThat(sent).isEmpty();
    prompt();
    protocol.cancel();
    protocol.cancel();
    collect();
    assertThat(sent).hasSize(2);
    assertThat(lastSent().path("method").asString()).isEqualTo("session/cancel");
    agent("{'id':3,'result':{'stopReason':'end_turn'}}");
    assertThat(happened).containsExactly(new Happening.Ended(new TurnEnd.Cancelled()));
  }

  @Test
  void cancel_answers_the_open_questions_first_and_new_ones_too() {
    ready();
    prompt();
    agent(ask("5"));
    protocol.cancel();
    collect();
    assertThat(lastSent().toString()).contains("\"id\":5").contains("cancelled");
    assertThat(happened.getLast())
        .isEqualTo(
            new Happening.Resolved(
                new PermissionResolved("p1", new PermissionAnswer.Cancelled("cancel"))));
    agent(ask("6"));
    assertThat(lastSent().toString()).contains("\"id\":6").contains("cancelled");
    assertThat(happened).hasSize(2);
  }

  @Test
  void a_policy_takes_always_only_where_once_is_not_offered() {
    protocol = new AcpProtocol(Permissions.ALLOW, start(null, false));
    ready();
    prompt();
    agent(ask("5"));
    assertThat(lastSent().at("/result/outcome/optionId").asString()).isEqualTo("a");
    agent("{'id':6,'method':'session/request_permission','params':{'toolCall':{},'options':[]}}");
    assertThat(lastSent().at("/result/outcome/outcome").asString()).isEqualTo("cancelled");
  }

  @Test
  void the_agent_may_withdraw_its_question() {
    ready();
    prompt();
    agent(ask("'q'"), "{'method':'$/cancel_request','params':{'requestId':'q'}}");
    assertThat(lastSent().at("/error/code").asInt()).isEqualTo(-32800);
    var yes = new PermissionAnswer.Selected("a", "ada");
    assertThat(protocol.answer("p1", yes)).isEqualTo(Worker.Answered.GONE);
  }

  @Test
  void a_question_that_nobody_answered_ends_with_the_turn() {
    ready();
    prompt();
    agent(ask("5"), "{'id':3,'result':{'stopReason':'end_turn'}}");
    assertThat(happened).hasSize(3);
    assertThat(happened.get(1)).isInstanceOf(Happening.Resolved.class);
    assertThat(happened.get(2)).isInstanceOf(Happening.Ended.class);
  }

  @Test
  void a_second_attempts_questions_have_other_names() {
    ready();
    protocol.prompt(Json.array(), Json.object(), 2);
    agent(ask("5"));
    assertThat(((Happening.Asked) happened.getLast()).request().id()).isEqualTo("p1a2");
  }

  @Test
  void updates_after_the_end_are_late_and_ones_before_the_first_turn_are_nothing() {
    ready();
    agent(update("s", "hello?"));
    assertThat(happened).isEmpty();
    prompt();
    agent("{'id':3,'result':{'stopReason':'end_turn'}}", update("s", "ps"));
    assertThat(happened.getLast()).isInstanceOf(Happening.Late.class);
  }

  @Test
  void one_turn_at_a_time() {
    ready();
    prompt();
    assertThatThrownBy(this::prompt).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void load_comes_before_resume_because_it_can_be_checked() {
    protocol = new AcpProtocol(Permissions.ASK, start(OLD, true));
    begin("{'loadSession':true,'sessionCapabilities':{'resume':{}}}");
    assertThat(lastSent().path("method").asString()).isEqualTo("session/load");
    agent(update("old", "history"), "{'id':2,'result':null}");
    assertThat(happened).containsExactly(new Happening.Ready(OLD, Restore.LOAD));
  }

  @Test
  void a_load_that_shows_no_history_is_not_believed() {
    protocol = new AcpProtocol(Permissions.ASK, start(OLD, true));
    begin("{'loadSession':true,'sessionCapabilities':{'resume':{}}}");
    agent(
        "{'method':'session/update','params':{'update':"
            + "{'sessionUpdate':'available_commands_update'}}}",
        "{'id':2,'result':{}}");
    assertThat(lastSent().path("method").asString()).isEqualTo("session/new");
    agent("{'id':3,'result':{'sessionId':'n'}}");
    assertThat(happened)
        .containsExactly(new Happening.Ready(new Session("n", "/w"), Restore.REPLAY));
    assertThat(protocol.restoredInVain()).isTrue();
  }

  @Test
  void a_load_of_a_conversation_without_history_is_believed() {
    protocol = new AcpProtocol(Permissions.ASK, start(OLD, false));
    begin("{'loadSession':true}");
    agent("{'id':2,'result':{}}");
    assertThat(happened).containsExactly(new Happening.Ready(OLD, Restore.LOAD));
  }

  @Test
  void a_refused_load_is_tried_without_servers_then_resumed_then_begun_anew() {
    protocol = new AcpProtocol(Permissions.ASK, start(OLD, true));
    begin("{'loadSession':true,'sessionCapabilities':{'resume':{}}}");
    assertThat(lastSent().path("params").has("mcpServers")).isTrue();
    agent("{'id':2,'error':{'code':-32602,'message':'mcpServers'}}");
    assertThat(lastSent().path("method").asString()).isEqualTo("session/load");
    assertThat(lastSent().path("params").has("mcpServers")).isFalse();
    agent("{'id':3,'error':{'code':-32602,'message':'no'}}");
    assertThat(lastSent().path("method").asString()).isEqualTo("session/resume");
    agent("{'id':4,'error':{'code':-32603,'message':'no'}}");
    assertThat(lastSent().path("method").asString()).isEqualTo("session/new");
    agent("{'id':5,'error':{'code':-32603,'message':'disk full'}}");
    assertThat(happened)
        .containsExactly(
            new Happening.StartFailed(
                "agent_error", "the agent refused session/new: disk full (-32603)"));
  }

  @Test
  void a_death_ends_what_is_open_and_later_lines_are_nothing() {
    ready();
    prompt();
    agent(ask("5"));
    protocol.over("worker_died", "gone");
    protocol.line("{\"id\":3,\"result\":{\"stopReason\":\"end_turn\"}}");
    collect();
    assertThat(happened.getLast())
        .isEqualTo(new Happening.Ended(new TurnEnd.Failed("worker_died", "gone")));
    assertThat(happened.get(happened.size() - 2)).isInstanceOf(Happening.Resolved.class);
  }
}

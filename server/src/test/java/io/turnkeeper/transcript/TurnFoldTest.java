package io.turnkeeper.transcript;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class TurnFoldTest {
  private final TurnFold fold = new TurnFold("r");

  private TurnFoldTest update(String json) {
    fold.apply("agent.update", Json.parse(json.replace('\'', '"')));
    return this;
  }

  private TurnFoldTest says(String text) {
    return update(
        "{'sessionUpdate':'agent_message_chunk','content':{'type':'text','text':'" + text + "'}}");
  }

  private JsonNode message(int place) {
    return fold.messages().path(place);
  }

  @Test
  void chunks_in_a_row_are_one_message() {
    says("Hel").says("lo");
    assertThat(fold.messages()).hasSize(1);
    assertThat(message(0).path("type").asString()).isEqualTo("ai");
    assertThat(message(0).path("content").asString()).isEqualTo("Hello");
    assertThat(fold.answer()).isEqualTo("Hello");
  }

  @Test
  void another_message_id_begins_another_message() {
    String chunk =
        "{'sessionUpdate':'agent_message_chunk','messageId':'%s','content':{'type':'text','text':'%s'}}";
    update(chunk.formatted("a", "one")).update(chunk.formatted("a", "!"));
    update(chunk.formatted("b", "two"));
    assertThat(fold.messages()).hasSize(2);
    assertThat(fold.answer()).isEqualTo("one!\n\ntwo");
    assertThat(message(0).path("id")).isNotEqualTo(message(1).path("id"));
  }

  @Test
  void a_tool_call_is_part_of_its_message_and_its_result_is_a_message_of_its_own() {
    says("I look. ");
    update(
        "{'sessionUpdate':'tool_call','toolCallId':'c1','title':'Read a','rawInput':{'path':'a'}}");
    assertThat(fold.openToolCalls()).hasSize(1);
    update(
        """
        {"sessionUpdate":"tool_call_update","toolCallId":"c1","status":"completed",
         "content":[{"type":"content","content":{"type":"text","text":"42"}}]}\
        """);
    says("It is 42.");

    assertThat(fold.openToolCalls()).isEmpty();
    assertThat(fold.messages()).hasSize(3);
    JsonNode call = message(0).path("tool_calls").path(0);
    assertThat(call.path("name").asString()).isEqualTo("Read a");
    assertThat(call.path("args").path("path").asString()).isEqualTo("a");
    assertThat(message(1).path("type").asString()).isEqualTo("tool");
    assertThat(message(1).path("tool_call_id")).isEqualTo(call.path("id"));
    assertThat(message(1).path("content").asString()).isEqualTo("42");
    assertThat(message(1).path("status").asString()).isEqualTo("success");
    assertThat(fold.answer()).isEqualTo("I look. \n\nIt is 42.");
  }

  @Test
  void a_failed_tool_is_an_error() {
    update("{'sessionUpdate':'tool_call','toolCallId':'c1','title':'Read','status':'failed'}");
    assertThat(message(1).path("status").asString()).isEqualTo("error");
  }

  @Test
  void a_second_result_of_one_tool_call_does_not_make_a_second_message() {
    update("{'sessionUpdate':'tool_call','toolCallId':'c1','title':'Read','status':'completed'}");
    update("{'sessionUpdate':'tool_call_update','toolCallId':'c1','status':'completed'}");
    assertThat(fold.messages()).hasSize(2);
  }

  @Test
  void a_call_that_begins_with_an_update_is_a_call() {
    update("{'sessionUpdate':'tool_call_update','toolCallId':'c1','title':'Read'}");
    assertThat(message(0).path("tool_calls")).hasSize(1);
  }

  @Test
  void thoughts_are_beside_the_content_and_no_part_of_the_answer() {
    update("{'sessionUpdate':'agent_thought_chunk','content':{'type':'text','text':'hm'}}");
    says("yes");
    assertThat(fold.messages()).hasSize(1);
    assertThat(message(0).path("additional_kwargs").path("reasoning_content").asString())
        .isEqualTo("hm");
    assertThat(fold.answer()).isEqualTo("yes");
  }

  @Test
  void what_it_does_not_know_changes_nothing() {
    update("{'sessionUpdate':'of_next_year','x':1}").update("{}");
    fold.apply("of.next.year", Json.object());
    assertThat(fold.messages()).isEmpty();
    assertThat(fold.answer()).isEmpty();
  }

  @Test
  void an_attempt_that_follows_starts_with_nothing_and_with_new_ids() {
    says("first");
    JsonNode first = message(0).path("id");
    fold.apply("run.started", Json.object().put("attempt", 2));
    assertThat(fold.messages()).isEmpty();
    says("second");
    assertThat(fold.answer()).isEqualTo("second");
    assertThat(message(0).path("id")).isNotEqualTo(first);
  }

  @Test
  void short_forms_of_what_was_asked_become_messages_with_ids() {
    var input =
        (tools.jackson.databind.node.ObjectNode)
            Json.parse(
                """
                {"messages":["hi",{"role":"assistant","content":"so"},{"type":"human","id":"x"},7]}\
                """);
    assertThat(Json.write(Transcript.inputMessages("r", input)))
        .isEqualTo(
            """
            [{"type":"human","content":"hi","id":"r-in-0"},\
            {"content":"so","type":"ai","id":"r-in-1"},\
            {"type":"human","id":"x","content":""}]\
            """);
  }

  @Test
  void a_conversation_is_told_as_text_with_who_said_what() {
    JsonNode messages =
        Json.parse(
            """
            [{"type":"human","content":"hi"},{"type":"ai","content":""},
             {"type":"tool","name":"Read","content":"42"},
             {"type":"ai","content":[{"type":"text","text":"It is "},{"type":"text","text":"42"}]}]\
            """);
    assertThat(Transcript.asText((tools.jackson.databind.node.ArrayNode) messages))
        .isEqualTo("User: hi\n\nTool Read: 42\n\nAssistant: It is 42");
  }
}

package io.turnkeeper.gateway.langgraph;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.util.EnumSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

@Promise(9)
class RunRequestTest {
  private static RunRequest read(String fields) {
    String body = "{\"assistant_id\":\"echo\",\"input\":\"hi\"" + fields.replace('\'', '"') + "}";
    return RunRequest.read((ObjectNode) Json.parse(body));
  }

  private static Refusal refused(String fields) {
    try {
      read(fields);
    } catch (Refusal refusal) {
      return refusal;
    }
    throw new AssertionError("was taken: " + fields);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ,'assistant_id':7 | assistant_id
          ,'input':7 | input
          ,'input':null | input
          ,'input':{} | input
          ,'input':{'messages':[]} | input.messages
          ,'input':{'messages':7} | input.messages
          ,'input':{'messages':['a',{'content':7}]} | input.messages[1]
          ,'input':{'messages':[{'role':'robot','content':'x'}]} | input.messages[0].role
          ,'input':{'messages':[{'type':7,'content':'x'}]} | input.messages[0].type
          ,'stream_mode':'nonsense' | stream_mode
          ,'stream_mode':[] | stream_mode
          ,'stream_mode':7 | stream_mode
          ,'multitask_strategy':'wait' | multitask_strategy
          ,'multitask_strategy':7 | multitask_strategy
          ,'on_disconnect':'x' | on_disconnect
          ,'on_completion':'x' | on_completion
          ,'if_not_exists':'x' | if_not_exists
          ,'durability':'x' | durability
          ,'after_seconds':-1 | after_seconds
          ,'after_seconds':'1' | after_seconds
          ,'priority':1.5 | priority
          ,'priority':101 | priority
          ,'metadata':[] | metadata
          ,'config':'x' | config
          ,'context':'x' | context
          ,'command':'x' | command
          ,'stream_resumable':'yes' | stream_resumable
          ,'stream_subgraphs':1 | stream_subgraphs
          ,'feedback_keys':'x' | feedback_keys
          ,'checkpoint':'x' | checkpoint
          ,'checkpoint_id':7 | checkpoint_id
          ,'webhook':7 | webhook
          """)
  void what_is_wrong_is_refused_by_its_field(String fields, String field) {
    Refusal refusal = refused(fields);
    assertThat(refusal).isInstanceOf(Refusal.Invalid.class);
    assertThat(refusal.field()).isEqualTo(field);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ,'multitask_strategy':'rollback' | rollback_not_supported
          ,'command':{'goto':'node'} | command_not_supported
          ,'command':{'update':{'a':1}} | command_not_supported
          ,'checkpoint':{'checkpoint_ns':'sub'} | checkpoint_not_supported
          ,'interrupt_before':'*' | interrupt_before_not_supported
          ,'interrupt_after':['n'] | interrupt_after_not_supported
          """)
  void what_is_not_served_is_refused_by_a_stable_code(String fields, String code) {
    Refusal refusal = refused(fields);
    assertThat(refusal).isInstanceOf(Refusal.Unsupported.class);
    assertThat(refusal.code()).isEqualTo(code);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ftp://192.0.2.1/",
        "/relative",
        "not a url",
        "http://user:secret@example.org/",
        "http:///nowhere",
        "https://example.org:0/"
      })
  void a_webhook_that_is_no_web_address_is_refused(String url) {
    Refusal refusal = refused(",'webhook':'" + url + "'");
    assertThat(refusal).isInstanceOf(Refusal.Invalid.class);
    assertThat(refusal.field()).isEqualTo("webhook");
  }

  @Test
  void a_webhook_is_kept_with_what_the_client_asked_for() {
    assertThat(
            read(",'webhook':'https://example.org/hook?a=1'").options().path("webhook").asString())
        .isEqualTo("https://example.org/hook?a=1");
  }

  @Test
  void absent_and_null_are_the_defaults() {
    RunRequest request =
        read(",'stream_mode':null,'multitask_strategy':null,'metadata':null,'checkpoint':null");
    assertThat(request.modes()).isEqualTo(EnumSet.of(StreamMode.VALUES));
    assertThat(request.busy()).isEqualTo(io.turnkeeper.orchestrator.NewTurn.Busy.ENQUEUE);
    assertThat(request.delay()).isZero();
    assertThat(request.cancelOnDisconnect()).isFalse();
    assertThat(request.createThread()).isFalse();
    assertThat(request.checkpoint()).isNull();
    assertThat(request.resume()).isNull();
  }

  @Test
  void short_forms_of_the_input_are_messages() {
    JsonNode hi = Json.parse("[{\"type\":\"human\",\"content\":\"hi\"}]");
    assertThat(read("").input().path("messages")).isEqualTo(hi);
    assertThat(read(",'input':['hi']").input().path("messages")).isEqualTo(Json.parse("[\"hi\"]"));
    assertThat(read(",'input':{'messages':'hi'}").input().path("messages"))
        .isEqualTo(Json.parse("[\"hi\"]"));
    JsonNode input = read(",'input':{'topic':'cats'}").input();
    assertThat(input.path("topic").asString()).isEqualTo("cats");
    assertThat(input.path("messages").path(0).path("content").asString())
        .isEqualTo("{\"topic\":\"cats\"}");
  }

  @Test
  void a_resume_needs_no_input() {
    RunRequest request = read(",'input':null,'command':{'resume':true}");
    assertThat(request.resume()).isEqualTo(Json.parse("true"));
  }

  @Test
  void a_checkpoint_is_taken_in_either_form() {
    assertThat(read(",'checkpoint_id':'c'").checkpoint()).isEqualTo("c");
    assertThat(
            read(",'checkpoint':{'checkpoint_ns':'','checkpoint_id':'c','checkpoint_map':null}")
                .checkpoint())
        .isEqualTo("c");
  }

  private static ArrayNode asked(String... ids) {
    ArrayNode interrupts = Json.array();
    for (String id : ids) {
      ObjectNode value = interrupts.addObject().put("id", id).putObject("value");
      value.put("permission_id", id);
      value.set(
          "options",
          Json.parse(
              """
              [{"optionId":"always","kind":"allow_always"},{"optionId":"once","kind":"allow_once"},
               {"optionId":"no","kind":"reject_once"}]\
              """));
    }
    return interrupts;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          "always" | always
          true | once
          false | no
          {"option_id":"always"} | always
          {"type":"approve"} | once
          [{"type":"accept"}] | once
          {"decisions":[{"type":"reject"}]} | no
          {"p1":"always"} | always
          "cancel" |
          """)
  void a_person_s_answer_is_understood_in_the_ways_that_clients_give_it(
      String resume, String option) {
    assertThat(Permissions.answers(asked("p1"), Json.parse(resume)))
        .containsExactly(new Permissions.Answer("p1", option));
  }

  @Test
  void two_questions_are_answered_by_their_ids() {
    assertThat(Permissions.answers(asked("p1", "p2"), Json.parse("{\"p2\":true,\"p1\":false}")))
        .containsExactly(new Permissions.Answer("p1", "no"), new Permissions.Answer("p2", "once"));
  }

  @Test
  void an_answer_that_nobody_offered_is_refused() {
    assertThatThrownBy(() -> Permissions.answers(asked("p1"), Json.parse("\"perhaps\"")))
        .isInstanceOf(Refusal.Invalid.class);
  }
}

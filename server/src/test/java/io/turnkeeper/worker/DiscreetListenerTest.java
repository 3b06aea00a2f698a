package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

class DiscreetListenerTest {
  private static final String SECRET = "sk-secret-0123";

  private final List<ObjectNode> told = new ArrayList<>();
  private final DiscreetListener listener =
      new DiscreetListener(
          Secrets.inAnswers(
              Map.of(
                  "API_KEY", SECRET,
                  "AUTH_MODE", "on",
                  "MODE", "development",
                  "MAX_TOKENS", "4096",
                  "AUTHOR", "Lovelace",
                  "STORE", "redis://app:hunter2@cache:6379")),
          new Telling());

  private final class Telling implements TurnListener {
    @Override
    public void update(ObjectNode update) {
      told.add(update);
    }

    @Override
    public void permissionRequested(PermissionRequest request) {
      told.add(request.toolCall());
    }

    @Override
    public void permissionResolved(PermissionResolved resolved) {}

    @Override
    public void progress() {}

    @Override
    public void late(ObjectNode update) {
      told.add(update);
    }
  }

  private static ObjectNode chunk(String kind, String text) {
    ObjectNode update = Json.object().put("sessionUpdate", kind);
    update.putObject("content").put("type", "text").put("text", text);
    return update;
  }

  private void say(String... pieces) {
    for (String piece : pieces) {
      listener.update(chunk("agent_message_chunk", piece));
    }
  }

  private String text() {
    StringBuilder all = new StringBuilder();
    told.forEach(update -> all.append(update.path("content").path("text").asString("")));
    return all.toString();
  }

  @Test
  void ordinary_values_are_said_and_those_with_a_password_in_them_are_not() {
    say("development by Lovelace with 4096 tokens on redis://app:hunter2@cache:6379");
    listener.flush();
    assertThat(text()).isEqualTo("development by Lovelace with 4096 tokens on ***");
  }

  @Test
  void a_secret_is_hidden_wherever_its_text_is_cut() {
    String whole = "the key is " + SECRET + ", keep it on";
    for (int cut = 0; cut <= whole.length(); cut++) {
      told.clear();
      say(whole.substring(0, cut), whole.substring(cut));
      listener.flush();
      assertThat(text()).as("cut at " + cut).isEqualTo("the key is ***, keep it on");
    }
    told.clear();
    say(whole.split(""));
    listener.flush();
    assertThat(text()).isEqualTo("the key is ***, keep it on");
  }

  @Test
  void what_only_begins_like_a_secret_is_told_when_something_else_comes() {
    say("ask", "-s");
    listener.update(chunk("agent_thought_chunk", "hm"));
    assertThat(text()).isEqualTo("ask-shm");
    assertThat(told.getLast().path("sessionUpdate").asString()).isEqualTo("agent_thought_chunk");
  }

  @Test
  void it_is_hidden_in_tool_calls_questions_and_what_comes_late() {
    ObjectNode call = Json.object().put("sessionUpdate", "tool_call");
    call.putObject("rawInput").putArray("args").add("--key=" + SECRET).addObject().put("k", SECRET);
    listener.update(call);
    ObjectNode asked = Json.object().put("title", "use " + SECRET);
    listener.permissionRequested(new PermissionRequest("p1", asked, Json.array()));
    listener.late(chunk("agent_message_chunk", SECRET));
    assertThat(told).hasSize(3).noneMatch(update -> Json.write(update).contains(SECRET));
    assertThat(Json.write(told.getFirst())).contains("--key=***");
  }
}

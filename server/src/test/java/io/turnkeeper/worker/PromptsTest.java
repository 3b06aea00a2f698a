package io.turnkeeper.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.Json;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

final class PromptsTest {
  private static String blocks(String input, boolean takesAll) {
    JsonNode json = Json.parse(input.replace('\'', '"'));
    return Prompts.blocks(new Turn("r", "t", 1, false, json), "", capability -> takesAll)
        .toString()
        .replace('"', '\'');
  }

  @Test
  void only_what_came_after_the_last_answer_is_new() {
    String input =
        "{'messages':[{'type':'human','content':'a'},{'role':'assistant','content':'b'},"
            + "{'role':'user','content':'c'},{'type':'human','content':[{'type':'text','text':'d'}]}]}";
    assertThat(blocks(input, true))
        .isEqualTo("[{'type':'text','text':'c'},{'type':'text','text':'d'}]");
  }

  @Test
  void images_go_as_images_where_the_agent_takes_them() {
    String input =
        "{'messages':[{'type':'human','content':[{'type':'image_url',"
            + "'image_url':{'url':'data:image/png;base64,AAAA'}},"
            + "{'type':'image','source_type':'base64','mime_type':'image/gif','data':'BBBB'},"
            + "{'type':'image_url','image_url':'https://x.test/y.png'}]}]}";
    assertThat(blocks(input, true))
        .isEqualTo(
            "[{'type':'image','mimeType':'image/png','data':'AAAA'},"
                + "{'type':'image','mimeType':'image/gif','data':'BBBB'},"
                + "{'type':'resource_link','name':'image','uri':'https://x.test/y.png'}]");
    assertThat(blocks(input, false)).contains("cannot take").doesNotContain("AAAA");
  }

  @Test
  void input_of_another_shape_is_given_as_it_came() {
    assertThat(blocks("{'question':'why?'}", true))
        .isEqualTo("[{'type':'text','text':'{\\'question\\':\\'why?\\'}'}]");
    assertThat(blocks("{'messages':'hi'}", true)).isEqualTo("[{'type':'text','text':'hi'}]");
    assertThat(blocks("null", true)).isEqualTo("[{'type':'text','text':'null'}]");
  }
}

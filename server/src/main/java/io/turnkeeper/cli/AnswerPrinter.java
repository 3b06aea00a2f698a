package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.IntConsumer;
import tools.jackson.databind.JsonNode;

/** Prints an agent's answer as it comes: its words to stdout, everything else dimmed to stderr. */
final class AnswerPrinter {
  private static final int TITLE_CHARS_MAX = 120;

  private final Screen screen;
  private final boolean json;
  private boolean inLine;
  private boolean inThought;
  private String error = "";
  private int attempt = 1;
  private int goesOnFrom = Integer.MAX_VALUE;
  private IntConsumer onPiece = pieces -> {};
  private final StringBuilder said = new StringBuilder();
  private final List<Long> arrivals = new ArrayList<>();

  AnswerPrinter(Screen screen, boolean json) {
    this.screen = screen;
    this.json = json;
  }

  void event(String name, JsonNode data) {
    if (name.equals("error")) {
      error = data.path("message").asString(data.path("error").asString(""));
    }
    if (name.equals("metadata")) {
      attempt(data.path("attempt").asInt(1));
    }
    if (json) {
      screen.jsonLine(Json.object().put("event", name).set("data", data));
      return;
    }
    switch (data.path("sessionUpdate").asString("")) {
      case "agent_message_chunk" -> say(text(data));
      case "agent_thought_chunk" -> think(text(data));
      case "tool_call" -> step("→ " + Screen.brief(data.path("title"), TITLE_CHARS_MAX));
      case "tool_call_update" -> {
        String status = data.path("status").asString("");
        if (status.equals("completed") || status.equals("failed")) {
          step("  " + status);
        }
      }
      default -> {
        // Plans, modes, commands and what later versions send: not for the terminal.
      }
    }
  }

  /** On a line of its own. */
  void remark(String text) {
    breakLine();
    screen.remark(text);
  }

  /** On a line of its own, to stdout. */
  void line(String text) {
    breakLine();
    screen.line(text);
  }

  /** On a line of its own, and not to be overlooked. */
  void notice(String text) {
    breakLine();
    screen.notice(text);
  }

  void failed(String status) {
    notice("turnkeeper: the run ended: " + (error.isEmpty() ? status : error));
  }

  /** After the last event. */
  void end() {
    breakLine();
  }

  /** The agent's words so far. */
  String said() {
    return said.toString();
  }

  /** In how many pieces they came. */
  int chunks() {
    return arrivals.size();
  }

  /** From the first piece to the last. */
  Duration spread() {
    return arrivals.isEmpty()
        ? Duration.ZERO
        : Duration.ofNanos(arrivals.getLast() - arrivals.getFirst());
  }

  /** Since when the attempt after a lost one speaks; empty while there is none. */
  OptionalLong goesOnSinceNanos() {
    return goesOnFrom < arrivals.size()
        ? OptionalLong.of(arrivals.get(goesOnFrom))
        : OptionalLong.empty();
  }

  /** Is told the number of pieces after each. */
  void onPiece(IntConsumer listener) {
    onPiece = listener;
  }

  private void attempt(int number) {
    if (number > attempt) {
      attempt = number;
      goesOnFrom = arrivals.size();
      if (!json) {
        remark("attempt " + number + ": the one before was lost");
      }
    }
  }

  private void say(String text) {
    said.append(text);
    arrivals.add(System.nanoTime());
    if (inThought) {
      breakLine();
    }
    screen.print(text);
    inLine = !text.endsWith("\n");
    onPiece.accept(arrivals.size());
  }

  private void think(String text) {
    if (!screen.styled()) {
      return;
    }
    if (inLine && !inThought) {
      breakLine();
    }
    screen.print(screen.dim(text));
    inThought = true;
    inLine = !text.endsWith("\n");
  }

  private void step(String text) {
    if (screen.styled()) {
      breakLine();
      screen.remark(text);
    }
  }

  private void breakLine() {
    if (inLine) {
      screen.line("");
    }
    inLine = false;
    inThought = false;
  }

  private static String text(JsonNode update) {
    JsonNode content = update.path("content");
    return content.path("type").asString("").equals("text")
        ? content.path("text").asString("")
        : "";
  }
}

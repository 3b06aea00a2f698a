package io.turnkeeper.ui;

import io.turnkeeper.base.RunId;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.Snapshots;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A turn as a conversation's page shows it: the chat, and the timeline beside it.
 *
 * @param entries the timeline; null while it is closed
 * @param asks what a person is asked now
 */
public record Turn(
    Run run,
    String agent,
    List<Bubble> bubbles,
    @Nullable List<Entry> entries,
    List<Ask> asks,
    Snapshots.@Nullable Cost snapshot) {

  public Turn {
    bubbles = List.copyOf(bubbles);
    asks = List.copyOf(asks);
  }

  public RunId id() {
    return run.id();
  }

  public boolean live() {
    return !run.status().terminal();
  }

  public String errorText(String field) {
    var error = run.error();
    return error == null ? "" : error.path(field).asString("");
  }

  /** Who speaks. */
  public enum Who {
    USER,
    AGENT,
    THOUGHT,
    TOOL
  }

  /**
   * @param detail a tool's input and output
   */
  public record Bubble(Who who, String text, List<Block> detail) {
    public Bubble {
      detail = List.copyOf(detail);
    }
  }

  /** Text that is kept as it is, with what it is. */
  public record Block(String label, String text) {}

  /** How an entry of the timeline is marked. */
  public enum Tone {
    PLAIN,
    GOOD,
    WARN,
    BAD,
    ASK,
    TOOL
  }

  /**
   * @param seq its first event's number
   */
  public record Entry(
      int seq, Instant at, Tone tone, String title, String detail, List<Block> blocks) {
    public Entry {
      blocks = List.copyOf(blocks);
    }
  }

  /** A question to a person. */
  public record Ask(String id, String title, List<Option> options, List<Block> blocks) {
    public Ask {
      options = List.copyOf(options);
      blocks = List.copyOf(blocks);
    }
  }

  /**
   * @param allows whether it lets the agent go on
   */
  public record Option(String id, String name, boolean allows) {}
}

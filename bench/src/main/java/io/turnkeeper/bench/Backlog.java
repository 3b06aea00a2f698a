package io.turnkeeper.bench;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationStore.Resolved;
import io.turnkeeper.conversation.ConversationStore.Wanted;
import io.turnkeeper.queue.NewRun;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Work that waits before anybody is there to do it, put in through the product's own doors. */
final class Backlog {
  private static final int BATCH = 2_000;

  private Backlog() {}

  /** Conversations of the engine's agent, by their numbers. */
  static List<Conversation> conversations(Engine engine, int count) {
    List<Conversation> made = new ArrayList<>();
    for (int from = 0; from < count; from += BATCH) {
      List<Wanted> wanted = new ArrayList<>();
      for (int i = from; i < Math.min(count, from + BATCH); i++) {
        wanted.add(
            new Wanted(
                engine.organization(), engine.agent().id(), "c" + i, Json.object(), false, true));
      }
      for (Resolved one : engine.db().inTx(tx -> engine.store().resolve(tx, wanted))) {
        if (one instanceof Resolved.Found(Conversation conversation)) {
          made.add(conversation);
        }
      }
    }
    return made;
  }

  /** Runs in turn over the conversations; the text of each is its number in its conversation. */
  static void runs(Engine engine, List<Conversation> over, int count) {
    for (int from = 0; from < count; from += BATCH) {
      List<NewRun> runs = new ArrayList<>();
      for (int i = from; i < Math.min(count, from + BATCH); i++) {
        runs.add(run(over.get(i % over.size()), i / over.size()));
      }
      engine.db().inTx(tx -> engine.queue().enqueue(tx, runs));
    }
  }

  static NewRun run(Conversation conversation, int number) {
    return new NewRun(
        RunId.next(),
        conversation,
        Engine.input(number + " " + Engine.TEXT),
        Json.object(),
        Json.object(),
        0,
        Duration.ZERO,
        null,
        1,
        false,
        null);
  }
}

package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.conversation.ConversationStore.Resolved;
import io.turnkeeper.conversation.ConversationStore.Wanted;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.GroupCommit;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Enqueued;
import io.turnkeeper.queue.NewRun;
import io.turnkeeper.queue.RunQueue;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Where messages become durable: conversation, mailbox and run in one transaction for all that has
 * gathered.
 */
final class Mailroom implements AutoCloseable {
  private static final int BATCH_MAX = 500;
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  /**
   * @param run what to queue once the conversation is known
   */
  record Letter(Wanted wanted, Function<Conversation, NewRun> run) {}

  /** What became of a letter. */
  sealed interface Receipt {
    record Queued(Conversation conversation, Enqueued answer) implements Receipt {}

    record NoConversation(Resolved why) implements Receipt {}
  }

  private final ConversationStore conversations;
  private final RunQueue queue;
  private final GroupCommit<Letter, Receipt> commits;

  Mailroom(Db db, ConversationStore conversations, RunQueue queue) {
    this.conversations = conversations;
    this.queue = queue;
    this.commits =
        new GroupCommit<>(db, new GroupCommit.Manner("mailroom", BATCH_MAX, false), this::post);
  }

  /** Blocks until the letter is committed, or refused. */
  Receipt post(Letter letter) {
    return commits.write(letter, DEADLINE);
  }

  @Override
  public void close() {
    commits.close();
  }

  private List<Receipt> post(Tx tx, List<Letter> letters) {
    List<Resolved> resolved =
        conversations.resolve(tx, letters.stream().map(Letter::wanted).toList());
    List<NewRun> runs = new ArrayList<>();
    for (int i = 0; i < letters.size(); i++) {
      if (resolved.get(i) instanceof Resolved.Found(Conversation conversation)) {
        runs.add(letters.get(i).run().apply(conversation));
      }
    }
    List<Enqueued> queued = runs.isEmpty() ? List.of() : queue.enqueue(tx, runs);
    List<Receipt> receipts = new ArrayList<>();
    int next = 0;
    for (Resolved one : resolved) {
      receipts.add(receipt(one, one instanceof Resolved.Found ? queued.get(next++) : null));
    }
    return receipts;
  }

  private static Receipt receipt(Resolved resolved, @Nullable Enqueued answer) {
    return resolved instanceof Resolved.Found(Conversation conversation) && answer != null
        ? new Receipt.Queued(conversation, answer)
        : new Receipt.NoConversation(resolved);
  }
}

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
import io.turnkeeper.queue.NewRun.Idempotency;
import io.turnkeeper.queue.RunQueue;
import java.time.Duration;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
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
  record Letter(
      Wanted wanted, @Nullable Idempotency idempotency, Function<Conversation, NewRun> run) {}

  /** What became of a letter. */
  sealed interface Receipt {
    record Queued(Conversation conversation, Enqueued answer) implements Receipt {}

    /** It came before, or its key did: nothing was made for it. */
    record Known(Enqueued answer) implements Receipt {}

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
    Map<Letter, Enqueued> known = known(tx, letters);
    List<Letter> fresh = letters.stream().filter(letter -> !known.containsKey(letter)).toList();
    Map<Letter, Receipt> receipts = new IdentityHashMap<>();
    known.forEach((letter, answer) -> receipts.put(letter, new Receipt.Known(answer)));
    List<Resolved> resolved =
        conversations.resolve(tx, fresh.stream().map(Letter::wanted).toList());
    List<Letter> addressed = new ArrayList<>();
    List<NewRun> runs = new ArrayList<>();
    for (int i = 0; i < fresh.size(); i++) {
      if (resolved.get(i) instanceof Resolved.Found(Conversation conversation)) {
        addressed.add(fresh.get(i));
        runs.add(fresh.get(i).run().apply(conversation));
      } else {
        receipts.put(fresh.get(i), new Receipt.NoConversation(resolved.get(i)));
      }
    }
    List<Enqueued> queued = runs.isEmpty() ? List.of() : queue.enqueue(tx, runs);
    for (int i = 0; i < runs.size(); i++) {
      receipts.put(addressed.get(i), new Receipt.Queued(runs.get(i).conversation(), queued.get(i)));
    }
    return letters.stream().map(letter -> Objects.requireNonNull(receipts.get(letter))).toList();
  }

  private Map<Letter, Enqueued> known(Tx tx, List<Letter> letters) {
    List<Letter> keyed = new ArrayList<>();
    List<RunQueue.Keyed> keys = new ArrayList<>();
    for (Letter letter : letters) {
      Idempotency idempotency = letter.idempotency();
      if (idempotency != null) {
        keyed.add(letter);
        keys.add(new RunQueue.Keyed(letter.wanted().organization(), idempotency));
      }
    }
    Map<Letter, Enqueued> known = new IdentityHashMap<>();
    List<Optional<Enqueued>> answers = queue.known(tx, keys);
    for (int i = 0; i < keyed.size(); i++) {
      Letter letter = keyed.get(i);
      answers.get(i).ifPresent(answer -> known.put(letter, answer));
    }
    return known;
  }
}

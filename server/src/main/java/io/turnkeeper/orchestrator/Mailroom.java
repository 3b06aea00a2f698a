package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
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
import java.util.function.BiFunction;
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
   * @param to which conversation is wanted, once the agent is known
   * @param run what to queue, once the conversation is known too
   */
  record Letter(
      Agents.Meant agent,
      @Nullable Idempotency idempotency,
      Function<Agent, Wanted> to,
      BiFunction<Agent, Conversation, NewRun> run) {}

  /** What became of a letter. */
  sealed interface Receipt {
    record Queued(Conversation conversation, Enqueued answer) implements Receipt {}

    /** It came before, or its key did: nothing was made for it. */
    record Known(Enqueued answer) implements Receipt {}

    record NoConversation(Resolved why) implements Receipt {}

    record NoAgent() implements Receipt {}
  }

  private final Agents agents;
  private final ConversationStore conversations;
  private final RunQueue queue;
  private final GroupCommit<Letter, Receipt> commits;

  Mailroom(Db db, Agents agents, ConversationStore conversations, RunQueue queue) {
    this.agents = agents;
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
    Map<Agents.Meant, Agent> there =
        agents.findAll(tx, letters.stream().map(Letter::agent).toList());
    Map<Letter, Receipt> receipts = new IdentityHashMap<>();
    List<Letter> meant = new ArrayList<>();
    for (Letter letter : letters) {
      if (there.containsKey(letter.agent())) {
        meant.add(letter);
      } else {
        receipts.put(letter, new Receipt.NoAgent());
      }
    }
    known(tx, meant).forEach((letter, answer) -> receipts.put(letter, new Receipt.Known(answer)));
    deliver(tx, meant.stream().filter(it -> !receipts.containsKey(it)).toList(), there, receipts);
    return letters.stream().map(letter -> Objects.requireNonNull(receipts.get(letter))).toList();
  }

  private void deliver(
      Tx tx, List<Letter> fresh, Map<Agents.Meant, Agent> there, Map<Letter, Receipt> receipts) {
    List<Agent> agentOf =
        fresh.stream().map(it -> Objects.requireNonNull(there.get(it.agent()))).toList();
    List<Wanted> wanted = new ArrayList<>();
    for (int i = 0; i < fresh.size(); i++) {
      wanted.add(fresh.get(i).to().apply(agentOf.get(i)));
    }
    List<Resolved> resolved = wanted.isEmpty() ? List.of() : conversations.resolve(tx, wanted);
    List<Letter> addressed = new ArrayList<>();
    List<NewRun> runs = new ArrayList<>();
    for (int i = 0; i < fresh.size(); i++) {
      if (resolved.get(i) instanceof Resolved.Found(Conversation conversation)) {
        addressed.add(fresh.get(i));
        runs.add(fresh.get(i).run().apply(agentOf.get(i), conversation));
      } else {
        receipts.put(fresh.get(i), new Receipt.NoConversation(resolved.get(i)));
      }
    }
    List<Enqueued> queued = runs.isEmpty() ? List.of() : queue.enqueue(tx, runs);
    for (int i = 0; i < runs.size(); i++) {
      receipts.put(addressed.get(i), new Receipt.Queued(runs.get(i).conversation(), queued.get(i)));
    }
  }

  private Map<Letter, Enqueued> known(Tx tx, List<Letter> letters) {
    List<Letter> keyed = new ArrayList<>();
    List<RunQueue.Keyed> keys = new ArrayList<>();
    for (Letter letter : letters) {
      Idempotency idempotency = letter.idempotency();
      if (idempotency != null) {
        keyed.add(letter);
        keys.add(new RunQueue.Keyed(letter.agent().organization(), idempotency));
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

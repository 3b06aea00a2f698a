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
import io.turnkeeper.queue.RunQueue;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
      Function<Agent, Wanted> to,
      BiFunction<Agent, Conversation, NewRun> run) {}

  /** What became of a letter. */
  sealed interface Receipt {
    record Queued(Conversation conversation, Enqueued answer) implements Receipt {}

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
    Map<Agents.Meant, Agent> known =
        agents.findAll(tx, letters.stream().map(Letter::agent).toList());
    List<Letter> deliverable =
        letters.stream().filter(letter -> known.containsKey(letter.agent())).toList();
    Iterator<Receipt> receipts = deliver(tx, deliverable, known).iterator();
    return letters.stream()
        .map(letter -> known.containsKey(letter.agent()) ? receipts.next() : new Receipt.NoAgent())
        .toList();
  }

  private List<Receipt> deliver(Tx tx, List<Letter> letters, Map<Agents.Meant, Agent> known) {
    List<Wanted> wanted = new ArrayList<>();
    letters.forEach(letter -> wanted.add(letter.to().apply(agent(known, letter))));
    List<Resolved> resolved = wanted.isEmpty() ? List.of() : conversations.resolve(tx, wanted);
    List<NewRun> runs = new ArrayList<>();
    for (int i = 0; i < letters.size(); i++) {
      if (resolved.get(i) instanceof Resolved.Found(Conversation conversation)) {
        Letter letter = letters.get(i);
        runs.add(letter.run().apply(agent(known, letter), conversation));
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

  private static Agent agent(Map<Agents.Meant, Agent> known, Letter letter) {
    return Objects.requireNonNull(known.get(letter.agent()));
  }

  private static Receipt receipt(Resolved resolved, @Nullable Enqueued answer) {
    return resolved instanceof Resolved.Found(Conversation conversation) && answer != null
        ? new Receipt.Queued(conversation, answer)
        : new Receipt.NoConversation(resolved);
  }
}

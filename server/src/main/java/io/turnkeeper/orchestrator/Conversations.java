package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.conversation.ConversationQuery;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.conversation.ConversationStore.Resolved;
import io.turnkeeper.conversation.ConversationStore.Wanted;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.eventlog.Subscription;
import io.turnkeeper.queue.EndedRun;
import io.turnkeeper.queue.Enqueued;
import io.turnkeeper.queue.NewRun;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunCommand;
import io.turnkeeper.queue.RunQuery;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Why;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.webhook.Told;
import io.turnkeeper.webhook.Webhooks;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Conversations and their runs, for whoever serves clients. Every method is one organization's;
 * what belongs to another is not found. Reads never depend on a lease.
 */
public final class Conversations {
  private static final Duration DELETE_DEADLINE = Duration.ofSeconds(20);

  /** What takes longer than that goes on after the answer. */
  private static final Duration REMOVED_WITHIN = Duration.ofSeconds(10);

  private final Tools tools;
  private final ConversationStore store;
  private final Mailroom mailroom;
  private final Signals signals;
  private final Removal removal;
  private final Postman postman;

  Conversations(
      Tools tools,
      ConversationStore store,
      Mailroom mailroom,
      Removal removal,
      Postman postman,
      Signals signals) {
    this.tools = tools;
    this.store = store;
    this.mailroom = mailroom;
    this.removal = removal;
    this.postman = postman;
    this.signals = signals;
  }

  /** Makes a conversation without a run. Empty when the id is taken. */
  public Optional<StoredConversation> create(
      OrganizationId organization, String id, ObjectNode metadata) {
    return tools
        .db()
        .inTx(
            organization,
            tx ->
                store.create(tx, organization, id, metadata)
                    ? store.find(tx, organization, id)
                    : Optional.empty());
  }

  public Optional<StoredConversation> find(OrganizationId organization, String id) {
    return tools.db().inTx(organization, tx -> store.find(tx, organization, id));
  }

  public List<StoredConversation> search(OrganizationId organization, ConversationQuery query) {
    return tools.db().inTx(organization, tx -> store.search(tx, organization, query));
  }

  public long count(OrganizationId organization, ConversationQuery query) {
    return tools.db().inTx(organization, tx -> store.count(tx, organization, query));
  }

  /** Sets the given keys. Empty when there is no such conversation. */
  public Optional<StoredConversation> mergeMetadata(
      OrganizationId organization, String id, ObjectNode metadata) {
    return tools
        .db()
        .inTx(
            organization,
            tx -> {
              store.mergeMetadata(tx, organization, id, metadata);
              return store.find(tx, organization, id);
            });
  }

  /**
   * Queues a message. When this returns it is durable, and will reach exactly one terminal status.
   *
   * @throws Refusal.NotFound the agent, or the conversation when it was not to be made
   * @throws Refusal.Conflict the conversation is another agent's, or busy and the message was to be
   *     refused then
   * @throws Refusal.Invalid the idempotency key was used for another message
   * @throws Refusal.Unavailable the database does not answer; with an idempotency key it is safe to
   *     send again
   */
  public Accepted post(NewTurn turn) {
    postman.check(turn.options());
    Agent agent = tools.agents().find(turn.organization(), turn.agent());
    String id = turn.conversation();
    Wanted wanted =
        new Wanted(
            turn.organization(),
            agent.id(),
            id == null ? UUID.randomUUID().toString() : id,
            Json.object().put("graph_id", agent.name()).put("assistant_id", agent.id().toString()),
            id == null && !turn.options().path("on_completion").asString("").equals("keep"),
            id == null || turn.createConversation());
    Mailroom.Letter letter =
        new Mailroom.Letter(
            wanted, turn.idempotency(), conversation -> newRun(turn, agent, conversation));
    Accepted accepted =
        switch (mailroom.post(letter)) {
          case Mailroom.Receipt.NoConversation(Resolved.OtherAgent other) ->
              throw new Refusal.Conflict(
                  "thread_has_another_assistant",
                  "the thread belongs to another assistant; use one thread for each");
          case Mailroom.Receipt.NoConversation missing ->
              throw new Refusal.NotFound("thread", wanted.id());
          case Mailroom.Receipt.Queued(Conversation conversation, Enqueued answer) ->
              accepted(conversation, answer);
          case Mailroom.Receipt.Known(Enqueued answer) -> known(answer);
        };
    if (turn.busy() == NewTurn.Busy.INTERRUPT) {
      interruptBefore(turn.organization(), accepted.run());
    }
    return accepted;
  }

  /**
   * Asks once more what an ended run was asked: a new turn, at the end of the conversation. Doing
   * it again for the same run changes nothing.
   *
   * @throws Refusal.Conflict the run has not ended
   */
  public Accepted retry(Run run) {
    if (!run.status().terminal()) {
      throw new Refusal.Conflict("run_active", "the run has not ended; cancel it first");
    }
    return post(
        new NewTurn(
            run.organization(),
            run.agent().toString(),
            run.conversation().id(),
            false,
            NewTurn.Busy.ENQUEUE,
            run.input(),
            run.options(),
            run.metadata().deepCopy().put("retry_of", run.id().toString()),
            run.priority(),
            Duration.ZERO,
            null,
            new NewRun.Idempotency(
                "retry-of-" + run.id(), run.id().toString().getBytes(StandardCharsets.UTF_8))));
  }

  public Optional<Run> run(OrganizationId organization, RunId run) {
    return tools.db().inTx(organization, tx -> tools.queue().run(tx, organization, run));
  }

  /** Newest first. An empty set of statuses means any. */
  public List<Run> runs(
      StoredConversation conversation, Set<RunStatus> statuses, int limit, int offset) {
    return tools
        .db()
        .inTx(
            conversation.organization(),
            tx ->
                tools
                    .queue()
                    .runsOf(
                        tx,
                        conversation.organization(),
                        conversation.key(),
                        statuses,
                        limit,
                        offset));
  }

  /** Runs that have not ended, in their order. */
  public List<Run> live(StoredConversation conversation) {
    return tools
        .db()
        .inTx(
            conversation.organization(),
            tx -> tools.queue().live(tx, conversation.organization(), conversation.key()));
  }

  public List<Run> search(OrganizationId organization, RunQuery query) {
    return tools.db().inTx(organization, tx -> tools.queue().search(tx, organization, query));
  }

  /** All turns up to and including one, oldest first. */
  public List<Run> turns(StoredConversation conversation, long upto) {
    return tools
        .db()
        .inTx(
            conversation.organization(),
            tx -> tools.queue().turns(tx, conversation.organization(), conversation.key(), upto));
  }

  /**
   * Judges what a message asks for beside its answer.
   *
   * @throws Refusal.Invalid its webhook leads where none may
   */
  public void check(ObjectNode options) {
    postman.check(options);
  }

  /** How far the run's webhook has got; empty when it has none, or has not ended. */
  public Optional<Told> told(Run run) {
    return postman.told(run);
  }

  /**
   * What the organization's webhooks are signed with.
   *
   * @param anew whether another one is made first
   */
  public byte[] webhookSecret(OrganizationId organization, boolean anew) {
    Webhooks webhooks = postman.webhooks();
    return tools
        .db()
        .inTx(
            organization,
            tx ->
                anew
                    ? webhooks.replaceSecret(tx, organization)
                    : webhooks.secret(tx, organization));
  }

  /** The turns after one, oldest first, so many at most. */
  public List<Run> turnsAfter(StoredConversation conversation, long after, int limit) {
    return tools
        .db()
        .inTx(
            conversation.organization(),
            tx ->
                tools
                    .queue()
                    .turnsAfter(tx, conversation.organization(), conversation.key(), after, limit));
  }

  /**
   * Shows its agent's files, as they were after the newest completed run. False when there are
   * none, or they are kept in place on a replica's disk.
   */
  public boolean showFiles(StoredConversation conversation, Snapshots.Visitor visitor) {
    return conversation.agent() != null && tools.snapshots().show(conversation.bound(), visitor);
  }

  /**
   * The messages of all turns up to and including one; of a turn that has not ended, what was
   * asked.
   */
  public ArrayNode messages(OrganizationId organization, long conversationKey, long upto) {
    return Transcripts.upTo(tools, organization, conversationKey, upto);
  }

  /** The messages of turns that were read before; as the other. */
  public static ArrayNode messages(List<Run> turns) {
    return Transcripts.messages(turns);
  }

  public Optional<Why> why(OrganizationId organization, RunId run) {
    return tools.db().inTx(tx -> tools.queue().why(tx, organization, run));
  }

  /** At most {@code limit} events of the run after a number, in order. */
  public List<Event> events(OrganizationId organization, RunId run, int after, int limit) {
    return tools
        .db()
        .inTx(organization, tx -> tools.events().after(tx, organization, run, after, limit));
  }

  /** News of a conversation: subscribe, then read, then wait. */
  public Subscription subscribe(long conversationKey) {
    return tools.events().subscribe(conversationKey);
  }

  /** What a cancel met. */
  public enum Cancelled {
    /** It had not started; it has ended now. */
    ENDED,
    /** It is under way; its holder was told and will end it. */
    ASKED,
    /** It had ended before. */
    TOO_LATE
  }

  /**
   * @throws Refusal.NotFound there is no such run
   */
  public Cancelled cancel(OrganizationId organization, RunId run, String reason) {
    ObjectNode error = Json.object().put("code", "cancelled").put("message", reason);
    Cancelled met =
        tools
            .db()
            .inTx(
                organization,
                tx -> {
                  if (tools.queue().run(tx, organization, run).isEmpty()) {
                    throw new Refusal.NotFound("run", run.toString());
                  }
                  List<EndedRun> ended =
                      tools.queue().endPending(tx, List.of(run), RunStatus.CANCELLED, error);
                  ended.forEach(one -> Unstarted.log(tools, tx, one, RunStatus.CANCELLED, error));
                  if (!ended.isEmpty()) {
                    return Cancelled.ENDED;
                  }
                  ObjectNode body = Json.object().put("reason", reason);
                  return tools.queue().ask(tx, organization, run, RunCommand.Kind.CANCEL, body)
                      ? Cancelled.ASKED
                      : Cancelled.TOO_LATE;
                });
    Run now = run(organization, run).orElseThrow(() -> new Refusal.NotFound("run", run.toString()));
    signals.changed(now.conversation().key());
    if (met == Cancelled.ASKED) {
      signals.asked(now.conversation().key());
    }
    return met;
  }

  /** Waits until the run has ended; its last state, ended or not. */
  public Run awaitEnd(Run run, Duration atMost) throws InterruptedException {
    long deadline = tools.clock().nanos() + atMost.toNanos();
    try (Subscription news = subscribe(run.conversation().key())) {
      while (true) {
        Run now = run(run.organization(), run.id()).orElse(run);
        long left = deadline - tools.clock().nanos();
        if (now.status().terminal() || left <= 0) {
          return now;
        }
        news.await(Duration.ofNanos(Math.min(left, POLL.toNanos())));
      }
    }
  }

  /** Waits until the run no longer waits for a person, or the time is over. */
  public void awaitNotWaiting(Run run, Duration atMost) throws InterruptedException {
    long deadline = tools.clock().nanos() + atMost.toNanos();
    try (Subscription news = subscribe(run.conversation().key())) {
      while (run(run.organization(), run.id()).orElse(run).status() == RunStatus.WAITING) {
        long left = deadline - tools.clock().nanos();
        if (left <= 0) {
          return;
        }
        news.await(Duration.ofNanos(Math.min(left, POLL.toNanos())));
      }
    }
  }

  private static final Duration POLL = Duration.ofSeconds(1);

  /**
   * Leaves the answer to a permission request for whoever holds the run.
   *
   * @param option null says that there will be no answer
   * @param by whose answer it is, for the log
   * @throws Refusal.Conflict the run waits for no answer
   */
  public void answer(Run run, String permission, @Nullable String option, String by) {
    ObjectNode body = Json.object().put("permission", permission).put("by", by);
    if (option != null) {
      body.put("option_id", option);
    }
    boolean told =
        run.status() == RunStatus.WAITING
            && tools
                .db()
                .inTx(
                    run.organization(),
                    tx ->
                        tools
                            .queue()
                            .ask(tx, run.organization(), run.id(), RunCommand.Kind.ANSWER, body));
    if (!told) {
      throw new Refusal.Conflict("not_waiting", "the run waits for no answer");
    }
    signals.asked(run.conversation().key());
  }

  /**
   * Removes an ended run and its events.
   *
   * @throws Refusal.Conflict it has not ended
   */
  public void deleteRun(Run run) {
    boolean gone =
        tools
            .db()
            .inTx(
                run.organization(),
                tx -> {
                  boolean deleted = tools.queue().deleteRun(tx, run.organization(), run.id());
                  if (deleted) {
                    tools.events().deleteRun(tx, run.organization(), run.id());
                  }
                  return deleted;
                });
    if (!gone) {
      throw new Refusal.Conflict("run_active", "the run has not ended; cancel it first");
    }
  }

  /**
   * Removes a conversation with all that hangs on it, after cancelling what runs and waits. When
   * this returns nobody finds it by its id; what there is much of goes by and by, whatever happens.
   *
   * @throws Refusal.Conflict a run could not be stopped in time
   */
  public void delete(StoredConversation conversation) throws InterruptedException {
    for (Run run : live(conversation)) {
      cancel(conversation.organization(), run.id(), "the conversation is deleted");
    }
    for (Run run : live(conversation)) {
      if (!awaitEnd(run, DELETE_DEADLINE).status().terminal()) {
        throw new Refusal.Conflict("thread_busy", "a run did not stop in time; try again");
      }
    }
    removal.conversation(conversation.organization(), conversation.key(), REMOVED_WITHIN);
  }

  /**
   * Ends an organization: its keys stop, its runs are cancelled, and all that it has is removed. By
   * and by: when this returns it is hidden, and will be removed whatever happens.
   */
  public void deleteOrganization(OrganizationId organization) {
    removal.organization(organization);
  }

  /** Removes conversations of stateless runs that ended a while ago; how many. */
  int forget(Duration after, int max) {
    Map<OrganizationId, List<Long>> over =
        tools.db().inTx(tx -> store.forgotten(tx, after, max)).stream()
            .collect(
                Collectors.groupingBy(
                    Conversation::organization,
                    LinkedHashMap::new,
                    Collectors.mapping(Conversation::key, Collectors.toList())));
    over.forEach(removal::later);
    return over.size();
  }

  /** Pauses it: a run under way ends, none starts. False when it has never had a run. */
  public boolean pause(StoredConversation conversation, String by) {
    return conversation.agent() != null
        && tools
            .db()
            .inTx(
                conversation.organization(),
                tx -> tools.queue().pause(tx, conversation.bound(), by));
  }

  /** Ends its pause. False when there is none. */
  public boolean resume(StoredConversation conversation) {
    boolean resumed =
        conversation.agent() != null
            && tools
                .db()
                .inTx(
                    conversation.organization(),
                    tx -> tools.queue().resume(tx, conversation.bound()));
    signals.changed(conversation.key());
    signals.ready();
    return resumed;
  }

  /**
   * Cancels what the conversation had before the message. Not until the message is accepted: one
   * that is refused changes nothing, and one that is sent again must not cancel itself.
   */
  private void interruptBefore(OrganizationId organization, RunId accepted) {
    Run message = run(organization, accepted).orElse(null);
    if (message != null && !message.status().terminal()) {
      tools
          .db()
          .inTx(
              organization,
              tx -> tools.queue().live(tx, organization, message.conversation().key()))
          .stream()
          .filter(run -> run.turn() < message.turn())
          .forEach(run -> cancel(organization, run.id(), "interrupted by a new message"));
    }
  }

  private Accepted accepted(Conversation conversation, Enqueued answer) {
    if (answer instanceof Enqueued.Accepted accepted) {
      signals.changed(conversation.key());
      if (accepted.ready()) {
        signals.ready();
      }
      return new Accepted(accepted.run(), false);
    }
    return known(answer);
  }

  private static Accepted known(Enqueued answer) {
    return switch (answer) {
      case Enqueued.Accepted accepted -> new Accepted(accepted.run(), false);
      case Enqueued.Replayed replayed -> new Accepted(replayed.run(), true);
      case Enqueued.KeyReused reused ->
          throw new Refusal.Invalid(
              "idempotency_key_reused",
              "Idempotency-Key",
              "the idempotency key was used for another request");
      case Enqueued.Busy busy ->
          throw new Refusal.Invalid(
              "thread_busy",
              "multitask_strategy",
              "the thread is already running a task, and multitask_strategy is reject");
    };
  }

  private NewRun newRun(NewTurn turn, Agent agent, Conversation conversation) {
    return new NewRun(
        tools.runIds().get(),
        conversation,
        turn.input(),
        turn.options(),
        turn.metadata(),
        turn.priority(),
        turn.delay(),
        turn.expiry(),
        agent.definition().attemptsMax(),
        turn.busy() == NewTurn.Busy.REJECT,
        turn.idempotency());
  }
}

package io.turnkeeper.orchestrator;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.RunId;
import io.turnkeeper.cluster.News;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import io.turnkeeper.deletion.Deletions;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.webhook.Webhooks;
import io.turnkeeper.worker.WorkerPool;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Serves conversations: claims them, runs their agents, writes what they say, and gives them back.
 * Composes the capabilities of the floor below and is the only one that does.
 */
public final class Orchestrator implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Orchestrator.class);

  /** What is due, what waits and what is asked of this replica: one transaction for all. */
  private static final Duration POLL = Duration.ofSeconds(1);

  /** Claims follow from that poll, and from nudges; this is for when neither came through. */
  private static final Duration CLAIM_ANYWAY = Duration.ofSeconds(30);

  private static final Duration CLOCKS = Duration.ofMillis(200);

  /** For agents to go, once their runs are to end: twice the graces of their workers. */
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(20);

  /** How long the conversation of a stateless run can still be read and resumed after its end. */
  private static final Duration STATELESS_KEPT = Duration.ofMinutes(5);

  /** How often those are looked for, in seconds of housekeeping, and how many go at a time. */
  private static final int FORGET_EVERY = 30;

  private static final int FORGET_MAX = 200;

  /** How long a conversation that is not served here keeps its place on this disk. */
  private static final Duration ON_DISK_KEPT = Duration.ofDays(1);

  /** How often those are looked for, in seconds of housekeeping. */
  private static final int SWEEP_EVERY = 3_600;

  private static final int NO_REPLICA = -1;

  /** How often the memory of idle workers is looked at, in looks at the clocks. */
  private static final int MEMORY_EVERY = 25;

  /** How often the partitions are looked at, in seconds of housekeeping. */
  private static final int TEND_EVERY = 600;

  /**
   * @param data where conversations have their places on this disk
   * @param maxLeases conversations held at once
   * @param memoryBudget bytes that idle workers may hold together
   */
  public record Limits(Path data, int maxLeases, long memoryBudget) {}

  /**
   * The capabilities that are composed here.
   *
   * @param others tells the other replicas; never waits
   */
  public record Capabilities(
      Db db,
      ConversationStore conversations,
      RunQueue queue,
      EventLog events,
      Snapshots snapshots,
      WorkerPool workers,
      Agents agents,
      Consumer<News> others) {}

  private final Tools tools;
  private final Consumer<News> others;
  private final Limits limits;
  private final Admission admission;
  private final Dispatcher dispatcher;
  private final Housekeeping housekeeping;
  private final Takeover takeover;
  private final Remains remains;
  private final Mailroom mailroom;
  private final TurnWriter writer;
  private final Conversations conversations;
  private final RemoteDesk desk;
  private final WorkerPort workerPort;
  private final Reports reports;
  private final Ticker dispatching;
  private final Ticker keeping;
  private final Ticker clocks;
  private final AtomicInteger replica = new AtomicInteger(NO_REPLICA);
  private final Errands errands;
  private final Sweeper sweeper;
  private final Removal removal;
  private final Postman postman;
  private int looks;
  private int tended;

  /** Without an address: agents' own tools do not reach this replica. */
  public Orchestrator(Capabilities on, Limits limits, Meters meters, Clock clock) {
    this(on, limits, Elsewhere.defaults(on.db(), clock), meters, clock);
  }

  /**
   * @param elsewhere how workers that connect, and agents' own tools, reach this replica
   */
  public Orchestrator(
      Capabilities on, Limits limits, Elsewhere elsewhere, Meters meters, Clock clock) {
    this(on, limits, elsewhere, meters, new Ways(clock, Thread.ofVirtual().factory(), RunId::next));
  }

  /** Where time comes from, the threads on which conversations are served, and ids of runs. */
  record Ways(Clock clock, ThreadFactory threads, Supplier<RunId> runIds) {}

  Orchestrator(Capabilities on, Limits limits, Elsewhere elsewhere, Meters meters, Ways ways) {
    Clock clock = ways.clock();
    this.limits = limits;
    this.others = on.others();
    this.desk =
        new RemoteDesk(
            new RemoteDesk.Parts(on.db(), on.queue(), on.agents(), elsewhere), others, clock);
    this.writer =
        new TurnWriter(
            on.db(), on.queue(), on.events(), on.snapshots(), this::changed, meters::events);
    this.tools =
        new Tools(
            on.db(),
            on.queue(),
            on.events(),
            on.snapshots(),
            on.workers(),
            on.agents(),
            writer,
            desk,
            new Passes(elsewhere.tokens(), elsewhere.url()),
            meters,
            new AtomicBoolean(),
            new AtomicBoolean(),
            this::runEnded,
            limits.data(),
            ways.runIds(),
            ways.threads(),
            clock);
    this.admission = new Admission(limits.maxLeases());
    this.errands = new Errands(clock);
    this.mailroom = new Mailroom(on.db(), on.conversations(), on.queue());
    this.takeover = new Takeover(on.queue());
    this.remains = new Remains(tools, this::lookForWork);
    this.dispatching = new Ticker("dispatcher", CLAIM_ANYWAY, clock, this::dispatch);
    this.keeping = new Ticker("housekeeping", POLL, clock, this::keep);
    this.clocks = new Ticker("clocks", CLOCKS, clock, this::look);
    this.dispatcher = new Dispatcher(tools, admission, remains, this::lookForWork);
    this.sweeper =
        new Sweeper(limits.data(), ON_DISK_KEPT, key -> step -> dispatcher.unlessServed(key, step));
    Signals everywhere = new Everywhere();
    this.postman = new Postman(tools);
    this.removal = new Removal(tools, new Deletions(Tenancy.CACHE_TTL), sweeper, everywhere);
    this.conversations =
        new Conversations(tools, on.conversations(), mailroom, removal, postman, everywhere);
    this.housekeeping =
        new Housekeeping(
            tools,
            tx -> {
              removal.look(tx);
              postman.look(tx);
            });
    this.workerPort = new WorkerPort(tools, elsewhere, dispatcher::custom, keeping::nudge);
    this.reports = new Reports(tools, on.conversations());
  }

  /** A conversation's place on this replica's disk, under its data directory. */
  public static Path directory(Path data, Conversation conversation) {
    return ConversationFiles.directory(data, conversation);
  }

  /** What clients are served from. */
  public Conversations conversations() {
    return conversations;
  }

  /** What workers from elsewhere, and agents' own tools, are served from. */
  public WorkerPort workerPort() {
    return workerPort;
  }

  /**
   * Tells of ended runs whoever asked for it, from now on.
   *
   * @param body what is told
   */
  public void deliver(Webhooks webhooks, Function<Run, ObjectNode> body) {
    postman.serve(webhooks, body);
  }

  /** What people who look on are served from. */
  public Reports reports() {
    return reports;
  }

  /**
   * Makes the log ready for today and starts to look for work. Nothing is claimed before {@link
   * #joined}.
   */
  public void start() {
    tools.db().useTx(tx -> tools.events().tend(tx, tools.clock().now()));
    dispatching.start();
    keeping.start();
    clocks.start();
    desk.start();
  }

  /** This replica is a live member under this id: it may claim. */
  public void joined(int id) {
    dispatcher.serve(id);
    replica.set(id);
    dispatching.nudge();
    keeping.nudge();
  }

  /**
   * This replica can no longer show that it is alive: its workers go now, before its leases end.
   */
  public void fenced() {
    replica.set(NO_REPLICA);
    dispatcher.loseAll();
    tools.workers().killAll();
  }

  /**
   * Takes what a dead replica leaves, in the transaction that marks it dead.
   *
   * @return resolves it; to be called after the commit
   */
  public Runnable takeOver(Tx tx, int dead, int taker) {
    Takeover.Taken taken = takeover.apply(tx, dead, taker);
    log.info(
        "took {} conversations over from replica {}, {} with a run under way",
        taken.given().size() + taken.remaining().size(),
        dead,
        taken.remaining().size());
    return () -> {
      remains.resolveAside(taken.remaining(), Remains.Cause.REPLICA_LOST);
      taken.given().forEach(this::changed);
      lookForWork();
      others.accept(News.ready());
    };
  }

  /** Another replica tells something. Never waits. */
  public void heard(News news) {
    switch (news.kind()) {
      case CHANGED -> {
        tools.events().wake(news.conversationKey());
        dispatcher.wake(news.conversationKey());
      }
      case ASKED -> {
        if (dispatcher.holds(news.conversationKey())) {
          keeping.nudge();
        }
      }
      case LET_GO -> dispatcher.letGo(news.conversationKey());
      case READY -> dispatching.nudge();
      case OFFERED -> desk.offeredElsewhere();
      case SAID -> desk.said(news.conversationKey());
      case TOLD -> desk.told(news.conversationKey());
    }
  }

  /** News of other replicas may be lost: looks at everything. Never waits. */
  public void missed() {
    tools.events().wakeAll();
    dispatcher.wakeAll();
    desk.missed();
    dispatching.nudge();
    keeping.nudge();
  }

  /**
   * From now on at most so many leases; 0 drains. What is held above it is given back: idle
   * conversations at once, the others when their runs end.
   */
  public void cap(int maxLeases) {
    log.info("holds at most {} conversations from now on", maxLeases);
    admission.cap(maxLeases);
    dispatcher.makeRoom();
    dispatching.nudge();
  }

  /**
   * @param held conversations held now
   * @param near at least four fifths of the cap
   * @param running those with a run under way
   */
  public record Load(int held, int cap, boolean near, long running) {}

  public Load load() {
    return new Load(admission.held(), admission.cap(), admission.near(), dispatcher.running());
  }

  /** Stops claiming and gives idle conversations back; runs under way go on. */
  public void drain() {
    dispatcher.drain();
  }

  /**
   * Drains; lets runs under way end until the deadline; ends the rest as their agents' policies
   * say. When this returns every lease has been given back and every worker is gone.
   */
  public void stop(Duration deadline) throws InterruptedException {
    drain();
    dispatcher.awaitNoSessions(deadline);
    if (dispatcher.sessions() > 0) {
      log.info("{} conversations did not end in time: stopping them", dispatcher.sessions());
      dispatcher.stopRuns();
      dispatcher.awaitNoSessions(STOP_DEADLINE);
    }
    remains.awaitNone(STOP_DEADLINE);
  }

  @Override
  public void close() {
    dispatching.close();
    keeping.close();
    clocks.close();
    desk.close();
    remains.close();
    mailroom.close();
    writer.close();
  }

  boolean dispatch() {
    OptionalInt id = id();
    return id.isPresent() && dispatcher.tick(id.getAsInt());
  }

  boolean keep() {
    OptionalInt id = id();
    if (id.isEmpty()) {
      return false;
    }
    if (tended++ % TEND_EVERY == TEND_EVERY - 1) {
      tools.db().useTx(tx -> tools.events().tend(tx, tools.clock().now()));
    }
    if (tended % SWEEP_EVERY == 0 && tools.snapshots().areCopies()) {
      sweeper.sweep(tools.clock().now());
    }
    if (tended % FORGET_EVERY == 0) {
      conversations.forget(STATELESS_KEPT, FORGET_MAX);
      removal.tend();
    }
    List<Long> done = errands.done();
    Housekeeping.Moved moved = housekeeping.tick(id.getAsInt(), done);
    errands.dropped(done);
    errands.carryOut(moved.commands(), dispatcher::carryOut);
    moved.changed().forEach(this::changed);
    tools.capped().set(moved.capped());
    boolean room = dispatcher.waits(moved.waiting());
    if (moved.ready()) {
      lookForWork();
    } else if ((room && moved.waiting()) || dispatcher.unsure()) {
      dispatching.nudge();
    }
    postman.tick();
    boolean more = removal.tick();
    return more || moved.again();
  }

  /** What a cap held back may start now. */
  private void runEnded() {
    if (tools.capped().get()) {
      keeping.nudge();
    }
  }

  boolean look() {
    dispatcher.checkClocks();
    if (looks++ % MEMORY_EVERY == 0) {
      dispatcher.keepWithin(limits.memoryBudget());
    }
    return false;
  }

  private OptionalInt id() {
    int id = replica.get();
    return id == NO_REPLICA ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** For readers, here and elsewhere. */
  private void changed(long conversationKey) {
    tools.events().wake(conversationKey);
    others.accept(News.changed(conversationKey));
  }

  /** There is work: for this replica, or for others when it has no room. */
  private void lookForWork() {
    dispatching.nudge();
    if (!dispatcher.hasRoom()) {
      others.accept(News.ready());
    }
  }

  /** What a request did, told to whoever it concerns on all replicas. */
  private final class Everywhere implements Signals {
    @Override
    public void changed(long conversationKey) {
      Orchestrator.this.changed(conversationKey);
      dispatcher.wake(conversationKey);
    }

    @Override
    public void ready() {
      lookForWork();
    }

    @Override
    public void asked(long conversationKey) {
      keeping.nudge();
      others.accept(News.asked(conversationKey));
    }

    @Override
    public void letGo(long conversationKey) {
      dispatcher.letGo(conversationKey);
      others.accept(News.letGo(conversationKey));
    }
  }
}

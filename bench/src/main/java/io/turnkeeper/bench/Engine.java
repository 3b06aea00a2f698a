package io.turnkeeper.bench;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.cluster.Cluster;
import io.turnkeeper.cluster.ClusterConfig;
import io.turnkeeper.cluster.Member;
import io.turnkeeper.cluster.News;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Migrations;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.orchestrator.Accepted;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.orchestrator.Meters;
import io.turnkeeper.orchestrator.NewTurn;
import io.turnkeeper.orchestrator.Orchestrator;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.worker.WorkerPool;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A replica of the product inside this process, put together as the server does it, without HTTP
 * and with workers of the measurement's own.
 */
final class Engine implements AutoCloseable {
  private static final Duration CONNECTION_WAIT = Duration.ofSeconds(4);
  private static final Duration DRAIN = Duration.ofSeconds(5);
  private static final Duration RETENTION = Duration.ofDays(30);
  private static final long MEMORY_BUDGET = 1L << 30;
  private static final long SNAPSHOT_MAX = 256L << 20;
  private static final int SNAPSHOT_FILES_MAX = 50_000;
  private static final int SNAPSHOTS_KEPT = 20;

  /** Of about the size of a chat message, as the peers' payloads. */
  static final String TEXT = "x".repeat(250);

  private final Db db;
  private final RunQueue queue = new RunQueue();
  private final ConversationStore store = new ConversationStore();
  private final OrganizationId organization;
  private final Agents agents;
  private final Agent agent;
  private final Orchestrator orchestrator;
  private final AtomicReference<@Nullable Cluster> cluster = new AtomicReference<>();
  private final DatabaseUrl url;

  /**
   * @param maxLeases conversations held at once
   * @param poolSize database connections for work
   */
  record Shape(int maxLeases, int poolSize, Path data) {}

  private Engine(Database database, Shape shape, WorkerPool workers) {
    this.url = DatabaseUrl.parse(database.url());
    Migrations.migrate(url);
    this.db = Db.open(url, shape.poolSize(), CONNECTION_WAIT);
    var unused = new Tenancy(db, Clock.system()).bootstrap(key -> {});
    this.agents = new Agents(db);
    this.organization =
        new OrganizationId(
            db.inTx(
                tx -> tx.query("SELECT id FROM organizations LIMIT 1").mapTo(UUID.class).one()));
    this.agent = agent("noop");
    this.orchestrator =
        new Orchestrator(
            new Orchestrator.Capabilities(
                db,
                store,
                queue,
                new EventLog(RETENTION),
                new Snapshots(
                    db, new Snapshots.Limits(SNAPSHOT_MAX, SNAPSHOT_FILES_MAX, SNAPSHOTS_KEPT)),
                workers,
                agents,
                this::tell),
            new Orchestrator.Limits(shape.data(), shape.maxLeases(), MEMORY_BUDGET),
            new Uncounted(),
            Clock.system());
  }

  /** Ready for work, but not a member: nothing is claimed before {@link #join}. */
  static Engine prepare(Database database, Shape shape, WorkerPool workers) {
    Engine engine = new Engine(database, shape, workers);
    engine.orchestrator.start();
    return engine;
  }

  void join() {
    Cluster members =
        new Cluster(
            db,
            url,
            new ClusterConfig(
                Duration.ofSeconds(5),
                Duration.ofMillis(400),
                Duration.ofSeconds(1),
                "bench",
                "http://127.0.0.1:0",
                "bench"),
            new Joined(orchestrator),
            Clock.system());
    cluster.set(members);
    members.start();
  }

  private void tell(News news) {
    Cluster members = cluster.get();
    if (members != null) {
      members.tell(news);
    }
  }

  Db db() {
    return db;
  }

  RunQueue queue() {
    return queue;
  }

  ConversationStore store() {
    return store;
  }

  OrganizationId organization() {
    return organization;
  }

  Agent agent() {
    return agent;
  }

  Conversations conversations() {
    return orchestrator.conversations();
  }

  int held() {
    return orchestrator.load().held();
  }

  /** The agent of the name, made when it is not there. */
  Agent agent(String name) {
    return agents
        .add(
            organization,
            Json.object()
                .put("name", name)
                .put("kind", "command")
                .set("command", Json.array().add("true")))
        .agent();
  }

  /** Sends a message as a client does; returns when it is durable. */
  Accepted post(String conversation, String text) {
    return conversations()
        .post(
            new NewTurn(
                organization,
                agent.name(),
                conversation,
                true,
                NewTurn.Busy.ENQUEUE,
                input(text),
                Json.object(),
                Json.object(),
                0,
                Duration.ZERO,
                null,
                null));
  }

  static ObjectNode input(String text) {
    ObjectNode input = Json.object();
    input.putArray("messages").add(Json.object().put("role", "user").put("content", text));
    return input;
  }

  @Override
  public void close() {
    try {
      orchestrator.stop(DRAIN);
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
    }
    Cluster members = cluster.get();
    if (members != null) {
      members.close();
    }
    orchestrator.close();
    db.close();
  }

  private static final class Uncounted implements Meters {
    @Override
    public void runEnded(String status, Duration sinceStart) {}

    @Override
    public void restored(String mode) {}

    @Override
    public void events(int written) {}

    @Override
    public void snapshot(long addedBytes) {}
  }

  private record Joined(Orchestrator orchestrator) implements Member {
    @Override
    public void joined(int replica) {
      orchestrator.joined(replica);
    }

    @Override
    public void fenced() {
      orchestrator.fenced();
    }

    @Override
    public void confirmed(Duration ago) {}

    @Override
    public Runnable takeOver(Tx tx, int dead, int taker) {
      return orchestrator.takeOver(tx, dead, taker);
    }

    @Override
    public void heard(News news) {
      orchestrator.heard(news);
    }

    @Override
    public void missed() {
      orchestrator.missed();
    }

    @Override
    public int maxLeases() {
      return orchestrator.load().cap();
    }
  }
}

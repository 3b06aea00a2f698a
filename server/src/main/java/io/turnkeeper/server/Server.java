package io.turnkeeper.server;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.agents.Vault;
import io.turnkeeper.base.Clock;
import io.turnkeeper.cluster.Cluster;
import io.turnkeeper.cluster.ClusterConfig;
import io.turnkeeper.cluster.Member;
import io.turnkeeper.cluster.News;
import io.turnkeeper.config.Settings;
import io.turnkeeper.conversation.ConversationStore;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.EmbeddedPostgres;
import io.turnkeeper.db.Migrations;
import io.turnkeeper.db.Tx;
import io.turnkeeper.eventlog.EventLog;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.gateway.OpenApi;
import io.turnkeeper.gateway.admin.AdminRoutes;
import io.turnkeeper.gateway.admin.ClusterView;
import io.turnkeeper.gateway.admin.HealthRoutes;
import io.turnkeeper.gateway.langgraph.LangGraphRoutes;
import io.turnkeeper.gateway.worker.WorkerRoutes;
import io.turnkeeper.http.HttpConfig;
import io.turnkeeper.http.HttpServer;
import io.turnkeeper.http.Route;
import io.turnkeeper.orchestrator.Elsewhere;
import io.turnkeeper.orchestrator.Meters;
import io.turnkeeper.orchestrator.Orchestrator;
import io.turnkeeper.orchestrator.WorkerPort;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.queue.RunQueue;
import io.turnkeeper.remote.RemoteWork;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.telemetry.Metrics;
import io.turnkeeper.tenancy.NewKey;
import io.turnkeeper.tenancy.Sessions;
import io.turnkeeper.tenancy.Tenancy;
import io.turnkeeper.tokens.RunTokens;
import io.turnkeeper.ui.Console;
import io.turnkeeper.ui.Installation;
import io.turnkeeper.webhook.Webhooks;
import io.turnkeeper.worker.Workers;
import io.turnkeeper.worker.WorkersConfig;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One replica, put together: everything is made here, in order, and stopped in reverse. This class
 * is the map of the product.
 */
public final class Server implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Server.class);

  /** Files in one snapshot: far above an agent's own, below a checkout with all its packages. */
  private static final int SNAPSHOT_FILES_MAX = 50_000;

  private static final Duration CONNECTION_WAIT = Duration.ofSeconds(4);
  private static final Duration STREAM_HEARTBEAT = Duration.ofSeconds(5);
  private static final Duration HTTP_IDLE = Duration.ofSeconds(20);
  private static final Duration HTTP_STOP = Duration.ofSeconds(5);
  private static final String VERSION =
      Optional.ofNullable(Server.class.getPackage().getImplementationVersion()).orElse("dev");

  private final Settings settings;
  private final BiConsumer<URI, String> keep;
  private final Deque<AutoCloseable> toClose = new ArrayDeque<>();
  private final AtomicReference<@Nullable Orchestrator> orchestrator = new AtomicReference<>();
  private List<Route> served = List.of();
  private volatile @Nullable HttpServer http;
  private volatile @Nullable Cluster cluster;
  private Optional<String> newAdminKey = Optional.empty();
  private volatile boolean stopping;

  private Server(Settings settings, BiConsumer<URI, String> keep) {
    this.settings = settings;
    this.keep = keep;
  }

  /**
   * Starts a replica; when this returns it serves.
   *
   * @param keep told where the replica listens and the admin key of the first start, before that
   *     key is valid. When it throws, nothing was made
   * @throws io.turnkeeper.base.Refusal in one line, what is in the way and what to do. Nothing is
   *     left running then
   */
  public static Server start(Settings settings, BiConsumer<URI, String> keep) {
    Server server = new Server(settings, keep);
    try {
      server.run();
      return server;
    } catch (RuntimeException | Error failed) {
      server.close();
      throw failed;
    }
  }

  /** Where it listens. */
  public URI url() {
    HttpServer listening = http;
    if (listening == null) {
      throw new IllegalStateException("not started");
    }
    String scheme = settings.http().tls().isPresent() ? "https" : "http";
    String host = settings.http().host();
    return URI.create(
        "%s://%s:%d"
            .formatted(scheme, host.contains(":") ? "[" + host + "]" : host, listening.port()));
  }

  /** Every route: those of the API, which its document describes, and the console's. */
  List<Route> routes() {
    return served;
  }

  /** The admin key of the first start, this once. */
  public Optional<String> newAdminKey() {
    return newAdminKey;
  }

  private void run() {
    Clock clock = Clock.system();
    // Before a database is made for a replica that cannot be reached.
    HttpServer.checkFree(settings.http().host(), settings.http().port());
    DatabaseUrl url = database();
    // A URL of its own for the session says that the other one leads through a pooler.
    Optional<DatabaseUrl> direct = settings.database().sessionUrl().map(DatabaseUrl::parse);
    DatabaseUrl sessionUrl = direct.orElse(url);
    Migrations.migrate(sessionUrl);
    Db.Waits waits = Db.Waits.within(settings.lease().ttl(), CONNECTION_WAIT);
    DatabaseUrl poolUrl = direct.isPresent() ? url.pooled() : url;
    Db db = owned(Db.open(poolUrl, settings.database().poolSize(), waits));
    Metrics metrics = new Metrics();

    Tenancy tenancy = new Tenancy(db, clock);
    Agents agents = new Agents(db, vault());
    RunQueue queue = new RunQueue();
    EventLog events = new EventLog(settings.events().retention());
    Snapshots snapshots = snapshots(db);
    Workers workers =
        owned(
            Workers.open(
                WorkersConfig.of(
                        UUID.randomUUID().toString(),
                        settings.lease().ttl(),
                        settings.worker().cancelGrace(),
                        settings.worker().termGrace())
                    .at(settings.data()),
                clock));

    RunTokens tokens =
        new RunTokens(
            db,
            new RunTokens.Limits(settings.remote().tokenTtl(), settings.remote().keyRotation()),
            clock);
    Orchestrator conversations =
        owned(
            new Orchestrator(
                new Orchestrator.Capabilities(
                    db,
                    new ConversationStore(),
                    queue,
                    events,
                    snapshots,
                    workers,
                    agents,
                    this::tell),
                new Orchestrator.Limits(
                    settings.data(), settings.maxLeases(), settings.worker().memoryBudget()),
                new Elsewhere(
                    new RemoteWork(),
                    tokens,
                    settings.remote().deadline(),
                    settings.worker().cancelGrace(),
                    () -> http == null ? "" : url().toString()),
                meters(metrics),
                clock));
    orchestrator.set(conversations);
    conversations.deliver(
        new Webhooks(
            new Webhooks.Limits(settings.webhook().networks(), settings.webhook().retry()), clock),
        LangGraphRoutes.webhookBody(conversations.conversations(), clock));
    conversations.start();
    watch(metrics, db, queue, tenancy);

    List<Route> routes =
        new ArrayList<>(
            AdminRoutes.of(
                tenancy,
                agents,
                conversations.conversations(),
                view(db, queue, conversations.workerPort())));
    routes.addAll(WorkerRoutes.of(new Guard(tenancy), conversations.workerPort(), tokens));
    routes.addAll(
        LangGraphRoutes.of(
            new Guard(tenancy), agents, conversations.conversations(), VERSION, clock));
    routes.addAll(HealthRoutes.of(() -> notReady(db), this::slots, metrics));
    // The console's pages are for people: they are no part of the API's document.
    List<Route> all = new ArrayList<>(OpenApi.describing(routes, VERSION));
    all.addAll(
        Console.of(
            new Console.Parts(
                tenancy,
                new Sessions(db),
                agents,
                conversations.conversations(),
                conversations.reports(),
                installation(db, events),
                clock)));
    served = List.copyOf(all);
    HttpServer listening = owned(HttpServer.start(httpConfig(), all, metrics));
    http = listening;
    Cluster members =
        owned(
            new Cluster(
                db,
                sessionUrl,
                clusterConfig(),
                new ThisReplica(conversations, workers, settings.maxLeases()),
                clock));
    cluster = members;
    members.start();
    // Last: a start that fails must not use up the one key that is shown.
    newAdminKey = tenancy.bootstrap(key -> keep.accept(url(), key.text())).map(NewKey::text);
    log.info("serving at {}", url());
  }

  /** Before it is a member it has nothing to tell. */
  private void tell(News news) {
    Cluster members = cluster;
    if (members != null) {
      members.tell(news);
    }
  }

  private ClusterView view(Db db, RunQueue queue, WorkerPort workers) {
    return new ClusterView(
        VERSION,
        () -> cluster == null ? OptionalInt.empty() : cluster.replica(),
        this::slots,
        () -> depth(db, queue),
        () -> cluster == null ? List.of() : cluster.replicas(),
        (replica, leases) -> cluster != null && cluster.want(replica, leases),
        workers::connected);
  }

  /** Replicas that share a database must be given the same key: none of them may make its own. */
  private Vault vault() {
    List<byte[]> keys = settings.secrets().keys();
    if (!keys.isEmpty()) {
      return Vault.of(keys);
    }
    return settings.database().url().isPresent()
        ? Vault.none()
        : Vault.kept(settings.data().resolve("secrets.key"));
  }

  private Installation installation(Db db, EventLog events) {
    return new Installation(
        VERSION,
        () -> cluster == null ? OptionalInt.empty() : cluster.replica(),
        () -> cluster == null ? List.of() : cluster.replicas(),
        () -> db.inTx(events::written),
        (replica, leases) -> cluster != null && cluster.want(replica, leases));
  }

  private DatabaseUrl database() {
    return settings
        .database()
        .url()
        .map(DatabaseUrl::parse)
        .orElseGet(() ->
            owned(
                    EmbeddedPostgres.start(
                        settings.data().resolve("postgres"),
                        settings.data().resolve("postgres-binaries")))
                .url());
  }

  private HttpConfig httpConfig() {
    Settings.Http wanted = settings.http();
    return new HttpConfig(
        wanted.host(),
        wanted.port(),
        (int) wanted.bodyMax(),
        wanted.streamsMax(),
        STREAM_HEARTBEAT,
        HTTP_IDLE,
        HTTP_STOP,
        wanted.corsOrigins(),
        wanted.tls().map(tls -> new HttpConfig.Tls(tls.certificate(), tls.key())).orElse(null));
  }

  private ClusterConfig clusterConfig() {
    return new ClusterConfig(
        settings.lease().ttl(),
        settings.lease().grace(),
        settings.lease().heartbeat(),
        hostName(),
        url().toString(),
        VERSION);
  }

  private List<String> notReady(Db db) {
    if (stopping) {
      return List.of("the replica is stopping");
    }
    Cluster members = cluster;
    if (members == null || members.replica().isEmpty()) {
      return List.of("the replica cannot show the database that it lives");
    }
    return db.answers() ? List.of() : List.of("the database does not answer");
  }

  private HealthRoutes.Slots slots() {
    Orchestrator serving = orchestrator.get();
    if (serving == null) {
      return new HealthRoutes.Slots(0, 0, false, 0);
    }
    Orchestrator.Load load = serving.load();
    return new HealthRoutes.Slots(load.held(), load.cap(), load.near(), load.running());
  }

  private void watch(Metrics metrics, Db db, RunQueue queue, Tenancy tenancy) {
    Orchestrator conversations = Objects.requireNonNull(orchestrator.get());
    metrics.watch(Metrics.Gauge.LEASES, () -> conversations.load().held());
    metrics.watch(Metrics.Gauge.LEASES_MAX, () -> conversations.load().cap());
    metrics.watch(Metrics.Gauge.POOL_ACTIVE, () -> db.poolUse().active());
    metrics.watch(Metrics.Gauge.POOL_WAITING, () -> db.poolUse().waiting());
    metrics.watch(Metrics.Gauge.POOL_MAX, () -> db.poolUse().max());
    metrics.watch(Metrics.Gauge.LIMITED, tenancy::limited);
    metrics.watch(Metrics.Gauge.RUNS_PENDING, () -> depth(db, queue).pendingRuns());
    metrics.watch(Metrics.Gauge.MAILBOXES_READY, () -> depth(db, queue).ready());
    metrics.watch(Metrics.Gauge.OLDEST_READY_SECONDS, () -> depth(db, queue).oldestReadySeconds());
  }

  private static QueueDepth depth(Db db, RunQueue queue) {
    return db.inTx(queue::depth);
  }

  private Snapshots snapshots(Db db) {
    Settings.Snapshots set = settings.snapshots();
    return switch (set.store()) {
      case DATABASE ->
          new Snapshots(db, new Snapshots.Limits(set.max(), SNAPSHOT_FILES_MAX, set.keep()));
      case FILE -> Snapshots.inPlace(db, of -> Orchestrator.directory(settings.data(), of));
    };
  }

  private static Meters meters(Metrics metrics) {
    return new Meters() {
      @Override
      public void runEnded(String status, Duration sinceStart) {
        metrics.runEnded(status, sinceStart);
      }

      @Override
      public void restored(String mode) {
        metrics.restored(mode);
      }

      @Override
      public void events(int written) {
        metrics.eventsAppended(written);
      }

      @Override
      public void snapshot(long addedBytes) {
        metrics.snapshotStored(addedBytes);
      }
    };
  }

  /**
   * Stops gracefully: new requests are refused, idle conversations handed back, runs under way may
   * end until the drain deadline; then everything goes in reverse of how it came.
   */
  @Override
  public void close() {
    stopping = true;
    Orchestrator serving = orchestrator.get();
    Cluster members = cluster;
    if (serving != null && members != null) {
      try {
        members.draining();
      } catch (RuntimeException away) {
        log.warn("the others cannot be told that this replica drains", away);
      }
      try {
        serving.stop(settings.drainTimeout());
      } catch (InterruptedException atOnce) {
        Thread.currentThread().interrupt();
      } catch (RuntimeException away) {
        log.warn("could not drain", away);
      }
    }
    HttpServer listening = http;
    if (listening != null) {
      listening.closeStreams();
    }
    while (!toClose.isEmpty()) {
      try {
        toClose.pop().close();
      } catch (Exception failed) {
        log.warn("a part did not stop cleanly", failed);
      }
    }
  }

  private <T extends AutoCloseable> T owned(T part) {
    toClose.push(part);
    return part;
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException nameless) {
      return "localhost";
    }
  }

  /** What the cluster's news mean here. */
  private record ThisReplica(Orchestrator orchestrator, Workers workers, int ownMaxLeases)
      implements Member {
    @Override
    public void joined(int replica) {
      orchestrator.joined(replica);
    }

    @Override
    public void fenced() {
      orchestrator.fenced();
    }

    @Override
    public void confirmed(Duration ago) {
      workers.beat(ago);
    }

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

    @Override
    public void wanted(@Nullable Integer leases) {
      orchestrator.cap(leases == null ? ownMaxLeases : leases);
    }
  }
}

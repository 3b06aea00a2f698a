package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.EmbeddedPostgres;
import io.turnkeeper.db.Migrations;
import io.turnkeeper.eventlog.Append;
import io.turnkeeper.eventlog.EventLog;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Supplier;
import tools.jackson.databind.node.ObjectNode;

/**
 * What row-level security costs the hot path, by hand: enqueue, claim, append and a read, in turn
 * with policies on and off in one database, medians. Arguments: a directory for PostgreSQL's
 * binaries, and the rounds.
 */
final class WallsCost {
  private static final int BATCH = 50;
  private static final List<String> TABLES =
      List.of(
          "organizations",
          "api_keys",
          "agents",
          "agent_versions",
          "conversations",
          "mailboxes",
          "runs",
          "run_commands",
          "run_events",
          "snapshots",
          "snapshot_chunks");

  private final Db db;
  private final RunQueue queue = new RunQueue();
  private final EventLog events = new EventLog(Duration.ofDays(30));
  private final OrganizationId organization = new OrganizationId(UUID.randomUUID());
  private final AgentId agent = new AgentId(UUID.randomUUID());
  private final Map<String, List<Long>> nanos = new TreeMap<>();
  private final List<Conversation> conversations = new ArrayList<>();
  private final int replica;

  private WallsCost(Db db) {
    this.db = db;
    db.useTx(tx -> events.tend(tx, Instant.now()));
    db.useTx(tx -> {
      tx.update("INSERT INTO organizations (id, name) VALUES (:o, :o::text)")
          .bind("o", organization.value())
          .execute();
      tx.update("INSERT INTO agents (id, organization_id, name, version) VALUES (:a, :o, 'a', 1)")
          .bind("a", agent.value())
          .bind("o", organization.value())
          .execute();
      for (int i = 0; i < BATCH; i++) {
        long key =
            tx.query(
                    "INSERT INTO conversations (organization_id, agent_id, id)"
                        + " VALUES (:o, :a, :id) RETURNING key")
                .bind("o", organization.value())
                .bind("a", agent.value())
                .bind("id", "t" + i)
                .mapTo(Long.class)
                .one();
        conversations.add(new Conversation(organization, agent, key, "t" + i));
      }
    });
    replica =
        db.inTx(tx ->
            tx.query(
                    "INSERT INTO replicas (host, pid, address, version, max_leases)"
                        + " VALUES ('h', 1, 'a', 'v', 1000) RETURNING id")
                .mapTo(Integer.class)
                .one());
  }

  public static void main(String[] args) throws Exception {
    Path directory = Files.createTempDirectory("turnkeeper-walls-cost-");
    int rounds = Integer.parseInt(args[1]);
    try (EmbeddedPostgres postgres = EmbeddedPostgres.start(directory, Path.of(args[0]))) {
      Migrations.migrate(postgres.url());
      try (Db db = Db.open(postgres.url(), 4, Duration.ofSeconds(10))) {
        db.useTx(tx -> tx.update("CREATE ROLE plain LOGIN PASSWORD 'plain'").execute());
        run("superuser", db, rounds);
        ownedBy(db, "plain");
      }
      String bare = postgres.url().toString().replaceFirst("//[^/@]*@", "//");
      DatabaseUrl asOwner = DatabaseUrl.parse(bare.replaceFirst("//", "//plain:plain@"));
      try (Db db = Db.open(asOwner, 4, Duration.ofSeconds(10))) {
        run("owner", db, rounds);
      }
    }
  }

  private static void ownedBy(Db db, String role) {
    db.useTx(tx -> {
      for (String name :
          tx.query(
                  "SELECT format('%I', relname) FROM pg_class WHERE relkind IN ('r', 'p')"
                      + " AND relnamespace = 'public'::regnamespace")
              .mapTo(String.class)
              .list()) {
        tx.update("ALTER TABLE " + name + " OWNER TO " + role).execute();
      }
      tx.update("GRANT CREATE, USAGE ON SCHEMA public TO " + role).execute();
    });
  }

  private static void run(String user, Db db, int rounds) {
    WallsCost cost = new WallsCost(db);
    for (int i = 0; i < rounds; i++) {
      boolean on = i % 20 < 10;
      if (i % 10 == 0) {
        cost.walls(on);
      }
      cost.round(i < rounds / 5 ? "warm" : on ? "on" : "off");
    }
    cost.nanos.forEach((name, all) ->
        System.out.printf(
            "%-10s %-16s median %8.1f us of %d%n",
            user,
            name,
            all.stream().sorted().skip(all.size() / 2).findFirst().orElse(0L) / 1e3,
            all.size()));
  }

  private void walls(boolean on) {
    db.useTx(tx ->
        TABLES.forEach(table ->
            tx.update(
                    "ALTER TABLE " + table + (on ? " ENABLE" : " DISABLE") + " ROW LEVEL SECURITY")
                .execute()));
    round("warm"); // plans are made anew
    round("warm");
  }

  private void round(String as) {
    List<NewRun> runs = conversations.stream().map(WallsCost::run).toList();
    timed(as + " enqueue", () -> db.inTx(tx -> queue.enqueue(tx, runs)));
    Claims claims = timed(as + " claim", () -> db.inTx(tx -> queue.claim(tx, replica, BATCH)));
    List<Append> appends =
        claims.taken().stream()
            .map(one -> new Append(one.lease(), one.run().id(), 1, "agent.update", Json.object()))
            .toList();
    timed(as + " append", () -> db.inTx(tx -> events.append(tx, replica, appends)));
    RunId first = claims.taken().getFirst().run().id();
    timed(as + " read", () -> db.inTx(organization, tx -> queue.run(tx, organization, first)));
    db.useTx(tx -> {
      queue.settle(
          tx,
          replica,
          claims.taken().stream()
              .map(one ->
                  new Settlement(
                      one.lease(), one.run().id(), RunStatus.COMPLETED, Json.array(), null))
              .toList());
      queue.release(tx, replica, claims.taken().stream().map(Claimed::lease).toList());
    });
  }

  private <T> T timed(String name, Supplier<T> work) {
    long start = System.nanoTime();
    T done = work.get();
    nanos.computeIfAbsent(name, any -> new ArrayList<>()).add(System.nanoTime() - start);
    return done;
  }

  private static NewRun run(Conversation conversation) {
    ObjectNode input = Json.object().put("text", "hello");
    return new NewRun(
        RunId.next(),
        conversation,
        input,
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

package io.turnkeeper.queue;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import org.jdbi.v3.core.statement.SqlStatement;
import org.jspecify.annotations.Nullable;

/** Claims, and what a lease entitles to. The only maker of lease tokens. */
final class Leases {
  /** Of the line that a claim looks through for more that stands behind a gate it found shut. */
  private static final int SWEEP_MAX = 1_000;

  private final FairShare fairShare;

  Leases(FairShare fairShare) {
    this.fairShare = fairShare;
  }

  Claims claim(Tx tx, int replica, int slots) {
    List<Gate.Candidate> candidates =
        tx.query(LeaseSql.PICK).bind("slots", slots).map((row, context) -> candidate(row)).list();
    if (candidates.isEmpty()) {
      return new Claims(List.of(), false, false);
    }
    Gate.Verdict verdict = Gate.judge(tx, candidates);
    List<Claimed> taken = grant(tx, replica, verdict);
    // After the grants, which are of the same tenants: what is still ready then is behind the gate.
    holdBack(tx, "capped", verdict.capped());
    holdBack(tx, "paused", verdict.paused());
    boolean whole = candidates.size() == slots && taken.size() == verdict.granted().size();
    return new Claims(taken, whole, !verdict.capped().isEmpty());
  }

  private List<Claimed> grant(Tx tx, int replica, Gate.Verdict verdict) {
    if (verdict.granted().isEmpty()) {
      return List.of();
    }
    verdict.granted().forEach(candidate -> fairShare.claimed(candidate.tag()));
    List<Claimed> claimed = new ArrayList<>();
    tx.query(LeaseSql.GRANT)
        .bind("replica", replica)
        .bindArray("keys", Long.class, verdict.granted().stream().map(Gate.Candidate::key).toList())
        .map((row, context) -> claimed.add(claimed(row, replica)))
        .list();
    return claimed;
  }

  /**
   * The leases among these that are still good; their mailboxes are locked until the transaction
   * ends.
   */
  Set<LeaseToken> lock(Tx tx, int replica, List<LeaseToken> leases) {
    if (leases.isEmpty()) {
      return Set.of();
    }
    Map<Long, LeaseToken> byKey = new HashMap<>();
    leases.forEach(lease -> byKey.put(lease.conversation().key(), lease));
    Set<LeaseToken> good = new HashSet<>();
    leases(tx.query(LeaseSql.LOCK_LEASES), replica, List.copyOf(byKey.values()))
        .map((row, context) -> {
          LeaseToken lease = byKey.get(row.getLong("conversation_key"));
          return lease != null && lease.epoch() == row.getLong("epoch") && good.add(lease);
        })
        .list();
    return good;
  }

  Set<RunId> settle(Tx tx, int replica, List<Settlement> ends) {
    if (ends.isEmpty()) {
      return Set.of();
    }
    List<@Nullable String> outputs = new ArrayList<>();
    List<@Nullable String> errors = new ArrayList<>();
    for (Settlement end : ends) {
      outputs.add(end.output() == null ? null : Json.write(end.output()));
      errors.add(end.error() == null ? null : Json.write(end.error()));
    }
    List<UUID> settled =
        leases(tx.query(LeaseSql.SETTLE), replica, ends.stream().map(Settlement::lease).toList())
            .bindArray("runs", UUID.class, ends.stream().map(end -> end.run().value()).toList())
            .bindArray(
                "statuses", String.class, ends.stream().map(end -> end.status().word()).toList())
            .bindArray("outputs", String.class, outputs)
            .bindArray("errors", String.class, errors)
            .mapTo(UUID.class)
            .list();
    Set<RunId> ids = new HashSet<>();
    settled.forEach(id -> ids.add(new RunId(id)));
    return ids;
  }

  boolean requeue(Tx tx, LeaseToken lease, RunId run, Again again) {
    return one(tx, LeaseSql.REQUEUE, lease)
            .bind("run", run.value())
            .bind("key", lease.conversation().key())
            .bind("delay_ms", again.delay().toMillis())
            .bind("begun", again.begun())
            .execute()
        == 1;
  }

  Started startNext(Tx tx, int replica, List<LeaseToken> leases) {
    if (leases.isEmpty()) {
      return Started.NONE;
    }
    Set<Long> busy = new HashSet<>();
    List<Gate.Candidate> candidates = new ArrayList<>();
    leases(tx.query(LeaseSql.HEADS), replica, leases)
        .map((row, context) ->
            busy.add(row.getLong("conversation_key"))
                && row.getBoolean("may_start")
                && candidates.add(candidate(row)))
        .list();
    if (busy.isEmpty()) {
      return Started.NONE;
    }
    Set<Long> granted = new HashSet<>();
    if (!candidates.isEmpty()) {
      Gate.judgeGoingOn(tx, candidates).granted().forEach(c -> granted.add(c.key()));
    }
    List<LeaseToken> going =
        leases.stream().filter(lease -> granted.contains(lease.conversation().key())).toList();
    busy.removeAll(granted);
    return new Started(
        going.isEmpty() ? Map.of() : start(tx, replica, going),
        leases.stream()
            .filter(lease -> busy.contains(lease.conversation().key()))
            .collect(Collectors.toUnmodifiableSet()));
  }

  private static Map<LeaseToken, Run> start(Tx tx, int replica, List<LeaseToken> going) {
    Map<Long, LeaseToken> byKey = new HashMap<>();
    going.forEach(lease -> byKey.put(lease.conversation().key(), lease));
    Map<LeaseToken, Run> started = new LinkedHashMap<>();
    leases(tx.query(LeaseSql.START_NEXT), replica, going)
        .map((row, context) -> {
          Run run = RunRows.read(row);
          LeaseToken lease = byKey.get(run.conversation().key());
          return lease == null ? run : started.put(lease, run);
        })
        .list();
    return started;
  }

  /** True when one of the mailboxes is ready again, so that somebody should claim it. */
  boolean release(Tx tx, int replica, List<LeaseToken> leases) {
    if (leases.isEmpty()) {
      return false;
    }
    return leases(tx.query(LeaseSql.RELEASE), replica, leases)
        .bindArray(
            "tags",
            Long.class,
            leases.stream()
                .map(lease -> fairShare.next(lease.conversation().organization()))
                .toList())
        .map((row, context) -> row.getBoolean("ready"))
        .list()
        .contains(true);
  }

  boolean setWaiting(Tx tx, LeaseToken lease, RunId run, boolean waiting) {
    return one(tx, LeaseSql.SET_WAITING, lease)
            .bind("run", run.value())
            .bind("to", (waiting ? RunStatus.WAITING : RunStatus.RUNNING).word())
            .execute()
        == 1;
  }

  boolean setFacts(Tx tx, LeaseToken lease, RunId run, int version, @Nullable String restore) {
    return one(tx, LeaseSql.SET_FACTS, lease)
            .bind("run", run.value())
            .bind("version", version)
            .bind("restore", restore)
            .execute()
        == 1;
  }

  /**
   * Moves every lease of a dead replica to the taker, epochs raised. The dead one's row must be
   * locked by this transaction. The answer maps each lease to the run that was under way, if any.
   */
  Map<LeaseToken, @Nullable Run> takeOver(Tx tx, int dead, int taker) {
    Map<Long, LeaseToken> byKey = new LinkedHashMap<>();
    tx.query(LeaseSql.MARK_TAKEN)
        .bind("dead", dead)
        .bind("taker", taker)
        .map((row, context) -> {
          Conversation conversation =
              new Conversation(
                  new OrganizationId(row.getObject("organization_id", UUID.class)),
                  new AgentId(row.getObject("agent_id", UUID.class)),
                  row.getLong("conversation_key"),
                  row.getString("conversation_id"));
          return byKey.put(
              conversation.key(), new LeaseToken(conversation, row.getLong("epoch"), taker));
        })
        .list();
    Map<LeaseToken, @Nullable Run> taken = new LinkedHashMap<>();
    byKey.values().forEach(lease -> taken.put(lease, null));
    if (!taken.isEmpty()) {
      leases(tx.query(LeaseSql.ADOPT_RUNS), null, List.copyOf(byKey.values()))
          .map((row, context) -> {
            Run run = RunRows.read(row);
            LeaseToken lease = byKey.get(run.conversation().key());
            return lease == null ? run : taken.put(lease, run);
          })
          .list();
    }
    return taken;
  }

  List<Run> underWayAt(Tx tx, int replica, int most) {
    return tx.query(LeaseSql.UNDER_WAY_AT)
        .bind("replica", replica)
        .bind("most", most)
        .map((row, context) -> RunRows.read(row))
        .list();
  }

  Optional<Run> underWay(Tx tx, LeaseToken lease) {
    return tx.query(LeaseSql.UNDER_WAY)
        .bind("organization", lease.conversation().organization().value())
        .bind("key", lease.conversation().key())
        .bind("epoch", lease.epoch())
        .bind("replica", lease.replica())
        .map((row, context) -> RunRows.read(row))
        .findOne();
  }

  Optional<Held> held(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(LeaseSql.HELD)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .map((row, context) -> {
          Run underWay = RunRows.read(row);
          return new Held(
              new LeaseToken(
                  underWay.conversation(), row.getLong("lease_epoch"), row.getInt("holder")),
              underWay);
        })
        .findOne();
  }

  private static void holdBack(Tx tx, String state, List<Gate.Candidate> held) {
    if (held.isEmpty()) {
      return;
    }
    tx.update(LeaseSql.HOLD_BACK)
        .bind("state", state)
        .bindArray("keys", Long.class, held.stream().map(Gate.Candidate::key).toList())
        .execute();
    List<Gate.Pair> gates = held.stream().map(Gate.Candidate::pair).distinct().toList();
    tx.update(LeaseSql.SWEEP)
        .bind("state", state)
        .bind("max", SWEEP_MAX)
        .bindArray(
            "organizations", UUID.class, gates.stream().map(Gate.Pair::organization).toList())
        .bindArray("agents", UUID.class, gates.stream().map(Gate.Pair::agent).toList())
        .execute();
  }

  private static Claimed claimed(java.sql.ResultSet row, int replica) throws java.sql.SQLException {
    Run run = RunRows.read(row);
    return new Claimed(new LeaseToken(run.conversation(), row.getLong("epoch"), replica), run);
  }

  private static Gate.Candidate candidate(java.sql.ResultSet row) throws java.sql.SQLException {
    return new Gate.Candidate(
        row.getLong("conversation_key"),
        row.getObject("organization_id", UUID.class),
        row.getObject("agent_id", UUID.class),
        row.getLong("tag"));
  }

  private static org.jdbi.v3.core.statement.Update one(Tx tx, String sql, LeaseToken lease) {
    return tx.update(sql)
        .bind("organization", lease.conversation().organization().value())
        .bind("epoch", lease.epoch())
        .bind("replica", lease.replica());
  }

  private static <S extends SqlStatement<S>> S leases(
      S statement, @Nullable Integer replica, List<LeaseToken> leases) {
    S bound = replica == null ? statement : statement.bind("replica", replica);
    return bound
        .bindArray("keys", Long.class, leases.stream().map(l -> l.conversation().key()).toList())
        .bindArray("epochs", Long.class, leases.stream().map(LeaseToken::epoch).toList());
  }
}

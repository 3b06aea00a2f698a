package io.turnkeeper.queue;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.NewRun.Idempotency;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The one insert path of runs. */
final class Enqueuer {
  private record KeyName(UUID organization, String key) {}

  private record Used(UUID run, byte[] fingerprint) {}

  private final FairShare fairShare;

  Enqueuer(FairShare fairShare) {
    this.fairShare = fairShare;
  }

  List<Enqueued> enqueue(Tx tx, List<NewRun> runs) {
    Enqueued[] answers = new Enqueued[runs.size()];
    answerKnownKeys(tx, runs, answers);
    refuseWhereBusy(tx, runs, answers);
    insert(tx, runs, answers);
    answerRepeatsInBatch(runs, answers);
    return Arrays.asList(answers);
  }

  /** What the keys were used for before; an answer for each, empty where there is none. */
  List<Optional<Enqueued>> known(Tx tx, List<RunQueue.Keyed> asked) {
    Map<KeyName, Used> used = asked.isEmpty() ? Map.of() : used(tx, asked);
    return asked.stream()
        .map(one ->
            Optional.ofNullable(
                    used.get(new KeyName(one.organization().value(), one.idempotency().key())))
                .<Enqueued>map(before ->
                    Arrays.equals(before.fingerprint(), one.idempotency().fingerprint())
                        ? new Enqueued.Replayed(new RunId(before.run()))
                        : new Enqueued.KeyReused()))
        .toList();
  }

  private static Map<KeyName, Used> used(Tx tx, List<RunQueue.Keyed> asked) {
    Map<KeyName, Used> used = new HashMap<>();
    tx.query(EnqueueSql.KEYS_USED)
        .bindArray(
            "organizations",
            UUID.class,
            asked.stream().map(one -> one.organization().value()).toList())
        .bindArray(
            "keys", String.class, asked.stream().map(one -> one.idempotency().key()).toList())
        .map((row, context) ->
            used.put(
                new KeyName(
                    row.getObject("organization_id", UUID.class), row.getString("idempotency_key")),
                new Used(row.getObject("id", UUID.class), row.getBytes("fingerprint"))))
        .list();
    return used;
  }

  private void answerKnownKeys(Tx tx, List<NewRun> runs, @Nullable Enqueued[] answers) {
    List<Integer> places = new ArrayList<>();
    List<RunQueue.Keyed> keyed = new ArrayList<>();
    for (int i = 0; i < answers.length; i++) {
      Idempotency idempotency = runs.get(i).idempotency();
      if (idempotency != null) {
        places.add(i);
        keyed.add(new RunQueue.Keyed(runs.get(i).conversation().organization(), idempotency));
      }
    }
    List<Optional<Enqueued>> known = known(tx, keyed);
    for (int i = 0; i < places.size(); i++) {
      answers[places.get(i)] = known.get(i).orElse(null);
    }
  }

  private static void refuseWhereBusy(Tx tx, List<NewRun> runs, @Nullable Enqueued[] answers) {
    Set<Long> asked = new HashSet<>();
    for (int i = 0; i < answers.length; i++) {
      if (answers[i] == null && runs.get(i).onlyWhenIdle()) {
        asked.add(runs.get(i).conversation().key());
      }
    }
    if (asked.isEmpty()) {
      return;
    }
    Set<Long> busy = new HashSet<>();
    tx.query(EnqueueSql.LOCK_BOXES)
        .bindArray("keys", Long.class, asked.stream().sorted().toList())
        .map((row, context) -> row.getBoolean("busy") && busy.add(row.getLong("conversation_key")))
        .list();
    // What is accepted earlier in this batch makes its conversation busy too.
    for (int i = 0; i < answers.length; i++) {
      if (answers[i] != null) {
        continue;
      }
      long key = runs.get(i).conversation().key();
      if (runs.get(i).onlyWhenIdle() && busy.contains(key)) {
        answers[i] = new Enqueued.Busy();
      } else {
        busy.add(key);
      }
    }
  }

  private void insert(Tx tx, List<NewRun> runs, @Nullable Enqueued[] answers) {
    List<Integer> places = new ArrayList<>();
    Set<KeyName> taken = new HashSet<>();
    for (int i = 0; i < answers.length; i++) {
      Idempotency idempotency = runs.get(i).idempotency();
      boolean repeat = idempotency != null && !taken.add(keyName(runs.get(i), idempotency));
      if (answers[i] == null && !repeat) {
        places.add(i);
      }
    }
    if (places.isEmpty()) {
      return;
    }
    List<NewRun> rows = places.stream().map(runs::get).toList();
    tx.query(EnqueueSql.ENQUEUE)
        .bindArray("n", Integer.class, places)
        .bindArray("ids", UUID.class, column(rows, run -> run.id().value()))
        .bindArray(
            "organizations",
            UUID.class,
            column(rows, run -> run.conversation().organization().value()))
        .bindArray("agents", UUID.class, column(rows, run -> run.conversation().agent().value()))
        .bindArray("keys", Long.class, column(rows, run -> run.conversation().key()))
        .bindArray("inputs", String.class, column(rows, run -> Json.write(run.input())))
        .bindArray("options", String.class, column(rows, run -> Json.write(run.options())))
        .bindArray("metadata", String.class, column(rows, run -> Json.write(run.metadata())))
        .bindArray("priorities", Short.class, column(rows, run -> (short) run.priority()))
        .bindArray("delays", Long.class, column(rows, run -> run.delay().toMillis()))
        .bindArray("expiries", Long.class, column(rows, Enqueuer::expiryMillis))
        .bindArray("attempts", Integer.class, column(rows, NewRun::maxAttempts))
        .bindArray("idempotency", String.class, column(rows, Enqueuer::key))
        .bindArray("fingerprints", String.class, column(rows, Enqueuer::fingerprint))
        .bindArray(
            "tags",
            Long.class,
            column(rows, run -> fairShare.next(run.conversation().organization())))
        .map((row, context) -> {
          int holder = row.getInt("replica_id");
          OptionalInt held = row.wasNull() ? OptionalInt.empty() : OptionalInt.of(holder);
          return answers[row.getInt("n")] =
              new Enqueued.Accepted(
                  new RunId(row.getObject("id", UUID.class)),
                  row.getLong("turn"),
                  held,
                  row.getBoolean("ready"));
        })
        .list();
  }

  /** Two requests with one key in one batch: the second is a replay of the first. */
  private static void answerRepeatsInBatch(List<NewRun> runs, @Nullable Enqueued[] answers) {
    Map<KeyName, Integer> first = new HashMap<>();
    for (int i = 0; i < answers.length; i++) {
      Idempotency idempotency = runs.get(i).idempotency();
      if (idempotency == null) {
        continue;
      }
      Integer before = first.putIfAbsent(keyName(runs.get(i), idempotency), i);
      if (answers[i] == null && before != null) {
        answers[i] = repeated(runs.get(before), answers[before], idempotency);
      }
    }
  }

  private static Enqueued repeated(
      NewRun before, @Nullable Enqueued answer, Idempotency idempotency) {
    Idempotency used = before.idempotency();
    if (used == null || !Arrays.equals(used.fingerprint(), idempotency.fingerprint())) {
      return new Enqueued.KeyReused();
    }
    return switch (answer) {
      case Enqueued.Accepted accepted -> new Enqueued.Replayed(accepted.run());
      case null -> throw new IllegalStateException("a run of this batch got no answer");
      case Enqueued other -> other;
    };
  }

  private static <T extends @Nullable Object> List<T> column(
      List<NewRun> rows, Function<NewRun, T> value) {
    List<T> column = new ArrayList<>(rows.size());
    rows.forEach(row -> column.add(value.apply(row)));
    return column;
  }

  private static @Nullable Long expiryMillis(NewRun run) {
    var expiry = run.expiry();
    return expiry == null ? null : expiry.toMillis();
  }

  private static @Nullable String key(NewRun run) {
    var idempotency = run.idempotency();
    return idempotency == null ? null : idempotency.key();
  }

  private static @Nullable String fingerprint(NewRun run) {
    var idempotency = run.idempotency();
    return idempotency == null ? null : HexFormat.of().formatHex(idempotency.fingerprint());
  }

  private static KeyName keyName(NewRun run, Idempotency idempotency) {
    return new KeyName(run.conversation().organization().value(), idempotency.key());
  }
}

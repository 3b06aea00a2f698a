package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.queue.Claims;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.queue.Settlement;
import java.util.List;

/** A replica that is a row and nothing else: the measurement makes its claims itself. */
record Bare(Engine engine, int replica) {
  static Bare in(Database database, Engine engine) {
    return new Bare(
        engine,
        (int)
            database.number(
                "INSERT INTO replicas (host, pid, address, version, max_leases)"
                    + " VALUES ('bench', 1, 'http://127.0.0.1:0', 'bench', 100000) RETURNING id"));
  }

  List<Claimed> claim(int slots) {
    return engine.db().inTx(tx -> engine.queue().claim(tx, replica, slots)).taken();
  }

  /** Passes over those that may not start until some may, or there are none. */
  List<Claimed> claimSome(int slots) {
    while (true) {
      Claims claims = engine.db().inTx(tx -> engine.queue().claim(tx, replica, slots));
      if (!claims.taken().isEmpty() || !claims.again()) {
        return claims.taken();
      }
    }
  }

  /** Ends their runs, without a log, and gives the leases back. */
  void done(List<Claimed> claimed) {
    List<Settlement> ends =
        claimed.stream()
            .map(one ->
                new Settlement(
                    one.lease(), one.run().id(), RunStatus.COMPLETED, Json.array(), null))
            .toList();
    engine
        .db()
        .useTx(tx -> {
          var held =
              engine.queue().lock(tx, replica, claimed.stream().map(Claimed::lease).toList());
          var unused = engine.queue().settle(tx, replica, ends);
          var ready = engine.queue().release(tx, replica, List.copyOf(held));
        });
  }
}

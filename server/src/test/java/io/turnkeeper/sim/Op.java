package io.turnkeeper.sim;

import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/** One message to the database whose answer somebody waits for. */
final class Op {
  enum Kind {
    CONNECT,
    STATEMENT,
    COMMIT,
    ROLLBACK
  }

  final Actor actor;
  final @Nullable Link link;
  final Kind kind;
  final String sql;
  final Callable<@Nullable Object> action;
  final CompletableFuture<@Nullable Object> answer = new CompletableFuture<>();

  /** Set while the database holds it back because of somebody else's lock. */
  @Nullable Future<@Nullable Object> blocked;

  long blockedSinceNanos;

  Op(Actor actor, @Nullable Link link, Kind kind, String sql, Callable<@Nullable Object> action) {
    this.actor = actor;
    this.link = link;
    this.kind = kind;
    this.sql = sql;
    this.action = action;
  }

  @Override
  public String toString() {
    String words = sql.strip().replaceAll("\\s+", " ");
    return kind + " " + words.substring(0, Math.min(words.length(), 60));
  }
}

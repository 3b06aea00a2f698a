package io.turnkeeper.tokens;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Signs run tokens and verifies them, on any replica: the keys are in the database. The newest key
 * signs; it is followed by another after a while, and verifies for as long as a token that it
 * signed can be valid.
 */
public final class RunTokens {
  /** For how long a key that was taken out of the database may still verify. */
  private static final Duration CACHE_TTL = Duration.ofSeconds(30);

  /** A key that is not known here may be a new one; who makes names up does not read each time. */
  private static final Duration LOOK_AGAIN = Duration.ofSeconds(1);

  private static final int SECRET_BYTES = 32;
  private static final long ROTATION_LOCK = 0x746b_746f_6b65L; // "tktoke"
  private static final SecureRandom RANDOM = new SecureRandom();

  /**
   * @param life of a token
   * @param rotation how old the key that signs may become
   */
  public record Limits(Duration life, Duration rotation) {}

  private final Db db;
  private final Limits limits;
  private final Clock clock;
  private final Object lock = new Object();

  /** The one that signs comes first. */
  private Map<String, SigningKey> keys = Map.of();

  private boolean due = true;
  private @Nullable Long readAtNanos;

  public RunTokens(Db db, Limits limits, Clock clock) {
    this.db = db;
    this.limits = limits;
    this.clock = clock;
  }

  /** For how long a token is valid. */
  public Duration life() {
    return limits.life();
  }

  /** A token for the scope, valid from now on. */
  public RunToken sign(RunScope scope) {
    Instant now = clock.now();
    Instant expires = now.plus(limits.life());
    return new RunToken(TokenText.sign(scope, signing(), now, expires), expires);
  }

  /**
   * What the token is for. That it was ours and is in time is all that this says: whether the run
   * is under way is for the database.
   *
   * @throws Refusal.Unauthenticated when there is none, or it is not valid; why is not said
   */
  public RunScope verify(Optional<String> credential) {
    String text =
        credential.orElseThrow(() ->
            new Refusal.Unauthenticated(
                "token_missing", "send the run's token, as Authorization: Bearer"));
    return TokenText.verify(text, this::verifying, clock.now())
        .orElseThrow(
            () -> new Refusal.Unauthenticated("token_invalid", "the run token is not valid"));
  }

  private SigningKey signing() {
    synchronized (lock) {
      if (!fresh(CACHE_TTL)) {
        read();
      }
      if (due) {
        db.useTx(this::rotate);
        read();
      }
      return keys.values().iterator().next();
    }
  }

  private Optional<SigningKey> verifying(String id) {
    synchronized (lock) {
      if (!fresh(CACHE_TTL) || (!keys.containsKey(id) && !fresh(LOOK_AGAIN))) {
        read();
      }
      return Optional.ofNullable(keys.get(id));
    }
  }

  private boolean fresh(Duration within) {
    Long at = readAtNanos;
    return at != null && clock.nanos() - at < within.toNanos();
  }

  private void read() {
    record Aged(SigningKey key, Duration age) {}
    long at = clock.nanos();
    Map<String, SigningKey> found = new LinkedHashMap<>();
    boolean[] young = {false};
    db.inTx(tx ->
            tx.query(TokenSql.KEYS)
                .map((row, context) ->
                    new Aged(
                        new SigningKey(row.getString("id"), row.getBytes("secret")),
                        Duration.ofSeconds(row.getLong("age_seconds"))))
                .list())
        .forEach(aged -> {
          young[0] |= found.isEmpty() && aged.age().compareTo(limits.rotation()) < 0;
          found.put(aged.key().id(), aged.key());
        });
    keys = found;
    due = !young[0];
    readAtNanos = at;
  }

  /**
   * Longer than it signs, by the life of a token, a replica's knowledge of the keys, and the time
   * until somebody next asks for a token.
   */
  private Duration verifies() {
    return limits.rotation().multipliedBy(2).plus(limits.life()).plus(CACHE_TTL.multipliedBy(2));
  }

  /** Replicas that find it due together make one key. */
  private void rotate(Tx tx) {
    tx.query(TokenSql.LOCK_ROTATION).bind("lock", ROTATION_LOCK).mapTo(String.class).one();
    boolean done =
        tx
            .query(TokenSql.KEYS)
            .map((row, context) -> Duration.ofSeconds(row.getLong("age_seconds")))
            .list()
            .stream()
            .findFirst()
            .filter(age -> age.compareTo(limits.rotation()) < 0)
            .isPresent();
    if (!done) {
      byte[] secret = new byte[SECRET_BYTES];
      RANDOM.nextBytes(secret);
      tx.update(TokenSql.ADD)
          .bind("id", Uuid7.next().toString())
          .bind("secret", secret)
          .bind("lives_ms", verifies().toMillis())
          .execute();
      tx.update(TokenSql.FORGET).execute();
    }
  }
}

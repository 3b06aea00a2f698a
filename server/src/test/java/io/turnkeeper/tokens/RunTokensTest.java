package io.turnkeeper.tokens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jwt.SignedJWT;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

@DbTest
class RunTokensTest {
  private static final Duration LIFE = Duration.ofMinutes(15);
  private static final Duration ROTATION = Duration.ofDays(1);

  private final Db db;
  private final AtomicLong nanos = new AtomicLong();
  private final Clock clock =
      new Clock() {
        @Override
        public Instant now() {
          return Instant.EPOCH.plusNanos(nanos.get());
        }

        @Override
        public long nanos() {
          return nanos.get();
        }
      };

  RunTokensTest(Db db) {
    this.db = db;
  }

  private RunTokens replica() {
    return new RunTokens(db, new RunTokens.Limits(LIFE, ROTATION), clock);
  }

  private static RunScope scope() {
    return new RunScope(
        new OrganizationId(UUID.randomUUID()),
        new AgentId(UUID.randomUUID()),
        "t",
        RunId.next(),
        1,
        1);
  }

  private static String key(RunToken token) throws ParseException {
    return SignedJWT.parse(token.text()).getHeader().getKeyID();
  }

  private void age(Duration by) {
    db.useTx(tx ->
        tx.update(
                """
                UPDATE token_keys SET created_at = created_at - :ms * interval '1 millisecond',
                       expires_at = expires_at - :ms * interval '1 millisecond'
                """)
            .bind("ms", by.toMillis())
            .execute());
    nanos.addAndGet(Duration.ofMinutes(1).toNanos());
  }

  @Test
  void what_one_replica_signed_every_other_verifies() {
    RunScope scope = scope();
    RunToken token = replica().sign(scope);
    assertThat(replica().verify(Optional.of(token.text()))).isEqualTo(scope);
    assertThat(token.toString()).doesNotContain(token.text());
  }

  @Test
  void replicas_that_start_together_make_one_key() throws Exception {
    db.useTx(tx -> tx.update("DELETE FROM token_keys").execute());
    List<Callable<RunToken>> starts = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      RunTokens replica = replica();
      starts.add(() -> replica.sign(scope()));
    }
    Set<String> used = new HashSet<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (var token : threads.invokeAll(starts)) {
        used.add(key(token.get()));
      }
    }
    assertThat(used).hasSize(1);
  }

  @Test
  void a_key_that_is_old_is_followed_and_verifies_on_for_as_long_as_it_may_have_signed()
      throws Exception {
    RunTokens replica = replica();
    RunTokens elsewhere = replica();
    RunScope scope = scope();
    RunToken before = replica.sign(scope);
    age(ROTATION.plusSeconds(1));
    RunToken after = replica.sign(scope());
    assertThat(key(after)).isNotEqualTo(key(before));
    assertThat(replica.verify(Optional.of(before.text()))).isEqualTo(scope);
    // A replica that does not know the new key finds it.
    assertThat(elsewhere.verify(Optional.of(after.text()))).isNotNull();
    age(ROTATION.plus(LIFE).plusHours(1));
    assertThatThrownBy(() -> elsewhere.verify(Optional.of(before.text())))
        .isInstanceOf(Refusal.Unauthenticated.class);
  }

  @Test
  void a_key_that_was_taken_out_stops_verifying_within_half_a_minute() {
    RunTokens replica = replica();
    RunToken token = replica.sign(scope());
    db.useTx(tx -> tx.update("DELETE FROM token_keys").execute());
    nanos.addAndGet(Duration.ofSeconds(31).toNanos());
    assertThatThrownBy(() -> replica.verify(Optional.of(token.text())))
        .isInstanceOf(Refusal.Unauthenticated.class)
        .hasMessageNotContaining(token.text());
  }

  @Test
  void a_token_that_has_expired_and_none_at_all_are_refused() {
    RunTokens replica = replica();
    RunToken token = replica.sign(scope());
    nanos.addAndGet(LIFE.toNanos());
    assertThatThrownBy(() -> replica.verify(Optional.of(token.text())))
        .isInstanceOf(Refusal.Unauthenticated.class);
    assertThatThrownBy(() -> replica.verify(Optional.empty()))
        .isInstanceOf(Refusal.Unauthenticated.class);
  }
}

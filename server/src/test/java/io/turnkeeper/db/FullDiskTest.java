package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Refusal;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** What a caller learns when the database has no room; {@code e2e} fills a disk indeed. */
@DbTest
@Promise(9)
class FullDiskTest {
  private static final String FULL =
      """
      DO $$ BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
      END $$
      """;

  private final Db db;

  FullDiskTest(Db db) {
    this.db = db;
  }

  private static void isRefused(ThrowingCallable work) {
    assertThatThrownBy(work)
        .isInstanceOfSatisfying(
            Refusal.Unavailable.class,
            refused -> {
              assertThat(refused.code()).isEqualTo("disk_full");
              assertThat(refused).hasMessageContaining("full").hasMessageContaining("space");
              assertThat(refused.retryAfter()).isPositive();
            });
  }

  @Test
  void a_transaction_is_refused_for_now() {
    isRefused(() -> db.useTx(tx -> tx.update(FULL).execute()));
    assertThat(db.answers()).isTrue();
  }

  @Test
  void all_that_a_group_commit_holds_is_refused_for_now() {
    try (GroupCommit<String, Integer> writer =
        new GroupCommit<>(
            db,
            new GroupCommit.Manner("full", 10, false),
            (tx, items) -> {
              items.forEach(item -> tx.update(item).execute());
              return items.stream().map(item -> 1).toList();
            })) {
      List<CompletableFuture<Integer>> answers =
          List.of(writer.submit(FULL), writer.submit(FULL), writer.submit(FULL));
      answers.forEach(answer -> isRefused(() -> GroupCommit.await(answer, Duration.ofSeconds(20))));
      assertThat(writer.write("SET LOCAL lock_timeout = 1000", Duration.ofSeconds(20)))
          .isEqualTo(1);
    }
  }

  @Test
  void another_lack_of_resources_is_still_a_failure() {
    assertThatThrownBy(() -> db.useTx(tx -> tx.update(FULL.replace("53100", "53200")).execute()))
        .isNotInstanceOf(Refusal.class);
  }
}

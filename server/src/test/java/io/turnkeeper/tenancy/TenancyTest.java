package io.turnkeeper.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

@DbTest
@Promise(8)
class TenancyTest {
  private final AtomicLong nanos = new AtomicLong();
  private final Clock clock =
      new Clock() {
        @Override
        public Instant now() {
          return Instant.EPOCH;
        }

        @Override
        public long nanos() {
          return nanos.get();
        }
      };
  private final Tenancy tenancy;
  private final Tenancy elsewhere;

  TenancyTest(Db db) {
    tenancy = new Tenancy(db, clock);
    elsewhere = new Tenancy(db, clock);
  }

  private Tenancy.Founded found() {
    return tenancy.createOrganization("org-" + Uuid7.next(), null);
  }

  private static Optional<String> sent(NewKey key) {
    return Optional.of(key.text());
  }

  @Test
  void replicas_that_start_together_make_one_first_key() throws Exception {
    List<Callable<Optional<NewKey>>> starts = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      starts.add(() -> tenancy.bootstrap(key -> {}));
    }
    List<NewKey> made = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Future<Optional<NewKey>> start : threads.invokeAll(starts)) {
        start.get().ifPresent(made::add);
      }
    }
    assertThat(made).hasSizeLessThanOrEqualTo(1);
    assertThat(tenancy.bootstrap(key -> {})).isEmpty();
    for (NewKey key : made) {
      Caller caller = tenancy.authenticate(sent(key));
      assertThat(caller.operator()).isTrue();
      assertThat(caller.organizationName()).isEqualTo("default");
    }
  }

  @Test
  void a_first_key_that_could_not_be_kept_is_not_valid_and_the_next_start_makes_another(Db db) {
    db.useTx(tx -> tx.update("UPDATE api_keys SET revoked_at = now()").execute());
    List<NewKey> lost = new ArrayList<>();
    assertThatThrownBy(() ->
            tenancy.bootstrap(key -> {
              lost.add(key);
              throw new IllegalStateException("no space left");
            }))
        .hasMessageContaining("no space left");

    List<NewKey> kept = new ArrayList<>();
    NewKey made = tenancy.bootstrap(kept::add).orElseThrow();

    assertThat(kept).containsExactly(made);
    assertThat(tenancy.authenticate(sent(made)).operator()).isTrue();
    assertThatThrownBy(() -> tenancy.authenticate(sent(lost.getFirst())))
        .isInstanceOf(Refusal.Unauthenticated.class);
  }

  @Test
  void a_key_says_who_calls() {
    Tenancy.Founded founded = found();
    NewKey key = tenancy.createKey(founded.organization().id(), "web", Role.CLIENT);
    Caller caller = tenancy.authenticate(sent(key));
    assertThat(caller.organization()).isEqualTo(founded.organization().id());
    assertThat(caller.role()).isEqualTo(Role.CLIENT);
    assertThat(caller.keyName()).isEqualTo("web");
    assertThat(caller.operator()).isFalse();
    assertThat(key.text()).matches("tk_[A-Za-z0-9_-]{22}_[A-Za-z0-9_-]{43}");
    assertThat(key.toString()).doesNotContain(key.text().substring(26));
  }

  @Test
  void an_admin_of_another_organization_is_no_operator() {
    Caller admin = tenancy.authenticate(sent(found().adminKey()));
    assertThat(admin.role()).isEqualTo(Role.ADMIN);
    assertThat(admin.operator()).isFalse();
    assertThatThrownBy(admin::requireOperator).isInstanceOf(Refusal.Denied.class);
  }

  @Test
  void a_role_includes_those_below_it_only() {
    Tenancy.Founded founded = found();
    Caller client =
        tenancy.authenticate(
            sent(tenancy.createKey(founded.organization().id(), "c", Role.CLIENT)));
    assertThat(client.require(Role.READER)).isSameAs(client);
    assertThatThrownBy(() -> client.require(Role.ADMIN)).isInstanceOf(Refusal.Denied.class);
  }

  @Test
  void whatever_is_not_a_valid_key_is_refused_in_the_same_words() {
    NewKey key = found().adminKey();
    String wrongSecret = key.text().substring(0, 26) + "A".repeat(43);
    String unknown = KeyText.random(Uuid7.next()).text();
    List<String> messages = new ArrayList<>();
    for (String text :
        List.of(wrongSecret, unknown, "tk_short", "nonsense", "", "x".repeat(100_000))) {
      assertThatThrownBy(() -> tenancy.authenticate(Optional.of(text)))
          .isInstanceOfSatisfying(
              Refusal.Unauthenticated.class, refusal -> messages.add(refusal.getMessage()));
    }
    assertThat(messages).containsOnly("the API key is not valid");
    assertThatThrownBy(() -> tenancy.authenticate(Optional.empty()))
        .isInstanceOf(Refusal.Unauthenticated.class);
  }

  @Test
  void a_revoked_key_stops_at_once_here_and_within_the_cache_s_time_elsewhere() {
    Tenancy.Founded founded = found();
    NewKey key = tenancy.createKey(founded.organization().id(), "k", Role.CLIENT);
    tenancy.authenticate(sent(key));
    elsewhere.authenticate(sent(key));
    ApiKey revoked = tenancy.revokeKey(founded.organization().id(), key.key().id());
    assertThat(revoked.revokedAt()).isNotNull();
    assertThatThrownBy(() -> tenancy.authenticate(sent(key)))
        .isInstanceOf(Refusal.Unauthenticated.class);
    nanos.addAndGet(Tenancy.CACHE_TTL.toNanos());
    assertThatThrownBy(() -> elsewhere.authenticate(sent(key)))
        .isInstanceOf(Refusal.Unauthenticated.class);
    assertThat(tenancy.revokeKey(founded.organization().id(), key.key().id())).isEqualTo(revoked);
  }

  @Test
  void a_key_of_another_organization_cannot_be_revoked() {
    NewKey theirs = found().adminKey();
    assertThatThrownBy(() -> tenancy.revokeKey(found().organization().id(), theirs.key().id()))
        .isInstanceOf(Refusal.NotFound.class);
    assertThat(tenancy.authenticate(sent(theirs)).role()).isEqualTo(Role.ADMIN);
  }

  @Test
  void two_revocations_at_once_leave_an_admin() throws Exception {
    Tenancy.Founded founded = found();
    var organization = founded.organization().id();
    NewKey second = tenancy.createKey(organization, "second", Role.ADMIN);
    int refused = 0;
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<ApiKey>> both =
          List.of(
              threads.submit(() -> tenancy.revokeKey(organization, founded.adminKey().key().id())),
              threads.submit(() -> elsewhere.revokeKey(organization, second.key().id())));
      for (Future<ApiKey> one : both) {
        try {
          one.get();
        } catch (ExecutionException failed) {
          assertThat(failed.getCause()).isInstanceOf(Refusal.Conflict.class);
          refused++;
        }
      }
    }
    assertThat(refused).isEqualTo(1);
    assertThat(tenancy.keys(organization)).filteredOn(key -> key.revokedAt() == null).hasSize(1);
  }

  @Test
  void an_organization_s_name_is_taken_once() {
    String name = found().organization().name();
    assertThatThrownBy(() -> tenancy.createOrganization(name, null))
        .isInstanceOf(Refusal.Conflict.class);
    assertThat(tenancy.organization(name).name()).isEqualTo(name);
    assertThatThrownBy(() -> tenancy.organization("nobody")).isInstanceOf(Refusal.NotFound.class);
    assertThatThrownBy(() -> tenancy.createOrganization("No Good", null))
        .isInstanceOf(Refusal.Invalid.class);
    assertThatThrownBy(() -> tenancy.createOrganization("fine", -1))
        .isInstanceOf(Refusal.Invalid.class);
  }

  @Test
  void a_pause_keeps_who_came_first() {
    String name = found().organization().name();
    Organization paused = tenancy.pause(name, "ann");
    assertThat(tenancy.pause(name, "bob")).isEqualTo(paused);
    assertThat(paused.pausedBy()).isEqualTo("ann");
    assertThat(tenancy.resume(name).pausedAt()).isNull();
    assertThat(tenancy.organizations()).extracting(Organization::name).contains(name);
  }

  private static Tenancy.NewLimits limits(String what, long max) {
    Optional<Tenancy.Limit> limit = Optional.of(new Tenancy.Limit(max));
    return new Tenancy.NewLimits(
        Optional.empty(),
        what.equals("requests") ? limit : Optional.empty(),
        what.equals("streams") ? limit : Optional.empty(),
        what.equals("queued") ? limit : Optional.empty(),
        Optional.empty());
  }

  @Test
  void requests_over_the_limit_of_a_key_or_its_organization_come_back_later() {
    Tenancy.Founded founded = found();
    long before = tenancy.limited();
    Optional<String> key = sent(founded.adminKey());
    tenancy.limitKey(
        founded.organization().id(), founded.adminKey().key().id(), limits("requests", 2));
    tenancy.admit(key, "a");
    tenancy.admit(key, "a");
    assertThatThrownBy(() -> tenancy.admit(key, "a"))
        .isInstanceOfSatisfying(
            Refusal.Limited.class,
            limited -> assertThat(limited.retryAfter()).isEqualTo(Duration.ofMillis(500)));
    nanos.addAndGet(Duration.ofMillis(500).toNanos());
    tenancy.admit(key, "a");
    tenancy.limit(founded.organization().name(), limits("requests", 1));
    nanos.addAndGet(Duration.ofSeconds(2).toNanos());
    tenancy.admit(key, "a");
    assertThatThrownBy(() -> tenancy.admit(key, "a")).hasMessageContaining("organization");
    assertThat(tenancy.limited() - before).isEqualTo(2);
  }

  @Test
  void requests_with_a_run_s_token_count_against_its_organization() {
    Tenancy.Founded founded = found();
    tenancy.limit(founded.organization().name(), limits("requests", 1));
    tenancy.admit(founded.organization().id());
    assertThatThrownBy(() -> tenancy.admit(founded.organization().id()))
        .isInstanceOf(Refusal.Limited.class);
    tenancy.admit(new OrganizationId(UUID.randomUUID()));
  }

  @Test
  void streams_over_the_limit_are_refused_until_one_is_over() {
    Tenancy.Founded founded = found();
    tenancy.limit(founded.organization().name(), limits("streams", 1));
    Caller caller = tenancy.authenticate(sent(founded.adminKey()));
    Runnable over = tenancy.openStream(caller);
    assertThat(tenancy.usage(caller).streams()).isEqualTo(1);
    assertThatThrownBy(() -> tenancy.openStream(caller)).isInstanceOf(Refusal.Limited.class);
    over.run();
    tenancy.openStream(caller).run();
    assertThat(tenancy.usage(caller).streams()).isZero();
  }

  @Test
  void queued_runs_over_the_limit_are_refused_also_between_two_counts() {
    Tenancy.Founded founded = found();
    tenancy.limit(founded.organization().name(), limits("queued", 2));
    Caller caller = tenancy.authenticate(sent(founded.adminKey()));
    tenancy.mayQueue(caller, 2);
    assertThatThrownBy(() -> tenancy.mayQueue(caller, 1)).isInstanceOf(Refusal.Limited.class);
    nanos.addAndGet(Duration.ofSeconds(2).toNanos());
    tenancy.mayQueue(caller, 1);
  }

  @Test
  void wrong_keys_from_one_address_are_slowed_and_right_ones_are_not() {
    NewKey right = found().adminKey();
    Optional<String> wrong = Optional.of("tk_nonsense");
    for (int i = 0; i < 10; i++) {
      assertThatThrownBy(() -> tenancy.admit(wrong, "10.0.0.1"))
          .isInstanceOf(Refusal.Unauthenticated.class);
    }
    assertThatThrownBy(() -> tenancy.admit(wrong, "10.0.0.1")).isInstanceOf(Refusal.Limited.class);
    tenancy.admit(sent(right), "10.0.0.1");
    assertThatThrownBy(() -> tenancy.admit(wrong, "10.0.0.2"))
        .isInstanceOf(Refusal.Unauthenticated.class);
    nanos.addAndGet(Duration.ofMinutes(2).toNanos());
    assertThatThrownBy(() -> tenancy.admit(wrong, "10.0.0.1"))
        .isInstanceOf(Refusal.Unauthenticated.class);
  }
}

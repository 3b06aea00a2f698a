package io.turnkeeper.tenancy;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.security.MessageDigest;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jdbi.v3.core.statement.Query;
import org.jspecify.annotations.Nullable;

/** Organizations and their keys. A key belongs to one organization, and so does every request. */
public final class Tenancy {
  /** The organization that exists from the first start. Its admins are the operators. */
  public static final String FIRST_ORGANIZATION = "default";

  /** For how long a revoked key may still be taken for valid. */
  public static final Duration CACHE_TTL = Duration.ofSeconds(5);

  private static final int CACHE_MAX = 10_000;
  private static final int LIST_MAX = 1000;
  private static final int KEY_NAME_CHARS_MAX = 100;
  private static final long BOOTSTRAP_LOCK = 0x746b_626f_6f74L; // "tkboot"
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._-]{0,62}");

  private final Db db;
  private final Clock clock;
  private final Audit audit;
  private final Quotas quotas;
  private final Attempts attempts;
  private final Map<UUID, Known> cache =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<UUID, Known> eldest) {
          return size() > CACHE_MAX;
        }
      };

  public Tenancy(Db db, Clock clock) {
    this.db = db;
    this.clock = clock;
    this.audit = new Audit(db);
    this.quotas = new Quotas(db, clock);
    this.attempts = new Attempts(clock);
  }

  /** Who did what. */
  public Audit audit() {
    return audit;
  }

  private record Known(
      byte[] hash, Caller caller, Limits organization, Limits key, long readAtNanos) {}

  /**
   * Who the key belongs to. A revoked key stops being valid within {@link #CACHE_TTL}, at once on
   * the replica that revoked it.
   *
   * @param credential the whole text of a key, as the client sent it
   * @throws Refusal.Unauthenticated when there is none, or it is not valid; why is not said
   */
  public Caller authenticate(Optional<String> credential) {
    return known(credential).caller;
  }

  /**
   * As {@link #authenticate}, for a request: held to the limits of its key and organization, and
   * slowed when wrong keys come from its address.
   *
   * @throws Refusal.Limited over a limit, or in place of {@link Refusal.Unauthenticated} after many
   *     wrong keys
   */
  public Caller admit(Optional<String> credential, String address) {
    Known known;
    try {
      known = known(credential);
    } catch (Refusal.Unauthenticated wrong) {
      if (credential.isPresent()) {
        attempts.wrong(address);
      }
      throw wrong;
    }
    quotas.request(known.caller, known.organization, known.key);
    return known.caller;
  }

  /**
   * As the other, for a request that is known to be the organization's by something else than a
   * key.
   *
   * @throws Refusal.Limited over a limit
   */
  public void admit(OrganizationId organization) {
    quotas.request(organization);
  }

  /**
   * A request of a browser that signed in: held to the limits of its key and organization.
   *
   * @throws Refusal.Limited over a limit
   */
  public void admit(Caller caller) {
    Known known = known(caller);
    quotas.request(caller, known.organization, known.key);
  }

  /**
   * Counts a stream of the caller until what this returns is run, once.
   *
   * @throws Refusal.Limited when it may have no more
   */
  public Runnable openStream(Caller caller) {
    Known known = known(caller);
    return quotas.stream(caller, known.organization, known.key);
  }

  /**
   * Asked before runs are queued.
   *
   * @throws Refusal.Limited when the organization has as many queued, or as much stored, as it may
   */
  public void mayQueue(Caller caller, int runs) {
    quotas.queue(caller.organization(), known(caller).organization, runs);
  }

  /** What the caller's organization uses of its limits. */
  public Usage usage(Caller caller) {
    return quotas.usage(caller.organization(), known(caller).organization);
  }

  /** As {@link #mayQueue(Caller, int)}, for the operator's own hand in another organization. */
  public void mayQueue(Organization organization, int runs) {
    quotas.queue(organization.id(), organization.limits(), runs);
  }

  /** What the organization uses of its limits. */
  public Usage usage(Organization organization) {
    return quotas.usage(organization.id(), organization.limits());
  }

  /** How many requests were refused for a limit since the start. */
  public long limited() {
    return quotas.refused();
  }

  private Known known(Caller caller) {
    return cached(caller.keyId()).or(() -> read(caller.keyId())).orElseThrow(Tenancy::invalidKey);
  }

  private Known known(Optional<String> credential) {
    if (credential.isEmpty()) {
      throw new Refusal.Unauthenticated(
          "key_missing", "send an API key, as x-api-key or as Authorization: Bearer");
    }
    KeyText key = KeyText.parse(credential.get()).orElseThrow(Tenancy::invalidKey);
    Known known = cached(key.id()).or(() -> read(key.id())).orElseThrow(Tenancy::invalidKey);
    if (!MessageDigest.isEqual(known.hash, key.hash())) {
      throw invalidKey();
    }
    return known;
  }

  /**
   * Makes sure that the first organization has a valid admin key. Safe when several replicas start
   * at once.
   *
   * @param keep puts the key where its owner finds it, before it is valid: there is no second one,
   *     and whoever dies right after the commit must not have lost it. When it fails no key is made
   * @return the key, if one had to be made
   */
  public Optional<NewKey> bootstrap(Consumer<NewKey> keep) {
    return db.inTx(tx -> {
      tx.query(TenancySql.LOCK_BOOTSTRAP).bind("lock", BOOTSTRAP_LOCK).mapTo(String.class).one();
      Organization first =
          find(tx, FIRST_ORGANIZATION).or(() -> insert(tx, FIRST_ORGANIZATION, null)).orElseThrow();
      if (hasAdmin(tx, first.id())) {
        return Optional.<NewKey>empty();
      }
      NewKey key = insertKey(tx, first.id(), "first-admin", Role.ADMIN, null);
      keep.accept(key);
      return Optional.of(key);
    });
  }

  /**
   * A new key of the organization.
   *
   * @throws Refusal.Invalid when the name is empty, too long or has control characters
   */
  public NewKey createKey(OrganizationId organization, String name, Role role) {
    checkKeyName(name);
    if (role == Role.WORKER) {
      throw new Refusal.Invalid("field_missing", "agent", "a worker's key is for one agent");
    }
    return db.inTx(organization, tx -> insertKey(tx, organization, name, role, null));
  }

  /**
   * A new key for the workers of one agent.
   *
   * @param agent of this organization
   * @throws Refusal.Invalid as {@link #createKey}
   */
  public NewKey createWorkerKey(OrganizationId organization, String name, AgentId agent) {
    checkKeyName(name);
    return db.inTx(organization, tx -> insertKey(tx, organization, name, Role.WORKER, agent));
  }

  /** The organization's keys, also revoked ones, oldest first; at most 1000. */
  public List<ApiKey> keys(OrganizationId organization) {
    return db.inTx(
        organization,
        tx ->
            tx.query(TenancySql.LIST_KEYS)
                .bind("organization_id", organization.value())
                .bind("limit", LIST_MAX)
                .map((row, _) -> key(row))
                .list());
  }

  /**
   * Ends a key's validity. Doing it again changes nothing.
   *
   * @throws Refusal.NotFound when the organization has no such key
   * @throws Refusal.Conflict when it is the last valid admin key of its organization: nobody could
   *     make another
   */
  public ApiKey revokeKey(OrganizationId organization, UUID id) {
    ApiKey revoked =
        db.inTx(
            organization,
            tx -> {
              List<UUID> admins =
                  tx.query(TenancySql.LOCK_ADMIN_KEYS)
                      .bind("organization_id", organization.value())
                      .mapTo(UUID.class)
                      .list();
              if (admins.equals(List.of(id))) {
                throw new Refusal.Conflict(
                    "last_admin_key",
                    "this is the organization's last admin key; create another first");
              }
              return tx.query(TenancySql.REVOKE_KEY)
                  .bind("organization_id", organization.value())
                  .bind("id", id)
                  .map((row, _) -> key(row))
                  .findOne()
                  .orElseThrow(() -> new Refusal.NotFound("key", id.toString()));
            });
    synchronized (cache) {
      cache.remove(id);
    }
    return revoked;
  }

  /** An organization that was just made. */
  public record Founded(Organization organization, NewKey adminKey) {}

  /**
   * A new organization with its first admin key.
   *
   * @param maxRunning the most runs at once, 0 or more; null is no cap
   * @throws Refusal.Conflict when the name is taken
   * @throws Refusal.Invalid when the name or the cap is not allowed
   */
  public Founded createOrganization(String name, @Nullable Integer maxRunning) {
    checkOrganizationName(name);
    if (maxRunning != null && maxRunning < 0) {
      throw new Refusal.Invalid("out_of_range", "max_running", "max_running must be 0 or more");
    }
    return db.inTx(tx -> {
      Organization made =
          insert(tx, name, maxRunning)
              .orElseThrow(() ->
                  new Refusal.Conflict(
                      "organization_exists", "there is an organization " + name + " already"));
      return new Founded(made, insertKey(tx, made.id(), "first-admin", Role.ADMIN, null));
    });
  }

  /**
   * The organization of that name.
   *
   * @throws Refusal.NotFound when there is none
   */
  public Organization organization(String name) {
    Optional<Organization> found =
        NAME.matcher(name).matches() ? db.inTx(tx -> find(tx, name)) : Optional.empty();
    return found.orElseThrow(() -> new Refusal.NotFound("organization", name));
  }

  /** All organizations, oldest first; at most 1000. */
  public List<Organization> organizations() {
    return db.inTx(tx ->
        tx.query(TenancySql.LIST_ORGANIZATIONS)
            .bind("limit", LIST_MAX)
            .map((row, _) -> organization(row))
            .list());
  }

  /**
   * Pauses an organization: runs under way end, none start. Pausing again changes nothing.
   *
   * @param by the name of the key that asks, for people to read
   * @throws Refusal.NotFound when there is none of that name
   */
  public Organization pause(String name, String by) {
    OrganizationId id = organization(name).id();
    return db.inTx(tx ->
        tx.query(TenancySql.PAUSE_ORGANIZATION)
            .bind("organization_id", id.value())
            .bind("paused_by", by)
            .map((row, _) -> organization(row))
            .one());
  }

  /**
   * Ends a pause. The queue finds out within a second.
   *
   * @throws Refusal.NotFound when there is none of that name
   */
  public Organization resume(String name) {
    OrganizationId id = organization(name).id();
    return db.inTx(tx ->
        tx.query(TenancySql.RESUME_ORGANIZATION)
            .bind("organization_id", id.value())
            .map((row, _) -> organization(row))
            .one());
  }

  /**
   * What is to be limited anew, and how; what is not named stays as it is, null lifts a limit.
   *
   * @param maxRunning runs at once; more wait
   */
  public record NewLimits(
      Optional<Limit> maxRunning,
      Optional<Limit> requestsPerSecond,
      Optional<Limit> streams,
      Optional<Limit> queued,
      Optional<Limit> storedBytes) {}

  /** A limit, or that there is none. */
  public record Limit(@Nullable Long max) {}

  /**
   * Sets limits of an organization; replicas find out within {@link #CACHE_TTL}.
   *
   * @throws Refusal.NotFound when there is none of that name
   */
  public Organization limit(String name, NewLimits limits) {
    OrganizationId id = organization(name).id();
    Organization changed =
        db.inTx(
            id,
            tx -> {
              Query statement =
                  tx.query(TenancySql.LIMIT_ORGANIZATION).bind("organization_id", id.value());
              bind(statement, "running", limits.maxRunning());
              bind(statement, "requests", limits.requestsPerSecond());
              bind(statement, "streams", limits.streams());
              bind(statement, "queued", limits.queued());
              bind(statement, "stored", limits.storedBytes());
              return statement.map((row, _) -> organization(row)).one();
            });
    forgetKeys();
    return changed;
  }

  /**
   * Sets a key's own limits: requests and streams.
   *
   * @throws Refusal.NotFound when the organization has no such key
   */
  public ApiKey limitKey(OrganizationId organization, UUID id, NewLimits limits) {
    ApiKey changed =
        db.inTx(
            organization,
            tx -> {
              Query statement =
                  tx.query(TenancySql.LIMIT_KEY)
                      .bind("organization_id", organization.value())
                      .bind("id", id);
              bind(statement, "requests", limits.requestsPerSecond());
              bind(statement, "streams", limits.streams());
              return statement
                  .map((row, _) -> key(row))
                  .findOne()
                  .orElseThrow(() -> new Refusal.NotFound("key", id.toString()));
            });
    forgetKeys();
    return changed;
  }

  private static void bind(Query statement, String name, Optional<Limit> limit) {
    statement
        .bind("sets_" + name, limit.isPresent())
        .bind(name, limit.map(Limit::max).orElse(null));
  }

  private void forgetKeys() {
    synchronized (cache) {
      cache.clear();
    }
  }

  private Optional<Known> cached(UUID id) {
    synchronized (cache) {
      Known known = cache.get(id);
      if (known == null) {
        return Optional.empty();
      }
      if (clock.nanos() - known.readAtNanos < CACHE_TTL.toNanos()) {
        return Optional.of(known);
      }
      cache.remove(id);
      return Optional.empty();
    }
  }

  /** Keys that do not exist are not remembered: they would push out those that do. */
  private Optional<Known> read(UUID id) {
    long readAt = clock.nanos();
    Optional<Known> known =
        db.inTx(tx ->
            tx.query(TenancySql.FIND_KEY)
                .bind("id", id)
                .map((row, _) -> known(id, row, readAt))
                .findOne());
    known.ifPresent(found -> {
      synchronized (cache) {
        cache.put(id, found);
      }
    });
    return known;
  }

  private static Known known(UUID id, ResultSet row, long readAt) throws SQLException {
    Caller caller =
        new Caller(
            new OrganizationId(row.getObject("organization_id", UUID.class)),
            row.getString("organization_name"),
            Role.parse(row.getString("role"), "role"),
            agent(row),
            id,
            row.getString("key_name"));
    return new Known(
        row.getBytes("secret_hash"),
        caller,
        limits(row),
        new Limits(
            row.getObject("key_requests_per_second", Integer.class),
            row.getObject("key_streams", Integer.class),
            null,
            null),
        readAt);
  }

  private static NewKey insertKey(
      Tx tx, OrganizationId organization, String name, Role role, @Nullable AgentId agent) {
    KeyText text = KeyText.random(Uuid7.next());
    ApiKey stored =
        tx.query(TenancySql.INSERT_KEY)
            .bind("id", text.id())
            .bind("organization_id", organization.value())
            .bind("name", name)
            .bind("role", role.wire())
            .bind("agent_id", agent == null ? null : agent.value())
            .bind("secret_hash", text.hash())
            .map((row, _) -> key(row))
            .one();
    return new NewKey(stored, text.text());
  }

  private static boolean hasAdmin(Tx tx, OrganizationId organization) {
    return tx.query(TenancySql.HAS_VALID_ADMIN_KEY)
        .bind("organization_id", organization.value())
        .mapTo(Boolean.class)
        .one();
  }

  private static Optional<Organization> find(Tx tx, String name) {
    return tx.query(TenancySql.FIND_ORGANIZATION)
        .bind("name", name)
        .map((row, _) -> organization(row))
        .findOne();
  }

  private static Optional<Organization> insert(Tx tx, String name, @Nullable Integer maxRunning) {
    return tx.query(TenancySql.INSERT_ORGANIZATION)
        .bind("id", Uuid7.next())
        .bind("name", name)
        .bind("max_running", maxRunning)
        .map((row, _) -> organization(row))
        .findOne();
  }

  private static ApiKey key(ResultSet row) throws SQLException {
    return new ApiKey(
        row.getObject("id", UUID.class),
        row.getString("name"),
        Role.parse(row.getString("role"), "role"),
        agent(row),
        row.getObject("created_at", OffsetDateTime.class).toInstant(),
        instant(row, "revoked_at"),
        new Limits(
            row.getObject("max_requests_per_second", Integer.class),
            row.getObject("max_streams", Integer.class),
            null,
            null));
  }

  private static Limits limits(ResultSet row) throws SQLException {
    return new Limits(
        row.getObject("max_requests_per_second", Integer.class),
        row.getObject("max_streams", Integer.class),
        row.getObject("max_queued", Integer.class),
        row.getObject("max_stored_bytes", Long.class));
  }

  private static @Nullable AgentId agent(ResultSet row) throws SQLException {
    UUID agent = row.getObject("agent_id", UUID.class);
    return agent == null ? null : new AgentId(agent);
  }

  private static Organization organization(ResultSet row) throws SQLException {
    return new Organization(
        new OrganizationId(row.getObject("id", UUID.class)),
        row.getString("name"),
        row.getObject("max_running", Integer.class),
        instant(row, "paused_at"),
        row.getString("paused_by"),
        row.getObject("created_at", OffsetDateTime.class).toInstant(),
        limits(row));
  }

  private static @Nullable Instant instant(ResultSet row, String column) throws SQLException {
    OffsetDateTime time = row.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }

  private static void checkKeyName(String name) {
    if (name.isBlank()
        || name.length() > KEY_NAME_CHARS_MAX
        || name.chars().anyMatch(Character::isISOControl)) {
      throw new Refusal.Invalid(
          "invalid_name",
          "name",
          "a key's name is 1 to " + KEY_NAME_CHARS_MAX + " characters, without control characters");
    }
  }

  private static void checkOrganizationName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new Refusal.Invalid(
          "invalid_name",
          "name",
          "an organization's name is 1 to 63 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit, not "
              + Refusal.shown(name));
    }
  }

  private static Refusal invalidKey() {
    return new Refusal.Unauthenticated("key_invalid", "the API key is not valid");
  }
}

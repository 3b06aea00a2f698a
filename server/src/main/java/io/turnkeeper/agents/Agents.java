package io.turnkeeper.agents;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * Agent definitions, versioned. A version never changes; what an agent is named, capped and paused
 * by is its own.
 */
public final class Agents {
  /** The most agents that an organization may have. */
  public static final int AGENTS_MAX = 1000;

  private static final UUID NIL = new UUID(0, 0);
  private static final int ROTATED_AT_ONCE = 100;
  private static final int VERSIONS_SHOWN_MAX = 1000;
  private static final int RUNNING_MAX = 1_000_000;
  private static final int DEFINITIONS_CACHED_MAX = 1000;
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._-]{0,62}");
  private static final String MAX_RUNNING = "max_running";

  private final Db db;
  private final Map<VersionKey, AgentDefinition> definitions =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<VersionKey, AgentDefinition> eldest) {
          return size() > DEFINITIONS_CACHED_MAX;
        }
      };

  private final Vault vault;

  /** For those whose agents have no variables. */
  public Agents(Db db) {
    this(db, Vault.none());
  }

  public Agents(Db db, Vault vault) {
    this.db = db;
    this.vault = vault;
  }

  private record VersionKey(OrganizationId organization, AgentId agent, int version) {}

  /**
   * What {@link #add} did.
   *
   * @param created whether there was no agent of that name before
   */
  public record Added(Agent agent, boolean created) {}

  /**
   * Adds an agent, or a new version of the one that has the name.
   *
   * @param body {@code name}, {@code max_running} and the definition's fields; fields that are
   *     absent have their default, also when the version before had another value
   * @throws Refusal.Invalid naming the field that is missing, unknown or out of range
   * @throws Refusal.Conflict when the organization has {@link #AGENTS_MAX} agents already
   */
  public Added add(OrganizationId organization, ObjectNode body) {
    String name = name(body);
    Integer maxRunning =
        body.path(MAX_RUNNING).isMissingNode() || body.path(MAX_RUNNING).isNull()
            ? null
            : (int) DefinitionJson.number(body, MAX_RUNNING, 0, 0, RUNNING_MAX);
    return db.inTx(
        organization,
        tx -> {
          Optional<Agent> before = byName(tx, organization, name);
          AgentDefinition definition =
              DefinitionJson.read(
                  body, Set.of("name", MAX_RUNNING), before.map(Agent::definition).orElse(null));
          if (before.isEmpty() && count(tx, organization) >= AGENTS_MAX) {
            throw new Refusal.Conflict(
                "too_many_agents",
                "an organization may have " + AGENTS_MAX + " agents; remove one first");
          }
          int version = insert(tx, organization, name, maxRunning, definition);
          Agent added = byName(tx, organization, name).orElseThrow();
          return new Added(added, version == 1);
        });
  }

  /**
   * The agent that a client means by a name or an id.
   *
   * @throws Refusal.NotFound when the organization has none such, or it was removed
   */
  public Agent find(OrganizationId organization, String nameOrId) {
    return db.inTx(organization, tx -> find(tx, organization, nameOrId));
  }

  /** As the other, in the caller's transaction. */
  public Agent find(Tx tx, OrganizationId organization, String nameOrId) {
    Optional<Agent> found =
        NAME.matcher(nameOrId).matches() ? byName(tx, organization, nameOrId) : Optional.empty();
    return found
        .or(() -> Uuid7.parse(nameOrId).flatMap(id -> byId(tx, organization, new AgentId(id))))
        .filter(agent -> !agent.removed())
        .orElseThrow(() -> new Refusal.NotFound("agent", nameOrId));
  }

  /** An agent as a client means it, by its name or its id. */
  public record Meant(OrganizationId organization, String nameOrId) {}

  /**
   * As {@link #find}, for many in one statement; those that are not there are not in the answer.
   */
  public Map<Meant, Agent> findAll(Tx tx, Collection<Meant> wanted) {
    List<Meant> each = wanted.stream().distinct().toList();
    Map<Meant, Agent> found = new HashMap<>();
    tx.query(AgentSql.FIND_ALL)
        .bindArray("n", Integer.class, IntStream.range(0, each.size()).boxed().toList())
        .bindArray(
            "organizations", UUID.class, each.stream().map(m -> m.organization().value()).toList())
        .bindArray("names", String.class, each.stream().map(Agents::nameOf).toList())
        .bindArray("ids", UUID.class, each.stream().map(Agents::idOf).toList())
        .map((row, _) -> found.put(each.get(row.getInt("n")), agent(row)))
        .list();
    return found;
  }

  /** No text of a client's reaches the database that cannot be a name. */
  private static @Nullable String nameOf(Meant meant) {
    return NAME.matcher(meant.nameOrId()).matches() ? meant.nameOrId() : null;
  }

  private static @Nullable UUID idOf(Meant meant) {
    return Uuid7.parse(meant.nameOrId()).orElse(null);
  }

  /** The agent as it is now, also when it was removed. */
  public Optional<Agent> current(OrganizationId organization, AgentId agent) {
    return db.inTx(organization, tx -> byId(tx, organization, agent));
  }

  /** A version's definition; it never changes, and is kept in memory. */
  public Optional<AgentDefinition> definition(
      OrganizationId organization, AgentId agent, int version) {
    VersionKey key = new VersionKey(organization, agent, version);
    synchronized (definitions) {
      AgentDefinition known = definitions.get(key);
      if (known != null) {
        return Optional.of(known);
      }
    }
    Optional<AgentDefinition> read =
        db.inTx(
            organization,
            tx ->
                tx.query(AgentSql.DEFINITION)
                    .bind("organization_id", organization.value())
                    .bind("agent_id", agent.value())
                    .bind("version", version)
                    .map((row, _) -> definition(organization, row))
                    .findOne());
    read.ifPresent(found -> {
      synchronized (definitions) {
        definitions.put(key, found);
      }
    });
    return read;
  }

  /** The organization's agents by name, without removed ones. */
  public List<Agent> list(OrganizationId organization) {
    return db.inTx(
        organization,
        tx ->
            tx.query(AgentSql.LIST)
                .bind("organization_id", organization.value())
                .bind("limit", AGENTS_MAX)
                .map((row, _) -> agent(row))
                .list());
  }

  /**
   * An agent's versions, newest first; at most 1000.
   *
   * @throws Refusal.NotFound as {@link #find}
   */
  public List<AgentVersion> versions(OrganizationId organization, String nameOrId) {
    return db.inTx(
        organization,
        tx ->
            tx.query(AgentSql.VERSIONS)
                .bind("organization_id", organization.value())
                .bind("agent_id", find(tx, organization, nameOrId).id().value())
                .bind("limit", VERSIONS_SHOWN_MAX)
                .map((row, _) ->
                    new AgentVersion(
                        row.getInt("version"),
                        definition(organization, row),
                        time(row, "created_at")))
                .list());
  }

  /**
   * Removes the agent: it takes no more runs, and its name is free. Runs that wait fail when their
   * turn comes.
   *
   * @throws Refusal.NotFound as {@link #find}
   */
  public void remove(OrganizationId organization, String nameOrId) {
    db.useTx(
        organization,
        tx ->
            tx.update(AgentSql.REMOVE)
                .bind("organization_id", organization.value())
                .bind("id", find(tx, organization, nameOrId).id().value())
                .execute());
  }

  /**
   * Pauses the agent: runs under way end, none start. Pausing again changes nothing.
   *
   * @param by who asks, for people to read
   * @throws Refusal.NotFound as {@link #find}
   */
  public Agent pause(OrganizationId organization, String nameOrId, String by) {
    return db.inTx(
        organization,
        tx -> {
          Agent agent = find(tx, organization, nameOrId);
          tx.update(AgentSql.PAUSE)
              .bind("organization_id", organization.value())
              .bind("id", agent.id().value())
              .bind("paused_by", by)
              .execute();
          return find(tx, organization, nameOrId);
        });
  }

  /**
   * Ends a pause. The queue finds out within a second.
   *
   * @throws Refusal.NotFound as {@link #find}
   */
  public Agent resume(OrganizationId organization, String nameOrId) {
    return db.inTx(
        organization,
        tx -> {
          Agent agent = find(tx, organization, nameOrId);
          tx.update(AgentSql.RESUME)
              .bind("organization_id", organization.value())
              .bind("id", agent.id().value())
              .execute();
          return find(tx, organization, nameOrId);
        });
  }

  private int insert(
      Tx tx,
      OrganizationId organization,
      String name,
      @Nullable Integer maxRunning,
      AgentDefinition definition) {
    record Stored(UUID id, int version) {}
    Stored stored =
        tx.query(AgentSql.UPSERT)
            .bind("id", Uuid7.next())
            .bind("organization_id", organization.value())
            .bind("name", name)
            .bind("max_running", maxRunning)
            .bind("remote", definition.kind() == AgentDefinition.Kind.REMOTE)
            .map((row, _) -> new Stored(row.getObject("id", UUID.class), row.getInt("version")))
            .one();
    tx.update(AgentSql.INSERT_VERSION)
        .bind("organization_id", organization.value())
        .bind("agent_id", stored.id())
        .bind("version", stored.version())
        .bind("definition", Json.write(sealed(organization, definition)))
        .execute();
    return stored.version();
  }

  private ObjectNode sealed(OrganizationId organization, AgentDefinition definition) {
    ObjectNode stored = DefinitionJson.write(definition, value -> value);
    DefinitionJson.seal(stored, (name, plain) -> vault.seal(organization, name, plain));
    return stored;
  }

  /** A page of the versions that are not sealed with the current key, and what became of it. */
  private record Page(boolean last, VersionKey upto, int sealed, int unreadable) {}

  /**
   * What {@link #rotate} did.
   *
   * @param sealed versions that were sealed anew
   * @param unreadable versions whose key is not here, and that stay as they are
   */
  public record Rotated(int sealed, int unreadable) {}

  /**
   * Seals every version's variables, of all organizations, with the key that is the first now, page
   * by page: it may be stopped and run again. When nothing is unreadable, older keys can go.
   *
   * @throws Refusal.Conflict when there is no key
   */
  public Rotated rotate() {
    VersionKey after = new VersionKey(new OrganizationId(NIL), new AgentId(NIL), 0);
    int sealed = 0;
    int unreadable = 0;
    while (true) {
      VersionKey from = after;
      Page page = db.inTx(tx -> rotate(tx, from));
      sealed += page.sealed();
      unreadable += page.unreadable();
      if (page.last()) {
        return new Rotated(sealed, unreadable);
      }
      after = page.upto();
    }
  }

  private Page rotate(Tx tx, VersionKey after) {
    record Row(VersionKey key, ObjectNode definition) {}
    List<Row> rows =
        tx.query(AgentSql.VERSIONS_AFTER)
            .bind("agent_id", after.agent().value())
            .bind("version", after.version())
            .bind("limit", ROTATED_AT_ONCE)
            .map((row, _) ->
                new Row(
                    new VersionKey(
                        new OrganizationId(row.getObject("organization_id", UUID.class)),
                        new AgentId(row.getObject("agent_id", UUID.class)),
                        row.getInt("version")),
                    (ObjectNode) Json.parse(row.getString("definition"))))
            .list();
    int sealed = 0;
    int unreadable = 0;
    for (Row row : rows) {
      OrganizationId organization = row.key().organization();
      ObjectNode stored = row.definition();
      if (!DefinitionJson.isStale(stored, vault::isCurrent)) {
        continue;
      }
      DefinitionJson.open(stored, (name, one) -> vault.open(organization, name, one));
      if (DefinitionJson.hasUnreadable(stored)) {
        unreadable++;
        continue;
      }
      DefinitionJson.seal(stored, (name, plain) -> vault.seal(organization, name, plain));
      sealed +=
          tx.update(AgentSql.RESEAL)
              .bind("organization_id", organization.value())
              .bind("agent_id", row.key().agent().value())
              .bind("version", row.key().version())
              .bind("definition", Json.write(stored))
              .execute();
    }
    boolean last = rows.size() < ROTATED_AT_ONCE;
    return new Page(last, last ? after : rows.getLast().key(), sealed, unreadable);
  }

  private Optional<Agent> byName(Tx tx, OrganizationId organization, String name) {
    return tx.query(AgentSql.FIND_BY_NAME)
        .bind("organization_id", organization.value())
        .bind("name", name)
        .map((row, _) -> agent(row))
        .findOne();
  }

  private Optional<Agent> byId(Tx tx, OrganizationId organization, AgentId id) {
    return tx.query(AgentSql.FIND_BY_ID)
        .bind("organization_id", organization.value())
        .bind("id", id.value())
        .map((row, _) -> agent(row))
        .findOne();
  }

  private static long count(Tx tx, OrganizationId organization) {
    return tx.query(AgentSql.COUNT)
        .bind("organization_id", organization.value())
        .mapTo(Long.class)
        .one();
  }

  private Agent agent(ResultSet row) throws SQLException {
    OrganizationId organization = new OrganizationId(row.getObject("organization_id", UUID.class));
    OffsetDateTime pausedAt = row.getObject("paused_at", OffsetDateTime.class);
    return new Agent(
        new AgentId(row.getObject("id", UUID.class)),
        organization,
        row.getString("name"),
        row.getInt("version"),
        definition(organization, row),
        row.getObject("max_running", Integer.class),
        pausedAt == null ? null : pausedAt.toInstant(),
        row.getString("paused_by"),
        time(row, "created_at"),
        time(row, "updated_at"),
        row.getBoolean("removed"));
  }

  private AgentDefinition definition(OrganizationId organization, ResultSet row)
      throws SQLException {
    ObjectNode stored = (ObjectNode) Json.parse(row.getString("definition"));
    DefinitionJson.open(stored, (name, sealed) -> vault.open(organization, name, sealed));
    return DefinitionJson.read(stored, Set.copyOf(stored.propertyNames()), null);
  }

  private static Instant time(ResultSet row, String column) throws SQLException {
    return row.getObject(column, OffsetDateTime.class).toInstant();
  }

  private static String name(ObjectNode body) {
    String name = body.path("name").asStringOpt().orElse("");
    if (!NAME.matcher(name).matches()) {
      throw new Refusal.Invalid(
          "invalid_name",
          "name",
          "an agent's name is 1 to 63 of a-z, 0-9, '.', '_' and '-', and starts with a letter or digit"
              + (name.isEmpty() ? "" : ", not " + Refusal.shown(name)));
    }
    return name;
  }
}

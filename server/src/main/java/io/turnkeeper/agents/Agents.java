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

  public Agents(Db db) {
    this.db = db;
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
    return db.inTx(tx -> {
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
    return db.inTx(tx -> find(tx, organization, nameOrId));
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
    return db.inTx(tx -> byId(tx, organization, agent));
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
        db.inTx(tx ->
            tx.query(AgentSql.DEFINITION)
                .bind("organization_id", organization.value())
                .bind("agent_id", agent.value())
                .bind("version", version)
                .map((row, _) -> definition(row))
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
    return db.inTx(tx ->
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
    return db.inTx(tx ->
        tx.query(AgentSql.VERSIONS)
            .bind("organization_id", organization.value())
            .bind("agent_id", find(tx, organization, nameOrId).id().value())
            .bind("limit", VERSIONS_SHOWN_MAX)
            .map((row, _) ->
                new AgentVersion(row.getInt("version"), definition(row), time(row, "created_at")))
            .list());
  }

  /**
   * Removes the agent: it takes no more runs, and its name is free. Runs that wait fail when their
   * turn comes.
   *
   * @throws Refusal.NotFound as {@link #find}
   */
  public void remove(OrganizationId organization, String nameOrId) {
    db.useTx(tx ->
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
    return db.inTx(tx -> {
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
    return db.inTx(tx -> {
      Agent agent = find(tx, organization, nameOrId);
      tx.update(AgentSql.RESUME)
          .bind("organization_id", organization.value())
          .bind("id", agent.id().value())
          .execute();
      return find(tx, organization, nameOrId);
    });
  }

  private static int insert(
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
            .map((row, _) -> new Stored(row.getObject("id", UUID.class), row.getInt("version")))
            .one();
    tx.update(AgentSql.INSERT_VERSION)
        .bind("organization_id", organization.value())
        .bind("agent_id", stored.id())
        .bind("version", stored.version())
        .bind("definition", Json.write(DefinitionJson.write(definition, value -> value)))
        .execute();
    return stored.version();
  }

  private static Optional<Agent> byName(Tx tx, OrganizationId organization, String name) {
    return tx.query(AgentSql.FIND_BY_NAME)
        .bind("organization_id", organization.value())
        .bind("name", name)
        .map((row, _) -> agent(row))
        .findOne();
  }

  private static Optional<Agent> byId(Tx tx, OrganizationId organization, AgentId id) {
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

  private static Agent agent(ResultSet row) throws SQLException {
    OffsetDateTime pausedAt = row.getObject("paused_at", OffsetDateTime.class);
    return new Agent(
        new AgentId(row.getObject("id", UUID.class)),
        new OrganizationId(row.getObject("organization_id", UUID.class)),
        row.getString("name"),
        row.getInt("version"),
        definition(row),
        row.getObject("max_running", Integer.class),
        pausedAt == null ? null : pausedAt.toInstant(),
        row.getString("paused_by"),
        time(row, "created_at"),
        time(row, "updated_at"),
        row.getBoolean("removed"));
  }

  private static AgentDefinition definition(ResultSet row) throws SQLException {
    ObjectNode stored = (ObjectNode) Json.parse(row.getString("definition"));
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

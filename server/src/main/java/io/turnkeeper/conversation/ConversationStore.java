package io.turnkeeper.conversation;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.conversation.StoredConversation.Activity;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Who talks to whom: the conversations of organizations, by the ids that clients give them. */
public final class ConversationStore {

  /**
   * A conversation that a run is meant for.
   *
   * @param metadata what a new conversation gets, and a bound one where it has nothing by that name
   * @param create whether it is made when it is not there
   */
  public record Wanted(
      OrganizationId organization,
      AgentId agent,
      String id,
      ObjectNode metadata,
      boolean ephemeral,
      boolean create) {}

  /** What became of a {@link Wanted}. */
  public sealed interface Resolved {
    record Found(Conversation conversation) implements Resolved {}

    record Missing() implements Resolved {}

    /** It belongs to another agent. */
    record OtherAgent(AgentId agent) implements Resolved {}
  }

  private record Name(UUID organization, String id) {}

  private record Row(long key, @Nullable UUID agent) {}

  /**
   * Finds, makes or binds the conversations; one answer for each, in the same order. At most three
   * statements, and one when all are known and bound.
   */
  public List<Resolved> resolve(Tx tx, List<Wanted> wanted) {
    Map<Name, Row> known = keys(tx, wanted);
    List<Wanted> missing =
        wanted.stream().filter(w -> w.create() && !known.containsKey(name(w))).toList();
    List<Wanted> unbound =
        wanted.stream()
            .filter(w -> {
              Row row = known.get(name(w));
              return row != null && row.agent() == null;
            })
            .toList();
    if (!missing.isEmpty()) {
      create(tx, missing);
    }
    if (!unbound.isEmpty()) {
      bind(tx, unbound);
    }
    Map<Name, Row> now = missing.isEmpty() && unbound.isEmpty() ? known : keys(tx, wanted);
    return wanted.stream().map(w -> resolved(w, now.get(name(w)))).toList();
  }

  /** Makes a conversation that no run has bound yet; false when the id is taken. */
  public boolean create(Tx tx, OrganizationId organization, String id, ObjectNode metadata) {
    return tx.update(ConversationSql.CREATE)
            .bind("organization", organization.value())
            .bind("id", id)
            .bind("metadata", Json.write(metadata))
            .execute()
        == 1;
  }

  public Optional<StoredConversation> find(Tx tx, OrganizationId organization, String id) {
    return tx.query(ConversationSql.FIND)
        .bind("organization", organization.value())
        .bind("id", id)
        .map((row, context) -> read(row))
        .findOne();
  }

  public List<StoredConversation> search(
      Tx tx, OrganizationId organization, ConversationQuery query) {
    boolean plain =
        query.activity() == null
            && query.order() == ConversationQuery.Order.CREATED
            && !query.ascending();
    var statement =
        tx.query(plain ? ConversationSql.SEARCH_CREATED : ConversationSql.SEARCH)
            .bind("organization", organization.value())
            .bind("metadata", query.metadata() == null ? null : Json.write(query.metadata()))
            .bind("agent", query.agentName())
            .bind("limit", query.limit())
            .bind("offset", query.offset());
    bindIds(statement, query);
    if (!plain) {
      statement
          .bind("activity", query.activity() == null ? null : query.activity().name())
          .bind("ascending", query.ascending())
          .bind("order", query.order().name());
    }
    return statement.map((row, context) -> read(row)).list();
  }

  /** A page for people who look on: quick whatever is asked and however many there are. */
  public ConversationPage page(Tx tx, OrganizationId organization, ConversationFilter filter) {
    return Pages.page(tx, organization, filter);
  }

  public long count(Tx tx, OrganizationId organization, ConversationQuery query) {
    var statement =
        tx.query(ConversationSql.COUNT)
            .bind("organization", organization.value())
            .bind("metadata", query.metadata() == null ? null : Json.write(query.metadata()))
            .bind("agent", query.agentName())
            .bind("activity", query.activity() == null ? null : query.activity().name());
    bindIds(statement, query);
    return statement.mapTo(Long.class).one();
  }

  /** Sets the given keys; false when there is no such conversation. */
  public boolean mergeMetadata(Tx tx, OrganizationId organization, String id, ObjectNode metadata) {
    return tx.update(ConversationSql.MERGE_METADATA)
            .bind("organization", organization.value())
            .bind("id", id)
            .bind("metadata", Json.write(metadata))
            .execute()
        == 1;
  }

  /** Conversations of stateless runs that ended so long ago, at most {@code max}. */
  public List<Conversation> forgotten(Tx tx, Duration after, int max) {
    return tx.query(ConversationSql.FORGOTTEN)
        .bind("after_ms", after.toMillis())
        .bind("max", max)
        .map((row, context) ->
            new Conversation(
                new OrganizationId(row.getObject("organization_id", UUID.class)),
                new AgentId(row.getObject("agent_id", UUID.class)),
                row.getLong("key"),
                row.getString("id")))
        .list();
  }

  private static void bindIds(org.jdbi.v3.core.statement.Query statement, ConversationQuery query) {
    List<String> ids = query.ids();
    if (ids == null) {
      statement.bind("ids", (String) null);
    } else {
      statement.bindArray("ids", String.class, ids);
    }
  }

  private static Map<Name, Row> keys(Tx tx, List<Wanted> wanted) {
    Map<Name, Row> rows = new HashMap<>();
    tx.query(ConversationSql.KEYS)
        .bindArray(
            "organizations",
            UUID.class,
            wanted.stream().map(w -> w.organization().value()).toList())
        .bindArray("ids", String.class, wanted.stream().map(Wanted::id).toList())
        .map((row, context) ->
            rows.put(
                new Name(row.getObject("organization_id", UUID.class), row.getString("id")),
                new Row(row.getLong("key"), row.getObject("agent_id", UUID.class))))
        .list();
    return rows;
  }

  private static void create(Tx tx, List<Wanted> missing) {
    List<Wanted> sorted = sorted(missing);
    tx.update(ConversationSql.CREATE_MISSING)
        .bindArray(
            "organizations",
            UUID.class,
            sorted.stream().map(w -> w.organization().value()).toList())
        .bindArray("agents", UUID.class, sorted.stream().map(w -> w.agent().value()).toList())
        .bindArray("ids", String.class, sorted.stream().map(Wanted::id).toList())
        .bindArray(
            "metadata", String.class, sorted.stream().map(w -> Json.write(w.metadata())).toList())
        .bindArray("ephemeral", Boolean.class, sorted.stream().map(Wanted::ephemeral).toList())
        .execute();
  }

  private static void bind(Tx tx, List<Wanted> unbound) {
    List<Wanted> sorted = sorted(unbound);
    tx.update(ConversationSql.BIND)
        .bindArray(
            "organizations",
            UUID.class,
            sorted.stream().map(w -> w.organization().value()).toList())
        .bindArray("agents", UUID.class, sorted.stream().map(w -> w.agent().value()).toList())
        .bindArray("ids", String.class, sorted.stream().map(Wanted::id).toList())
        .bindArray(
            "metadata", String.class, sorted.stream().map(w -> Json.write(w.metadata())).toList())
        .execute();
  }

  private static List<Wanted> sorted(List<Wanted> wanted) {
    List<Wanted> sorted = new ArrayList<>(wanted);
    sorted.sort(
        Comparator.comparing((Wanted w) -> w.organization().value()).thenComparing(Wanted::id));
    return sorted;
  }

  private static Resolved resolved(Wanted wanted, @Nullable Row row) {
    if (row == null || row.agent() == null) {
      return new Resolved.Missing();
    }
    if (!row.agent().equals(wanted.agent().value())) {
      return new Resolved.OtherAgent(new AgentId(row.agent()));
    }
    return new Resolved.Found(
        new Conversation(wanted.organization(), wanted.agent(), row.key(), wanted.id()));
  }

  private static Name name(Wanted wanted) {
    return new Name(wanted.organization().value(), wanted.id());
  }

  private static StoredConversation read(ResultSet row) throws SQLException {
    UUID agent = row.getObject("agent_id", UUID.class);
    return new StoredConversation(
        new OrganizationId(row.getObject("organization_id", UUID.class)),
        agent == null ? null : new AgentId(agent),
        row.getLong("key"),
        row.getString("id"),
        (ObjectNode) Json.parse(row.getString("metadata")),
        row.getBoolean("ephemeral"),
        Activity.valueOf(row.getString("activity")),
        row.getObject("created_at", OffsetDateTime.class).toInstant(),
        row.getObject("updated_at", OffsetDateTime.class).toInstant());
  }
}

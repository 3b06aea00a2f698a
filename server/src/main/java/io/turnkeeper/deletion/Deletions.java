package io.turnkeeper.deletion;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jdbi.v3.core.statement.SqlStatement;
import org.jspecify.annotations.Nullable;

/**
 * What is to be forgotten. Asked for in one transaction, which hides it; then removed in steps of
 * one page and one transaction each, by whichever replica comes first. What is left says where to
 * go on, so a step that is lost costs nothing. Stateless.
 */
public final class Deletions {
  /** How long whoever keeps a conversation warm is waited for; its lease goes with the mailbox. */
  static final Duration PATIENCE = Duration.ofSeconds(10);

  /** How long the numbers of what was removed are kept for replicas that were away. */
  private static final Duration KEPT = Duration.ofDays(30);

  private static final int RUNS = 20;
  private static final int EVENTS_EACH = 500;
  private static final int SNAPSHOTS = 100;
  private static final int CHUNKS = 200;
  private static final int LIVE = 200;
  private static final int ROWS = 500;

  private final Duration keysKnownFor;

  /**
   * @param keysKnownFor how long a replica may take a key for valid that is not
   */
  public Deletions(Duration keysKnownFor) {
    this.keysKnownFor = keysKnownFor;
  }

  /** Hides the conversation; what removes it. Asking again changes nothing. */
  public Deletion ask(Tx tx, OrganizationId organization, long conversation) {
    in(tx.update(DeletionSql.HIDE_CONVERSATION), organization).bind("key", conversation).execute();
    return record(tx, organization, conversation);
  }

  /** Hides the organization, ends its keys and starts none of its runs; what removes it. */
  public Deletion ask(Tx tx, OrganizationId organization) {
    in(tx.update(DeletionSql.HIDE_ORGANIZATION), organization).execute();
    in(tx.update(DeletionSql.REVOKE_KEYS), organization).execute();
    return record(tx, organization, null);
  }

  private static Deletion record(Tx tx, OrganizationId organization, @Nullable Long key) {
    in(tx.update(DeletionSql.ASK), organization).bind("key", key).execute();
    return in(tx.query(DeletionSql.FIND), organization)
        .bind("key", key)
        .map((row, _) -> read(row))
        .one();
  }

  /** What is not removed yet, oldest first, after one of them. */
  public List<Deletion> open(Tx tx, long after, int limit) {
    return tx.query(DeletionSql.OPEN)
        .bind("after", after)
        .bind("limit", limit)
        .map((row, _) -> read(row))
        .list();
  }

  /**
   * @param open whether something is not removed yet
   * @param newest what was removed last
   */
  public record News(boolean open, Place newest) {}

  public News news(Tx tx) {
    return tx.query(DeletionSql.NEWS)
        .map((row, _) -> new News(row.getBoolean("open"), place(row)))
        .one();
  }

  private static Place place(ResultSet row) throws SQLException {
    OffsetDateTime at = row.getObject("removed_at", OffsetDateTime.class);
    return at == null ? Place.START : new Place(at.toInstant(), row.getLong("id"));
  }

  /** Runs of an organization that is being removed which nobody has asked to stop yet. */
  public List<RunId> underWay(Tx tx, OrganizationId organization) {
    return in(tx.query(DeletionSql.UNDER_WAY), organization)
        .bind("limit", LIVE)
        .mapTo(UUID.class)
        .map(RunId::new)
        .list();
  }

  private record Where(long position, int seq, boolean overdue, boolean forgotten) {}

  /** Takes one step, if nobody else is at it. */
  public Step step(Tx tx, Deletion deletion) {
    Optional<Where> locked =
        in(tx.query(DeletionSql.LOCK), deletion.organization())
            .bind("id", deletion.id())
            .bind("patience_ms", PATIENCE.toMillis())
            .bind("forgotten_ms", keysKnownFor.multipliedBy(2).toMillis())
            .map((row, _) ->
                new Where(
                    row.getLong("position"),
                    row.getInt("seq"),
                    row.getBoolean("overdue"),
                    row.getBoolean("forgotten")))
            .findOne();
    if (locked.isEmpty()) {
      return new Step.Elsewhere();
    }
    Long key = deletion.conversation();
    return key == null
        ? organization(tx, deletion, locked.get())
        : conversation(tx, deletion, key, locked.get());
  }

  private Step conversation(Tx tx, Deletion deletion, long key, Where where) {
    Step step = contents(tx, deletion, key, where);
    if (step instanceof Step.Removed) {
      in(tx.update(DeletionSql.DONE), deletion.organization()).bind("id", deletion.id()).execute();
    }
    return step;
  }

  /** The first conversation that is left, or else what is left besides. */
  private Step organization(Tx tx, Deletion deletion, Where where) {
    OrganizationId organization = deletion.organization();
    Optional<Long> first =
        in(tx.query(DeletionSql.FIRST_CONVERSATION), organization).mapTo(Long.class).findOne();
    if (first.isPresent()) {
      Step step = contents(tx, deletion, first.get(), where);
      if (step instanceof Step.Removed) {
        advance(tx, deletion, 0, 0);
        return new Step.More();
      }
      return step;
    }
    if (!where.forgotten()) {
      return new Step.Early();
    }
    for (String sql :
        List.of(
            DeletionSql.DELETE_SESSIONS,
            DeletionSql.DELETE_WORKERS,
            DeletionSql.DELETE_KEYS,
            DeletionSql.DELETE_VERSIONS,
            DeletionSql.DELETE_AGENTS)) {
      if (in(tx.update(sql), organization).bind("limit", ROWS).execute() == ROWS) {
        return new Step.More();
      }
    }
    in(tx.update(DeletionSql.DELETE_WEBHOOK_SECRET), organization).execute();
    in(tx.update(DeletionSql.DELETE_ORGANIZATION), organization).execute();
    in(tx.update(DeletionSql.DONE), organization).bind("id", deletion.id()).execute();
    return new Step.Removed();
  }

  private static Step contents(Tx tx, Deletion deletion, long key, Where where) {
    OrganizationId organization = deletion.organization();
    Optional<Step> live = live(tx, organization, key);
    if (live.isPresent()) {
      return live.get();
    }
    if (!where.overdue() && isTrue(tx, DeletionSql.HELD, organization, key)) {
      return new Step.Held(key);
    }
    if (turns(tx, deletion, key, where)) {
      return new Step.More();
    }
    boolean more =
        page(tx, DeletionSql.DELETE_SNAPSHOTS, organization, key, SNAPSHOTS)
            || page(tx, DeletionSql.DELETE_CHUNKS, organization, key, CHUNKS);
    if (more) {
      return new Step.More();
    }
    in(tx.query(DeletionSql.LOCK_MAILBOX), organization).bind("key", key).mapTo(Long.class).list();
    in(tx.query(DeletionSql.LOCK_CONVERSATION), organization)
        .bind("key", key)
        .mapTo(Long.class)
        .list();
    if (isTrue(tx, DeletionSql.HAS_RUNS, organization, key)) {
      // Accepted by a request that was under way when it was hidden.
      advance(tx, deletion, 0, 0);
      return new Step.More();
    }
    for (String sql :
        List.of(
            DeletionSql.DELETE_TURNS,
            DeletionSql.DELETE_COMMANDS,
            DeletionSql.DELETE_DELIVERIES,
            DeletionSql.DELETE_MAILBOX,
            DeletionSql.DELETE_CONVERSATION)) {
      in(tx.update(sql), organization).bind("key", key).execute();
    }
    return new Step.Removed();
  }

  /** Empty when nothing is; what was asked to stop and has not yet is waited for. */
  private static Optional<Step> live(Tx tx, OrganizationId organization, long key) {
    List<RunId> pending = new ArrayList<>();
    List<RunId> underWay = new ArrayList<>();
    List<Boolean> found =
        in(tx.query(DeletionSql.LIVE), organization)
            .bind("key", key)
            .bind("limit", LIVE)
            .map((row, _) -> {
              RunId run = new RunId(row.getObject("id", UUID.class));
              if (row.getBoolean("pending")) {
                pending.add(run);
              } else if (!row.getBoolean("asked")) {
                underWay.add(run);
              }
              return true;
            })
            .list();
    return found.isEmpty() ? Optional.empty() : Optional.of(new Step.Live(key, pending, underWay));
  }

  /** A page of runs with all that was said in them; false when there was none. */
  private static boolean turns(Tx tx, Deletion deletion, long key, Where where) {
    record Turn(UUID run, long turn) {}

    List<Turn> page =
        in(tx.query(DeletionSql.RUNS), deletion.organization())
            .bind("key", key)
            .bind("position", where.position())
            .bind("limit", RUNS)
            .map((row, _) -> new Turn(row.getObject("id", UUID.class), row.getLong("turn")))
            .list();
    if (page.isEmpty()) {
      return false;
    }
    List<UUID> runs = page.stream().map(Turn::run).toList();
    int upto = where.seq() + EVENTS_EACH;
    in(tx.update(DeletionSql.DELETE_EVENTS), deletion.organization())
        .bindArray("runs", UUID.class, runs)
        .bind("seq", where.seq())
        .bind("upto", upto)
        .execute();
    boolean more =
        in(tx.query(DeletionSql.HAS_EVENTS), deletion.organization())
            .bindArray("runs", UUID.class, runs)
            .bind("upto", upto)
            .mapTo(Boolean.class)
            .one();
    if (more) {
      advance(tx, deletion, where.position(), upto);
    } else {
      in(tx.update(DeletionSql.DELETE_RUNS), deletion.organization())
          .bindArray("runs", UUID.class, runs)
          .execute();
      advance(tx, deletion, page.getLast().turn(), 0);
    }
    return true;
  }

  private static void advance(Tx tx, Deletion deletion, long position, int seq) {
    in(tx.update(DeletionSql.ADVANCE), deletion.organization())
        .bind("id", deletion.id())
        .bind("position", position)
        .bind("seq", seq)
        .execute();
  }

  private static boolean page(Tx tx, String sql, OrganizationId organization, long key, int limit) {
    return in(tx.update(sql), organization).bind("key", key).bind("limit", limit).execute()
        == limit;
  }

  private static boolean isTrue(Tx tx, String sql, OrganizationId organization, long key) {
    return in(tx.query(sql), organization).bind("key", key).mapTo(Boolean.class).one();
  }

  /**
   * What was removed lately, for whoever has files of it.
   *
   * @param next where to go on; itself again when there was nothing more
   */
  public record Removed(List<Deletion> page, Place next, boolean more) {}

  /** A place in the order of removals. */
  public record Place(@Nullable Instant at, long id) {
    /** Before all of them. */
    public static final Place START = new Place(null, 0);

    /** The later of the two. */
    public Place later(Place other) {
      boolean moves = other.at() != null && (at == null || other.at().isAfter(at));
      return moves ? other : this;
    }

    /** A moment before, for what was committed late. */
    public Place overlapping() {
      return at == null ? this : new Place(at.minus(Duration.ofMinutes(1)), 0);
    }
  }

  public Removed removed(Tx tx, Place since, int limit) {
    List<Deletion> page = new ArrayList<>();
    Place[] last = {since};
    tx.query(DeletionSql.REMOVED)
        .bind("since", since.at() == null ? "-infinity" : since.at().toString())
        .bind("after", since.id())
        .bind("limit", limit)
        .map((row, _) -> {
          last[0] = place(row);
          return page.add(read(row));
        })
        .list();
    return new Removed(page, last[0], page.size() == limit);
  }

  /** Drops the numbers of what was removed a month ago. */
  public void forget(Tx tx) {
    tx.update(DeletionSql.FORGET).bind("after_ms", KEPT.toMillis()).bind("limit", ROWS).execute();
  }

  private static <S extends SqlStatement<S>> S in(S statement, OrganizationId organization) {
    return statement.bind("organization", organization.value());
  }

  private static Deletion read(ResultSet row) throws SQLException {
    return new Deletion(
        row.getLong("id"),
        new OrganizationId(row.getObject("organization_id", UUID.class)),
        row.getObject("conversation_key", Long.class));
  }
}

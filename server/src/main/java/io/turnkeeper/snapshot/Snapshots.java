package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import tools.jackson.databind.node.ObjectNode;

/**
 * Agents' files after each run. A snapshot is fenced by the lease it is made under, unique per run,
 * and restored from only once its run is completed. Nothing is shared between conversations.
 */
public final class Snapshots {
  /**
   * @param bytesMax of one snapshot's files together, before compression
   * @param filesMax in one snapshot
   * @param keep completed snapshots kept per conversation, at least 1
   */
  public record Limits(long bytesMax, int filesMax, int keep) {
    public Limits {
      if (bytesMax < 1 || filesMax < 1 || keep < 1) {
        throw new IllegalArgumentException("a limit of snapshots below 1");
      }
    }
  }

  private static final int LISTED_MAX = 1000;

  private final Store store;

  /** Snapshots in the database: any replica can restore them. */
  public Snapshots(Db db, Limits limits) {
    this(new DatabaseStore(db, limits));
  }

  private Snapshots(Store store) {
    this.store = store;
  }

  /**
   * No copies: the files stay where the agent leaves them, and only what finds its session again is
   * kept beside them. For one replica with a volume of its own; nothing can be rolled back.
   *
   * @param directory of a conversation; the one that holds its {@link StateFiles#root}
   */
  public static Snapshots inPlace(
      Db db, java.util.function.Function<Conversation, Path> directory) {
    return new Snapshots(new DiskStore(db, directory));
  }

  /**
   * Saves the files as they are now; the agent may be alive, and is best idle. Files that change
   * while they are read get a fraction of a second to settle. SQLite databases are saved so that
   * they open clean, with every transaction committed before the call.
   *
   * <p>Blocks for the reading and for its own transactions; none of them is longer than a batch of
   * chunks.
   */
  public Saved save(LeaseToken lease, RunId run, long turn, StateFiles files, ObjectNode session) {
    return store.save(new Store.Save(lease, run, turn, files, session));
  }

  /** These runs are completed, and what was saved after them may be restored. */
  public void complete(Tx tx, Collection<RunId> runs) {
    store.complete(tx, runs);
  }

  /**
   * Replaces everything under the root by the newest snapshot's files. Empty when there is none;
   * then nothing is touched.
   *
   * @throws RuntimeException when the files could not be made; those under the root are of no use
   */
  public Optional<Restored> restore(Conversation conversation, StateFiles into) {
    return store.restore(conversation, into);
  }

  /** Is shown a snapshot. */
  public interface Visitor {
    /** First of all, once. */
    void begin(SnapshotInfo of);

    /**
     * Each entry, parents before their children.
     *
     * @param content of a file, to be read before the next entry
     */
    void entry(SavedFile file, InputStream content);
  }

  /**
   * Shows what {@link #restore} would restore, some chunks at a time. False when there is nothing,
   * or when files are kept in place: they are on one replica's disk only.
   *
   * @throws RuntimeException when the snapshot cannot be read, also in the middle
   */
  public boolean show(Conversation conversation, Visitor visitor) {
    return store.show(conversation, visitor);
  }

  /** What {@link #restore} would restore. */
  public Optional<SnapshotInfo> newest(Conversation conversation) {
    return store.newest(conversation);
  }

  /** Whether what is on a disk here is only a copy, and may go once nobody works on it. */
  public boolean areCopies() {
    return switch (store) {
      case DatabaseStore database -> true;
      case DiskStore disk -> false;
    };
  }

  /**
   * What was saved after a turn, and what that cost.
   *
   * @param bytes of all files
   * @param addedBytes stored anew, compressed
   * @param restorable whether its run completed
   */
  public record Cost(
      RunId run,
      long turn,
      int files,
      long bytes,
      long addedBytes,
      boolean restorable,
      Instant at) {}

  /** The conversation's snapshots of this turn and later ones, newest first; at most 1000. */
  public List<Cost> since(Tx tx, OrganizationId organization, long conversationKey, long turn) {
    return tx.query(SnapshotSql.LIST)
        .bind("organization", organization.value())
        .bind("key", conversationKey)
        .bind("turn", turn)
        .bind("limit", LISTED_MAX)
        .map((row, _) ->
            new Cost(
                new RunId(row.getObject("run_id", UUID.class)),
                row.getLong("turn"),
                row.getInt("files"),
                row.getLong("bytes"),
                row.getLong("added_bytes"),
                row.getBoolean("completed"),
                row.getObject("created_at", OffsetDateTime.class).toInstant()))
        .list();
  }

  /** Removes all snapshots of the conversation. */
  public void delete(Tx tx, Conversation conversation) {
    store.delete(tx, conversation);
  }
}

package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Optional;
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

  /** Removes all snapshots of the conversation. */
  public void delete(Tx tx, Conversation conversation) {
    store.delete(tx, conversation);
  }
}

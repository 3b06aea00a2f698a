package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/** Snapshots as chunks and manifests in PostgreSQL. */
final class DatabaseStore implements Store {
  private static final Logger log = LoggerFactory.getLogger(DatabaseStore.class);

  private final Db db;
  private final Snapshots.Limits limits;
  private final Memory memory = new Memory();

  DatabaseStore(Db db, Snapshots.Limits limits) {
    this.db = db;
    this.limits = limits;
  }

  private record Row(
      RunId run, long turn, ObjectNode session, byte[] manifest, int files, long bytes) {}

  @Override
  public Saved save(Save save) {
    Saved saved;
    try {
      try {
        saved = attempt(save, true);
      } catch (Upload.MissingChunk outdated) {
        memory.forget(save.conversation());
        saved = attempt(save, false);
      }
    } catch (Fence.Stale stale) {
      memory.forget(save.conversation());
      return new Saved.Stale();
    } catch (Fence.Exists exists) {
      return new Saved.Exists();
    } catch (Fence.Refused refused) {
      return new Saved.Refused(refused.why());
    } catch (IOException unreadable) {
      return new Saved.Refused("a file cannot be read: " + unreadable);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      return new Saved.Refused("it was interrupted");
    }
    if (saved instanceof Saved.Stored) {
      prune(save);
    }
    return saved;
  }

  private Saved attempt(Save save, boolean onEarlier) throws IOException, InterruptedException {
    Seen remembered = onEarlier ? memory.of(save.conversation()) : null;
    StoredManifest.Opened before = before(save, onEarlier, remembered);
    long started = System.currentTimeMillis();
    Tree tree = Tree.settled(save.files().root(), selection(save.files()));
    if (tree.bytes() > limits.bytesMax()) {
      return new Saved.TooLarge(tree.bytes(), limits.bytesMax());
    }
    if (tree.files() > limits.filesMax()) {
      return new Saved.Refused(
          "the agent has " + tree.files() + " files; the limit is " + limits.filesMax());
    }
    Map<String, Seen.FileSeen> known = remembered == null ? Map.of() : remembered.files();
    Settling settling = new Settling(started);
    try (SqliteCopies copies = new SqliteCopies(save.files().root())) {
      Tree whole = copies.of(tree, known, settling);
      settling.readFrom(copies.copies());
      Upload upload = new Upload(db, save);
      Seen seen =
          new Cutter(save.files().root(), before.manifest(), known, settling, upload).cut(whole);
      Manifest manifest = seen.manifest();
      Upload.Finished finished = upload.finish(manifest, before.base());
      memory.remember(save.conversation(), seen.on(finished.base()));
      List<String> cutShort =
          settling.cutShort().stream()
              .map(file -> save.files().root().relativize(file).toString())
              .toList();
      return new Saved.Stored(manifest.files(), manifest.bytes(), finished.bytes(), cutShort);
    }
  }

  /** Checks the lease before anything is read, and finds what to build on. */
  private StoredManifest.Opened before(Save save, boolean onEarlier, @Nullable Seen remembered) {
    StoredManifest.Opened nothing = new StoredManifest.Opened(Manifest.EMPTY, null);
    return db.inTx(
        save.conversation().organization(),
        tx -> {
          Fence.hold(tx, save);
          if (remembered != null) {
            return new StoredManifest.Opened(remembered.manifest(), remembered.base());
          }
          try {
            return onEarlier
                ? newestRow(tx, save.conversation())
                    .map(row -> open(tx, save.conversation(), row.manifest()))
                    .orElse(nothing)
                : nothing;
          } catch (CorruptSnapshot damaged) {
            log.warn("the snapshot before cannot be built on: {}", damaged.getMessage());
            return nothing;
          }
        });
  }

  private static StoredManifest.Opened open(Tx tx, Conversation conversation, byte[] row) {
    return StoredManifest.open(
        row, base -> needed(chunks(tx, conversation, List.of(base)).get(base)));
  }

  private static byte[] needed(byte @Nullable [] base) {
    if (base == null) {
      throw new CorruptSnapshot("what its manifest builds on is gone");
    }
    return base;
  }

  private static Selection selection(StateFiles files) {
    try {
      return Selection.of(files.include());
    } catch (IllegalArgumentException unreadable) {
      throw new Fence.Refused("a glob of the agent's state cannot be read: " + unreadable);
    }
  }

  @Override
  public void complete(Tx tx, Collection<RunId> runs) {
    tx.update(SnapshotSql.COMPLETE)
        .bindArray("runs", UUID.class, runs.stream().map(RunId::value).toList())
        .execute();
  }

  @Override
  public Optional<Restored> restore(Conversation conversation, StateFiles into) {
    Optional<Row> newest = db.inTx(conversation.organization(), tx -> newestRow(tx, conversation));
    if (newest.isEmpty()) {
      return Optional.empty();
    }
    Row row = newest.get();
    StoredManifest.Opened opened =
        db.inTx(conversation.organization(), tx -> open(tx, conversation, row.manifest()));
    memory.forget(conversation);
    try {
      Seen seen =
          new Restoration(
                  into.root(),
                  opened.manifest(),
                  names ->
                      db.inTx(conversation.organization(), tx -> chunks(tx, conversation, names)))
              .run();
      memory.remember(conversation, seen.on(opened.base()));
    } catch (IOException failed) {
      throw new UncheckedIOException("the files could not be restored", failed);
    }
    return Optional.of(
        new Restored(row.run(), row.turn(), row.session(), row.files(), row.bytes()));
  }

  @Override
  public boolean show(Conversation conversation, Snapshots.Visitor visitor) {
    Optional<Row> newest = db.inTx(conversation.organization(), tx -> newestRow(tx, conversation));
    newest.ifPresent(row -> {
      StoredManifest.Opened opened =
          db.inTx(conversation.organization(), tx -> open(tx, conversation, row.manifest()));
      visitor.begin(new SnapshotInfo(row.run(), row.turn(), row.session()));
      new Contents(
              opened.manifest(),
              names -> db.inTx(conversation.organization(), tx -> chunks(tx, conversation, names)))
          .show(visitor);
    });
    return newest.isPresent();
  }

  private static Map<Hash, byte[]> chunks(
      Tx tx, Conversation conversation, Collection<Hash> names) {
    Map<Hash, byte[]> found = new HashMap<>();
    tx.query(SnapshotSql.CHUNKS)
        .bind("organization", conversation.organization().value())
        .bind("key", conversation.key())
        .bind("hashes", Blobs.names(names))
        .map((row, context) -> Map.entry(new Hash(row.getBytes("hash")), row.getBytes("data")))
        .forEach(chunk -> found.put(chunk.getKey(), chunk.getValue()));
    return found;
  }

  private static Optional<Row> newestRow(Tx tx, Conversation conversation) {
    return tx.query(SnapshotSql.NEWEST)
        .bind("organization", conversation.organization().value())
        .bind("key", conversation.key())
        .map((row, context) ->
            new Row(
                new RunId(row.getObject("run_id", UUID.class)),
                row.getLong("turn"),
                (ObjectNode) Json.parse(row.getString("session")),
                row.getBytes("manifest"),
                row.getInt("files"),
                row.getLong("bytes")))
        .findOne();
  }

  @Override
  public Optional<SnapshotInfo> newest(Conversation conversation) {
    return db.inTx(
        conversation.organization(),
        tx ->
            tx.query(SnapshotSql.NEWEST_SESSION)
                .bind("organization", conversation.organization().value())
                .bind("key", conversation.key())
                .map((row, context) ->
                    new SnapshotInfo(
                        new RunId(row.getObject("run_id", UUID.class)),
                        row.getLong("turn"),
                        (ObjectNode) Json.parse(row.getString("session"))))
                .findOne());
  }

  @Override
  public void delete(Tx tx, Conversation conversation) {
    memory.forget(conversation);
    for (String sql : List.of(SnapshotSql.DELETE, SnapshotSql.DELETE_CHUNKS)) {
      tx.update(sql)
          .bind("organization", conversation.organization().value())
          .bind("key", conversation.key())
          .execute();
    }
  }

  /**
   * Drops what is older than the snapshots to keep, a few at a time: reading all manifests for each
   * one would cost more than it frees. Only the lease's holder does this, so no chunk goes that a
   * save under way counts on. That it failed costs space, not the snapshot.
   */
  private void prune(Save save) {
    try {
      db.useTx(
          save.conversation().organization(),
          tx -> {
            int slack = Math.max(1, limits.keep() / 4);
            if (count(tx, save) > limits.keep() + slack) {
              Fence.hold(tx, save);
              prune(tx, save);
            }
          });
    } catch (Fence.Stale stale) {
      log.debug("the lease went before the old snapshots did");
    } catch (RuntimeException failed) {
      log.warn("old snapshots could not be dropped", failed);
    }
  }

  private static long count(Tx tx, Save save) {
    return tx.query(SnapshotSql.SURPLUS)
        .bind("organization", save.conversation().organization().value())
        .bind("key", save.conversation().key())
        .bind("turn", save.turn())
        .mapTo(Long.class)
        .one();
  }

  private void prune(Tx tx, Save save) {
    Conversation conversation = save.conversation();
    tx.update(SnapshotSql.DELETE_OLD)
        .bind("organization", conversation.organization().value())
        .bind("key", conversation.key())
        .bind("run", save.run().value())
        .bind("keep", limits.keep())
        .execute();
    List<byte[]> rows =
        tx.query(SnapshotSql.MANIFESTS)
            .bind("organization", conversation.organization().value())
            .bind("key", conversation.key())
            .mapTo(byte[].class)
            .list();
    Set<Hash> used = new HashSet<>();
    rows.forEach(row -> StoredManifest.baseOf(row).ifPresent(used::add));
    Map<Hash, byte[]> bases = chunks(tx, conversation, used);
    for (byte[] row : rows) {
      StoredManifest.open(row, base -> needed(bases.get(base)))
          .manifest()
          .chunks()
          .forEach(chunk -> used.add(chunk.hash()));
    }
    tx.update(SnapshotSql.DELETE_UNUSED)
        .bind("organization", conversation.organization().value())
        .bind("key", conversation.key())
        .bind("hashes", Blobs.names(used))
        .execute();
  }
}

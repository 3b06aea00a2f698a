package io.turnkeeper.snapshot;

import io.turnkeeper.base.Json;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Brings one snapshot's new chunks to the database in batches, and its row with the last one. */
final class Upload implements ChunkStream.Sink {
  /** Bytes of one batch, before compression: bounds memory and the length of a transaction. */
  private static final int BATCH = 4 * 1024 * 1024;

  private final Db db;
  private final Store.Save save;
  private final Map<Hash, byte[]> pending = new LinkedHashMap<>();
  private int pendingBytes;
  private long added;

  Upload(Db db, Store.Save save) {
    this.db = db;
    this.save = save;
  }

  /** The manifest names a chunk that is not there: it was made from knowledge that is too old. */
  static final class MissingChunk extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MissingChunk() {
      super("a chunk of an earlier snapshot is gone", null, false, false);
    }
  }

  @Override
  public void chunk(Hash hash, byte[] data) {
    if (pending.put(hash, data) == null) {
      pendingBytes += data.length;
    }
    if (pendingBytes >= BATCH) {
      Map<Hash, byte[]> packed = packed();
      db.useTx(
          save.conversation().organization(),
          tx -> {
            Fence.hold(tx, save);
            add(tx, packed);
          });
    }
  }

  /**
   * @param bytes that the snapshot added
   * @param base what the next manifest may be a difference from
   */
  record Finished(long bytes, StoredManifest.@Nullable Base base) {}

  /** Stores what is left and the snapshot itself. */
  Finished finish(Manifest manifest, StoredManifest.@Nullable Base earlier) {
    StoredManifest stored = StoredManifest.of(manifest, earlier);
    StoredManifest.Base base = stored.base();
    if (base != null && stored.fresh()) {
      pending.put(base.hash(), base.plain());
    }
    Map<Hash, byte[]> packed = packed();
    long total = added + stored.row().length;
    Set<Hash> needed = new HashSet<>();
    manifest.chunks().forEach(chunk -> needed.add(chunk.hash()));
    if (base != null) {
      needed.add(base.hash());
    }
    db.useTx(
        save.conversation().organization(),
        tx -> {
          Fence.hold(tx, save);
          add(tx, packed);
          if (present(tx, needed).size() < needed.size()) {
            throw new MissingChunk();
          }
          if (row(tx, manifest, stored.row(), total) == 0) {
            throw new Fence.Exists();
          }
        });
    return new Finished(total, base == null ? earlier : base);
  }

  private int row(Tx tx, Manifest manifest, byte[] encoded, long total) {
    return tx.update(SnapshotSql.ADD)
        .bind("run", save.run().value())
        .bind("organization", save.conversation().organization().value())
        .bind("key", save.conversation().key())
        .bind("turn", save.turn())
        .bind("epoch", save.lease().epoch())
        .bind("session", Json.write(save.session()))
        .bind("manifest", encoded)
        .bind("files", manifest.files())
        .bind("bytes", manifest.bytes())
        .bind("added", total)
        .execute();
  }

  /** What is pending and not in the database, compressed. */
  private Map<Hash, byte[]> packed() {
    if (pending.isEmpty()) {
      return Map.of();
    }
    Set<Hash> there =
        db.inTx(save.conversation().organization(), tx -> present(tx, pending.keySet()));
    Map<Hash, byte[]> packed = new LinkedHashMap<>();
    pending.forEach((hash, data) -> {
      if (!there.contains(hash)) {
        byte[] stored = Chunks.pack(data);
        added += stored.length;
        packed.put(hash, stored);
      }
    });
    pending.clear();
    pendingBytes = 0;
    return packed;
  }

  private Set<Hash> present(Tx tx, Collection<Hash> hashes) {
    return hashes.isEmpty()
        ? Set.of()
        : tx.query(SnapshotSql.PRESENT)
            .bind("organization", save.conversation().organization().value())
            .bind("key", save.conversation().key())
            .bind("hashes", Blobs.names(hashes))
            .map((row, context) -> new Hash(row.getBytes(1)))
            .set();
  }

  private void add(Tx tx, Map<Hash, byte[]> packed) {
    if (packed.isEmpty()) {
      return;
    }
    tx.update(SnapshotSql.ADD_CHUNKS)
        .bind("organization", save.conversation().organization().value())
        .bind("key", save.conversation().key())
        .bind("hashes", Blobs.names(packed.keySet()))
        .bind("datas", Blobs.array(packed.values()))
        .execute();
  }
}

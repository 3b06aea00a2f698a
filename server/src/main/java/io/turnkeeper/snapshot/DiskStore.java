package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.Tx;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.node.ObjectNode;

/**
 * Files that stay in place. What is on the disk is what there is, whether its run was completed or
 * not; a small file beside it says which run that was and how its session is found.
 */
final class DiskStore implements Store {
  private static final String SESSION = "session.json";

  private final Db db;
  private final Function<Conversation, Path> directory;

  DiskStore(Db db, Function<Conversation, Path> directory) {
    this.db = db;
    this.directory = directory;
  }

  @Override
  public Saved save(Save save) {
    ObjectNode kept = Json.object().put("run", save.run().toString()).put("turn", save.turn());
    kept.set("session", save.session());
    try {
      db.useTx(save.conversation().organization(), tx -> Fence.hold(tx, save));
      Path into = directory.apply(save.conversation());
      Files.createDirectories(into);
      Path next = into.resolve(SESSION + ".next");
      try (FileChannel channel =
          FileChannel.open(
              next,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        ByteBuffer text = ByteBuffer.wrap(Json.write(kept).getBytes(StandardCharsets.UTF_8));
        while (text.hasRemaining()) {
          channel.write(text);
        }
        channel.force(true);
      }
      Files.move(
          next,
          into.resolve(SESSION),
          StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
      Tree tree = Tree.of(save.files().root(), Selection.of(save.files().include()));
      return new Saved.Stored(tree.files(), tree.bytes(), 0, List.of());
    } catch (Fence.Stale stale) {
      return new Saved.Stale();
    } catch (Fence.Refused refused) {
      return new Saved.Refused(refused.why());
    } catch (IOException failed) {
      return new Saved.Refused("the session could not be written: " + failed);
    }
  }

  @Override
  public void complete(Tx tx, Collection<RunId> runs) {
    // What is on the disk needs nobody's word for it.
  }

  @Override
  public Optional<Restored> restore(Conversation conversation, StateFiles into) {
    return newest(conversation)
        .map(info -> {
          try {
            Tree tree = Tree.of(into.root(), Selection.of(into.include()));
            return new Restored(
                info.run(), info.turn(), info.session(), tree.files(), tree.bytes());
          } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
          }
        });
  }

  @Override
  public boolean show(Conversation conversation, Snapshots.Visitor visitor) {
    return false;
  }

  @Override
  public Optional<SnapshotInfo> newest(Conversation conversation) {
    Path file = directory.apply(conversation).resolve(SESSION);
    try {
      ObjectNode kept = (ObjectNode) Json.parse(Files.readString(file));
      return RunId.parse(kept.path("run").asString())
          .map(run ->
              new SnapshotInfo(run, kept.path("turn").asLong(), (ObjectNode) kept.path("session")));
    } catch (NoSuchFileException none) {
      return Optional.empty();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    } catch (JacksonException | ClassCastException damaged) {
      throw new CorruptSnapshot("its session file cannot be read");
    }
  }

  @Override
  public void delete(Tx tx, Conversation conversation) {
    // The conversation's directory goes with all that is in it once the transaction has committed.
  }
}

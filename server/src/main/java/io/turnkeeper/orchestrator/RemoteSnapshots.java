package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.queue.Held;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.Restored;
import io.turnkeeper.snapshot.Saved;
import io.turnkeeper.snapshot.StateFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * What workers from elsewhere want kept: one piece for each run, stored as a snapshot of one file,
 * so that it is cut, compressed, fenced and retained like any other.
 */
final class RemoteSnapshots {
  private static final String FILE = "transcript";

  /** Requests for one conversation follow each other here: they share its place on the disk. */
  private static final int LOCKS = 64;

  private final Tools tools;
  private final List<ReentrantLock> locks =
      IntStream.range(0, LOCKS).mapToObj(it -> new ReentrantLock()).toList();

  RemoteSnapshots(Tools tools) {
    this.tools = tools;
  }

  void put(Held held, byte[] state) {
    Run run = held.run();
    ReentrantLock lock = lock(run.conversation());
    lock.lock();
    try {
      StateFiles files = place(run.conversation());
      boolean there =
          tools
              .snapshots()
              .newest(run.conversation())
              .filter(it -> it.run().equals(run.id()))
              .isPresent();
      if (there) {
        throw exists();
      }
      Path file = file(files);
      Files.createDirectories(file.getParent());
      Files.write(file, state);
      switch (tools.snapshots().save(held.lease(), run.id(), run.turn(), files, Json.object())) {
        case Saved.Stored stored -> tools.meters().snapshot(stored.addedBytes());
        case Saved.Exists exists -> throw exists();
        case Saved.TooLarge tooLarge ->
            throw new Refusal.TooLarge(
                "snapshot_too_large",
                "snapshot",
                "it holds " + tooLarge.bytes() + " bytes; the limit is " + tooLarge.max());
        case Saved.Stale stale ->
            throw new Refusal.Conflict("stale_epoch", "the run was given to another worker");
        case Saved.Refused refused ->
            throw new Refusal.Unavailable("snapshot_failed", refused.why(), Duration.ofSeconds(1));
      }
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    } finally {
      lock.unlock();
    }
  }

  WorkerPort.Kept newest(Conversation conversation) {
    ReentrantLock lock = lock(conversation);
    lock.lock();
    try {
      StateFiles files = place(conversation);
      Restored restored =
          tools
              .snapshots()
              .restore(conversation, files)
              .orElseThrow(() -> new Refusal.NotFound("snapshot", conversation.id()));
      return new WorkerPort.Kept(restored.run(), restored.turn(), Files.readAllBytes(file(files)));
    } catch (NoSuchFileException ofAnotherKind) {
      // The agent was not remote when it was made.
      throw new Refusal.NotFound("snapshot", conversation.id());
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    } finally {
      lock.unlock();
    }
  }

  private static Refusal exists() {
    return new Refusal.Conflict("snapshot_exists", "the run has a snapshot already");
  }

  private StateFiles place(Conversation conversation) {
    ConversationFiles files = new ConversationFiles(tools.data(), conversation);
    files.ensure();
    return StateFiles.of(files.state(), List.of());
  }

  private static Path file(StateFiles files) {
    return files.root().resolve("home").resolve(FILE);
  }

  private ReentrantLock lock(Conversation conversation) {
    return locks.get(Math.floorMod(conversation.key(), LOCKS));
  }
}

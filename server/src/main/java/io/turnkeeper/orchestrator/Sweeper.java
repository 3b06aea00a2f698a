package io.turnkeeper.orchestrator;

import io.turnkeeper.deletion.Deletion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.function.LongFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Frees this replica's disk of conversations that it has not served for a while: they may be served
 * elsewhere by now, or be deleted. What they need is in their snapshots.
 */
final class Sweeper {
  private static final Logger log = LoggerFactory.getLogger(Sweeper.class);

  /** Of a place that was taken out of use and is being removed; no conversation has such a key. */
  private static final String SWEPT = "swept-";

  private final Path root;
  private final Duration after;
  private final LongFunction<Guarded> guard;

  /** Does the step unless the conversation is served here, and keeps it from being meanwhile. */
  interface Guarded {
    boolean unlessServed(Runnable step);
  }

  /**
   * @param after what was last used so long ago goes
   * @param guard of a conversation's key
   */
  Sweeper(Path data, Duration after, LongFunction<Guarded> guard) {
    this.root = ConversationFiles.all(data);
    this.after = after;
    this.guard = guard;
  }

  /** One pass; how many went. What cannot be removed now is tried by the next pass. */
  int sweep(Instant now) {
    int swept = 0;
    try (DirectoryStream<Path> organizations = Files.newDirectoryStream(root)) {
      for (Path organization : organizations) {
        try (DirectoryStream<Path> places = Files.newDirectoryStream(organization)) {
          for (Path place : places) {
            if (sweep(place, now.minus(after))) {
              swept++;
            }
          }
        }
      }
    } catch (NoSuchFileException nothingYet) {
      return swept;
    } catch (IOException | UncheckedIOException failed) {
      log.warn("what conversations left on this disk cannot be removed", failed);
    }
    return swept;
  }

  /** Removes what is here of something that is gone; false while some of it is served. */
  boolean free(Deletion gone) {
    Path organization = root.resolve(gone.organization().toString());
    Long key = gone.conversation();
    try {
      if (key != null) {
        ConversationFiles.remove(organization.resolve(SWEPT + key));
        Path place = organization.resolve(Long.toString(key));
        return !Files.exists(place) || take(place, key);
      }
      boolean all = true;
      try (DirectoryStream<Path> places = Files.newDirectoryStream(organization)) {
        for (Path place : places) {
          all &= sweep(place, Instant.MAX);
        }
      }
      if (all) {
        Files.deleteIfExists(organization);
      }
      return all;
    } catch (NoSuchFileException nothing) {
      return true;
    } catch (IOException | UncheckedIOException failed) {
      log.warn("what a deleted conversation left on this disk cannot be removed yet", failed);
      return false;
    }
  }

  private boolean sweep(Path place, Instant before) throws IOException {
    String name = place.getFileName().toString();
    if (name.startsWith(SWEPT)) {
      ConversationFiles.remove(place);
      return true;
    }
    if (!name.chars().allMatch(c -> c >= '0' && c <= '9') || !lastUsed(place).isBefore(before)) {
      return false;
    }
    return take(place, Long.parseLong(name));
  }

  /** Moved aside first: nobody begins to use it while it is being removed. */
  private boolean take(Path place, long key) {
    Path aside = place.resolveSibling(SWEPT + key);
    boolean ours =
        guard
            .apply(key)
            .unlessServed(() -> {
              try {
                Files.move(place, aside);
              } catch (IOException failed) {
                throw new UncheckedIOException(failed);
              }
            });
    if (ours) {
      ConversationFiles.remove(aside);
    }
    return ours;
  }

  /** A place changes when a run begins and when its snapshot is taken. */
  private static Instant lastUsed(Path place) throws IOException {
    return Files.getLastModifiedTime(place).toInstant();
  }
}

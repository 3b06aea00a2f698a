package io.turnkeeper.snapshot;

import io.turnkeeper.snapshot.Manifest.Chunk;
import io.turnkeeper.snapshot.Manifest.Entry;
import io.turnkeeper.snapshot.Manifest.Extent;
import io.turnkeeper.snapshot.Seen.FileSeen;
import io.turnkeeper.snapshot.Tree.Regular;
import io.turnkeeper.snapshot.Tree.Stat;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes the manifest of a tree out of the one before it: files that are as they were keep their
 * pieces, a file that grew keeps those of its old content and gets new ones for its tail, and small
 * new files share chunks. One use each.
 */
final class Cutter {
  /** Smaller files share chunks when they are new or rewritten. */
  static final int SMALL = Chunker.MAX;

  /** So many little tails in a row are cut together anew: each one costs a row and a name. */
  private static final int TAILS_MAX = 32;

  private static final int TAIL = Chunker.MIN;

  private final Path root;
  private final Manifest before;
  private final Map<String, FileSeen> seen;
  private final Settling settling;
  private final ChunkStream.Table table;
  private final Map<String, Manifest.Regular> old = new HashMap<>();
  private final Map<String, List<Extent>> pieces = new HashMap<>();
  private final Map<String, FileSeen> now = new HashMap<>();
  private final Map<String, Stat> stats = new HashMap<>();

  Cutter(
      Path root,
      Manifest before,
      Map<String, FileSeen> seen,
      Settling settling,
      ChunkStream.Sink sink) {
    this.root = root;
    this.before = before;
    this.seen = seen;
    this.settling = settling;
    this.table = new ChunkStream.Table(sink);
    for (Entry entry : before.entries()) {
      if (entry instanceof Manifest.Regular file) {
        old.put(file.path(), file);
      }
    }
  }

  /** Reads what must be read, and hands new chunks to the sink. */
  Seen cut(Tree tree) throws IOException, InterruptedException {
    List<Regular> unread = new ArrayList<>();
    List<Regular> small = new ArrayList<>();
    List<Regular> large = new ArrayList<>();
    for (Tree.Found found : tree.found()) {
      if (found instanceof Regular file) {
        FileSeen last = seen.get(file.path());
        Manifest.Regular was = old.get(file.path());
        if (was != null && last != null && last.untouched(file.stat())) {
          unread.add(file);
        } else if (file.stat().size() > SMALL || was != null && file.stat().size() > was.size()) {
          large.add(file);
        } else {
          small.add(file);
        }
      }
    }
    keep(unread, small);
    if (seen.isEmpty() && !old.isEmpty()) {
      small.removeAll(recognize(small));
    }
    for (Regular file : large) {
      grown(file);
    }
    pack(small);
    return new Seen(manifest(tree), null, Map.copyOf(now));
  }

  /** A shared chunk of which little is still in use is given up: its files are packed again. */
  private void keep(List<Regular> unread, List<Regular> small) {
    int[] used = new int[before.chunks().size()];
    for (Regular file : unread) {
      old(file).extents().forEach(extent -> used[extent.chunk()] += extent.length());
    }
    for (Regular file : unread) {
      boolean sparse =
          file.stat().size() <= SMALL
              && old(file).extents().stream()
                  .anyMatch(e -> used[e.chunk()] * 4 < before.chunks().get(e.chunk()).length());
      if (sparse) {
        small.add(file);
      } else {
        FileSeen last = seen.get(file.path());
        reuse(file, last == null ? null : last.content());
      }
    }
  }

  private Manifest.Regular old(Regular file) {
    Manifest.Regular was = old.get(file.path());
    if (was == null) {
      throw new IllegalStateException("not in the manifest before: " + file.path());
    }
    return was;
  }

  private void reuse(Regular file, @Nullable Hash content) {
    done(file, file.stat(), known(old(file).extents()), content);
  }

  private List<Extent> known(List<Extent> extents) {
    List<Extent> known = new ArrayList<>(extents.size());
    for (Extent extent : extents) {
      Chunk chunk = before.chunks().get(extent.chunk());
      known.add(new Extent(table.known(chunk), extent.offset(), extent.length()));
    }
    return known;
  }

  private void done(Regular file, Stat stat, List<Extent> extents, @Nullable Hash content) {
    pieces.put(file.path(), extents);
    stats.put(file.path(), stat);
    now.put(file.path(), new FileSeen(stat, content, settling.startedMillis()));
  }

  /**
   * Small files that are as they were, found without anything remembered of them: the chunks that
   * they shared are put together again from what is on disk, and have the names they had.
   */
  private Set<Regular> recognize(List<Regular> small) throws IOException {
    byte[][] again = new byte[before.chunks().size()][];
    int[] filled = new int[again.length];
    Set<Integer> same = new HashSet<>();
    Map<Regular, Hash> read = new HashMap<>();
    List<Regular> candidates = new ArrayList<>();
    for (Regular file : small) {
      Manifest.Regular was = old.get(file.path());
      if (was != null && was.size() == file.stat().size()) {
        candidates.add(file);
      }
    }
    candidates.sort(java.util.Comparator.comparingInt(f -> first(old(f))));
    for (Regular file : candidates) {
      byte[] data = whole(file);
      if (data == null || data.length != old(file).size()) {
        continue;
      }
      read.put(file, Hash.of(data, 0, data.length));
      int at = 0;
      for (Extent extent : old(file).extents()) {
        int chunk = extent.chunk();
        int length = before.chunks().get(chunk).length();
        byte[] into = again[chunk] == null ? new byte[length] : again[chunk];
        again[chunk] = into;
        System.arraycopy(data, at, into, extent.offset(), extent.length());
        at += extent.length();
        filled[chunk] += extent.length();
        if (filled[chunk] >= length) {
          if (Hash.of(into, 0, length).equals(before.chunks().get(chunk).hash())) {
            same.add(chunk);
          }
          again[chunk] = new byte[0];
          filled[chunk] = Integer.MIN_VALUE;
        }
      }
    }
    Set<Regular> recognized = new HashSet<>();
    read.forEach((file, content) -> {
      if (old(file).extents().stream().allMatch(extent -> same.contains(extent.chunk()))) {
        reuse(file, content);
        recognized.add(file);
      }
    });
    return recognized;
  }

  private static int first(Manifest.Regular file) {
    return file.extents().isEmpty() ? -1 : file.extents().getFirst().chunk();
  }

  private void pack(List<Regular> small) throws IOException, InterruptedException {
    ChunkStream shared = new ChunkStream(table);
    for (Regular file : small) {
      Settling.Read read = settling.read(root.resolve(file.path()), file.stat(), this::bytes);
      if (read == null) {
        continue;
      }
      byte[] data = read.data();
      Hash content = Hash.of(data, 0, data.length);
      FileSeen last = seen.get(file.path());
      if (last != null && content.equals(last.content()) && old.containsKey(file.path())) {
        done(file, read.stat(), known(old(file).extents()), content);
        continue;
      }
      List<Extent> extents = new ArrayList<>();
      shared.write(extents, data, 0, data.length);
      done(file, read.stat(), extents, content);
    }
    shared.finish();
  }

  /** One that is large, or larger than it was. */
  private void grown(Regular file) throws IOException, InterruptedException {
    Settling.Cut cut =
        settling.cut(
            root.resolve(file.path()), file.stat(), (stat, source) -> stream(file, stat, source));
    if (cut != null) {
      done(file, cut.stat(), cut.extents(), cut.content());
    }
  }

  private Settling.Cut stream(Regular file, Stat stat, Path source) throws IOException {
    List<Extent> extents = new ArrayList<>();
    Manifest.Regular was = old.get(file.path());
    try (InputStream in = Below.open(root, source)) {
      Bounded bounded = new Bounded(in, stat.size());
      byte[] leftOver = was == null ? new byte[0] : prefix(was, bounded, extents);
      ChunkStream own = new ChunkStream(table);
      own.write(extents, leftOver, 0, leftOver.length);
      byte[] buffer = new byte[Chunker.MAX];
      for (int n = bounded.read(buffer); n > 0; n = bounded.read(buffer)) {
        own.write(extents, buffer, 0, n);
      }
      own.finish();
      return new Settling.Cut(stat, extents, bounded.content(SMALL));
    }
  }

  /** Keeps the pieces that the file still begins with; answers what was read beyond them. */
  private byte[] prefix(Manifest.Regular was, Bounded in, List<Extent> extents) throws IOException {
    List<Extent> kept = withoutLittleTails(was.extents());
    if (kept.stream().anyMatch(this::shared)) {
      // It grows: from now on it has chunks of its own.
      return new byte[0];
    }
    for (Extent extent : kept) {
      byte[] data = in.exactly(extent.length());
      Hash hash = before.chunks().get(extent.chunk()).hash();
      if (!Hash.of(data, 0, data.length).equals(hash)) {
        return data;
      }
      extents.addAll(known(List.of(extent)));
    }
    return new byte[0];
  }

  private boolean shared(Extent extent) {
    return extent.length() < before.chunks().get(extent.chunk()).length();
  }

  private static List<Extent> withoutLittleTails(List<Extent> extents) {
    int end = extents.size();
    while (end > 0 && extents.get(end - 1).length() < TAIL) {
      end--;
    }
    return extents.size() - end >= TAILS_MAX ? extents.subList(0, end) : extents;
  }

  private byte @Nullable [] whole(Regular file) throws IOException {
    try {
      Path source = settling.source(root.resolve(file.path()));
      return bytes(Stat.of(source), source);
    } catch (NoSuchFileException gone) {
      return null;
    }
  }

  private byte[] bytes(Stat stat, Path source) throws IOException {
    try (InputStream in = Below.open(root, source)) {
      return in.readNBytes((int) Math.min(stat.size(), Integer.MAX_VALUE - 8));
    }
  }

  private Manifest manifest(Tree tree) {
    List<Entry> entries = new ArrayList<>();
    for (Tree.Found found : tree.found()) {
      switch (found) {
        case Tree.Directory directory ->
            entries.add(new Manifest.Directory(directory.path(), directory.mode()));
        case Tree.Link link -> entries.add(new Manifest.Link(link.path(), link.target()));
        case Regular file -> {
          List<Extent> extents = pieces.get(file.path());
          Stat stat = stats.get(file.path());
          if (extents != null && stat != null) {
            entries.add(
                new Manifest.Regular(
                    file.path(), stat.mode(), stat.modified().toMillis(), List.copyOf(extents)));
          }
        }
      }
    }
    return compacted(entries);
  }

  /** Leaves out chunks that only a reading that was not kept has needed. */
  private Manifest compacted(List<Entry> entries) {
    int[] at = new int[table.chunks.size()];
    Arrays.fill(at, -1);
    List<Chunk> chunks = new ArrayList<>();
    List<Entry> moved = new ArrayList<>(entries.size());
    for (Entry entry : entries) {
      if (entry instanceof Manifest.Regular file) {
        List<Extent> extents = new ArrayList<>(file.extents().size());
        for (Extent extent : file.extents()) {
          if (at[extent.chunk()] < 0) {
            at[extent.chunk()] = chunks.size();
            chunks.add(table.chunks.get(extent.chunk()));
          }
          extents.add(new Extent(at[extent.chunk()], extent.offset(), extent.length()));
        }
        moved.add(
            new Manifest.Regular(file.path(), file.mode(), file.modified(), List.copyOf(extents)));
      } else {
        moved.add(entry);
      }
    }
    return new Manifest(List.copyOf(chunks), List.copyOf(moved));
  }
}

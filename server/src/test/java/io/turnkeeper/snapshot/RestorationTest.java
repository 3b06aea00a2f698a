package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.snapshot.Manifest.Chunk;
import io.turnkeeper.snapshot.Manifest.Directory;
import io.turnkeeper.snapshot.Manifest.Entry;
import io.turnkeeper.snapshot.Manifest.Extent;
import io.turnkeeper.snapshot.Manifest.Link;
import io.turnkeeper.snapshot.Manifest.Regular;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RestorationTest {
  private static final byte[] DATA = "evil".getBytes(StandardCharsets.UTF_8);
  private static final Chunk CHUNK = new Chunk(Hash.of(DATA, 0, DATA.length), DATA.length);

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../evil",
        "/tmp/evil",
        "a/../../evil",
        "",
        ".",
        "..",
        "a//b",
        "a/./b",
        "a/",
        "a\0b"
      })
  void a_name_that_leads_out_is_refused_before_anything_is_touched(String name) throws IOException {
    World.write(directory.resolve("root/stays"), "x");
    for (Entry entry : List.of(file(name), new Directory(name, 0700), new Link(name, "x"))) {
      assertThatThrownBy(() -> restore(entry)).isInstanceOf(CorruptSnapshot.class);
    }
    assertThat(directory.resolve("root/stays")).exists();
    assertThat(directory.resolve("evil")).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({"a,/etc", "a,..", "d/a,../../x", "d/a,b/../../../x", "d/a,''", "d/a,./../.."})
  void a_link_that_leads_out_is_refused(String path, String target) {
    assertThatThrownBy(() -> restore(new Directory("d", 0700), new Link(path, target)))
        .isInstanceOf(CorruptSnapshot.class);
  }

  @Test
  void nothing_is_written_through_a_link() throws IOException {
    Path outside = Files.createDirectories(directory.resolve("outside"));
    Files.createDirectories(directory.resolve("root"));
    Files.createSymbolicLink(directory.resolve("root/d"), outside);
    assertThatThrownBy(() -> restore(file("d/evil"))).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> restore(new Directory("e", 0700), new Link("d", "e"), file("d/evil")))
        .isInstanceOf(IOException.class);
    assertThatThrownBy(() -> restore(file("d"), file("d/evil"))).isInstanceOf(IOException.class);
    assertThat(outside).isEmptyDirectory();
  }

  @Test
  void emptying_follows_no_link_and_stops_at_no_permission() throws IOException {
    World.write(directory.resolve("outside/stays"), "x");
    World.write(directory.resolve("root/locked/inner/file"), "x");
    Files.createSymbolicLink(directory.resolve("root/link"), directory.resolve("outside"));
    Files.setPosixFilePermissions(directory.resolve("root/locked/inner"), java.util.Set.of());
    Files.setPosixFilePermissions(directory.resolve("root/locked"), java.util.Set.of());
    restore();
    assertThat(directory.resolve("root")).isEmptyDirectory();
    assertThat(directory.resolve("outside/stays")).exists();
  }

  @Test
  void a_manifest_reads_back_as_it_was_written() {
    Manifest manifest =
        new Manifest(
            List.of(CHUNK),
            List.of(
                new Directory("é", 0700),
                new Regular("é/🎭a", 0640, -5, List.of(new Extent(0, 1, 2), new Extent(0, 0, 4))),
                new Link("é/🎭b", "🎭a"),
                new Regular("é/🎮", 0, Long.MAX_VALUE, List.of())));
    assertThat(Manifest.decode(manifest.encode())).isEqualTo(manifest);
  }

  @Test
  void a_manifest_with_any_damage_is_refused_or_read_and_never_worse() {
    byte[] good = new Manifest(List.of(CHUNK), List.of(file("a"), file("b"))).encode();
    Random random = new Random(1);
    List<Throwable> other = new ArrayList<>();
    for (int i = 0; i < 5_000; i++) {
      byte[] bad = good.clone();
      bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
      byte[] cut = Arrays.copyOf(bad, random.nextInt(bad.length + 1));
      for (byte[] each : List.of(bad, cut)) {
        try {
          Manifest.decode(each);
        } catch (CorruptSnapshot expected) {
          assertThat(expected).hasMessageContaining("damaged");
        } catch (RuntimeException worse) {
          other.add(worse);
        }
      }
    }
    assertThat(other).isEmpty();
  }

  @Test
  void cuts_depend_on_what_is_near_them_only() {
    byte[] one = SnapshotsTest.random(1, 1_000_000);
    byte[] two = new byte[one.length + 1];
    System.arraycopy(one, 0, two, 1, one.length);
    List<Hash> first = cut(one);
    List<Hash> second = cut(two);
    assertThat(first).hasSizeBetween(25, 120);
    List<Hash> changed = new ArrayList<>(second);
    changed.removeAll(first);
    assertThat(changed).hasSizeLessThanOrEqualTo(3);
  }

  private static List<Hash> cut(byte[] data) {
    List<Hash> chunks = new ArrayList<>();
    for (int at = 0; at < data.length; ) {
      int length = Chunker.cut(data, at, data.length);
      assertThat(length).isBetween(1, Chunker.MAX);
      chunks.add(Hash.of(data, at, length));
      at += length;
    }
    return chunks;
  }

  private static Regular file(String name) {
    return new Regular(name, 0600, 0, List.of(new Extent(0, 0, DATA.length)));
  }

  private void restore(Entry... entries) throws IOException {
    new Restoration(
            directory.resolve("root"),
            new Manifest(List.of(CHUNK), List.of(entries)),
            names -> Map.of(CHUNK.hash(), Chunks.pack(DATA)))
        .run();
  }
}

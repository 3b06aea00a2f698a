package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.turnkeeper.snapshot.Manifest.Chunk;
import io.turnkeeper.snapshot.Manifest.Extent;
import java.util.List;
import org.junit.jupiter.api.Tag;

/** Manifests: one whose pieces are all there, or one that is called corrupt. */
@Tag("fuzz")
class ManifestFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void a_manifest_holds_together_or_is_corrupt(byte[] bytes) {
    Manifest read;
    try {
      read = Manifest.decode(bytes);
    } catch (CorruptSnapshot corrupt) {
      return;
    }
    List<Chunk> chunks = read.chunks();
    for (Manifest.Entry entry : read.entries()) {
      if (entry instanceof Manifest.Regular file) {
        for (Extent piece : file.extents()) {
          int length = chunks.get(piece.chunk()).length();
          assertThat(piece.offset()).isBetween(0, length);
          assertThat(piece.length()).isBetween(0, length - piece.offset());
        }
      }
    }
  }
}

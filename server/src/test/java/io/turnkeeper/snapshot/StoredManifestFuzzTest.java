package io.turnkeeper.snapshot;

import com.code_intelligence.jazzer.junit.FuzzTest;
import org.junit.jupiter.api.Tag;

/** Manifests as rows hold them: opened, or called corrupt, whatever they claim of their size. */
@Tag("fuzz")
class StoredManifestFuzzTest {
  @FuzzTest(maxDuration = "2s")
  void a_stored_manifest_is_opened_or_is_corrupt(byte[] row) {
    try {
      StoredManifest.open(row, base -> new byte[] {0, 1, 2});
    } catch (CorruptSnapshot corrupt) {
      return;
    }
  }
}

package io.turnkeeper.tokens;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Tag;

/** Tokens: nobody without the secret makes one, and none breaks the reader. */
@Tag("fuzz")
class TokenFuzzTest {
  private static final SigningKey KEY =
      new SigningKey("k1", "only-for-this-test-only-for-this".getBytes(StandardCharsets.UTF_8));
  private static final Instant NOW = Instant.parse("2026-11-25T12:00:00Z");

  @FuzzTest(maxDuration = "2s")
  void no_text_is_a_token_without_the_secret(byte[] text) {
    assertThat(
            TokenText.verify(
                new String(text, StandardCharsets.UTF_8), kid -> Optional.of(KEY), NOW))
        .isEmpty();
  }
}

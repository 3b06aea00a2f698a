package io.turnkeeper.tokens;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class TokenTextTest {
  private static final Instant NOW = Instant.parse("2026-11-25T12:00:00Z");
  private static final Instant END = NOW.plus(Duration.ofMinutes(15));
  private static final SigningKey KEY = new SigningKey("k1", secret(1));
  private static final RunScope SCOPE =
      new RunScope(
          new OrganizationId(UUID.randomUUID()),
          new AgentId(UUID.randomUUID()),
          "a thread",
          RunId.next(),
          7,
          2);

  private static byte[] secret(int fill) {
    byte[] secret = new byte[64];
    java.util.Arrays.fill(secret, (byte) fill);
    return secret;
  }

  private static Optional<SigningKey> keys(String id) {
    return id.equals("k1") ? Optional.of(KEY) : Optional.empty();
  }

  private static Optional<RunScope> verify(String text, Instant at) {
    return TokenText.verify(text, TokenTextTest::keys, at);
  }

  /** A good token, but for what is changed about it. */
  private static String but(Consumer<JWTClaimsSet.Builder> change) {
    return but(change, JWSAlgorithm.HS256, "k1", KEY.secret());
  }

  private static String but(
      Consumer<JWTClaimsSet.Builder> change, JWSAlgorithm algorithm, String kid, byte[] secret) {
    SignedJWT jwt =
        new SignedJWT(new JWSHeader.Builder(algorithm).keyID(kid).build(), claims(change));
    try {
      jwt.sign(new MACSigner(secret));
    } catch (com.nimbusds.jose.JOSEException wrong) {
      throw new IllegalStateException(wrong);
    }
    return jwt.serialize();
  }

  private static JWTClaimsSet claims(Consumer<JWTClaimsSet.Builder> change) {
    JWTClaimsSet.Builder claims =
        new JWTClaimsSet.Builder()
            .issuer("turnkeeper")
            .audience("turnkeeper-worker")
            .subject(String.valueOf(SCOPE.run()))
            .issueTime(Date.from(NOW))
            .notBeforeTime(Date.from(NOW))
            .expirationTime(Date.from(END))
            .claim("org", SCOPE.organization().toString())
            .claim("agent", SCOPE.agent().toString())
            .claim("thread", SCOPE.thread())
            .claim("epoch", 7)
            .claim("attempt", 2);
    change.accept(claims);
    return claims.build();
  }

  @Test
  void a_token_says_what_it_was_made_for() {
    assertThat(verify(TokenText.sign(SCOPE, KEY, NOW, END), NOW)).contains(SCOPE);
    assertThat(verify(but(claims -> {}), NOW)).contains(SCOPE);
  }

  @Test
  void a_token_without_a_run_is_one_and_says_so() {
    RunScope none = new RunScope(SCOPE.organization(), SCOPE.agent(), SCOPE.thread(), null, 7, 2);
    assertThat(verify(TokenText.sign(none, KEY, NOW, END), NOW)).contains(none);
  }

  @Test
  void it_is_valid_from_its_first_moment_to_its_last_and_not_beyond() {
    String text = TokenText.sign(SCOPE, KEY, NOW, END);
    assertThat(verify(text, END.minusMillis(1))).isPresent();
    assertThat(verify(text, END)).isEmpty();
    // The clock of who made it may be a little ahead.
    assertThat(verify(text, NOW.minus(TokenText.SKEW))).isPresent();
    assertThat(verify(text, NOW.minus(TokenText.SKEW).minusMillis(1))).isEmpty();
  }

  @Test
  void a_token_of_another_issuer_audience_or_without_a_time_is_refused() {
    for (String text :
        List.of(
            but(claims -> claims.issuer("somebody")),
            but(claims -> claims.issuer(null)),
            but(claims -> claims.audience("turnkeeper")),
            but(claims -> claims.audience(List.of("turnkeeper-worker", "others"))),
            but(claims -> claims.audience((String) null)),
            but(claims -> claims.expirationTime(null)),
            but(claims -> claims.notBeforeTime(null)),
            but(claims -> claims.issueTime(null)))) {
      assertThat(verify(text, NOW)).as(text).isEmpty();
    }
  }

  @Test
  void a_token_that_lacks_a_part_of_its_scope_or_has_a_strange_one_is_refused() {
    for (String claim : List.of("org", "agent", "thread", "epoch", "attempt")) {
      assertThat(verify(but(claims -> claims.claim(claim, null)), NOW)).as(claim).isEmpty();
      assertThat(verify(but(claims -> claims.claim(claim, List.of("x"))), NOW)).as(claim).isEmpty();
    }
    assertThat(verify(but(claims -> claims.subject("not a run")), NOW)).isEmpty();
    assertThat(verify(but(claims -> claims.claim("org", "not an id")), NOW)).isEmpty();
  }

  @Test
  void only_the_one_algorithm_and_a_key_that_is_known_count() {
    assertThat(verify(but(c -> {}, JWSAlgorithm.HS512, "k1", KEY.secret()), NOW)).isEmpty();
    assertThat(verify(but(c -> {}, JWSAlgorithm.HS256, "k2", KEY.secret()), NOW)).isEmpty();
    assertThat(verify(but(c -> {}, JWSAlgorithm.HS256, "k1", secret(2)), NOW)).isEmpty();
    assertThat(verify(new PlainJWT(claims(c -> {})).serialize(), NOW)).as("alg none").isEmpty();
    // The header says none, the signature is another token's.
    String[] parts = but(c -> {}).split("\\.", -1);
    String none =
        Base64.getUrlEncoder()
            .withoutPadding()
            .encodeToString("{\"alg\":\"none\",\"kid\":\"k1\"}".getBytes(StandardCharsets.UTF_8));
    assertThat(verify(none + "." + parts[1] + "." + parts[2], NOW)).isEmpty();
    assertThat(verify(none + "." + parts[1] + ".", NOW)).isEmpty();
  }

  @Test
  void a_token_that_was_changed_is_refused_wherever_it_was() {
    String text = but(claims -> {});
    for (int at = 0; at < text.length() - 1; at += 3) {
      char other = text.charAt(at) == 'A' ? 'B' : 'A';
      String changed = text.substring(0, at) + other + text.substring(at + 1);
      assertThat(verify(changed, NOW)).as(changed).isEmpty();
    }
  }

  @Test
  void what_is_no_token_at_all_is_refused_and_breaks_nothing() {
    for (String text :
        List.of(
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "tk_x",
            "\u0000",
            "{}",
            "e30.e30.e30",
            "x".repeat(100_000))) {
      assertThat(verify(text, NOW)).isEmpty();
    }
  }
}

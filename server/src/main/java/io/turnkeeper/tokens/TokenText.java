package io.turnkeeper.tokens;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.MACVerifier;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import java.text.ParseException;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A run token as text: a JWT, signed with HS256 and nothing else. The header's algorithm is
 * compared, never obeyed; its key id only finds the key.
 */
final class TokenText {
  static final String ISSUER = "turnkeeper";
  static final String AUDIENCE = "turnkeeper-worker";
  static final JWSAlgorithm ALGORITHM = JWSAlgorithm.HS256;

  /** Between the clocks of two replicas. */
  static final Duration SKEW = Duration.ofSeconds(30);

  /** A token is a few hundred characters; more is not parsed. */
  private static final int CHARS_MAX = 4_096;

  private static final String ORGANIZATION = "org";
  private static final String AGENT = "agent";
  private static final String THREAD = "thread";
  private static final String EPOCH = "epoch";
  private static final String ATTEMPT = "attempt";

  private TokenText() {}

  static String sign(RunScope scope, SigningKey key, Instant now, Instant expires) {
    RunId run = scope.run();
    JWTClaimsSet claims =
        new JWTClaimsSet.Builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .subject(run == null ? null : run.toString())
            .jwtID(UUID.randomUUID().toString())
            .issueTime(Date.from(now))
            .notBeforeTime(Date.from(now))
            .expirationTime(Date.from(expires))
            .claim(ORGANIZATION, scope.organization().toString())
            .claim(AGENT, scope.agent().toString())
            .claim(THREAD, scope.thread())
            .claim(EPOCH, scope.epoch())
            .claim(ATTEMPT, scope.attempt())
            .build();
    SignedJWT jwt =
        new SignedJWT(
            new JWSHeader.Builder(ALGORITHM).type(JOSEObjectType.JWT).keyID(key.id()).build(),
            claims);
    try {
      jwt.sign(new MACSigner(key.secret()));
    } catch (JOSEException impossible) {
      throw new IllegalStateException("a run token could not be signed", impossible);
    }
    return jwt.serialize();
  }

  /**
   * What the text says, if it is a token of ours that is valid now.
   *
   * @param keys finds a key that may verify
   */
  static Optional<RunScope> verify(
      String text, Function<String, Optional<SigningKey>> keys, Instant now) {
    if (text.length() > CHARS_MAX) {
      return Optional.empty();
    }
    try {
      SignedJWT jwt = SignedJWT.parse(text);
      String kid = jwt.getHeader().getKeyID();
      if (!ALGORITHM.equals(jwt.getHeader().getAlgorithm()) || kid == null) {
        return Optional.empty();
      }
      Optional<SigningKey> key = keys.apply(kid);
      if (key.isEmpty() || !jwt.verify(new MACVerifier(key.get().secret()))) {
        return Optional.empty();
      }
      return scope(jwt.getJWTClaimsSet(), now);
    } catch (ParseException | JOSEException | RuntimeException notOurs) {
      // Whatever it is that cannot be read: it is not a token.
      return Optional.empty();
    }
  }

  private static Optional<RunScope> scope(JWTClaimsSet claims, Instant now) throws ParseException {
    boolean ours =
        ISSUER.equals(claims.getIssuer()) && List.of(AUDIENCE).equals(claims.getAudience());
    if (!ours || !inTime(claims, now)) {
      return Optional.empty();
    }
    UUID organization = uuid(claims, ORGANIZATION);
    UUID agent = uuid(claims, AGENT);
    String thread = claims.getStringClaim(THREAD);
    Long epoch = claims.getLongClaim(EPOCH);
    Integer attempt = claims.getIntegerClaim(ATTEMPT);
    String subject = claims.getSubject();
    Optional<RunId> run = subject == null ? Optional.empty() : RunId.parse(subject);
    if (organization == null
        || agent == null
        || thread == null
        || epoch == null
        || attempt == null
        || (subject != null && run.isEmpty())) {
      return Optional.empty();
    }
    return Optional.of(
        new RunScope(
            new OrganizationId(organization),
            new AgentId(agent),
            thread,
            run.orElse(null),
            epoch,
            attempt));
  }

  /** All three times must be there. */
  private static boolean inTime(JWTClaimsSet claims, Instant now) {
    Date issued = claims.getIssueTime();
    Date notBefore = claims.getNotBeforeTime();
    Date expires = claims.getExpirationTime();
    return issued != null
        && notBefore != null
        && expires != null
        && !now.plus(SKEW).isBefore(notBefore.toInstant())
        && now.isBefore(expires.toInstant());
  }

  private static @Nullable UUID uuid(JWTClaimsSet claims, String name) throws ParseException {
    String text = claims.getStringClaim(name);
    return text == null ? null : Uuid7.parse(text).orElse(null);
  }
}

package io.turnkeeper.tenancy;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.db.Db;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * Browsers that signed in with a key. A session is good on every replica, for as long as its key is
 * valid and it is used; its token is kept nowhere but with the browser.
 */
public final class Sessions {
  /** Without a request, a session ends after so long. */
  public static final Duration IDLE = Duration.ofMinutes(30);

  /** However much it is used, it ends after so long. */
  public static final Duration WHOLE = Duration.ofHours(12);

  private static final int TOKEN_BYTES = 32;
  private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9_-]{43}");
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Db db;

  public Sessions(Db db) {
    this.db = db;
  }

  /** A new session of a caller that has just shown its key; the token, for its cookie. */
  public String open(Caller caller) {
    byte[] random = new byte[TOKEN_BYTES];
    RANDOM.nextBytes(random);
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(random);
    db.useTx(tx -> {
      tx.update(SessionSql.SWEEP).bind("idle_ms", IDLE.toMillis()).execute();
      tx.update(SessionSql.OPEN)
          .bind("hash", hash(token))
          .bind("organization_id", caller.organization().value())
          .bind("key_id", caller.keyId())
          .execute();
    });
    return token;
  }

  /** Who the session belongs to; empty when it is over, or its key was revoked. */
  public Optional<Caller> caller(String token) {
    if (!TOKEN.matcher(token).matches()) {
      return Optional.empty();
    }
    byte[] hash = hash(token);
    return db.inTx(tx ->
        tx.query(SessionSql.FIND)
            .bind("hash", hash)
            .bind("idle_ms", IDLE.toMillis())
            .bind("whole_ms", WHOLE.toMillis())
            .map((row, _) -> {
              if (row.getBoolean("stale")) {
                tx.update(SessionSql.USED).bind("hash", hash).execute();
              }
              return new Caller(
                  new OrganizationId(row.getObject("organization_id", UUID.class)),
                  row.getString("organization_name"),
                  Role.parse(row.getString("role"), "role"),
                  null,
                  row.getObject("key_id", UUID.class),
                  row.getString("key_name"));
            })
            .findOne());
  }

  /** Ends the session, if there is one. */
  public void close(String token) {
    db.useTx(tx -> tx.update(SessionSql.CLOSE).bind("hash", hash(token)).execute());
  }

  /** What a form of this session's pages carries, and one of another site cannot know. */
  public static String formToken(String token) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(hash("form:" + token));
  }

  private static byte[] hash(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException everyJdkHasIt) {
      throw new IllegalStateException(everyJdkHasIt);
    }
  }
}

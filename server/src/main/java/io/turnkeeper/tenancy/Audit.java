package io.turnkeeper.tenancy;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.db.Db;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.OffsetDateTime;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The append-only log of who did what to keys, agents, caps and conversations. */
public final class Audit {
  private static final int DIGEST_CHARS = 16;
  private static final int SUBJECT_CHARS_MAX = 200;

  private final Db db;

  Audit(Db db) {
    this.db = db;
  }

  /**
   * Something that somebody does.
   *
   * @param organization whose it is
   * @param action such as {@code key.create}
   */
  public record Deed(
      OrganizationId organization, Caller by, String action, String subject, String requestId) {}

  /** Written before it is done: when this fails, nothing may be done. */
  public void asked(Deed deed) {
    write(deed, "asked");
  }

  /** It was not done after all. */
  public void refused(Deed deed) {
    write(deed, "refused");
  }

  /** A thread as the log names it: its id is the client's text, and must be able to go. */
  public static String thread(String id) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(id.getBytes(StandardCharsets.UTF_8));
      return "thread:" + HexFormat.of().formatHex(digest).substring(0, DIGEST_CHARS);
    } catch (NoSuchAlgorithmException everyJdkHasIt) {
      throw new IllegalStateException(everyJdkHasIt);
    }
  }

  /**
   * Newest first.
   *
   * @param before only those with a smaller id; null for the newest
   * @param subject only of this one; null for all
   */
  public List<AuditEntry> entries(
      OrganizationId organization, @Nullable Long before, @Nullable String subject, int limit) {
    return db.inTx(
        organization,
        tx ->
            tx.query(TenancySql.AUDIT)
                .bind("organization_id", organization.value())
                .bind("before", before)
                .bind("subject", subject)
                .bind("limit", limit)
                .map((row, _) ->
                    new AuditEntry(
                        row.getLong("id"),
                        row.getObject("at", OffsetDateTime.class).toInstant(),
                        row.getString("key_id"),
                        row.getString("key_name"),
                        row.getString("action"),
                        row.getString("subject"),
                        row.getString("outcome"),
                        row.getString("request_id")))
                .list());
  }

  private void write(Deed deed, String outcome) {
    String subject = deed.subject();
    db.useTx(
        deed.organization(),
        tx ->
            tx.update(TenancySql.INSERT_AUDIT)
                .bind("organization_id", deed.organization().value())
                .bind("key_id", deed.by().keyId())
                .bind("key_name", deed.by().keyName())
                .bind("action", deed.action())
                .bind(
                    "subject",
                    subject.length() <= SUBJECT_CHARS_MAX
                        ? subject
                        : subject.substring(0, SUBJECT_CHARS_MAX))
                .bind("outcome", outcome)
                .bind("request_id", deed.requestId())
                .execute());
  }
}

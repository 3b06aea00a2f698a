package io.turnkeeper.tenancy;

import java.time.Instant;

/**
 * Who did what.
 *
 * @param keyName of the key that asked, as it was named then
 * @param outcome {@code asked}: written before it was done; {@code refused}: it was not done after
 *     all
 */
public record AuditEntry(
    long id,
    Instant at,
    String keyId,
    String keyName,
    String action,
    String subject,
    String outcome,
    String requestId) {}

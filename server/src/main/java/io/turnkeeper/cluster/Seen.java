package io.turnkeeper.cluster;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import org.jspecify.annotations.Nullable;

/**
 * One replica as a look saw it.
 *
 * @param me whether it is the one that looks: by its id, and as it was when it joined
 * @param serverStartedAt of the database server that answered
 * @param locked whether somebody holds its advisory lock
 */
record Seen(
    int id,
    boolean me,
    @Nullable Integer wantedLeases,
    OffsetDateTime serverStartedAt,
    long heartbeatAgeMillis,
    boolean locked) {
  static Seen read(ResultSet row) throws SQLException {
    return new Seen(
        row.getInt("id"),
        row.getBoolean("me"),
        row.getObject("wanted_leases", Integer.class),
        row.getObject("server_started_at", OffsetDateTime.class),
        row.getLong("heartbeat_age_ms"),
        row.getBoolean("locked"));
  }
}

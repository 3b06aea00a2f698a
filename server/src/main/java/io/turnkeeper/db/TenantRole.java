package io.turnkeeper.db;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * The role that transactions of tenants take where the server's own user is above row-level
 * security: a superuser, or one with BYPASSRLS. It cannot log in, and may not change the audit log.
 */
final class TenantRole {
  static final String NAME = "turnkeeper_tenant";

  static final String BYPASSES =
      "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";

  /** Replicas that start together make it one after the other. */
  private static final String LOCK = "SELECT pg_advisory_xact_lock(119859217425765)";

  private static final String MISSING = "SELECT to_regrole('" + NAME + "') IS NULL";

  private static final String MAKE =
      """
      DO $$ BEGIN
        CREATE ROLE %1$s NOLOGIN;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
          EXECUTE format('GRANT %1$s TO %%I', current_user);
        END IF;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- made at the same moment for another database of this server
      END $$
      """
          .formatted(NAME);

  /** Also what later releases add, and what was restored without its grants. */
  private static final String GRANT_MISSING =
      """
      DO $$
      DECLARE
        one record;
      BEGIN
        FOR one IN
          SELECT c.oid, c.relname FROM pg_class c
           WHERE c.relnamespace = current_schema()::text::regnamespace AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition AND c.relname NOT LIKE 'flyway%%'
             AND NOT has_table_privilege('%1$s', c.oid, 'INSERT')
        LOOP
          EXECUTE format('GRANT SELECT, INSERT ON %%I TO %1$s', one.relname);
          IF one.relname <> 'audit_log' THEN
            EXECUTE format('GRANT UPDATE, DELETE ON %%I TO %1$s', one.relname);
          END IF;
        END LOOP;
        IF NOT has_schema_privilege('%1$s', current_schema(), 'USAGE') THEN
          EXECUTE format('GRANT USAGE ON SCHEMA %%I TO %1$s', current_schema());
        END IF;
      END $$
      """
          .formatted(NAME);

  private TenantRole() {}

  /** Makes sure that there is one where it is needed. Safe to repeat. */
  static void ensure(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      if (isTrue(statement, BYPASSES)) {
        statement.execute(LOCK);
        if (isTrue(statement, MISSING)) {
          statement.execute(MAKE);
        }
        statement.execute(GRANT_MISSING);
      }
      connection.commit();
    }
  }

  private static boolean isTrue(Statement statement, String sql) throws SQLException {
    try (ResultSet row = statement.executeQuery(sql)) {
      return row.next() && row.getBoolean(1);
    }
  }
}

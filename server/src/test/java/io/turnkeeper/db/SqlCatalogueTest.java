package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

@DbTest
class SqlCatalogueTest {
  private static final Pattern TABLE =
      Pattern.compile("(?i)\\b(?:FROM|JOIN|INTO|UPDATE|USING)\\s+(?:ONLY\\s+)?(\\w+)");
  private static final Pattern SCOPED =
      Pattern.compile(
          "(?i)organization_id\\s*(?:=|IN\\b)|=\\s*\\w+\\.organization_id|INTO\\s+\\w+[^()]*\\([^)]*organization_id");
  private static final Pattern REASON = Pattern.compile("-- cross-tenant: \\S+");

  /** Statements that name their rows by what only one tenant can hold. */
  private static final Map<String, String> FENCED =
      Map.of(
          "LeaseSql.PICK", "a replica serves all tenants, the fairest first",
          "LeaseSql.SETTLE", "a lease names its conversation",
          "LeaseSql.HEADS", "a lease names its conversation",
          "UpkeepSql.END_PENDING", "ids were found in their organizations");

  @Test
  void every_statement_fits_the_schema(Db db) {
    Map<String, String> refused = new TreeMap<>();
    Statements.all()
        .forEach((name, sql) ->
            db.useTx(tx -> {
              try (PreparedStatement statement =
                  tx.connection().prepareStatement(Statements.positional(sql, n -> "?"))) {
                assertThat(statement.getParameterMetaData()).isNotNull();
              } catch (SQLException wrong) {
                refused.put(name, String.valueOf(wrong.getMessage()));
                rollback(tx);
              }
            }));
    assertThat(Statements.all()).hasSizeGreaterThan(50);
    assertThat(refused).isEmpty();
  }

  @Test
  @Promise(8)
  void every_statement_on_a_tenant_s_table_names_the_tenant_or_says_why_not(Db db) {
    Set<String> tables =
        new HashSet<>(
            db.inTx(tx ->
                tx.query(
                        """
                        SELECT table_name FROM information_schema.columns
                         WHERE table_schema = 'public' AND column_name = 'organization_id'
                        """)
                    .mapTo(String.class)
                    .list()));
    assertThat(tables).contains("runs", "mailboxes", "run_events", "snapshots", "api_keys");
    Set<String> unscoped = new java.util.TreeSet<>();
    Statements.all()
        .forEach((name, sql) -> {
          boolean tenants = tables(sql).stream().anyMatch(tables::contains);
          if (tenants
              && !SCOPED.matcher(Statements.code(sql)).find()
              && !REASON.matcher(sql).find()) {
            unscoped.add(name);
          }
        });
    assertThat(unscoped).as("without an organization or a reason").isEqualTo(FENCED.keySet());
  }

  private static void rollback(Tx tx) {
    try {
      tx.connection().rollback();
    } catch (SQLException broken) {
      throw new IllegalStateException(broken);
    }
  }

  private static List<String> tables(String sql) {
    List<String> tables = new ArrayList<>();
    Matcher matcher = TABLE.matcher(Statements.code(sql));
    while (matcher.find()) {
      tables.add(matcher.group(1));
    }
    return tables;
  }
}

package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
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

/**
 * Every statement of the product: the constants, not private, of the classes that are named {@code
 * …Sql}. A private constant is a part of others.
 */
@DbTest
class SqlCatalogueTest {
  private static final Pattern NOT_CODE = Pattern.compile("--[^\\n]*|'(?:[^']|'')*'");
  private static final Pattern PARAMETER = Pattern.compile("(?<!:):[a-zA-Z_]\\w*");
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
          "LeaseSql.GRANT", "rows that this transaction picked and locked",
          "LeaseSql.START_NEXT", "a lease names its conversation",
          "LeaseSql.SETTLE", "a lease names its conversation",
          "LeaseSql.HEADS", "a lease names its conversation",
          "UpkeepSql.END_PENDING", "ids were found in their organizations");

  @Test
  void every_statement_fits_the_schema(Db db) {
    Map<String, String> refused = new TreeMap<>();
    statements()
        .forEach((name, sql) ->
            db.useTx(tx -> {
              try (PreparedStatement statement =
                  tx.connection().prepareStatement(positional(sql))) {
                assertThat(statement.getParameterMetaData()).isNotNull();
              } catch (SQLException wrong) {
                refused.put(name, String.valueOf(wrong.getMessage()));
                rollback(tx);
              }
            }));
    assertThat(statements()).hasSizeGreaterThan(50);
    assertThat(refused).isEmpty();
  }

  @Test
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
    statements()
        .forEach((name, sql) -> {
          boolean tenants = tables(sql).stream().anyMatch(tables::contains);
          if (tenants && !SCOPED.matcher(code(sql)).find() && !REASON.matcher(sql).find()) {
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

  private static Map<String, String> statements() {
    Map<String, String> statements = new TreeMap<>();
    for (JavaClass type :
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("io.turnkeeper")) {
      if (type.getSimpleName().endsWith("Sql")) {
        for (Field field : type.reflect().getDeclaredFields()) {
          if (field.getType() == String.class && !Modifier.isPrivate(field.getModifiers())) {
            statements.put(type.getSimpleName() + "." + field.getName(), value(field));
          }
        }
      }
    }
    return statements;
  }

  private static String value(Field field) {
    try {
      field.setAccessible(true);
      return (String) field.get(null);
    } catch (IllegalAccessException hidden) {
      throw new IllegalStateException(hidden);
    }
  }

  private static List<String> tables(String sql) {
    List<String> tables = new ArrayList<>();
    Matcher matcher = TABLE.matcher(code(sql));
    while (matcher.find()) {
      tables.add(matcher.group(1));
    }
    return tables;
  }

  /** Each use of a name is a parameter of its own, as it is when the statement is run. */
  private static String positional(String sql) {
    Matcher skipped = NOT_CODE.matcher(sql);
    StringBuilder out = new StringBuilder();
    int from = 0;
    while (skipped.find()) {
      out.append(PARAMETER.matcher(sql.substring(from, skipped.start())).replaceAll("?"));
      out.append(skipped.group().startsWith("--") ? "" : skipped.group());
      from = skipped.end();
    }
    return out.append(PARAMETER.matcher(sql.substring(from)).replaceAll("?")).toString();
  }

  private static String code(String sql) {
    return NOT_CODE.matcher(sql).replaceAll("''");
  }
}

package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.OrganizationId;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The wall behind the code: statements that forget the organization see and change nothing of
 * another's, whether the server's user is a superuser or only owns its tables.
 */
@DbTest
@Promise(8)
class RowSecurityTest {
  private static final OrganizationId OURS = new OrganizationId(UUID.randomUUID());
  private static final OrganizationId THEIRS = new OrganizationId(UUID.randomUUID());
  private static final String OWNER = "owner_" + ProcessHandle.current().pid();
  private static final String PASSWORD = "only-for-this-test";

  /** As whom the server connects. */
  enum User {
    /** The embedded database's, and of many a container. */
    SUPERUSER,
    /** Owns the database and its tables, and may nothing else: as a provider gives it. */
    OWNER
  }

  private final Db superuser;
  private final Db owner;

  RowSecurityTest(Db db) {
    superuser = db;
    db.useTx(tx -> {
      tx.update("CREATE ROLE %s LOGIN PASSWORD '%s'".formatted(OWNER, PASSWORD)).execute();
    });
    DatabaseUrl empty = TestDatabases.empty("owned");
    String name = empty.toString().replaceFirst("^.*/([^/?]+)(\\?.*)?$", "$1");
    TestDatabases.admin("ALTER DATABASE " + name + " OWNER TO " + OWNER);
    String bare = empty.toString().replaceFirst("//[^/@]*@", "//");
    DatabaseUrl url =
        DatabaseUrl.parse(bare.replaceFirst("//", "//" + OWNER + ":" + PASSWORD + "@"));
    Migrations.migrate(url);
    owner = Db.open(url, 2, Duration.ofSeconds(10));
    List.of(superuser, owner).forEach(RowSecurityTest::fill);
  }

  @AfterAll
  void close() {
    owner.close();
  }

  private Db as(User user) {
    return user == User.OWNER ? owner : superuser;
  }

  private static void fill(Db db) {
    db.useTx(tx -> {
      for (OrganizationId one : List.of(OURS, THEIRS)) {
        for (String sql :
            List.of(
                "INSERT INTO organizations (id, name) VALUES (:o, 'n-' || :o::text)",
                "INSERT INTO agents (id, organization_id, name, version) VALUES (:o, :o, 'a', 1)",
                "INSERT INTO conversations (organization_id, agent_id, id) VALUES (:o, :o, 'same')",
                "INSERT INTO mailboxes (conversation_key, organization_id, agent_id)"
                    + " SELECT key, :o, :o FROM conversations WHERE organization_id = :o",
                "INSERT INTO audit_log (organization_id, key_id, key_name, action, subject, outcome,"
                    + " request_id) VALUES (:o, :o, 'k', 'key.create', 's', 'asked', 'r')",
                "INSERT INTO api_keys (id, organization_id, name, role, secret_hash, agent_id)"
                    + " VALUES (:o, :o, 'k', 'worker', '', :o)",
                "INSERT INTO workers (id, organization_id, agent_id, key_id, name, connection,"
                    + " capacity, expires_at) VALUES (:o, :o, :o, :o, 'w', :o, 1, now())",
                "INSERT INTO worker_turns (run_id, organization_id, agent_id, conversation_key,"
                    + " epoch, attempt, deadline_at) SELECT :o, :o, :o, key, 1, 1, now()"
                    + " FROM conversations WHERE organization_id = :o",
                "INSERT INTO worker_messages (run_id, organization_id, seq, data)"
                    + " VALUES (:o, :o, 1, '{}')",
                "INSERT INTO token_keys (id, secret, expires_at) VALUES (:o::text, '', now())")) {
          tx.update(sql).bind("o", one.value()).execute();
        }
      }
    });
  }

  @ParameterizedTest
  @EnumSource(User.class)
  void a_statement_that_forgets_the_where_sees_only_its_own_tenant_s_rows(User user) {
    for (String table :
        List.of(
            "agents",
            "conversations",
            "mailboxes",
            "audit_log",
            "workers",
            "worker_turns",
            "worker_messages")) {
      List<UUID> seen =
          as(user)
              .inTx(
                  OURS,
                  tx -> tx.query("SELECT organization_id FROM " + table).mapTo(UUID.class).list());
      assertThat(seen).as(table).containsExactly(OURS.value());
    }
    assertThat(
            as(user)
                .<List<UUID>>inTx(
                    OURS, tx -> tx.query("SELECT id FROM organizations").mapTo(UUID.class).list()))
        .containsExactly(OURS.value());
    OrganizationId nobody = new OrganizationId(UUID.randomUUID());
    assertThat(
            as(user)
                .<List<UUID>>inTx(
                    nobody, tx -> tx.query("SELECT id FROM agents").mapTo(UUID.class).list()))
        .isEmpty();
  }

  @ParameterizedTest
  @EnumSource(User.class)
  void what_run_tokens_are_signed_with_is_no_tenant_s(User user) {
    String count = "SELECT count(*)::int FROM token_keys";
    assertThat(as(user).<Integer>inTx(OURS, tx -> tx.query(count).mapTo(Integer.class).one()))
        .isZero();
    assertThat(as(user).<Integer>inTx(tx -> tx.query(count).mapTo(Integer.class).one()))
        .isEqualTo(2);
  }

  @ParameterizedTest
  @EnumSource(User.class)
  void it_changes_and_makes_nothing_of_another_s(User user) {
    int changed =
        as(user).inTx(OURS, tx -> tx.update("UPDATE agents SET max_running = 1").execute());
    assertThat(changed).isEqualTo(1);
    assertThat(
            as(user)
                .<Integer>inTx(
                    OURS,
                    tx ->
                        tx.update("DELETE FROM mailboxes WHERE organization_id = :o")
                            .bind("o", THEIRS.value())
                            .execute()))
        .isZero();
    assertThatThrownBy(() ->
            as(user)
                .useTx(
                    OURS,
                    tx ->
                        tx.update(
                                "INSERT INTO conversations (organization_id, id) VALUES (:o, 'x')")
                            .bind("o", THEIRS.value())
                            .execute()))
        .hasMessageContaining("row-level security");
  }

  @ParameterizedTest
  @EnumSource(User.class)
  void the_first_statement_of_any_kind_is_scoped_and_the_next_transaction_is_free_again(User user) {
    as(user)
        .useTx(
            OURS,
            tx -> {
              var second = tx.query("SELECT count(*) FROM agents");
              assertThat(tx.query("SELECT count(*) FROM agents").mapTo(Long.class).one())
                  .isEqualTo(1);
              assertThat(second.mapTo(Long.class).one()).isEqualTo(1);
            });
    for (int i = 0; i < 12; i++) {
      assertThat(
              as(user)
                  .<Long>inTx(
                      OURS,
                      tx ->
                          tx.query("SELECT count(*) FROM conversations WHERE id = :id")
                              .bind("id", "same")
                              .mapTo(Long.class)
                              .one()))
          .isEqualTo(1);
      assertThat(
              as(user)
                  .<Long>inTx(
                      tx -> tx.query("SELECT count(*) FROM agents").mapTo(Long.class).one()))
          .isEqualTo(2);
    }
  }

  @Test
  void a_tenant_s_transaction_can_not_change_the_audit_log() {
    for (User user : User.values()) {
      for (String sql : List.of("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log")) {
        assertThatThrownBy(() -> as(user).useTx(OURS, tx -> tx.update(sql).execute()))
            .as(user + " " + sql)
            .hasMessageMatching("(?s).*(only grows|permission denied).*");
        assertThatThrownBy(() -> as(user).useTx(tx -> tx.update(sql).execute()))
            .as(user + " " + sql)
            .hasMessageContaining("only grows");
      }
      assertThatThrownBy(() -> as(user).useTx(tx -> tx.update("TRUNCATE audit_log").execute()))
          .hasMessageContaining("only grows");
    }
  }

  @Test
  void every_table_of_tenants_has_its_wall() {
    Set<String> tables =
        new TreeSet<>(
            superuser.<List<String>>inTx(tx ->
                tx.query(
                        """
                        SELECT c.relname FROM pg_class c
                          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
                         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
                        """)
                    .mapTo(String.class)
                    .list()));
    Set<String> walled =
        new TreeSet<>(
            superuser.<List<String>>inTx(tx ->
                tx.query(
                        """
                        SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
                         WHERE c.relrowsecurity AND c.relforcerowsecurity
                           AND c.relname NOT IN ('organizations', 'token_keys')
                        """)
                    .mapTo(String.class)
                    .list()));
    assertThat(walled).isEqualTo(tables);
  }
}

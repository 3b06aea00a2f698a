package io.turnkeeper.agents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.agents.AgentDefinition.Kind;
import io.turnkeeper.agents.AgentDefinition.OnWorkerLoss;
import io.turnkeeper.agents.AgentDefinition.Permissions;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.tenancy.Tenancy;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

@DbTest
class AgentsTest {
  private static final byte[] OLD_KEY = new byte[32];
  private static final byte[] NEW_KEY =
      "0123456789abcdef0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private final Db db;
  private final Agents agents;
  private final OrganizationId ours;
  private final OrganizationId theirs;

  AgentsTest(Db db) {
    this.db = db;
    agents = new Agents(db, Vault.of(List.of(OLD_KEY)));
    Tenancy tenancy = new Tenancy(db, Clock.system());
    ours = tenancy.createOrganization("org-" + Uuid7.next(), null).organization().id();
    theirs = tenancy.createOrganization("org-" + Uuid7.next(), null).organization().id();
  }

  private static ObjectNode body(String name) {
    ObjectNode body = Json.object().put("name", name);
    body.putArray("command").add("agent").add("--acp");
    return body;
  }

  @Test
  void an_agent_has_safe_defaults() {
    Agents.Added added = agents.add(ours, body("plain"));
    assertThat(added.created()).isTrue();
    Agent agent = added.agent();
    assertThat(agent.version()).isEqualTo(1);
    assertThat(agent.maxRunning()).isNull();
    AgentDefinition definition = agent.definition();
    assertThat(definition.kind()).isEqualTo(Kind.ACP);
    assertThat(definition.command()).containsExactly("agent", "--acp");
    assertThat(definition.permissions()).isEqualTo(Permissions.ASK);
    assertThat(definition.onWorkerLoss()).isEqualTo(OnWorkerLoss.FAIL);
    assertThat(definition.timeouts().run()).isEqualTo(Duration.ofHours(1));
    assertThat(definition.state()).isEmpty();
  }

  @Test
  void adding_a_name_again_makes_a_new_version_and_keeps_the_old_one() {
    Agent first = agents.add(ours, body("twice")).agent();
    ObjectNode changed = body("twice").put("kind", "command").put("max_running", 3);
    changed.put("run_timeout_ms", 5000);
    Agents.Added second = agents.add(ours, changed);
    assertThat(second.created()).isFalse();
    assertThat(second.agent().id()).isEqualTo(first.id());
    assertThat(second.agent().version()).isEqualTo(2);
    assertThat(second.agent().maxRunning()).isEqualTo(3);
    assertThat(agents.definition(ours, first.id(), 1)).contains(first.definition());
    assertThat(agents.definition(ours, first.id(), 2)).contains(second.agent().definition());
    assertThat(agents.definition(ours, first.id(), 3)).isEmpty();
    assertThat(agents.versions(ours, "twice"))
        .extracting(AgentVersion::version)
        .containsExactly(2, 1);
  }

  @Test
  void additions_at_once_each_get_a_version_of_their_own() throws Exception {
    List<Integer> versions = new ArrayList<>();
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Agents.Added>> all = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        all.add(threads.submit(() -> agents.add(ours, body("busy"))));
      }
      for (Future<Agents.Added> one : all) {
        one.get();
      }
    }
    agents.versions(ours, "busy").forEach(version -> versions.add(version.version()));
    assertThat(versions).containsExactly(8, 7, 6, 5, 4, 3, 2, 1);
  }

  @Test
  void values_of_variables_are_kept_and_never_shown() {
    ObjectNode body = body("secretive");
    body.putObject("env").put("API_KEY", "hunter2");
    Agent first = agents.add(ours, body).agent();
    assertThat(first.definition().env()).containsEntry("API_KEY", "hunter2");
    assertThat(first.definition().shown().toString()).contains("***").doesNotContain("hunter2");
    assertThat(first.toString()).doesNotContain("hunter2");
    ObjectNode again = body("secretive");
    again.putObject("env").put("API_KEY", "***").put("OTHER", "plain");
    Agent second = agents.add(ours, again).agent();
    assertThat(second.definition().env())
        .containsEntry("API_KEY", "hunter2")
        .containsEntry("OTHER", "plain");
    again.putObject("env").put("NEVER_SET", "***");
    assertRefused(again, "invalid_env", "env.NEVER_SET");
  }

  private String stored() {
    return db.inTx(tx ->
        String.join(
            "\n",
            tx.query("SELECT definition::text FROM agent_versions").mapTo(String.class).list()));
  }

  @Test
  void variables_are_stored_sealed_and_move_to_a_new_key_on_demand() {
    ObjectNode body = body("sealed");
    body.putObject("env").put("TOKEN", "hunter2-hunter2");
    agents.add(ours, body);
    assertThat(stored()).contains("TOKEN").doesNotContain("hunter2-hunter2");

    Agents both = new Agents(db, Vault.of(List.of(NEW_KEY, OLD_KEY)));
    assertThat(both.find(ours, "sealed").definition().env())
        .containsEntry("TOKEN", "hunter2-hunter2");
    Agents onlyNew = new Agents(db, Vault.of(List.of(NEW_KEY)));
    assertThat(onlyNew.find(ours, "sealed").definition().readable()).isFalse();
    assertThat(onlyNew.rotate().unreadable()).isPositive();
    assertThat(both.rotate().sealed()).isPositive();
    assertThat(both.rotate()).isEqualTo(new Agents.Rotated(0, 0));
    assertThat(onlyNew.find(ours, "sealed").definition().env())
        .containsEntry("TOKEN", "hunter2-hunter2");
    assertThat(new Agents(db, Vault.of(List.of(OLD_KEY, NEW_KEY))).rotate().sealed()).isPositive();
  }

  @Test
  void what_is_sealed_for_one_tenant_opens_for_no_other() {
    Vault vault = Vault.of(List.of(OLD_KEY));
    ObjectNode sealed = vault.seal(ours, "TOKEN", "hunter2");
    assertThat(vault.open(ours, "TOKEN", sealed)).contains("hunter2");
    assertThat(vault.open(theirs, "TOKEN", sealed)).isEmpty();
    assertThat(vault.open(ours, "OTHER", sealed)).isEmpty();
    assertThat(vault.seal(ours, "TOKEN", "hunter2")).isNotEqualTo(sealed);
  }

  @Test
  void without_a_key_variables_are_refused_rather_than_stored_in_the_clear() {
    ObjectNode body = body("keyless");
    body.putObject("env").put("TOKEN", "hunter2");
    assertThatThrownBy(() -> new Agents(db).add(ours, body))
        .isInstanceOf(Refusal.Conflict.class)
        .hasMessageContaining("secrets.key")
        .hasMessageNotContaining("hunter2");
  }

  @Test
  void a_key_file_is_made_once_for_its_owner_only(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("secrets.key");
    ObjectNode sealed = Vault.kept(file).seal(ours, "A", "plain");
    assertThat(Vault.kept(file).open(ours, "A", sealed)).contains("plain");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    assertThat(directory.toFile().list()).containsExactly("secrets.key");
    Files.writeString(file, "no key");
    assertThatThrownBy(() -> Vault.kept(file)).hasMessageContaining("secrets.key");
  }

  @Test
  void an_agent_is_found_by_name_or_id_in_its_organization_only() {
    Agent agent = agents.add(ours, body("mine")).agent();
    assertThat(agents.find(ours, "mine")).isEqualTo(agent);
    assertThat(agents.find(ours, agent.id().toString())).isEqualTo(agent);
    for (String id : List.of("mine", agent.id().toString())) {
      assertThatThrownBy(() -> agents.find(theirs, id))
          .isInstanceOf(Refusal.NotFound.class)
          .hasMessage("no such agent: " + id);
    }
    assertThat(agents.current(theirs, agent.id())).isEmpty();
    assertThat(agents.definition(theirs, agent.id(), 1)).isEmpty();
    assertThatThrownBy(() -> agents.remove(theirs, agent.id().toString()))
        .isInstanceOf(Refusal.NotFound.class);
    assertThatThrownBy(() -> agents.find(ours, "x".repeat(10_000)))
        .isInstanceOf(Refusal.NotFound.class);
  }

  @Test
  void a_removed_agent_frees_its_name_and_stays_known_by_its_id() {
    Agent agent = agents.add(ours, body("going")).agent();
    agents.remove(ours, "going");
    assertThatThrownBy(() -> agents.find(ours, "going")).isInstanceOf(Refusal.NotFound.class);
    assertThatThrownBy(() -> agents.remove(ours, "going")).isInstanceOf(Refusal.NotFound.class);
    assertThat(agents.current(ours, agent.id()))
        .hasValueSatisfying(now -> assertThat(now.removed()).isTrue());
    assertThat(agents.list(ours)).extracting(Agent::name).doesNotContain("going");
    Agent next = agents.add(ours, body("going")).agent();
    assertThat(next.id()).isNotEqualTo(agent.id());
    assertThat(next.version()).isEqualTo(1);
  }

  @Test
  void a_pause_outlives_a_new_version() {
    agents.add(ours, body("resting"));
    assertThat(agents.pause(ours, "resting", "ann").pausedBy()).isEqualTo("ann");
    assertThat(agents.add(ours, body("resting")).agent().pausedAt()).isNotNull();
    assertThat(agents.resume(ours, "resting").pausedAt()).isNull();
  }

  @Test
  void what_is_out_of_range_is_refused_by_field() {
    assertRefused(body("Upper"), "invalid_name", "name");
    assertRefused(body("-dash"), "invalid_name", "name");
    assertRefused(body("x".repeat(64)), "invalid_name", "name");
    assertRefused(Json.object().put("name", "a"), "command_missing", "command");
    assertRefused(body("a").put("command", "sh -c x"), "invalid_list", "command");
    assertRefused(body("a").put("kind", "elsewhere"), "unknown_value", "kind");
    assertRefused(body("a").put("kind", "remote"), "not_for_remote", "command");
    assertRefused(body("a").put("run_timeout_ms", -1), "out_of_range", "run_timeout_ms");
    assertRefused(body("a").put("run_timeout_ms", "1h"), "out_of_range", "run_timeout_ms");
    assertRefused(body("a").put("max_attempts", 0), "out_of_range", "max_attempts");
    assertRefused(body("a").put("max_running", -1), "out_of_range", "max_running");
    assertRefused(body("a").put("timeout", 5), "unknown_field", "timeout");
    ObjectNode home = body("a");
    home.putObject("env").put("HOME", "/root");
    assertRefused(home, "invalid_env", "env.HOME");
    ObjectNode number = body("a");
    number.putObject("env").put("N", 1);
    assertRefused(number, "invalid_env", "env.N");
    ObjectNode outside = body("a");
    outside.putArray("state").add("../../etc/**");
    assertRefused(outside, "invalid_glob", "state");
    assertThat(agents.list(ours)).extracting(Agent::name).doesNotContain("a");
  }

  private void assertRefused(ObjectNode body, String code, String field) {
    assertThatThrownBy(() -> agents.add(ours, body))
        .isInstanceOfSatisfying(
            Refusal.Invalid.class,
            refusal -> {
              assertThat(refusal.code()).isEqualTo(code);
              assertThat(refusal.field()).isEqualTo(field);
            });
  }
}

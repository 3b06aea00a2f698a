package io.turnkeeper.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@Promise(9)
class ConfigLoaderTest {
  private static final ConfigLoader.Machine MACHINE = new ConfigLoader.Machine(2, 8L << 30);

  private static final String KEY = "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=";

  /** Each setting with two good values besides its default, and one that is out of range. */
  private static final List<Example> EXAMPLES =
      List.of(
          new Example("data", "/var/lib/a", "/var/lib/b", ""),
          new Example("host", "0.0.0.0", "localhost", " "),
          new Example("port", "0", "65535", "65536"),
          new Example("database-url", "postgresql://a/b", "postgres://c/d", "mysql://e/f"),
          new Example("session-database-url", "postgresql://a/b", "postgresql://c/d", "e"),
          new Example("pool-size", "2", "500", "1"),
          new Example("session-store", "file", "database", "s3"),
          new Example("max-leases", "0", "100000", "-1"),
          new Example("drain-timeout", "0s", "5m", "25h"),
          new Example("lease.ttl", "10s", "5m", "900ms"),
          new Example("lease.grace", "50ms", "2s", "49ms"),
          new Example("lease.heartbeat", "100ms", "500ms", "2m"),
          new Example("tls-cert", "/etc/a.crt", "/etc/b.crt", "\0"),
          new Example("tls-key", "/etc/a.key", "/etc/b.key", "\0"),
          new Example("http.body-max", "1KiB", "64MiB", "65MiB"),
          new Example("http.streams-max", "1", "5", "0"),
          new Example("cors.origins", "https://a.example", "*", "ftp://a"),
          new Example("snapshots.max", "1MiB", "1GiB", "1KiB"),
          new Example("snapshots.keep", "1", "10000", "0"),
          new Example("events.retention", "1d", "365d", "23h"),
          new Example("worker.memory-budget", "64MiB", "8GiB", "1MiB"),
          new Example("worker.cancel-grace", "100ms", "10m", "11m"),
          new Example("worker.term-grace", "100ms", "10m", "99ms"),
          new Example("remote.deadline", "1s", "5m", "900ms"),
          new Example("remote.token-ttl", "30s", "1h", "1s"),
          new Example("remote.token-key-rotation", "1m", "365d", "59s"),
          new Example("webhook.networks", "10.0.0.0/8", "fd00::/8,127.0.0.0/8", "localhost"),
          new Example("webhook.retry", "100ms", "1h", "99ms"),
          new Example("secrets.key", KEY, KEY + "," + KEY, "c2hvcnQ="),
          new Example("log.format", "json", "text", "xml"),
          new Example("log.level", "debug", "error", "loud"));

  @TempDir private Path home;

  record Example(String name, String one, String other, String wrong) {
    /** Secrets are never shown. */
    String shown(String value) {
      return name.equals("secrets.key") ? "***" : value;
    }

    String env() {
      return "TURNKEEPER_" + name.toUpperCase(java.util.Locale.ROOT).replaceAll("[.-]", "_");
    }
  }

  static Stream<Arguments> examples() {
    return EXAMPLES.stream().map(Arguments::of);
  }

  @Test
  void every_setting_has_an_example_here() {
    assertThat(load(Map.of(), Map.of()).shown())
        .extracting(ConfigLoader.Shown::name)
        .containsExactlyElementsOf(EXAMPLES.stream().map(Example::name).toList());
  }

  @Test
  void nothing_given_gives_the_documented_defaults() {
    Settings settings = load(Map.of(), Map.of()).settings();

    assertThat(settings.data()).isEqualTo(home.resolve(".turnkeeper"));
    assertThat(settings.http().host()).isEqualTo("127.0.0.1");
    assertThat(settings.http().port()).isEqualTo(8787);
    assertThat(settings.http().bodyMax()).isEqualTo(4 << 20);
    assertThat(settings.database().url()).isEmpty();
    assertThat(settings.database().poolSize()).isEqualTo(10);
    assertThat(settings.lease().ttl()).isEqualTo(Duration.ofSeconds(5));
    assertThat(settings.lease().grace()).isEqualTo(Duration.ofMillis(400));
    assertThat(settings.lease().heartbeat()).isEqualTo(Duration.ofSeconds(1));
    assertThat(settings.snapshots().store()).isEqualTo(Settings.SessionStore.DATABASE);
    assertThat(settings.snapshots().keep()).isEqualTo(20);
    assertThat(settings.events().retention()).isEqualTo(Duration.ofDays(30));
    assertThat(settings.drainTimeout()).isEqualTo(Duration.ofSeconds(30));
    assertThat(settings.maxLeases()).isEqualTo(16);
    assertThat(settings.worker().memoryBudget()).isEqualTo(4L << 30);
  }

  @ParameterizedTest
  @MethodSource("examples")
  void each_setting_comes_from_the_file(Example example) throws IOException {
    write(example.name() + " = \"" + example.one() + "\"");

    assertThat(shown(load(needed(example, Map.of()), Map.of()), example.name()))
        .extracting(ConfigLoader.Shown::value, ConfigLoader.Shown::source)
        .containsExactly(example.shown(example.one()), file().toString());
  }

  @ParameterizedTest
  @MethodSource("examples")
  void for_each_setting_the_environment_is_louder_than_the_file(Example example)
      throws IOException {
    write(example.name() + " = \"" + example.one() + "\"");

    assertThat(
            shown(
                load(needed(example, Map.of(example.env(), example.other())), Map.of()),
                example.name()))
        .extracting(ConfigLoader.Shown::value, ConfigLoader.Shown::source)
        .containsExactly(example.shown(example.other()), example.env());
  }

  @ParameterizedTest
  @MethodSource("examples")
  void for_each_setting_a_flag_is_louder_than_the_environment(Example example) {
    Map<String, String> env = needed(example, Map.of(example.env(), example.one()));

    assertThat(shown(load(env, Map.of(example.name(), example.other())), example.name()))
        .extracting(ConfigLoader.Shown::value, ConfigLoader.Shown::source)
        .containsExactly(example.shown(example.other()), "flag");
  }

  @ParameterizedTest
  @MethodSource("examples")
  void each_setting_refuses_what_is_out_of_its_range_and_says_what_is_not(Example example) {
    if (example.name().equals("data")) {
      return;
    }
    assertThatThrownBy(() -> load(Map.of(example.env(), example.wrong()), Map.of()))
        .isInstanceOf(Refusal.Invalid.class)
        .hasMessageContaining(example.name())
        .hasMessageContaining(example.env())
        .message()
        .doesNotContain("\n");
  }

  @Test
  void a_table_of_the_file_and_a_dotted_key_mean_the_same() throws IOException {
    write(
        "[lease]\nttl = \"7s\"\n[cors]\norigins = [\"https://a.example\", \"https://b.example\"]");

    Settings settings = load(Map.of(), Map.of()).settings();

    assertThat(settings.lease().ttl()).isEqualTo(Duration.ofSeconds(7));
    assertThat(settings.http().corsOrigins())
        .containsExactly("https://a.example", "https://b.example");
  }

  @Test
  void an_unknown_key_stops_the_start_and_suggests_the_right_one() throws IOException {
    write("[lease]\nttll = \"7s\"");
    assertThatThrownBy(() -> load(Map.of(), Map.of()))
        .hasMessageContaining("lease.ttll")
        .hasMessageContaining(file().toString())
        .hasMessageContaining("did you mean lease.ttl?");
  }

  @Test
  void an_unknown_variable_and_an_unknown_flag_stop_the_start_too() {
    assertThatThrownBy(() -> load(Map.of("TURNKEEPER_POOLSIZE", "3"), Map.of()))
        .hasMessageContaining("did you mean TURNKEEPER_POOL_SIZE?");
    assertThatThrownBy(() -> load(Map.of(), Map.of("ttl", "3s")))
        .hasMessageContaining("did you mean lease.ttl?");
    assertThatThrownBy(() -> load(Map.of(), Map.of("completely-different", "3s")))
        .hasMessageContaining("turnkeeper config print");
  }

  @Test
  void the_variables_of_the_client_are_no_settings() {
    assertThat(load(Map.of("TURNKEEPER_URL", "u", "TURNKEEPER_API_KEY", "k"), Map.of()).settings())
        .isNotNull();
  }

  @Test
  void a_password_is_shown_nowhere() {
    String url = "postgresql://me:hunter2@db:5432/x?password=hunter2&ssl=true";
    ConfigLoader.Loaded loaded = load(Map.of("TURNKEEPER_DATABASE_URL", url), Map.of());

    assertThat(loaded.settings().database().url()).contains(url);
    assertThat(loaded.toString()).doesNotContain("hunter2").contains("me:***@db:5432/x");
    assertThatThrownBy(
            () -> load(Map.of("TURNKEEPER_DATABASE_URL", "mysql://me:hunter2@db/x"), Map.of()))
        .message()
        .doesNotContain("hunter2");
  }

  @Test
  void a_secret_may_come_from_a_file() throws IOException {
    Path secret = Files.writeString(home.resolve("secret"), "postgresql://me:hunter2@db/x\n");

    ConfigLoader.Loaded byVariable =
        load(Map.of("TURNKEEPER_DATABASE_URL_FILE", secret.toString()), Map.of());
    write("database-url-file = \"" + secret + "\"");
    ConfigLoader.Loaded byFile = load(Map.of(), Map.of());

    assertThat(byVariable.settings().database().url()).contains("postgresql://me:hunter2@db/x");
    assertThat(byFile.settings().database()).isEqualTo(byVariable.settings().database());
  }

  @Test
  void a_secret_is_not_both_a_value_and_a_file() throws IOException {
    Path secret = Files.writeString(home.resolve("secret"), "postgresql://db/x");
    assertThatThrownBy(() ->
            load(
                Map.of(
                    "TURNKEEPER_DATABASE_URL_FILE",
                    secret.toString(),
                    "TURNKEEPER_DATABASE_URL",
                    "postgresql://db/y"),
                Map.of()))
        .hasMessageContaining("both");
  }

  @Test
  void what_is_not_secret_comes_from_no_file() {
    assertThatThrownBy(() -> load(Map.of("TURNKEEPER_PORT_FILE", "/x"), Map.of()))
        .hasMessageContaining("unknown setting");
  }

  @Test
  void settings_that_contradict_each_other_are_refused() {
    assertThatThrownBy(() -> load(Map.of(), Map.of("lease.ttl", "2s")))
        .hasMessageContaining("three times lease.heartbeat");
    assertThatThrownBy(() -> load(Map.of(), Map.of("lease.grace", "6s")))
        .hasMessageContaining("shorter than lease.ttl");
    assertThatThrownBy(() -> load(Map.of(), Map.of("session-database-url", "postgresql://a/b")))
        .hasMessageContaining("database-url");
  }

  @Test
  void a_file_that_is_named_must_be_there_and_be_toml() throws IOException {
    Path named = home.resolve("other.toml");
    assertThatThrownBy(() -> load(Map.of(), Map.of(), Optional.of(named)))
        .hasMessageContaining(named.toString());
    Files.writeString(named, "port = = 3");
    assertThatThrownBy(() -> load(Map.of(), Map.of(), Optional.of(named)))
        .hasMessageContaining("not TOML")
        .hasMessageContaining("line 1")
        .message()
        .doesNotContain("\n");
  }

  @Test
  void the_default_of_leases_grows_with_the_machine_within_bounds() {
    assertThat(new ConfigLoader.Machine(1, 256L << 20).leases()).isEqualTo(4);
    assertThat(new ConfigLoader.Machine(2, 64L << 30).leases()).isEqualTo(64);
    assertThat(new ConfigLoader.Machine(128, 2048L << 30).leases()).isEqualTo(1000);
  }

  /** What must be given along with it, for the whole to be consistent. */
  private static Map<String, String> needed(Example example, Map<String, String> env) {
    Map<String, String> all = new HashMap<>(env);
    if (example.name().equals("session-database-url")) {
      all.put("TURNKEEPER_DATABASE_URL", "postgresql://main/x");
    }
    switch (example.name()) {
      case "tls-cert" -> all.put("TURNKEEPER_TLS_KEY", "/etc/c.key");
      case "tls-key" -> all.put("TURNKEEPER_TLS_CERT", "/etc/c.crt");
      default -> {}
    }
    return all;
  }

  private ConfigLoader.Loaded load(Map<String, String> env, Map<String, String> flags) {
    return load(env, flags, Optional.of(file()).filter(Files::exists));
  }

  private ConfigLoader.Loaded load(
      Map<String, String> env, Map<String, String> flags, Optional<Path> named) {
    return ConfigLoader.load(new ConfigLoader.Inputs(env, flags, named, home, MACHINE));
  }

  private static ConfigLoader.Shown shown(ConfigLoader.Loaded loaded, String name) {
    return loaded.shown().stream().filter(it -> it.name().equals(name)).findFirst().orElseThrow();
  }

  private Path file() {
    return home.resolve("turnkeeper.toml");
  }

  private void write(String toml) throws IOException {
    Files.writeString(file(), toml);
  }
}

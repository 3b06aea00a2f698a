package io.turnkeeper.config;

import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.function.Function;
import java.util.stream.Collectors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.toml.TomlMapper;

/**
 * Reads the settings: defaults, then the file, then the environment, then flags; the last one that
 * names a key wins.
 */
public final class ConfigLoader {
  /** The file that is read from the data directory when no other is named. */
  public static final String FILE_NAME = "turnkeeper.toml";

  /** Variables with our prefix that are no settings: of the client, the launcher and the tests. */
  private static final List<String> OTHER_VARIABLES =
      List.of(
          "TURNKEEPER_URL",
          "TURNKEEPER_API_KEY",
          "TURNKEEPER_API_KEY_FILE",
          "TURNKEEPER_CONFIG",
          "TURNKEEPER_JAVA_OPTS",
          "TURNKEEPER_REQUEST_LOG",
          "TURNKEEPER_TEST_DATABASE_URL");

  private static final String FILE_SUFFIX = "-file";
  private static final long MIB = 1L << 20;

  private final Inputs inputs;
  private final Map<String, Setting<?>> known;
  private final Map<String, Given> given = new LinkedHashMap<>();

  private ConfigLoader(Inputs inputs) {
    this.inputs = inputs;
    this.known =
        Setting.all(inputs.machine()).stream()
            .collect(
                Collectors.toMap(
                    Setting::name, Function.identity(), (a, b) -> a, LinkedHashMap::new));
  }

  /**
   * Where settings are looked for.
   *
   * @param flags by the setting's name, without dashes: {@code port}, {@code lease.ttl}
   * @param file read instead of {@link #FILE_NAME} in the data directory; must exist
   * @param home what {@code ~} stands for
   */
  public record Inputs(
      Map<String, String> env,
      Map<String, String> flags,
      Optional<Path> file,
      Path home,
      Machine machine) {
    public Inputs {
      env = Map.copyOf(env);
      flags = Map.copyOf(flags);
    }
  }

  /** What the defaults depend on. */
  public record Machine(int cores, long memoryBytes) {
    /**
     * A warm agent process holds about this much, and a busy one keeps a fraction of a core busy.
     */
    private static final long WORKER_BYTES = 256 * MIB;

    private static final int WORKERS_PER_CORE = 32;
    private static final int LEASES_MIN = 4;
    private static final int LEASES_DEFAULT_MAX = 1_000;

    /** This machine, or the container that limits it. */
    public static Machine here() {
      long memory =
          java.lang.management.ManagementFactory.getOperatingSystemMXBean()
                  instanceof com.sun.management.OperatingSystemMXBean system
              ? system.getTotalMemorySize()
              : Runtime.getRuntime().maxMemory();
      return new Machine(Runtime.getRuntime().availableProcessors(), memory);
    }

    int leases() {
      long byMemory = workerMemory() / WORKER_BYTES;
      long fits = Math.min(byMemory, (long) cores * WORKERS_PER_CORE);
      return Math.clamp(fits, LEASES_MIN, LEASES_DEFAULT_MAX);
    }

    /** Half of it, in whole MiB. */
    long workerMemory() {
      return Math.max(64 * MIB, memoryBytes / 2 / MIB * MIB);
    }
  }

  /** The settings, and where each came from, in the order in which they are documented. */
  public record Loaded(Settings settings, List<Shown> shown) {
    public Loaded {
      shown = List.copyOf(shown);
    }
  }

  /**
   * One setting for people.
   *
   * @param value secrets are masked
   * @param source {@code default}, {@code flag}, a file's path, or an environment variable's name
   */
  public record Shown(
      String name, String value, String source, String range, String env, String doc) {}

  private record Given(String text, String source) {}

  /**
   * Reads everything and checks it.
   *
   * @throws Refusal.Invalid when a key is unknown or a value out of range; the message is one line,
   *     names the source and says what is right
   */
  public static Loaded load(Inputs inputs) {
    return new ConfigLoader(inputs).load();
  }

  private Loaded load() {
    readEnvironment();
    readFlags();
    // The file is found through the data directory, which flags and environment may name.
    Map<String, Given> louder = new LinkedHashMap<>(given);
    given.clear();
    Path dataBefore = valueOf(Setting.DATA, louder);
    readFile(dataBefore);
    given.putAll(louder);

    Settings settings = settings();
    List<Shown> shown = new ArrayList<>();
    for (Setting<?> setting : known.values()) {
      shown.add(show(setting));
    }
    return new Loaded(settings, shown);
  }

  private Settings settings() {
    return new Settings(
        valueOf(Setting.DATA, given),
        valueOf(Setting.DRAIN_TIMEOUT, given),
        valueOf(Setting.maxLeases(inputs.machine()), given),
        new Settings.Http(
            valueOf(Setting.HOST, given),
            valueOf(Setting.PORT, given),
            valueOf(Setting.BODY_MAX, given),
            valueOf(Setting.STREAMS_MAX, given),
            valueOf(Setting.CORS_ORIGINS, given),
            tls()),
        new Settings.Database(
            valueOf(Setting.DATABASE_URL, given),
            valueOf(Setting.SESSION_DATABASE_URL, given),
            valueOf(Setting.POOL_SIZE, given)),
        new Settings.Lease(
            valueOf(Setting.LEASE_TTL, given),
            valueOf(Setting.LEASE_GRACE, given),
            valueOf(Setting.HEARTBEAT, given)),
        new Settings.Worker(
            valueOf(Setting.workerMemory(inputs.machine()), given),
            valueOf(Setting.WORKER_CANCEL_GRACE, given),
            valueOf(Setting.WORKER_TERM_GRACE, given)),
        new Settings.Remote(
            valueOf(Setting.REMOTE_DEADLINE, given),
            valueOf(Setting.TOKEN_TTL, given),
            valueOf(Setting.TOKEN_KEY_ROTATION, given)),
        new Settings.Snapshots(
            valueOf(Setting.SESSION_STORE, given),
            valueOf(Setting.SNAPSHOT_MAX, given),
            valueOf(Setting.SNAPSHOTS_KEEP, given)),
        new Settings.Events(valueOf(Setting.EVENTS_RETENTION, given)),
        new Settings.Webhook(
            valueOf(Setting.WEBHOOK_NETWORKS, given), valueOf(Setting.WEBHOOK_RETRY, given)),
        new Settings.Secrets(valueOf(Setting.SECRETS_KEY, given)),
        new Settings.Log(valueOf(Setting.LOG_FORMAT, given), valueOf(Setting.LOG_LEVEL, given)));
  }

  private Optional<Settings.Tls> tls() {
    Optional<Path> certificate = valueOf(Setting.TLS_CERT, given);
    Optional<Path> key = valueOf(Setting.TLS_KEY, given);
    if (certificate.isPresent() != key.isPresent()) {
      throw new Refusal.Invalid(
          "setting_out_of_range", "tls-key", "tls-cert goes with tls-key: set both, or none");
    }
    return certificate.map(file -> new Settings.Tls(file, key.orElseThrow()));
  }

  private <T> T valueOf(Setting<T> setting, Map<String, Given> from) {
    Given here = from.getOrDefault(setting.name(), new Given(setting.fallback(), "default"));
    try {
      return setting.type().parse().apply(home(setting, here.text()));
    } catch (IllegalArgumentException wrong) {
      String shown = setting.secret() ? "its value" : "\"" + Refusal.shown(here.text()) + "\"";
      throw new Refusal.Invalid(
          "setting_out_of_range",
          setting.name(),
          "setting %s (%s): %s does not fit; %s"
              .formatted(setting.name(), here.source(), shown, wrong.getMessage()));
    }
  }

  private String home(Setting<?> setting, String text) {
    boolean ofHome = setting.equals(Setting.DATA) && (text.equals("~") || text.startsWith("~/"));
    return ofHome ? inputs.home() + text.substring(1) : text;
  }

  private <T> Shown show(Setting<T> setting) {
    String source = given.getOrDefault(setting.name(), new Given("", "default")).source();
    String value = setting.type().show().apply(valueOf(setting, given));
    return new Shown(
        setting.name(), value, source, setting.type().range(), setting.env(), setting.doc());
  }

  private void readFlags() {
    inputs.flags().forEach((name, text) -> take(name, text, "flag"));
  }

  private void readEnvironment() {
    Map<String, String> names =
        known.values().stream().collect(Collectors.toMap(Setting::env, Setting::name));
    known.values().stream()
        .filter(Setting::secret)
        .forEach(secret -> names.put(secret.env() + "_FILE", secret.name() + FILE_SUFFIX));
    for (Map.Entry<String, String> variable : inputs.env().entrySet()) {
      String key = variable.getKey();
      if (!key.startsWith(Setting.ENV_PREFIX) || OTHER_VARIABLES.contains(key)) {
        continue;
      }
      String name = names.get(key);
      if (name == null) {
        List<String> all = new ArrayList<>(names.keySet());
        all.addAll(OTHER_VARIABLES);
        throw unknown(key, "the environment", all);
      }
      take(name, variable.getValue(), key);
    }
  }

  private void readFile(Path data) {
    Path path = inputs.file().orElse(data.resolve(FILE_NAME));
    if (inputs.file().isEmpty() && !Files.exists(path)) {
      return;
    }
    JsonNode tree;
    try {
      tree = new TomlMapper().readTree(Files.readString(path));
    } catch (IOException unreadable) {
      throw new Refusal.Invalid(
          "settings_file", null, "cannot read the settings file " + path + ": is it there?");
    } catch (JacksonException notToml) {
      throw new Refusal.Invalid(
          "settings_file",
          null,
          "the settings file %s is not TOML: line %d, %s"
              .formatted(
                  path,
                  notToml.getLocation() == null ? 0 : notToml.getLocation().getLineNr(),
                  firstLine(notToml.getOriginalMessage())));
    }
    takeTree("", tree, path.toString());
  }

  private void takeTree(String prefix, JsonNode tree, String source) {
    for (Map.Entry<String, JsonNode> entry : tree.properties()) {
      String name = prefix + entry.getKey();
      JsonNode node = entry.getValue();
      if (node.isObject()) {
        takeTree(name + ".", node, source);
      } else if (node.isArray()) {
        StringJoiner values = new StringJoiner(",");
        node.forEach(value -> values.add(value.asString()));
        take(name, values.toString(), source);
      } else {
        take(name, node.asString(), source);
      }
    }
  }

  private void take(String name, String text, String source) {
    String owner =
        name.endsWith(FILE_SUFFIX) ? name.substring(0, name.length() - FILE_SUFFIX.length()) : name;
    Setting<?> setting = known.get(owner);
    boolean ofFile = !owner.equals(name);
    if (setting == null || (ofFile && !setting.secret())) {
      throw unknown(name, source, known.keySet());
    }
    Given value =
        ofFile ? new Given(readSecret(name, text), source + " → " + text) : new Given(text, source);
    Given before = given.put(owner, value);
    if (before != null && ofFile != before.source().contains(" → ")) {
      throw new Refusal.Invalid(
          "setting_twice",
          owner,
          "setting %s is given both as a value and as a file".formatted(owner));
    }
  }

  private static String readSecret(String name, String file) {
    try {
      return Files.readString(Path.of(file)).strip();
    } catch (IOException unreadable) {
      throw new Refusal.Invalid(
          "settings_file", name, "cannot read %s, which %s names".formatted(file, name));
    }
  }

  private static Refusal unknown(String key, String source, Collection<String> candidates) {
    String hint =
        Nearest.to(key, candidates)
            .map(name -> "did you mean " + name + "?")
            .orElse("see turnkeeper config print");
    return new Refusal.Invalid(
        "setting_unknown",
        key,
        "unknown setting %s (%s): %s".formatted(Refusal.shown(key), source, hint));
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse("");
  }
}

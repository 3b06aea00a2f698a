package io.turnkeeper.cli;

import io.turnkeeper.config.ConfigLoader;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The settings that a command line may give, in front of environment and file. */
final class SettingOptions {
  private static final String CONFIG_VARIABLE = "TURNKEEPER_CONFIG";

  @Option(names = "--host", paramLabel = "H", description = "Where to listen. Default: 127.0.0.1.")
  private Optional<String> host = Optional.empty();

  @Option(
      names = "--port",
      paramLabel = "P",
      description = "Where to listen; 0 takes a free port. Default: 8787.")
  private Optional<String> port = Optional.empty();

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "The replica's own directory. Default: ~/.turnkeeper.")
  private Optional<String> data = Optional.empty();

  @Option(
      names = "--database-url",
      paramLabel = "URL",
      description = "A PostgreSQL of 15 or later. Default: an embedded one under the directory.")
  private Optional<String> databaseUrl = Optional.empty();

  @Option(
      names = "--session-store",
      paramLabel = "database|file",
      description = "Where the agents' files are kept. Default: database.")
  private Optional<String> sessionStore = Optional.empty();

  @Option(
      names = "--tls-cert",
      paramLabel = "FILE",
      description = "Serve TLS with this certificate and its chain, in PEM.")
  private Optional<String> tlsCert = Optional.empty();

  @Option(
      names = "--tls-key",
      paramLabel = "FILE",
      description = "The certificate's key, PKCS #8 in PEM.")
  private Optional<String> tlsKey = Optional.empty();

  @Option(
      names = "--set",
      paramLabel = "NAME=VALUE",
      description = "Any setting by its name; see: turnkeeper config print. May be repeated.")
  private Map<String, String> others = new LinkedHashMap<>();

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "A settings file, in TOML. Default: DIR/turnkeeper.toml, if it is there.")
  private Optional<Path> config = Optional.empty();

  ConfigLoader.Loaded load(Shell shell) {
    Map<String, String> flags = new LinkedHashMap<>(others);
    host.ifPresent(it -> flags.put("host", it));
    port.ifPresent(it -> flags.put("port", it));
    data.ifPresent(it -> flags.put("data", it));
    databaseUrl.ifPresent(it -> flags.put("database-url", it));
    sessionStore.ifPresent(it -> flags.put("session-store", it));
    tlsCert.ifPresent(it -> flags.put("tls-cert", it));
    tlsKey.ifPresent(it -> flags.put("tls-key", it));
    Optional<Path> file =
        config.or(() -> Optional.ofNullable(shell.env().get(CONFIG_VARIABLE)).map(Path::of));
    return ConfigLoader.load(
        new ConfigLoader.Inputs(
            shell.env(), flags, file, shell.home(), ConfigLoader.Machine.here()));
  }
}

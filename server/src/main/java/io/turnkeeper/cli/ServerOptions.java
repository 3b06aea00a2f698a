package io.turnkeeper.cli;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which server a client command talks to. */
final class ServerOptions {
  @Option(
      names = "--url",
      paramLabel = "URL",
      description = "The server. Default: TURNKEEPER_URL, else what DIR/credentials says.")
  private Optional<String> url = Optional.empty();

  @Option(
      names = "--key",
      paramLabel = "KEY",
      description =
          "The API key. Default: TURNKEEPER_API_KEY or the file that TURNKEEPER_API_KEY_FILE names,"
              + " else what DIR/credentials says. Prefer the variables: others can see flags.")
  private Optional<String> key = Optional.empty();

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "Where credentials are. Default: TURNKEEPER_DATA, else ~/.turnkeeper.")
  private Optional<Path> data = Optional.empty();

  /** The caller closes it. */
  Api open(Shell shell) {
    Optional<Credentials> stored = Credentials.read(dataDirectory(shell));
    String where =
        url.or(() -> Optional.ofNullable(shell.env().get("TURNKEEPER_URL")))
            .or(() -> stored.map(Credentials::url))
            .orElseThrow(() ->
                new Failure(
                    ExitCode.UNREACHABLE,
                    "no server is known: start one with: turnkeeper up, or give --url and"
                        + " --key"));
    // The stored key goes only to the server that it is for.
    String secret =
        key.or(() -> Optional.ofNullable(shell.env().get("TURNKEEPER_API_KEY")))
            .or(() ->
                Optional.ofNullable(shell.env().get("TURNKEEPER_API_KEY_FILE"))
                    .map(ServerOptions::readKey))
            .or(() -> stored.filter(its -> its.url().equals(where)).map(Credentials::key))
            .orElse("");
    return new Api(parsed(where), secret);
  }

  Path dataDirectory(Shell shell) {
    return data.or(() -> Optional.ofNullable(shell.env().get("TURNKEEPER_DATA")).map(Path::of))
        .map(path -> expanded(path, shell.home()))
        .orElse(shell.home().resolve(".turnkeeper"));
  }

  private static Path expanded(Path path, Path home) {
    return path.startsWith("~") ? home.resolve(Path.of("~").relativize(path)) : path;
  }

  private static String readKey(String file) {
    try {
      return Files.readString(Path.of(file)).strip();
    } catch (IOException unreadable) {
      throw new Failure(
          ExitCode.USAGE, "cannot read " + file + ", which TURNKEEPER_API_KEY_FILE names");
    }
  }

  private static URI parsed(String text) {
    try {
      URI uri = new URI(text);
      if (uri.getHost() != null
          && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()))) {
        return uri;
      }
    } catch (URISyntaxException notOne) {
      // Said below.
    }
    throw new Failure(ExitCode.USAGE, "a server's URL looks like http://127.0.0.1:8787");
  }
}

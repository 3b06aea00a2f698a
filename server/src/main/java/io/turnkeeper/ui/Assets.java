package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/** Scripts and styles, from the jar. They are asked for by version, so that browsers keep them. */
final class Assets {
  private static final String WEBJARS = "/META-INF/resources/webjars/";
  private static final String SCRIPT = "text/javascript; charset=utf-8";
  private static final String STYLE = "text/css; charset=utf-8";
  private static final int VERSION_CHARS = 10;

  private record File(String resource, String type) {}

  private static final Map<String, File> FILES =
      Map.of(
          "htmx.js", new File(WEBJARS + "htmx.org/2.0.10/dist/htmx.min.js", SCRIPT),
          "sse.js", new File(WEBJARS + "htmx-ext-sse/2.2.2/sse.js", SCRIPT),
          "uplot.js", new File(WEBJARS + "uplot/1.6.30/dist/uPlot.iife.min.js", SCRIPT),
          "uplot.css", new File(WEBJARS + "uplot/1.6.30/dist/uPlot.min.css", STYLE),
          "console.js", new File("/console/console.js", SCRIPT),
          "console.css", new File("/console/console.css", STYLE),
          "icon.svg", new File("/console/icon.svg", "image/svg+xml"));

  private final Map<String, byte[]> read = new ConcurrentHashMap<>();
  private final String version = digest();

  List<Route> routes() {
    return List.of(Route.get("/console/assets/{version}/{name}", this::serve));
  }

  /** Of all files together. */
  String version() {
    return version;
  }

  private void serve(Exchange exchange) {
    String name = exchange.pathParam("name");
    File file = FILES.get(name);
    if (file == null) {
      throw new Refusal.NotFound("file", name);
    }
    exchange.responseHeader("Cache-Control", "public, max-age=31536000, immutable");
    exchange.bytes(200, file.type(), read.computeIfAbsent(name, _ -> bytes(file)));
  }

  private static String digest() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      // What comes from WebJars changes with its path.
      for (File file : new TreeMap<>(FILES).values()) {
        digest.update(
            file.resource().startsWith(WEBJARS)
                ? file.resource().getBytes(java.nio.charset.StandardCharsets.UTF_8)
                : bytes(file));
      }
      return HexFormat.of().formatHex(digest.digest()).substring(0, VERSION_CHARS);
    } catch (NoSuchAlgorithmException everyJdkHasIt) {
      throw new IllegalStateException(everyJdkHasIt);
    }
  }

  private static byte[] bytes(File file) {
    try (InputStream in = Assets.class.getResourceAsStream(file.resource())) {
      if (in == null) {
        throw new IllegalStateException("not in the jar: " + file.resource());
      }
      return in.readAllBytes();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }
}

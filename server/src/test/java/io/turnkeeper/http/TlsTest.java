package io.turnkeeper.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Json;
import io.turnkeeper.telemetry.Metrics;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class TlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();

  @TempDir private Path directory;

  /** A certificate for 127.0.0.1, by the JDK's own tool. */
  private KeyStore made(String algorithm) throws Exception {
    Path file = directory.resolve(algorithm + ".p12");
    Process tool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "a",
                "-keyalg",
                algorithm,
                "-dname",
                "CN=test",
                "-ext",
                "san=ip:127.0.0.1",
                "-validity",
                "2",
                "-storetype",
                "PKCS12",
                "-keystore",
                file.toString(),
                "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertThat(tool.waitFor(30, TimeUnit.SECONDS)).isTrue();
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, PASSWORD);
    }
    return store;
  }

  private Path pem(String name, String kind, byte[] der) throws IOException {
    String text = Base64.getMimeEncoder().encodeToString(der);
    return Files.writeString(
        directory.resolve(name),
        "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(kind, text, kind));
  }

  private HttpServer serve(Path certificate, Path key) {
    HttpConfig plain = HttpConfig.of("127.0.0.1", 0);
    HttpConfig config =
        new HttpConfig(
            plain.host(),
            plain.port(),
            plain.bodyBytesMax(),
            plain.streamsMax(),
            plain.heartbeat(),
            plain.idleTimeout(),
            Duration.ofSeconds(1),
            List.of(),
            new HttpConfig.Tls(certificate, key));
    return HttpServer.start(
        config,
        List.of(Route.get("/ok", exchange -> exchange.json(200, Json.object().put("ok", true)))),
        new Metrics());
  }

  @Test
  void it_serves_tls_with_a_certificate_and_key_in_pem() throws Exception {
    for (String algorithm : List.of("RSA", "EC")) {
      KeyStore store = made(algorithm);
      Certificate certificate = store.getCertificate("a");
      Path cert = pem(algorithm + ".crt", "CERTIFICATE", certificate.getEncoded());
      Path key = pem(algorithm + ".key", "PRIVATE KEY", store.getKey("a", PASSWORD).getEncoded());
      KeyStore trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, PASSWORD);
      trusted.setCertificateEntry("a", certificate);
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(trusted);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, trust.getTrustManagers(), null);
      try (HttpServer server = serve(cert, key);
          HttpClient client = HttpClient.newBuilder().sslContext(context).build()) {
        HttpResponse<String> answer =
            client.send(
                HttpRequest.newBuilder(URI.create("https://127.0.0.1:" + server.port() + "/ok"))
                    .timeout(Duration.ofSeconds(20))
                    .build(),
                BodyHandlers.ofString());
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.headers().firstValue("strict-transport-security")).isPresent();
      }
    }
  }

  @Test
  void files_that_do_not_fit_are_refused_in_one_line() throws Exception {
    KeyStore store = made("EC");
    Path cert = pem("x.crt", "CERTIFICATE", store.getCertificate("a").getEncoded());
    Path old = pem("x.key", "RSA PRIVATE KEY", new byte[] {1});
    assertThatThrownBy(() -> serve(cert, old))
        .hasMessageContaining("PKCS #8")
        .hasMessageNotContaining("\n");
    assertThatThrownBy(() -> serve(directory.resolve("none"), old)).hasMessageContaining("read");
  }
}

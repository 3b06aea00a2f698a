package io.turnkeeper.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import io.turnkeeper.base.Json;
import io.turnkeeper.config.ConfigLoader;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A run's end, however it comes, is told to whoever asked for it. */
@DbTest
@Tag("embedded")
@Timeout(120)
class WebhookDeliveryTest {
  private static final Duration WITHIN = Duration.ofSeconds(30);

  private record Told(String id, String at, String signature, String body) {
    JsonNode document() {
      return Json.parse(body);
    }
  }

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final BlockingQueue<Told> told = new LinkedBlockingQueue<>();
  private final BlockingQueue<Integer> answers = new LinkedBlockingQueue<>();
  private final HttpServer receiver;
  private final Server server;
  private final String key;

  WebhookDeliveryTest(DatabaseUrl url, @TempDir Path data) throws IOException {
    receiver = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 5);
    receiver.createContext(
        "/hook",
        exchange -> {
          var headers = exchange.getRequestHeaders();
          String body =
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          Integer status = answers.poll();
          exchange.sendResponseHeaders(status == null ? 200 : status, -1);
          exchange.close();
          told.add(
              new Told(
                  headers.getFirst("webhook-id"),
                  headers.getFirst("webhook-timestamp"),
                  headers.getFirst("webhook-signature"),
                  body));
        });
    receiver.start();
    String who =
        url.user().map(user -> user + url.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    Map<String, String> flags =
        Map.of(
            "port",
            "0",
            "data",
            data.toString(),
            "webhook.networks",
            "127.0.0.0/8",
            "webhook.retry",
            "100ms",
            "database-url",
            url.toString().replaceFirst("//[^/@]*@", "//").replaceFirst("//", "//" + who));
    var inputs =
        new ConfigLoader.Inputs(
            Map.of(), flags, Optional.empty(), data, ConfigLoader.Machine.here());
    server = Server.start(ConfigLoader.load(inputs).settings(), (at, admin) -> {});
    key = server.newAdminKey().orElseThrow();
    done("POST", "/admin/agents", "{\"name\":\"cat\",\"kind\":\"command\",\"command\":[\"cat\"]}");
  }

  @AfterAll
  void stop() {
    server.close();
    receiver.stop(0);
    client.close();
  }

  private HttpResponse<String> send(String method, String path, @Nullable String body) {
    var request =
        HttpRequest.newBuilder(URI.create(server.url() + path))
            .timeout(Duration.ofSeconds(20))
            .header("x-api-key", key)
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
    try {
      return client.send(request.build(), BodyHandlers.ofString());
    } catch (IOException | InterruptedException failed) {
      throw new AssertionError(method + " " + path, failed);
    }
  }

  private JsonNode done(String method, String path, @Nullable String body) {
    HttpResponse<String> answer = send(method, path, body);
    assertThat(answer.statusCode()).as(path + ": " + answer.body()).isBetween(200, 299);
    return answer.body().isBlank() ? Json.object() : Json.parse(answer.body());
  }

  private String run(String more) {
    String body =
        "{\"assistant_id\":\"cat\",\"input\":\"hello\",\"webhook\":\"http://127.0.0.1:%d/hook\"%s}";
    return done("POST", "/runs", body.formatted(receiver.getAddress().getPort(), more))
        .path("run_id")
        .asString();
  }

  private Told next() throws InterruptedException {
    Told next = told.poll(WITHIN.toSeconds(), TimeUnit.SECONDS);
    assertThat(next).as("told in time").isNotNull();
    return next;
  }

  private JsonNode awaitState(String run, String state) {
    long deadline = System.nanoTime() + WITHIN.toNanos();
    while (true) {
      JsonNode webhook = done("GET", "/admin/runs/" + run, null).path("webhook");
      if (webhook.path("state").asString("").equals(state)) {
        return webhook;
      }
      assertThat(System.nanoTime()).as(webhook + " in time").isLessThan(deadline);
      LockSupport.parkNanos(20_000_000);
    }
  }

  @Test
  void a_run_s_end_is_told_again_until_it_is_accepted_and_signed() throws Exception {
    answers.addAll(List.of(500, 307));
    String run = run("");

    List<Told> all = List.of(next(), next(), next());

    assertThat(all).allMatch(one -> one.id().equals(run));
    Told last = all.getLast();
    assertThat(last.document().path("status").asString()).isEqualTo("success");
    assertThat(last.document().path("run_ended_at").isNull()).isFalse();
    assertThat(last.document().path("values").path("messages").toString()).contains("hello");
    JsonNode webhook = awaitState(run, "delivered");
    assertThat(webhook.path("attempts").asInt()).isEqualTo(3);
    String secret = done("GET", "/admin/webhooks/secret", null).path("secret").asString();
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(
        new SecretKeySpec(
            Base64.getDecoder().decode(secret.substring("whsec_".length())), "HmacSHA256"));
    String signed = last.id() + "." + last.at() + "." + last.body();
    assertThat(last.signature())
        .isEqualTo(
            "v1,"
                + Base64.getEncoder()
                    .encodeToString(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8))));
    assertThat(done("POST", "/admin/webhooks/secret", null).path("secret").asString())
        .isNotEqualTo(secret);
  }

  @Test
  void the_end_of_a_run_that_never_started_is_told_too_and_gone_ends_it() throws Exception {
    answers.add(410);
    String run = run(",\"after_seconds\":3600");
    done("POST", "/admin/runs/" + run + "/cancel", null);

    assertThat(next().document().path("status").asString()).isEqualTo("interrupted");
    assertThat(awaitState(run, "failed").path("answer").asString()).isEqualTo("status 410");
  }

  @Test
  void what_leads_inside_is_refused_when_it_is_given() {
    HttpResponse<String> answer =
        send(
            "POST",
            "/runs",
            "{\"assistant_id\":\"cat\",\"input\":\"hi\",\"webhook\":\"http://10.0.0.1/\"}");
    assertThat(answer.statusCode()).isEqualTo(422);
    assertThat(Json.parse(answer.body()).path("code").asString()).isEqualTo("webhook_address");
  }
}

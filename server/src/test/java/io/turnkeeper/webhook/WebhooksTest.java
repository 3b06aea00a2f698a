package io.turnkeeper.webhook;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WebhooksTest {
  private static final byte[] SECRET = "only for this test".getBytes(StandardCharsets.UTF_8);
  private static final OrganizationId ORGANIZATION = new OrganizationId(UUID.randomUUID());

  private static Webhooks webhooks(List<String> networks, Webhooks.Resolver resolver) {
    return new Webhooks(
        new Webhooks.Limits(networks, Duration.ofSeconds(1)), resolver, Clock.system());
  }

  /** Finds literals only: nothing is asked of a name server. */
  private static InetAddress[] literal(String host) throws UnknownHostException {
    assertThat(host).matches("[0-9a-fA-F.:]+");
    return new InetAddress[] {InetAddress.getByName(host)};
  }

  private static Delivery delivery(String url) {
    return new Delivery(RunId.next(), ORGANIZATION, url, 1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://127.0.0.1/x",
        "http://127.8.9.1/x",
        "http://[::1]/x",
        "http://[::]/x",
        "http://10.1.2.3/",
        "http://172.31.0.1/",
        "http://192.168.0.1:8080/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[fd00::1]/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "http://192.0.0.8/",
        "http://198.18.0.1/",
        "http://203.0.113.9/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[ff02::1]/",
        "http://[::ffff:127.0.0.1]/x",
        "http://[::ffff:7f00:1]/x",
        "http://[::127.0.0.1]/x",
        "http://[64:ff9b::7f00:1]/x",
        "http://[64:ff9b::8.8.8.8]/x",
        "http://[64:ff9b:1::1]/x",
        "http://[2002:7f00:1::]/x",
        "http://[2001:0:7f00:1::]/x",
        "http://[2001:db8::1]/x",
        "http://[100::1]/x"
      })
  void an_address_that_is_not_public_is_refused(String url) {
    Webhooks webhooks = webhooks(List.of(), WebhooksTest::literal);
    assertThatThrownBy(() -> webhooks.check(url))
        .isInstanceOfSatisfying(
            Refusal.Invalid.class,
            refusal -> {
              assertThat(refusal.field()).isEqualTo("webhook");
              assertThat(refusal.code()).isEqualTo("webhook_address");
            });
    assertThat(webhooks.send(delivery(url), SECRET, "{}").answer()).contains("not public");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://8.8.8.8/hook",
        "https://100.128.0.1/",
        "https://172.32.0.1/",
        "https://[2606:4700::1111]/"
      })
  void a_public_address_is_accepted(String url) {
    assertThatCode(() -> webhooks(List.of(), WebhooksTest::literal).check(url))
        .doesNotThrowAnyException();
  }

  @Test
  void one_bad_address_among_good_ones_is_enough() {
    Webhooks.Resolver both =
        host ->
            new InetAddress[] {InetAddress.getByName("8.8.8.8"), InetAddress.getByName("10.0.0.1")};
    assertThatThrownBy(() -> webhooks(List.of(), both).check("http://hooks.example/"))
        .isInstanceOf(Refusal.Invalid.class);
  }

  @Test
  void a_name_that_nobody_knows_is_refused() {
    Webhooks.Resolver none =
        host -> {
          throw new UnknownHostException(host);
        };
    assertThatThrownBy(() -> webhooks(List.of(), none).check("http://hooks.example/"))
        .isInstanceOf(Refusal.Invalid.class)
        .hasMessageContaining("not known");
  }

  @Test
  void what_is_no_network_is_told_at_the_start() {
    for (String wrong : List.of("10.0.0.0", "10.0.0.0/33", "example.org/8", "::1/129", "/8")) {
      assertThatThrownBy(() -> webhooks(List.of(wrong), WebhooksTest::literal))
          .as(wrong)
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** Accepts one connection and answers; what it was sent. */
  private static final class Receiver implements AutoCloseable {
    private final ServerSocket socket;
    private final AtomicInteger connections = new AtomicInteger();
    final CompletableFuture<List<String>> request = new CompletableFuture<>();

    Receiver(String answer) throws IOException {
      socket = new ServerSocket(0, 5, InetAddress.getByName("127.0.0.1"));
      Thread.ofVirtual().start(() -> serve(answer));
    }

    int port() {
      return socket.getLocalPort();
    }

    private void serve(String answer) {
      try {
        while (true) {
          try (Socket peer = socket.accept()) {
            connections.incrementAndGet();
            read(peer);
            peer.getOutputStream().write(answer.getBytes(StandardCharsets.ISO_8859_1));
          }
        }
      } catch (IOException closed) {
        request.completeExceptionally(closed);
      }
    }

    private void read(Socket peer) throws IOException {
      BufferedReader in =
          new BufferedReader(new InputStreamReader(peer.getInputStream(), StandardCharsets.UTF_8));
      List<String> lines = new ArrayList<>();
      int length = 0;
      for (String line = in.readLine(); line != null && !line.isEmpty(); line = in.readLine()) {
        lines.add(line);
        if (line.startsWith("Content-Length: ")) {
          length = Integer.parseInt(line.substring("Content-Length: ".length()));
        }
      }
      StringBuilder body = new StringBuilder();
      while (body.toString().getBytes(StandardCharsets.UTF_8).length < length) {
        body.append((char) in.read());
      }
      lines.add(body.toString());
      request.complete(lines);
    }

    @Override
    public void close() throws IOException {
      socket.close();
    }
  }

  @Test
  void it_connects_to_the_address_that_was_checked_and_signs_what_it_says() throws Exception {
    try (Receiver receiver = new Receiver("HTTP/1.1 204 No Content\r\n\r\n")) {
      // No name server knows this name: a second look-up would find nothing.
      Webhooks webhooks =
          webhooks(
              List.of("127.0.0.1/32"),
              host -> new InetAddress[] {InetAddress.getByName("127.0.0.1")});
      Delivery delivery = delivery("http://hooks.invalid:" + receiver.port() + "/a/path?x=1");

      Sent sent = webhooks.send(delivery, SECRET, "{\"said\":\"grüß dich\"}");

      assertThat(sent).isEqualTo(new Sent(true, false, "status 204"));
      List<String> request = receiver.request.get(10, TimeUnit.SECONDS);
      assertThat(request.getFirst()).isEqualTo("POST /a/path?x=1 HTTP/1.1");
      assertThat(request).contains("Host: hooks.invalid:" + receiver.port());
      assertThat(request.getLast()).isEqualTo("{\"said\":\"grüß dich\"}");
      String id = header(request, "webhook-id");
      assertThat(id).isEqualTo(delivery.run().toString());
      String signed = id + "." + header(request, "webhook-timestamp") + "." + request.getLast();
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(SECRET, "HmacSHA256"));
      assertThat(header(request, "webhook-signature"))
          .isEqualTo(
              "v1,"
                  + Base64.getEncoder()
                      .encodeToString(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8))));
    }
  }

  private static String header(List<String> request, String name) {
    return request.stream()
        .filter(line -> line.startsWith(name + ": "))
        .map(line -> line.substring(name.length() + 2))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void a_name_that_leads_elsewhere_later_is_checked_again() throws Exception {
    try (Receiver receiver = new Receiver("HTTP/1.1 200 OK\r\n\r\n")) {
      AtomicInteger asked = new AtomicInteger();
      Webhooks webhooks =
          webhooks(
              List.of(),
              host ->
                  new InetAddress[] {
                    InetAddress.getByName(asked.getAndIncrement() == 0 ? "8.8.8.8" : "127.0.0.1")
                  });
      String url = "http://rebinding.example:" + receiver.port() + "/";
      webhooks.check(url);

      Sent sent = webhooks.send(delivery(url), SECRET, "{}");

      assertThat(sent.accepted()).isFalse();
      assertThat(sent.answer()).contains("not public");
      assertThat(receiver.connections).hasValue(0);
    }
  }

  @Test
  void a_redirect_is_not_followed() throws Exception {
    try (Receiver inside = new Receiver("HTTP/1.1 200 OK\r\n\r\n");
        Receiver outside =
            new Receiver(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:"
                    + inside.port()
                    + "/\r\n\r\n")) {
      Webhooks webhooks = webhooks(List.of("127.0.0.0/8"), WebhooksTest::literal);

      Sent sent = webhooks.send(delivery("http://127.0.0.1:" + outside.port() + "/"), SECRET, "{}");

      assertThat(sent).isEqualTo(new Sent(false, false, "status 307"));
      assertThat(inside.connections).hasValue(0);
    }
  }

  @Test
  void an_answer_that_is_not_http_or_gone_for_good_is_told_apart() throws Exception {
    Webhooks webhooks = webhooks(List.of("127.0.0.0/8"), WebhooksTest::literal);
    for (String noise : List.of("220 smtp ready\r\n", "x".repeat(10_000), "")) {
      try (Receiver receiver = new Receiver(noise)) {
        Sent sent =
            webhooks.send(delivery("http://127.0.0.1:" + receiver.port() + "/"), SECRET, "{}");
        assertThat(sent.accepted()).isFalse();
        assertThat(sent.forGood()).isFalse();
      }
    }
    try (Receiver receiver = new Receiver("HTTP/1.1 410 Gone\r\n\r\n")) {
      assertThat(webhooks.send(delivery("http://127.0.0.1:" + receiver.port() + "/"), SECRET, "{}"))
          .isEqualTo(new Sent(false, true, "status 410"));
    }
  }
}

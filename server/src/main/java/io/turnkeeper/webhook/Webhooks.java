package io.turnkeeper.webhook;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * URLs that tenants give, to be told of a run's end. Each is checked by the addresses that its name
 * has at that moment, when it is given and again before each attempt, and the connection goes to
 * the address that was checked. Redirects are answers like any other, and not followed.
 */
public final class Webhooks {
  /** Longer than an attempt takes: until then nobody else makes one. */
  private static final Duration HOLD = Duration.ofSeconds(40);

  private static final Duration LOOK_UP = Duration.ofSeconds(5);
  private static final Duration ATTEMPT = Duration.ofSeconds(15);
  private static final Duration RETRY_MAX = Duration.ofHours(6);
  private static final int ATTEMPTS_MAX = 12;
  private static final int LOOK = 500;
  private static final int EACH = 4;
  private static final int URL_CHARS_MAX = 2_048;
  private static final int ANSWER_CHARS_MAX = 200;
  private static final int SECRET_BYTES = 32;
  private static final int GONE = 410;
  private static final SecureRandom RANDOM = new SecureRandom();

  /** Finds the addresses of a name. */
  interface Resolver {
    InetAddress[] addresses(String host) throws UnknownHostException;
  }

  /**
   * @param networks that may be reached though they are not public
   * @param retry from the first attempt to the second; doubled each time
   */
  public record Limits(List<String> networks, Duration retry) {}

  private final Reach reach;
  private final Duration retry;
  private final Resolver resolver;
  private final Clock clock;

  /**
   * @throws IllegalArgumentException when a network is none
   */
  public Webhooks(Limits limits, Clock clock) {
    this(limits, InetAddress::getAllByName, clock);
  }

  Webhooks(Limits limits, Resolver resolver, Clock clock) {
    this.reach = new Reach(limits.networks());
    this.retry = limits.retry();
    this.resolver = resolver;
    this.clock = clock;
  }

  /**
   * The URL, as far as it can be judged by its text.
   *
   * @throws Refusal.Invalid when it is no such URL
   */
  public static URI parse(String text) {
    try {
      URI url = new URI(text);
      boolean web =
          "http".equalsIgnoreCase(url.getScheme()) || "https".equalsIgnoreCase(url.getScheme());
      boolean whole = url.getHost() != null && url.getRawUserInfo() == null && url.getPort() != 0;
      boolean plain =
          text.length() <= URL_CHARS_MAX && text.chars().allMatch(c -> c > ' ' && c < 127);
      if (web && whole && plain && url.getPort() <= 65_535) {
        return url;
      }
    } catch (URISyntaxException refusedBelow) {
      // as all else that is none
    }
    throw new Refusal.Invalid(
        "webhook_address",
        "webhook",
        "webhook must be an http or https URL with a host, without a user, of at most "
            + URL_CHARS_MAX
            + " characters");
  }

  /**
   * Judges a URL by where it leads now.
   *
   * @throws Refusal.Invalid when that is no public address, or cannot be found
   */
  public void check(String text) {
    try {
      address(parse(text));
    } catch (IOException refused) {
      throw new Refusal.Invalid(
          "webhook_address",
          "webhook",
          "webhook must lead to a public address: " + refused.getMessage());
    }
  }

  /** The one to connect to. All must be permitted: who mixes them is up to something. */
  private InetAddress address(URI url) throws IOException {
    InetAddress[] found = lookUp(url.getHost().replaceAll("[\\[\\]]", ""));
    for (InetAddress one : found) {
      if (!reach.permits(one)) {
        throw new IOException("its host has an address that is not public");
      }
    }
    if (found.length == 0) {
      throw new IOException("its host is not known");
    }
    return found[0];
  }

  /** On a thread of its own: the system's resolver has no deadline that could be set. */
  private InetAddress[] lookUp(String host) throws IOException {
    CompletableFuture<InetAddress[]> answer = new CompletableFuture<>();
    Thread.ofVirtual()
        .name("webhook-lookup")
        .start(() -> {
          try {
            answer.complete(resolver.addresses(host));
          } catch (UnknownHostException | RuntimeException unknown) {
            answer.completeExceptionally(unknown);
          }
        });
    try {
      return answer.get(LOOK_UP.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException | TimeoutException unknown) {
      throw new IOException("its host is not known", unknown);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
      throw new IOException("stopped", stopped);
    }
  }

  /** Whether a delivery is due. */
  public boolean due(Tx tx) {
    return tx.query(WebhookSql.DUE).mapTo(Boolean.class).one();
  }

  /** Takes some that are due; each is an attempt from now on. */
  public List<Delivery> claim(Tx tx, int max) {
    return tx.query(WebhookSql.CLAIM)
        .bind("look", LOOK)
        .bind("each", EACH)
        .bind("limit", max)
        .bind("hold_ms", HOLD.toMillis())
        .map((row, _) ->
            new Delivery(
                new RunId(row.getObject("run_id", UUID.class)),
                new OrganizationId(row.getObject("organization_id", UUID.class)),
                row.getString("url"),
                row.getInt("attempts")))
        .list();
  }

  /**
   * Makes the attempt.
   *
   * @param secret of the organization
   */
  public Sent send(Delivery delivery, byte[] secret, String body) {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    String id = delivery.run().toString();
    String at = Long.toString(clock.now().getEpochSecond());
    Map<String, String> headers =
        Map.of(
            "User-Agent",
            "Turnkeeper",
            "webhook-id",
            id,
            "webhook-timestamp",
            at,
            "webhook-signature",
            "v1," + sign(secret, id + "." + at + ".", bytes));
    try {
      URI url = parse(delivery.url());
      int status = new Post(url, address(url), headers, bytes).send(clock, ATTEMPT);
      return new Sent(status / 100 == 2, status == GONE, "status " + status);
    } catch (Refusal | IOException failed) {
      return Sent.failed(said(failed));
    }
  }

  private static String said(Exception failed) {
    String message = failed.getMessage();
    String text = message == null ? failed.getClass().getSimpleName() : message;
    return text.length() <= ANSWER_CHARS_MAX ? text : text.substring(0, ANSWER_CHARS_MAX);
  }

  /** By the rules of standardwebhooks.com: receivers have libraries for it. */
  private static String sign(byte[] secret, String head, byte[] body) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      mac.update(head.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(mac.doFinal(body));
    } catch (GeneralSecurityException everyJdkHasIt) {
      throw new IllegalStateException(everyJdkHasIt);
    }
  }

  /** Keeps what came of an attempt, and when the next one is, if there is to be one. */
  public void record(Tx tx, Delivery delivery, Sent sent) {
    boolean over = sent.forGood() || delivery.attempt() >= ATTEMPTS_MAX;
    String state = sent.accepted() ? "delivered" : over ? "failed" : "due";
    tx.update(WebhookSql.RECORD)
        .bind("organization", delivery.organization().value())
        .bind("run", delivery.run().value())
        .bind("attempt", delivery.attempt())
        .bind("state", state)
        .bind("answer", sent.answer())
        .bind("after_ms", wait(delivery.attempt()).toMillis())
        .execute();
  }

  private Duration wait(int attempt) {
    Duration doubled = retry.multipliedBy(1L << Math.min(attempt - 1, 30));
    Duration least = doubled.compareTo(RETRY_MAX) < 0 ? doubled : RETRY_MAX;
    // Receivers that were away together are not asked together.
    return least.plusMillis(RANDOM.nextLong(1 + least.toMillis() / 5));
  }

  /** How far a run's delivery has got; empty when it asked for none, or has not ended. */
  public Optional<Told> told(Tx tx, OrganizationId organization, RunId run) {
    return tx.query(WebhookSql.TOLD)
        .bind("organization", organization.value())
        .bind("run", run.value())
        .map((row, _) ->
            new Told(row.getString("state"), row.getInt("attempts"), row.getString("answer")))
        .findOne();
  }

  /** What the organization's deliveries are signed with; made when there is none yet. */
  public byte[] secret(Tx tx, OrganizationId organization) {
    Optional<byte[]> there = find(tx, organization);
    if (there.isPresent()) {
      return there.get();
    }
    tx.update(WebhookSql.MAKE_SECRET)
        .bind("organization", organization.value())
        .bind("secret", random())
        .execute();
    return find(tx, organization).orElseThrow();
  }

  /** Another one, from the next attempt on. */
  public byte[] replaceSecret(Tx tx, OrganizationId organization) {
    byte[] next = random();
    tx.update(WebhookSql.SET_SECRET)
        .bind("organization", organization.value())
        .bind("secret", next)
        .execute();
    return next;
  }

  private static Optional<byte[]> find(Tx tx, OrganizationId organization) {
    return tx.query(WebhookSql.SECRET)
        .bind("organization", organization.value())
        .mapTo(byte[].class)
        .findOne();
  }

  private static byte[] random() {
    byte[] secret = new byte[SECRET_BYTES];
    RANDOM.nextBytes(secret);
    return secret;
  }
}

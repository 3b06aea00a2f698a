package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.db.Tx;
import io.turnkeeper.queue.Run;
import io.turnkeeper.webhook.Delivery;
import io.turnkeeper.webhook.Sent;
import io.turnkeeper.webhook.Told;
import io.turnkeeper.webhook.Webhooks;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Tells whoever asked for it that a run has ended. What is due is in the database: any replica
 * takes it, and takes it again when another one died over it. So a receiver may be told twice.
 */
final class Postman {
  private static final Logger log = LoggerFactory.getLogger(Postman.class);
  private static final int AT_ONCE = 16;

  private record Serving(Webhooks webhooks, Function<Run, ObjectNode> body) {}

  private final Tools tools;
  private final AtomicInteger underWay = new AtomicInteger();
  private volatile @Nullable Serving serving;
  private volatile boolean due;

  Postman(Tools tools) {
    this.tools = tools;
  }

  /** From now on. Until then webhooks are refused. */
  void serve(Webhooks webhooks, Function<Run, ObjectNode> body) {
    serving = new Serving(webhooks, body);
  }

  /**
   * @throws Refusal when the options name a webhook that cannot be served
   */
  void check(ObjectNode options) {
    String url = options.path("webhook").asString("");
    if (!url.isEmpty()) {
      webhooks().check(url);
    }
  }

  Webhooks webhooks() {
    Serving now = serving;
    if (now == null) {
      throw new Refusal.Unsupported(
          "webhooks_not_supported", "webhook", "webhooks are not served here");
    }
    return now.webhooks();
  }

  Optional<Told> told(Run run) {
    OrganizationId organization = run.organization();
    return run.options().has("webhook")
        ? tools.db().inTx(organization, tx -> webhooks().told(tx, organization, run.id()))
        : Optional.empty();
  }

  /** In the transaction of the housekeeping: whether there is something for {@link #tick}. */
  void look(Tx tx) {
    Serving now = serving;
    due = now != null && now.webhooks().due(tx);
  }

  /**
   * Takes what is due, as much as it may at once, and sends it aside. Never waits for receivers.
   */
  void tick() {
    Serving now = serving;
    int room = AT_ONCE - underWay.get();
    if (now == null || !due || room <= 0) {
      return;
    }
    List<Delivery> taken = tools.db().inTx(tx -> now.webhooks().claim(tx, room));
    for (Delivery delivery : taken) {
      underWay.incrementAndGet();
      Thread aside = tools.threads().newThread(() -> deliver(now, delivery));
      aside.setName("webhook-" + delivery.run());
      aside.start();
    }
  }

  private void deliver(Serving now, Delivery delivery) {
    OrganizationId organization = delivery.organization();
    try {
      Optional<Run> run =
          tools.db().inTx(organization, tx -> tools.queue().run(tx, organization, delivery.run()));
      if (run.isEmpty()) {
        return;
      }
      byte[] secret = tools.db().inTx(organization, tx -> now.webhooks().secret(tx, organization));
      String body = Json.write(now.body().apply(run.get()));
      Sent sent = now.webhooks().send(delivery, secret, body);
      tools.db().useTx(organization, tx -> now.webhooks().record(tx, delivery, sent));
      if (!sent.accepted()) {
        log.info(
            "the webhook of run {} was not accepted: {}, attempt {}",
            delivery.run(),
            sent.answer(),
            delivery.attempt());
      }
    } catch (RuntimeException failed) {
      log.warn("{} is tried again", delivery, failed);
    } finally {
      underWay.decrementAndGet();
    }
  }
}

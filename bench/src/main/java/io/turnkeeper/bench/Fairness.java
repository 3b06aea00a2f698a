package io.turnkeeper.bench;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.conversation.ConversationStore.Resolved;
import io.turnkeeper.conversation.ConversationStore.Wanted;
import io.turnkeeper.queue.Claimed;
import io.turnkeeper.tenancy.Organization;
import java.util.ArrayList;
import java.util.List;

/** A tenant that queues one message behind one that has queued thousands. */
final class Fairness implements Scenario {
  private static final int SLOTS = 10;
  private static final int CONVERSATIONS = 1_000;

  @Override
  public String name() {
    return "fairness";
  }

  @Override
  public String claim() {
    return "who queues one message is next, however many another tenant has queued";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int runs = lab.mode().pick(100_000, 50_000, 4_000);
    try (Database database = lab.postgres().fresh();
        Engine engine =
            Engine.prepare(
                database,
                new Engine.Shape(0, 4, lab.scratch("fairness")),
                new NoopPool(false, (turn, listener) -> {}))) {
      Bare bare = Bare.in(database, engine);
      lab.progress().say(runs + " runs of one tenant");
      Backlog.runs(engine, Backlog.conversations(engine, CONVERSATIONS), runs);
      // It has been served for a while.
      for (int i = 0; i < 20; i++) {
        bare.done(bare.claim(SLOTS));
      }
      int passed = 0;
      int worst = 0;
      int asked = lab.mode().pick(50, 20, 5);
      for (int n = 0; n < asked; n++) {
        Conversation other = other(engine, n);
        engine.db().inTx(tx -> engine.queue().enqueue(tx, List.of(Backlog.run(other, 0))));
        int before = 0;
        boolean served = false;
        while (!served) {
          List<Claimed> taken = bare.claim(1);
          for (Claimed one : taken) {
            served |= one.lease().conversation().organization().equals(other.organization());
          }
          before += served ? 0 : 1;
          bare.done(taken);
        }
        passed += before;
        worst = Math.max(worst, before);
        sheet.add("runs of the busy tenant that came first", "", before);
      }
      sheet.note(asked + " small tenants, " + passed + " overtakings in all, at most " + worst);
    }
    sheet.figure(
        "runs of the busy tenant that came first",
        "runs of the busy tenant that came first",
        Sheet.Bound.atMost(1, 20));
  }

  private static Conversation other(Engine engine, int number) {
    Organization organization =
        engine.tenancy().createOrganization("small-" + number, null).organization();
    OrganizationId id = organization.id();
    var agent =
        engine
            .agents()
            .add(
                id,
                Json.object()
                    .put("name", "noop")
                    .put("kind", "command")
                    .set("command", Json.array().add("true")))
            .agent();
    List<Wanted> wanted =
        new ArrayList<>(
            List.of(new Wanted(id, agent.id(), "only", Json.object(), false, true)));
    return engine.db().inTx(tx -> engine.store().resolve(tx, wanted)).stream()
        .flatMap(one ->
            one instanceof Resolved.Found(Conversation found)
                ? java.util.stream.Stream.of(found)
                : java.util.stream.Stream.empty())
        .findFirst()
        .orElseThrow();
  }
}

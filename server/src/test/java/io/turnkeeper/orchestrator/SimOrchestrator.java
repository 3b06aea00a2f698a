package io.turnkeeper.orchestrator;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.RunId;
import io.turnkeeper.cluster.News;
import io.turnkeeper.db.Tx;
import java.time.Duration;
import java.util.concurrent.ThreadFactory;
import java.util.function.Supplier;

/** The steps of an {@link Orchestrator}, for who takes them in an order of its own. */
public final class SimOrchestrator {
  private final Orchestrator orchestrator;

  /** Who makes the threads of sessions, and the ids of runs. */
  public record Made(ThreadFactory sessions, Supplier<RunId> runIds) {}

  public SimOrchestrator(
      Orchestrator.Capabilities on, Orchestrator.Limits limits, Clock clock, Made made) {
    this.orchestrator =
        new Orchestrator(
            on,
            limits,
            Elsewhere.defaults(on.db(), clock),
            new Uncounted(),
            new Orchestrator.Ways(clock, made.sessions(), made.runIds()));
  }

  public boolean dispatch() {
    return orchestrator.dispatch();
  }

  public boolean keep() {
    return orchestrator.keep();
  }

  public boolean look() {
    return orchestrator.look();
  }

  public Conversations conversations() {
    return orchestrator.conversations();
  }

  public void joined(int replica) {
    orchestrator.joined(replica);
  }

  public void fenced() {
    orchestrator.fenced();
  }

  public Runnable takeOver(Tx tx, int dead, int taker) {
    return orchestrator.takeOver(tx, dead, taker);
  }

  public void heard(News news) {
    orchestrator.heard(news);
  }

  public void missed() {
    orchestrator.missed();
  }

  public int held() {
    return orchestrator.load().held();
  }

  public int cap() {
    return orchestrator.load().cap();
  }

  private record Uncounted() implements Meters {
    @Override
    public void runEnded(String status, Duration sinceStart) {}

    @Override
    public void restored(String mode) {}

    @Override
    public void events(int written) {}

    @Override
    public void snapshot(long addedBytes) {}
  }
}

package io.turnkeeper.cluster;

import io.turnkeeper.base.Clock;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.Db;
import java.time.Duration;
import java.util.OptionalInt;

/** The steps of a {@link Cluster}, for who takes them in an order of its own. */
public final class SimCluster {
  private final Cluster cluster;

  public SimCluster(Db db, DatabaseUrl session, ClusterConfig config, Member member, Clock clock) {
    this.cluster = new Cluster(db, db, session, config, member, clock);
  }

  public static ClusterConfig config(Duration ttl, Duration grace, Duration heartbeat) {
    return new ClusterConfig(ttl, grace, heartbeat, "sim", "http://sim", "sim");
  }

  public void join() {
    cluster.join();
  }

  public void tick() {
    cluster.tick();
  }

  public void fenceIfOverdue() {
    cluster.fenceIfOverdue();
  }

  public void bury(int dead) {
    cluster.bury(dead);
  }

  public void tell(News news) {
    cluster.tell(news);
  }

  public void tellOthers() {
    cluster.tellOthers();
  }

  public OptionalInt nextSuspect() {
    return cluster.nextSuspect();
  }

  public OptionalInt replica() {
    return cluster.replica();
  }
}

package io.turnkeeper.bench;

/** A way in which a database goes away and comes back. */
sealed interface DatabaseFault {
  String name();

  /** Where replicas find it, whatever happens. */
  String url();

  /** The database as it is now. */
  Database database();

  /** It is gone, and back when this returns. */
  void happen();

  /** Makes it ready to happen again. */
  void heal();

  /** A restart as after a crash of its machine. */
  record Restart(Database database) implements DatabaseFault {
    @Override
    public String name() {
      return "restart";
    }

    @Override
    public String url() {
      return database.url();
    }

    @Override
    public void happen() {
      database.server().stopImmediately();
      database.server().startServer();
    }

    @Override
    public void heal() {
      // It is what it was.
    }
  }

  /** The primary is gone for good and its standby, a synchronous one, takes its place. */
  final class Promotion implements DatabaseFault {
    private static final int STREAMS_WITHIN = 30;

    private final String database;
    private final String url;
    private Postgres primary;
    private Postgres standby;

    Promotion(Postgres primary, Postgres standby) {
      this.primary = primary;
      this.standby = standby;
      this.database = primary.fresh().name();
      this.url =
          "postgresql://postgres@127.0.0.1:%d,127.0.0.1:%d/%s?targetServerType=primary"
              .formatted(primary.port(), standby.port(), database);
      keepBoth();
    }

    @Override
    public String name() {
      return "failover";
    }

    @Override
    public String url() {
      return url;
    }

    @Override
    public Database database() {
      return new Database(primary, database);
    }

    @Override
    public void happen() {
      primary.stopImmediately();
      standby.promote();
      Postgres lost = primary;
      primary = standby;
      standby = lost;
    }

    /** The one that was lost comes back, as the standby of the other. */
    @Override
    public void heal() {
      standby.follow(primary);
      keepBoth();
    }

    /** From now on a commit waits until the standby has it too. */
    private void keepBoth() {
      Database admin = new Database(primary, "postgres");
      awaitStandby(admin, "");
      admin.execute(
          "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()");
      awaitStandby(admin, " WHERE sync_state = 'sync'");
    }

    private static void awaitStandby(Database admin, String which) {
      String standbys = "SELECT count(*) FROM pg_stat_replication" + which;
      if (!Threads.await(50, STREAMS_WITHIN, () -> admin.number(standbys) == 1)) {
        throw new IllegalStateException("the standby does not stream");
      }
    }
  }
}

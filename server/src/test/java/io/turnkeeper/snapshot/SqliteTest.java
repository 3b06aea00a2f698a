package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DbTest
class SqliteTest {
  @TempDir Path directory;
  private final World world;
  private final Snapshots snapshots;

  private static final long WRITE_EVERY_NANOS = 2_000_000;

  SqliteTest(Db db) {
    this.world = new World(db);
    this.snapshots = new Snapshots(db, new Snapshots.Limits(256 << 20, 1_000, 5));
  }

  @Test
  void a_database_that_is_open_and_idle_comes_back_with_all_its_rows() throws Exception {
    LeaseToken lease = world.leased(world.replica());
    Path root = directory.resolve("state");
    try (Connection open = open(root.resolve("home/agent.db"))) {
      fill(open, 0, 500);
      assertThat(root.resolve("home/agent.db-wal")).exists();
      world.completed(snapshots, lease, root);
      assertThat(rows(lease, "first")).isEqualTo(500);
      fill(open, 500, 700);
      world.completed(snapshots, lease, root);
      assertThat(rows(lease, "second")).isEqualTo(700);
    }
    world.completed(snapshots, lease, root);
    assertThat(rows(lease, "third")).isEqualTo(700);
  }

  @Test
  void a_database_that_is_written_to_while_it_is_saved_comes_back_whole() throws Exception {
    LeaseToken lease = world.leased(world.replica());
    Path root = directory.resolve("state");
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger committed = new AtomicInteger();
    CountDownLatch begun = new CountDownLatch(1);
    try (Connection open = open(root.resolve("home/agent.db"))) {
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  // Busy, as an agent is: one that never lets go of its database is refused.
                  for (int i = 0; !stop.get(); i++, LockSupport.parkNanos(WRITE_EVERY_NANOS)) {
                    fill(open, i, i + 1);
                    committed.set(i + 1);
                    begun.countDown();
                  }
                } catch (SQLException failed) {
                  throw new IllegalStateException(failed);
                }
              });
      try {
        assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
        int saves = 0;
        for (int i = 0; i < 6; i++) {
          int before = committed.get();
          World.Turn turn = world.turn(lease);
          Saved saved = World.saved(snapshots, lease, turn, root);
          if (saved instanceof Saved.Stored) {
            saves++;
            world.db.useTx(tx -> snapshots.complete(tx, List.of(turn.run())));
            assertThat(rows(lease, "copy" + i)).isBetween(before, committed.get() + 1);
          }
        }
        assertThat(saves).isPositive();
      } finally {
        stop.set(true);
        writer.join();
      }
    }
  }

  private static Connection open(Path file) throws SQLException, IOException {
    Files.createDirectories(file.getParent());
    Connection open = DriverManager.getConnection("jdbc:sqlite:" + file);
    try (Statement statement = open.createStatement()) {
      statement.execute("PRAGMA journal_mode = WAL");
      statement.execute("PRAGMA synchronous = OFF");
      statement.execute("CREATE TABLE said (id INTEGER PRIMARY KEY, text TEXT NOT NULL)");
    }
    return open;
  }

  private static void fill(Connection open, int from, int to) throws SQLException {
    try (var insert = open.prepareStatement("INSERT INTO said VALUES (?, ?)")) {
      for (int i = from; i < to; i++) {
        insert.setInt(1, i);
        insert.setString(2, ("row " + i + " ").repeat(20));
        insert.executeUpdate();
      }
    }
  }

  /** Rows of the restored database, which must be the first ones, without a gap. */
  private int rows(LeaseToken lease, String into) throws SQLException {
    Path root = directory.resolve(into);
    snapshots.restore(lease.conversation(), StateFiles.of(root, List.of()));
    assertThat(root.resolve("home/agent.db-shm")).doesNotExist();
    try (Connection open =
            DriverManager.getConnection("jdbc:sqlite:" + root.resolve("home/agent.db"));
        Statement statement = open.createStatement()) {
      try (ResultSet check = statement.executeQuery("PRAGMA integrity_check")) {
        assertThat(check.getString(1)).isEqualTo("ok");
      }
      try (ResultSet count = statement.executeQuery("SELECT count(*), max(id) FROM said")) {
        assertThat(count.getInt(1)).isEqualTo(count.getInt(2) + 1);
        return count.getInt(1);
      }
    }
  }
}

package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.base.Refusal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("db")
@Tag("embedded")
class EmbeddedPostgresTest {
  @TempDir Path directory;

  @Test
  void data_survive_a_restart_and_a_server_left_behind_is_stopped() {
    EmbeddedPostgres left = EmbeddedPostgres.start(directory, TestDatabases.cache());
    try (Db db = open(left)) {
      db.useTx(tx -> tx.update("CREATE TABLE kept AS SELECT 42 AS n").execute());
    }
    // Nobody closes it: the next start finds it running, as after a kill -9 of its replica.
    try (EmbeddedPostgres next = EmbeddedPostgres.start(directory, TestDatabases.cache());
        Db db = open(next)) {
      int kept = db.inTx(tx -> tx.query("SELECT n FROM kept").mapTo(Integer.class).one());
      assertThat(kept).isEqualTo(42);
    }
  }

  @Test
  void a_directory_of_another_version_is_refused_in_one_line() throws Exception {
    Files.createDirectories(directory.resolve("data"));
    Files.writeString(directory.resolve("data/PG_VERSION"), "14\n");
    assertThatThrownBy(() -> EmbeddedPostgres.start(directory, TestDatabases.cache()))
        .isInstanceOf(Refusal.Unavailable.class)
        .hasMessageContaining("made by PostgreSQL 14")
        .hasMessageNotContaining("\n");
  }

  @Test
  void a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting() throws Exception {
    EmbeddedPostgres.start(directory, TestDatabases.cache()).close();
    Process stranger = new ProcessBuilder("sleep", "600").start();
    try {
      Files.writeString(
          directory.resolve("data/postmaster.pid"),
          "%d\n%s\n1\n5432\n\n127.0.0.1\n0 0\nready\n"
              .formatted(stranger.pid(), directory.resolve("data")));
      EmbeddedPostgres.start(directory, TestDatabases.cache()).close();
      assertThat(stranger.isAlive()).isTrue();
    } finally {
      stranger.destroy();
    }
  }

  @Test
  void an_interrupted_thread_stops_it_cleanly() throws Exception {
    EmbeddedPostgres postgres = EmbeddedPostgres.start(directory, TestDatabases.cache());
    Thread.currentThread().interrupt();
    postgres.close();
    assertThat(Thread.interrupted()).isTrue();
    assertThat(directory.resolve("data/postmaster.pid")).doesNotExist();
    assertThat(Files.readString(directory.resolve("log")))
        .contains("fast shutdown request", "database system is shut down")
        .doesNotContain("immediate shutdown request");
  }

  @Test
  void without_its_password_it_is_refused_and_nothing_is_left_running() throws Exception {
    EmbeddedPostgres.start(directory, TestDatabases.cache()).close();
    Files.delete(directory.resolve("password"));
    assertThatThrownBy(() -> EmbeddedPostgres.start(directory, TestDatabases.cache()))
        .isInstanceOf(Refusal.Unavailable.class)
        .hasMessageNotContaining("\n");
    assertThat(directory.resolve("data/postmaster.pid")).doesNotExist();
  }

  @Test
  void a_password_that_does_not_fit_is_refused_at_once() throws Exception {
    EmbeddedPostgres.start(directory, TestDatabases.cache()).close();
    Files.writeString(directory.resolve("password"), "another");
    assertThatThrownBy(() -> EmbeddedPostgres.start(directory, TestDatabases.cache()))
        .isInstanceOf(Refusal.Unavailable.class)
        .hasMessageContaining("password file");
    assertThat(directory.resolve("data/postmaster.pid")).doesNotExist();
  }

  private static Db open(EmbeddedPostgres postgres) {
    return Db.open(postgres.url(), 2, Duration.ofSeconds(5));
  }
}

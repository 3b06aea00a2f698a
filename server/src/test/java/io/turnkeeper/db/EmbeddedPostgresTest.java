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

  private static Db open(EmbeddedPostgres postgres) {
    return Db.open(postgres.url(), 2, Duration.ofSeconds(5));
  }
}

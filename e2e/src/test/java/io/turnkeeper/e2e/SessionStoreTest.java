package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Agents' files on the replica's own volume, and not in the database. */
@Tag("e2e")
@Promise(2)
class SessionStoreTest {
  @TempDir Path scratch;

  @Test
  void with_files_as_the_store_memory_outlives_a_kill_and_the_database_holds_none_of_it()
      throws Exception {
    Path data = scratch.resolve("data");
    try (Turnkeeper replica = Turnkeeper.of(data, "--session-store", "file")) {
      replica.start();
      replica.addAgent(
          Map.of(
              "name",
              "notes",
              "kind",
              "command",
              "command",
              List.of("/bin/sh", "-c", "cat >> \"$HOME/said\"; cat \"$HOME/said\"")));
      String thread = replica.newThread();
      assertThat(replica.ask(thread, "notes", "My dog is called Rex.")).contains("Rex");

      replica.kill();
      replica.start();

      assertThat(replica.ask(thread, "notes", "What is it called?")).contains("Rex");
      assertThat(chunks(data)).isZero();
      replica.stop();
    }
    // The same agent with the other store: what is counted above is where files would be.
    try (Turnkeeper replica = Turnkeeper.start(data)) {
      replica.ask(replica.newThread(), "notes", "hello");
      assertThat(chunks(data)).isPositive();
    }
  }

  private static long chunks(Path data) throws IOException, SQLException {
    Path postgres = data.resolve("postgres");
    String port = Files.readAllLines(postgres.resolve("data/postmaster.pid")).get(3).strip();
    String password = Files.readString(postgres.resolve("password")).strip();
    try (Connection connection =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + port + "/turnkeeper", "turnkeeper", password);
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT count(*) FROM snapshot_chunks")) {
      assertThat(rows.next()).isTrue();
      return rows.getLong(1);
    }
  }
}

package io.turnkeeper.snapshot;

import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Db;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;

/** A tenant with an agent on a live replica, and files of its conversations. */
final class World {
  final Db db;
  final OrganizationId organization = new OrganizationId(UUID.randomUUID());
  final AgentId agent = new AgentId(UUID.randomUUID());
  private final Map<Long, Long> turns = new HashMap<>();

  World(Db db) {
    this.db = db;
    db.useTx(tx -> {
      tx.update("INSERT INTO organizations (id, name) VALUES (:id, :name)")
          .bind("id", organization.value())
          .bind("name", "acme-" + organization)
          .execute();
      tx.update(
              "INSERT INTO agents (id, organization_id, name, version)"
                  + " VALUES (:id, :organization, 'a', 1)")
          .bind("id", agent.value())
          .bind("organization", organization.value())
          .execute();
    });
  }

  int replica() {
    return db.inTx(tx ->
        tx.query(
                "INSERT INTO replicas (host, pid, address, version, max_leases)"
                    + " VALUES ('h', 1, 'a', 'v', 10) RETURNING id")
            .mapTo(Integer.class)
            .one());
  }

  /** A conversation that the replica holds. */
  LeaseToken leased(int replica) {
    String id = UUID.randomUUID().toString();
    long key =
        db.inTx(tx ->
            tx.query(
                    """
                    INSERT INTO conversations (organization_id, agent_id, id)
                    VALUES (:organization, :agent, :id) RETURNING key
                    """)
                .bind("organization", organization.value())
                .bind("agent", agent.value())
                .bind("id", id)
                .mapTo(Long.class)
                .one());
    db.useTx(tx ->
        tx.update(
                """
                INSERT INTO mailboxes
                       (conversation_key, organization_id, agent_id, state, replica_id, epoch)
                VALUES (:key, :organization, :agent, 'leased', :replica, 1)
                """)
            .bind("key", key)
            .bind("organization", organization.value())
            .bind("agent", agent.value())
            .bind("replica", replica)
            .execute());
    return new LeaseToken(new Conversation(organization, agent, key, id), 1, replica);
  }

  record Turn(RunId run, long number) {}

  /** The conversation's next run. */
  Turn turn(LeaseToken lease) {
    long number = turns.merge(lease.conversation().key(), 1L, Long::sum);
    RunId run = RunId.next();
    db.useTx(tx ->
        tx.update(
                """
                INSERT INTO runs (id, organization_id, agent_id, conversation_key, turn,
                                  action_input)
                VALUES (:id, :organization, :agent, :key, :turn, '{}')
                """)
            .bind("id", run.value())
            .bind("organization", organization.value())
            .bind("agent", agent.value())
            .bind("key", lease.conversation().key())
            .bind("turn", number)
            .execute());
    return new Turn(run, number);
  }

  /** Saves after a new run, which then completes. */
  Saved.Stored completed(Snapshots snapshots, LeaseToken lease, Path root) {
    Turn turn = turn(lease);
    Saved saved = saved(snapshots, lease, turn, root);
    db.useTx(tx -> snapshots.complete(tx, List.of(turn.run())));
    return (Saved.Stored) saved;
  }

  static Saved saved(Snapshots snapshots, LeaseToken lease, Turn turn, Path root) {
    return snapshots.save(
        lease,
        turn.run(),
        turn.number(),
        StateFiles.of(root, List.of()),
        Json.object().put("id", "s" + turn.number()));
  }

  LeaseToken takenOver(LeaseToken lease, int by) {
    db.useTx(tx ->
        tx.update(
                "UPDATE mailboxes SET epoch = epoch + 1, replica_id = :by"
                    + " WHERE conversation_key = :key")
            .bind("by", by)
            .bind("key", lease.conversation().key())
            .execute());
    return new LeaseToken(lease.conversation(), lease.epoch() + 1, by);
  }

  long count(String table, LeaseToken lease) {
    return db.inTx(tx ->
        tx.query("SELECT count(*) FROM " + table + " WHERE conversation_key = :key")
            .bind("key", lease.conversation().key())
            .mapTo(Long.class)
            .one());
  }

  static void write(Path file, String text) {
    write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  static void write(Path file, byte[] data) {
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, data);
    } catch (IOException failed) {
      throw new java.io.UncheckedIOException(failed);
    }
  }

  /** Everything under a root: path, kind, permissions, modification time, content. */
  static Map<String, String> shape(Path root) throws IOException {
    Map<String, String> shape = new TreeMap<>();
    try (Stream<Path> all = Files.walk(root)) {
      for (Path path : all.filter(p -> !p.equals(root)).toList()) {
        String name = root.relativize(path).toString();
        if (Files.isSymbolicLink(path)) {
          shape.put(name, "-> " + Files.readSymbolicLink(path));
          continue;
        }
        String mode =
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
        shape.put(
            name,
            Files.isDirectory(path)
                ? mode
                : mode
                    + " "
                    + Files.getLastModifiedTime(path).toMillis()
                    + " "
                    + java.util.Arrays.hashCode(Files.readAllBytes(path)));
      }
    }
    return shape;
  }
}

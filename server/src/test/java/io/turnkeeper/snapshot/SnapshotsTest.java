package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import io.turnkeeper.snapshot.World.Turn;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DbTest
class SnapshotsTest {
  private static final Snapshots.Limits LIMITS = new Snapshots.Limits(64 << 20, 5_000, 4);

  @TempDir Path directory;
  private final World world;
  private final Db db;
  private Snapshots snapshots;
  private int replica;
  private LeaseToken lease;
  private Path root;

  SnapshotsTest(Db db) {
    this.db = db;
    this.world = new World(db);
    this.snapshots = new Snapshots(db, LIMITS);
    this.replica = world.replica();
    this.lease = world.leased(replica);
    this.root = Path.of("/nowhere");
  }

  @BeforeEach
  void start() {
    snapshots = new Snapshots(db, LIMITS);
    replica = world.replica();
    lease = world.leased(replica);
    root = directory.resolve("state");
  }

  @Test
  void what_was_saved_comes_back_with_names_times_permissions_and_links() throws IOException {
    World.write(home("transcript.jsonl"), "{\"turn\":1}\n");
    World.write(home("work/run.sh"), "#!/bin/sh\n");
    World.write(home("work/déjà vu 🎭.txt"), "unicode");
    World.write(home("big.bin"), random(1, 700_000));
    World.write(home("empty"), "");
    Files.createDirectories(home("hollow/inner"));
    Files.setPosixFilePermissions(
        home("work/run.sh"), PosixFilePermissions.fromString("rwxr-x--x"));
    Files.setPosixFilePermissions(home("hollow"), PosixFilePermissions.fromString("r-x------"));
    Files.createSymbolicLink(home("work/up"), Path.of("../transcript.jsonl"));
    Map<String, String> before = World.shape(root);

    Saved.Stored stored = world.completed(snapshots, lease, root);
    assertThat(stored.files()).isEqualTo(6);
    Files.setPosixFilePermissions(home("hollow"), PosixFilePermissions.fromString("rwx------"));
    World.write(home("later"), "is gone after the restore");
    Path other = directory.resolve("other");
    assertThat(restored(root)).isEqualTo(before);
    assertThat(restored(other)).isEqualTo(before);
  }

  @Test
  void the_newest_completed_run_is_what_is_restored() throws IOException {
    assertThat(snapshots.newest(lease.conversation())).isEmpty();
    assertThat(snapshots.restore(lease.conversation(), files())).isEmpty();
    World.write(home("a"), "one");
    world.completed(snapshots, lease, root);
    World.write(home("a"), "two");
    Turn second = world.turn(lease);
    World.saved(snapshots, lease, second, root);
    Restored first = snapshots.restore(lease.conversation(), files()).orElseThrow();
    assertThat(first.turn()).isEqualTo(1);
    assertThat(first.session()).isEqualTo(Json.object().put("id", "s1"));
    assertThat(home("a")).hasContent("one");

    db.useTx(tx -> snapshots.complete(tx, List.of(second.run())));
    assertThat(snapshots.newest(lease.conversation()))
        .contains(new SnapshotInfo(second.run(), 2, Json.object().put("id", "s2")));
    snapshots.restore(lease.conversation(), files());
    assertThat(home("a")).hasContent("two");
  }

  @Test
  @Promise(1)
  void a_stale_epoch_stores_nothing() {
    World.write(home("a"), random(2, 300_000));
    world.takenOver(lease, world.replica());
    assertThat(World.saved(snapshots, lease, world.turn(lease), root)).isEqualTo(new Saved.Stale());
    assertNothingStored();
  }

  @Test
  @Promise(1)
  void a_dead_replica_stores_nothing_and_a_draining_one_does() {
    World.write(home("a"), random(3, 300_000));
    state("dead");
    assertThat(World.saved(snapshots, lease, world.turn(lease), root)).isEqualTo(new Saved.Stale());
    assertNothingStored();
    state("draining");
    assertThat(World.saved(snapshots, lease, world.turn(lease), root))
        .isInstanceOf(Saved.Stored.class);
  }

  @Test
  void another_conversations_run_or_organization_is_refused() {
    World.write(home("a"), "x");
    LeaseToken other = world.leased(replica);
    assertThat(World.saved(snapshots, lease, world.turn(other), root))
        .isInstanceOf(Saved.Refused.class);
    Conversation mine = lease.conversation();
    Conversation stolen =
        new Conversation(
            new OrganizationId(UUID.randomUUID()), mine.agent(), mine.key(), mine.id());
    LeaseToken forged = new LeaseToken(stolen, lease.epoch(), replica);
    assertThat(World.saved(snapshots, forged, world.turn(lease), root))
        .isEqualTo(new Saved.Stale());
    assertNothingStored();
    world.completed(snapshots, lease, root);
    assertThat(snapshots.newest(stolen)).isEmpty();
    assertThat(snapshots.restore(stolen, files())).isEmpty();
  }

  @Test
  void a_run_has_one_snapshot_and_only_a_later_attempt_replaces_it() {
    World.write(home("a"), "first attempt");
    Turn turn = world.turn(lease);
    assertThat(World.saved(snapshots, lease, turn, root)).isInstanceOf(Saved.Stored.class);
    assertThat(World.saved(snapshots, lease, turn, root)).isEqualTo(new Saved.Exists());
    LeaseToken later = world.takenOver(lease, replica);
    World.write(home("a"), "second attempt");
    assertThat(World.saved(snapshots, later, turn, root)).isInstanceOf(Saved.Stored.class);
    db.useTx(tx -> snapshots.complete(tx, List.of(turn.run())));
    LeaseToken last = world.takenOver(later, replica);
    assertThat(World.saved(snapshots, last, turn, root)).isEqualTo(new Saved.Exists());
    snapshots.restore(lease.conversation(), files());
    assertThat(home("a")).hasContent("second attempt");
  }

  @Test
  void too_large_and_too_many_are_told_apart_and_store_nothing() {
    World.write(home("a"), random(4, 3_000));
    World.write(home("b"), "x");
    Turn turn = world.turn(lease);
    Snapshots small = new Snapshots(db, new Snapshots.Limits(3_000, 100, 1));
    assertThat(World.saved(small, lease, turn, root)).isEqualTo(new Saved.TooLarge(3_001, 3_000));
    Snapshots few = new Snapshots(db, new Snapshots.Limits(1 << 20, 1, 1));
    assertThat(World.saved(few, lease, turn, root)).isInstanceOf(Saved.Refused.class);
    assertNothingStored();
  }

  @Test
  void old_snapshots_go_with_the_chunks_that_only_they_used() throws IOException {
    World.write(home("stays"), random(5, 200_000));
    for (int turn = 0; turn < 12; turn++) {
      World.write(home("changes"), random(100 + turn, 200_000));
      world.completed(snapshots, lease, root);
    }
    assertThat(world.count("snapshots", lease)).isBetween(4L, 7L);
    long stored =
        db.inTx(tx ->
            tx.query("SELECT sum(length(data)) FROM snapshot_chunks WHERE conversation_key = :key")
                .bind("key", lease.conversation().key())
                .mapTo(Long.class)
                .one());
    assertThat(stored).isBetween(1_000_000L, 1_700_000L);
    Map<String, String> before = World.shape(root);
    assertThat(restored(directory.resolve("other"))).isEqualTo(before);
  }

  @Test
  void a_deleted_conversation_leaves_nothing() {
    World.write(home("a"), random(6, 100_000));
    world.completed(snapshots, lease, root);
    db.useTx(tx -> snapshots.delete(tx, lease.conversation()));
    assertNothingStored();
    assertThat(snapshots.newest(lease.conversation())).isEmpty();
  }

  @Test
  void sockets_pipes_caches_and_links_out_of_the_root_are_not_kept() throws Exception {
    World.write(home("kept"), "x");
    World.write(home(".cache/huge"), random(7, 100_000));
    World.write(home("work/node_modules/.cache/x"), "x");
    World.write(home("work/yarn.lock"), "content");
    Files.createSymbolicLink(home("out"), Path.of("../../outside"));
    Files.createSymbolicLink(home("absolute"), Path.of("/etc/passwd"));
    Files.createSymbolicLink(home("work/sly"), Path.of("node_modules/../../../../outside"));
    assertThat(new ProcessBuilder("mkfifo", home("pipe").toString()).start().waitFor()).isZero();
    try (ServerSocketChannel socket = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      Path short_ = Files.createTempDirectory("s");
      socket.bind(UnixDomainSocketAddress.of(short_.resolve("x")));
      Files.move(short_.resolve("x"), home("socket"));
      world.completed(snapshots, lease, root);
    }
    assertThat(restored(directory.resolve("other")).keySet())
        .containsExactlyInAnyOrder(
            "home", "home/kept", "home/work", "home/work/node_modules", "home/work/yarn.lock");
  }

  @Test
  void only_what_the_agents_globs_name_is_kept() throws IOException {
    World.write(home(".agent/sessions/1.jsonl"), "{}");
    World.write(home(".agent/log.txt"), "x");
    World.write(home("work/a.md"), "x");
    World.write(root.resolve("beside-home"), "x");
    Turn turn = world.turn(lease);
    StateFiles chosen = StateFiles.of(root, List.of(".agent/sessions", "**/*.md"));
    snapshots.save(lease, turn.run(), turn.number(), chosen, Json.object());
    db.useTx(tx -> snapshots.complete(tx, List.of(turn.run())));
    assertThat(restored(directory.resolve("other")).keySet())
        .containsExactlyInAnyOrder(
            "home",
            "home/.agent",
            "home/.agent/sessions",
            "home/.agent/sessions/1.jsonl",
            "home/work",
            "home/work/a.md");
  }

  @Test
  void files_that_come_and_go_while_it_saves_are_no_error() throws Exception {
    for (int i = 0; i < 200; i++) {
      World.write(home("d" + i % 10 + "/f" + i), "x".repeat(i));
    }
    World.write(home("stays"), "x");
    AtomicBoolean stop = new AtomicBoolean();
    Thread churn =
        Thread.ofVirtual()
            .start(() -> {
              for (int i = 0; !stop.get(); i++) {
                Path file = home("d" + i % 10 + "/f" + i % 200);
                try {
                  if (!Files.deleteIfExists(file)) {
                    World.write(file, "y".repeat(i % 300));
                  }
                } catch (IOException failed) {
                  throw new java.io.UncheckedIOException(failed);
                }
              }
            });
    try {
      for (int i = 0; i < 3; i++) {
        world.completed(snapshots, lease, root);
      }
    } finally {
      stop.set(true);
      churn.join();
    }
    assertThat(restored(directory.resolve("other"))).containsKey("home/stays");
  }

  @Test
  void a_transcript_whose_last_line_is_cut_is_kept_up_to_that_line() throws IOException {
    String whole = "{\"n\":1}\n{\"n\":2}\n";
    World.write(home("cut.jsonl"), whole + "{\"n\":3,\"text\":\"ab");
    World.write(home("long.jsonl"), whole + "{\"text\":\"" + "x".repeat(200_000));
    World.write(home("only.ndjson"), "{\"n\":");
    World.write(home("zeros.jsonl"), whole + "\0\0\0");
    World.write(home("open.jsonl"), whole + "{\"n\":3}");
    World.write(home("words.jsonl"), "not\njson");
    World.write(home("cut.json"), "{\"n\":");
    Saved.Stored stored = world.completed(snapshots, lease, root);
    assertThat(stored.cutShort())
        .containsExactly(
            "home/cut.jsonl", "home/long.jsonl", "home/only.ndjson", "home/zeros.jsonl");
    Path other = directory.resolve("other");
    restored(other);
    assertThat(other.resolve("home/cut.jsonl")).hasContent(whole);
    assertThat(other.resolve("home/long.jsonl")).hasContent(whole);
    assertThat(other.resolve("home/zeros.jsonl")).hasContent(whole);
    assertThat(other.resolve("home/only.ndjson")).isEmptyFile();
    assertThat(other.resolve("home/open.jsonl")).hasContent(whole + "{\"n\":3}");
    assertThat(other.resolve("home/words.jsonl")).hasContent("not\njson");
    assertThat(other.resolve("home/cut.json")).hasContent("{\"n\":");
  }

  @Test
  void a_line_that_becomes_whole_after_all_is_in_the_next_snapshot() throws IOException {
    World.write(home("t.jsonl"), "{\"n\":1}\n{\"n\"");
    assertThat(world.completed(snapshots, lease, root).cutShort()).hasSize(1);
    Files.writeString(home("t.jsonl"), ":2}\n", StandardOpenOption.APPEND);
    assertThat(world.completed(snapshots, lease, root).cutShort()).isEmpty();
    Path other = directory.resolve("other");
    restored(other);
    assertThat(other.resolve("home/t.jsonl")).hasContent("{\"n\":1}\n{\"n\":2}\n");
  }

  @Test
  void a_restored_conversation_is_saved_again_without_storing_it_again() throws IOException {
    for (int i = 0; i < 300; i++) {
      World.write(home("small/" + i), random(i, 900));
    }
    World.write(home("large"), random(8, 500_000));
    world.completed(snapshots, lease, root);
    long chunks = world.count("snapshot_chunks", lease);
    assertThat(chunks).isLessThan(120);

    Path elsewhere = directory.resolve("elsewhere");
    Snapshots another = new Snapshots(db, LIMITS);
    another.restore(lease.conversation(), StateFiles.of(elsewhere, List.of()));
    assertThat(world.completed(another, lease, elsewhere).addedBytes()).isLessThan(8_000);
    Snapshots restarted = new Snapshots(db, LIMITS);
    assertThat(world.completed(restarted, lease, elsewhere).addedBytes()).isLessThan(8_000);
    assertThat(world.count("snapshot_chunks", lease)).isEqualTo(chunks);
  }

  @Test
  void a_change_in_the_middle_of_a_large_file_costs_the_chunks_around_it() throws IOException {
    byte[] data = random(9, 2_000_000);
    World.write(home("large"), data);
    world.completed(snapshots, lease, root);
    byte[] changed = new byte[data.length + 100];
    System.arraycopy(data, 0, changed, 0, 1_000_000);
    System.arraycopy(data, 1_000_000, changed, 1_000_100, 1_000_000);
    World.write(home("large"), changed);
    assertThat(world.completed(snapshots, lease, root).addedBytes()).isLessThan(150_000);
    Map<String, String> before = World.shape(root);
    assertThat(restored(directory.resolve("other"))).isEqualTo(before);
  }

  @Test
  void a_damaged_chunk_is_never_restored_from() {
    World.write(home("a"), random(10, 10_000));
    world.completed(snapshots, lease, root);
    db.useTx(tx ->
        tx.update(
                "UPDATE snapshot_chunks SET data = set_byte(data, 100, 7)"
                    + " WHERE conversation_key = :key")
            .bind("key", lease.conversation().key())
            .execute());
    assertThatThrownBy(() -> snapshots.restore(lease.conversation(), files()))
        .isInstanceOf(CorruptSnapshot.class);
  }

  @Test
  void knowledge_of_chunks_that_are_gone_is_not_trusted() throws IOException {
    World.write(home("a"), random(11, 100_000));
    world.completed(snapshots, lease, root);
    db.useTx(tx ->
        tx.update("DELETE FROM snapshot_chunks WHERE conversation_key = :key")
            .bind("key", lease.conversation().key())
            .execute());
    Files.write(home("a"), new byte[] {1}, StandardOpenOption.APPEND);
    world.completed(snapshots, lease, root);
    Map<String, String> before = World.shape(root);
    assertThat(restored(directory.resolve("other"))).isEqualTo(before);
  }

  private void assertNothingStored() {
    assertThat(world.count("snapshots", lease)).isZero();
    assertThat(world.count("snapshot_chunks", lease)).isZero();
  }

  private void state(String state) {
    db.useTx(tx ->
        tx.update("UPDATE replicas SET state = :state WHERE id = :id")
            .bind("state", state)
            .bind("id", replica)
            .execute());
  }

  private Map<String, String> restored(Path into) throws IOException {
    var unused =
        snapshots.restore(lease.conversation(), StateFiles.of(into, List.of())).orElseThrow();
    return World.shape(into);
  }

  private StateFiles files() {
    return StateFiles.of(root, List.of());
  }

  private Path home(String name) {
    return root.resolve("home").resolve(name);
  }

  static byte[] random(long seed, int length) {
    byte[] data = new byte[length];
    new Random(seed).nextBytes(data);
    return data;
  }
}

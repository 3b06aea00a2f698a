package io.turnkeeper.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.db.Db;
import io.turnkeeper.db.DbTest;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DbTest
class InPlaceTest {
  @TempDir Path directory;
  private final World world;
  private final Db db;

  InPlaceTest(Db db) {
    this.db = db;
    this.world = new World(db);
  }

  @Test
  void files_stay_in_place_and_the_session_is_found_again_after_a_restart() {
    LeaseToken lease = world.leased(world.replica());
    Path root = directory.resolve("state");
    assertThat(inPlace().newest(lease.conversation())).isEmpty();
    World.write(root.resolve("home/a"), "x");
    World.Turn turn = world.turn(lease);
    assertThat(World.saved(inPlace(), lease, turn, root))
        .isEqualTo(new Saved.Stored(1, 1, 0, List.of()));
    assertThat(inPlace().newest(lease.conversation()))
        .contains(new SnapshotInfo(turn.run(), 1, Json.object().put("id", "s1")));
    World.write(root.resolve("home/b"), "not saved, and still there");
    assertThat(inPlace().restore(lease.conversation(), StateFiles.of(root, List.of())))
        .hasValueSatisfying(restored -> assertThat(restored.files()).isEqualTo(2));
    assertThat(root.resolve("home/b")).exists();
    assertThat(world.count("snapshots", lease)).isZero();
  }

  @Test
  @Promise(1)
  void a_stale_lease_does_not_replace_the_session() {
    LeaseToken lease = world.leased(world.replica());
    Path root = directory.resolve("state");
    World.write(root.resolve("home/a"), "x");
    World.saved(inPlace(), lease, world.turn(lease), root);
    world.takenOver(lease, world.replica());
    assertThat(World.saved(inPlace(), lease, world.turn(lease), root)).isEqualTo(new Saved.Stale());
    assertThat(inPlace().newest(lease.conversation()).orElseThrow().turn()).isEqualTo(1);
  }

  private Snapshots inPlace() {
    return Snapshots.inPlace(db, conversation -> directory);
  }
}

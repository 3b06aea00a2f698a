package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.base.RunId;
import io.turnkeeper.db.Tx;
import java.util.Collection;
import java.util.Optional;
import tools.jackson.databind.node.ObjectNode;

/** Where snapshots are. */
sealed interface Store permits DatabaseStore, DiskStore {
  record Save(LeaseToken lease, RunId run, long turn, StateFiles files, ObjectNode session) {
    Conversation conversation() {
      return lease.conversation();
    }
  }

  Saved save(Save save);

  void complete(Tx tx, Collection<RunId> runs);

  Optional<Restored> restore(Conversation conversation, StateFiles into);

  boolean show(Conversation conversation, Snapshots.Visitor visitor);

  Optional<SnapshotInfo> newest(Conversation conversation);

  void delete(Tx tx, Conversation conversation);
}

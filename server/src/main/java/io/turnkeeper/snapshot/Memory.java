package io.turnkeeper.snapshot;

import io.turnkeeper.base.Conversation;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What was seen of the files of the conversations that were saved here last. Bounded. */
final class Memory {
  /** Files remembered over all conversations: at about 300 bytes each. */
  private static final int FILES_MAX = 100_000;

  private final LinkedHashMap<Long, Seen> seen = new LinkedHashMap<>(16, 0.75f, true);
  private int files;

  synchronized @Nullable Seen of(Conversation conversation) {
    return seen.get(conversation.key());
  }

  synchronized void remember(Conversation conversation, Seen now) {
    forget(conversation);
    if (weight(now) > FILES_MAX) {
      return;
    }
    seen.put(conversation.key(), now);
    files += weight(now);
    Iterator<Map.Entry<Long, Seen>> oldest = seen.entrySet().iterator();
    while (files > FILES_MAX && oldest.hasNext()) {
      files -= weight(oldest.next().getValue());
      oldest.remove();
    }
  }

  synchronized void forget(Conversation conversation) {
    Seen gone = seen.remove(conversation.key());
    if (gone != null) {
      files -= weight(gone);
    }
  }

  private static int weight(Seen seen) {
    return 1 + seen.manifest().entries().size();
  }
}

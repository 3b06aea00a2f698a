package io.turnkeeper.orchestrator;

/**
 * Hints between whoever changes something and whoever acts on it. To lose or double one changes
 * latency, never content.
 */
interface Signals {
  /** A conversation has news: for its readers, and for its holder. */
  void changed(long conversationKey);

  /** Some conversation is ready to be claimed. */
  void ready();

  /** Something was asked of a run under way. */
  void asked(long conversationKey);

  /** The conversation is about to go: its holder should let it go. */
  void letGo(long conversationKey);
}

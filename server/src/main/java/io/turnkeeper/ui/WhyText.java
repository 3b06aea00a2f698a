package io.turnkeeper.ui;

import io.turnkeeper.queue.Why;

/** Why a run is where it is, in a sentence. */
final class WhyText {
  private WhyText() {}

  static String of(Why why, View view) {
    return switch (why) {
      case Why.Ended ended -> "It has ended: " + ended.status().word() + ".";
      case Why.Running running ->
          "It is " + running.status().word() + " on replica " + running.replica() + ".";
      case Why.BehindRun behind ->
          behind.runsAhead()
              + (behind.runsAhead() == 1 ? " turn" : " turns")
              + " of the same conversation come first; the first of them is "
              + behind.status().word()
              + ".";
      case Why.Paused paused ->
          "The " + paused.what() + " was paused by " + paused.by() + ". Resume it to go on.";
      case Why.Capped capped ->
          "The "
              + capped.what()
              + " runs "
              + capped.running()
              + " of at most "
              + capped.max()
              + " at once.";
      case Why.NoWorker _ -> "No worker of its agent is connected. Start one with a worker key.";
      case Why.Delayed delayed ->
          (delayed.backingOff() ? "It is tried again at " : "It is not to start before ")
              + view.exact(delayed.until())
              + ".";
      case Why.Held held ->
          "Replica " + held.replica() + " holds the conversation and starts it next.";
      case Why.WaitingForSlot waiting ->
          "It could start, but no replica has a free slot; about "
              + waiting.readyAhead()
              + " conversations come first.";
    };
  }
}

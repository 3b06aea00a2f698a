package io.turnkeeper.gateway.admin;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.RunId;
import io.turnkeeper.queue.Why;
import tools.jackson.databind.node.ObjectNode;

/** Why a run is where it is: a word to branch on, the facts, and a sentence. */
final class WhyJson {
  private WhyJson() {}

  static ObjectNode of(RunId run, Why why) {
    ObjectNode node = Json.object().put("run_id", run.toString());
    switch (why) {
      case Why.Ended ended -> {
        node.put("why", "ended").put("status", ended.status().word());
        Fields.put(node, "at", ended.at());
        node.put("detail", "it ended: " + ended.status().word());
      }
      case Why.Running running -> {
        node.put("why", running.status().word()).put("replica", running.replica());
        node.put("address", running.address());
        Fields.put(node, "since", running.since());
        node.put("detail", "it is " + running.status().word() + " on replica " + running.replica());
      }
      case Why.BehindRun behind -> {
        node.put("why", "behind_run").put("behind", behind.run().toString());
        node.put("behind_status", behind.status().word()).put("runs_ahead", behind.runsAhead());
        node.put(
            "detail",
            "run "
                + behind.run()
                + " of the same thread comes first; it is "
                + behind.status().word());
      }
      case Why.Paused paused -> {
        node.put("why", "paused").put("what", paused.what()).put("by", paused.by());
        Fields.put(node, "since", paused.since());
        node.put("detail", "the " + paused.what() + " was paused by " + paused.by());
      }
      case Why.Capped capped -> {
        node.put("why", "capped").put("what", capped.what());
        node.put("running", capped.running()).put("max_running", capped.max());
        node.put(
            "detail",
            "the " + capped.what() + " runs " + capped.running() + " of at most " + capped.max());
      }
      case Why.NoWorker none -> {
        node.put("why", "no_worker");
        node.put("detail", "no worker of its agent is connected");
      }
      case Why.Delayed delayed -> {
        node.put("why", delayed.backingOff() ? "backing_off" : "delayed");
        Fields.put(node, "until", delayed.until());
        node.put(
            "detail",
            (delayed.backingOff() ? "it is tried again at " : "it is not to start before ")
                + delayed.until());
      }
      case Why.Held held -> {
        node.put("why", "held").put("replica", held.replica()).put("address", held.address());
        Fields.put(node, "since", held.since());
        node.put("detail", "replica " + held.replica() + " holds its thread and starts it next");
      }
      case Why.WaitingForSlot waiting -> {
        node.put("why", "waiting_for_slot").put("ready_ahead", waiting.readyAhead());
        Fields.put(node, "since", waiting.since());
        node.put("detail", "it can start; no replica has a free slot");
      }
    }
    return node;
  }
}

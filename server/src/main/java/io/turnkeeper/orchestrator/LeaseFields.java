package io.turnkeeper.orchestrator;

import io.turnkeeper.base.LeaseToken;
import io.turnkeeper.telemetry.LogField;

/** Names a lease in every log line of a thread that works under it. */
final class LeaseFields {
  private LeaseFields() {}

  static void set(LeaseToken lease) {
    LogField.ORGANIZATION.set(lease.conversation().organization().toString());
    LogField.CONVERSATION.set(lease.conversation().id());
    LogField.EPOCH.set(Long.toString(lease.epoch()));
    LogField.REPLICA.set(Integer.toString(lease.replica()));
  }
}

package io.turnkeeper.worker;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Tells another listener everything but the secrets. A text that comes in pieces may have one cut
 * in two: an end that could be a secret's beginning is told with the next piece, or when something
 * else comes. Not for several threads at once.
 */
final class DiscreetListener implements TurnListener {
  private static final String KIND = "sessionUpdate";

  private final Secrets secrets;
  private final TurnListener to;
  private @Nullable ObjectNode heldIn;
  private String held = "";

  DiscreetListener(Secrets secrets, TurnListener to) {
    this.secrets = secrets;
    this.to = to;
  }

  @Override
  public void update(ObjectNode update) {
    if (secrets.none()) {
      to.update(update);
      return;
    }
    JsonNode text = update.path("content").path("text");
    boolean piece = update.path(KIND).asString("").endsWith("_chunk") && text.isString();
    ObjectNode before = heldIn;
    if (before != null && !(piece && before.path(KIND).equals(update.path(KIND)))) {
      flush();
    }
    if (!piece) {
      to.update(secrets.redact(update));
      return;
    }
    String whole = secrets.redact(held + text.stringValue());
    int open = secrets.openEnd(whole);
    held = whole.substring(whole.length() - open);
    heldIn = open == 0 ? null : update.deepCopy();
    if (open < whole.length() || whole.isEmpty()) {
      to.update(with(update, whole.substring(0, whole.length() - open)));
    }
  }

  /** Nothing more comes. */
  void flush() {
    ObjectNode in = heldIn;
    if (in != null) {
      String rest = held;
      heldIn = null;
      held = "";
      to.update(with(in, rest));
    }
  }

  private ObjectNode with(ObjectNode update, String text) {
    ((ObjectNode) update.path("content")).put("text", text);
    return secrets.redact(update);
  }

  @Override
  public void permissionRequested(PermissionRequest request) {
    flush();
    to.permissionRequested(
        secrets.none()
            ? request
            : new PermissionRequest(
                request.id(),
                secrets.redact(request.toolCall()),
                secrets.redact(request.options())));
  }

  @Override
  public void permissionResolved(PermissionResolved resolved) {
    flush();
    to.permissionResolved(resolved);
  }

  @Override
  public void progress() {
    to.progress();
  }

  @Override
  public void late(ObjectNode update) {
    to.late(secrets.redact(update));
  }
}

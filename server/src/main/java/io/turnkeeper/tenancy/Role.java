package io.turnkeeper.tenancy;

import io.turnkeeper.base.Refusal;
import java.util.Locale;
import java.util.Optional;

/** What a key may do. Each role from reader on includes the ones before it, without worker. */
public enum Role {
  /** Works for one agent, and may do nothing else. */
  WORKER,
  /** Reads. */
  READER,
  /** Also creates, changes and runs. */
  CLIENT,
  /** Also manages agents, keys and pauses of its organization. */
  ADMIN;

  /** The name on the wire. */
  public String wire() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws Refusal.Invalid naming the field when the text is no role
   */
  public static Role parse(String text, String field) {
    return find(text)
        .orElseThrow(() ->
            new Refusal.Invalid(
                "unknown_value",
                field,
                field
                    + " must be one of reader, client, admin, worker, not "
                    + Refusal.shown(text)));
  }

  static Optional<Role> find(String text) {
    for (Role role : values()) {
      if (role.wire().equals(text)) {
        return Optional.of(role);
      }
    }
    return Optional.empty();
  }
}

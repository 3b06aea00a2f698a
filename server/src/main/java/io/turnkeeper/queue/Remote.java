package io.turnkeeper.queue;

/** How agents whose workers connect from elsewhere are claimed. */
final class Remote {
  /**
   * What an agent's runs are capped by: its own cap, and for one whose workers connect from
   * elsewhere what those that are connected now can take together. So its work waits outside of the
   * index that claims read for as long as nobody could do it.
   */
  static final String AGENT_MAX =
      """
      least(a.max_running, CASE WHEN a.remote THEN (
               SELECT coalesce(sum(w.capacity), 0)::int FROM workers w
                WHERE w.organization_id = a.organization_id AND w.agent_id = a.id
                  AND w.expires_at > now()) END)
      """
          .strip();

  private Remote() {}
}

package io.turnkeeper.queue;

import io.turnkeeper.db.Tx;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Who may start: pauses and concurrency caps of agents and organizations, held inside the claim.
 * Occupancy is counted from the mailboxes that run, never kept in a counter that could leak.
 */
final class Gate {
  record Candidate(long key, UUID organization, UUID agent, long tag) {
    Pair pair() {
      return new Pair(organization, agent);
    }
  }

  record Pair(UUID organization, UUID agent) {}

  record Verdict(List<Candidate> granted, List<Candidate> capped, List<Candidate> paused) {}

  /**
   * @param agentFirst the tag of whoever has waited longest under the agent's cap
   * @param organizationWaits whether somebody waits under the organization's
   */
  private record Limits(
      @Nullable Integer organizationMax,
      @Nullable Integer agentMax,
      boolean paused,
      @Nullable Long agentFirst,
      boolean organizationWaits) {
    boolean capped() {
      return organizationMax != null || agentMax != null;
    }

    /** Whether others wait under a cap that the candidate would have to pass by. */
    boolean behindOthers(long tag) {
      return agentFirst != null && agentFirst < tag;
    }
  }

  private Gate() {}

  /**
   * Judges the candidates in their order. Their mailboxes are locked by this transaction and not
   * yet running.
   */
  static Verdict judge(Tx tx, List<Candidate> candidates) {
    return judge(tx, candidates, false);
  }

  /** Judges those that would go on: under a cap they stand aside for whoever waits there. */
  static Verdict judgeGoingOn(Tx tx, List<Candidate> candidates) {
    return judge(tx, candidates, true);
  }

  private static Verdict judge(Tx tx, List<Candidate> candidates, boolean goingOn) {
    Map<Pair, Limits> limits = limits(tx, candidates);
    Verdict verdict = new Verdict(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    List<UUID> capped =
        limits.entrySet().stream()
            .filter(entry -> entry.getValue().capped())
            .map(entry -> entry.getKey().organization())
            .distinct()
            .sorted()
            .toList();
    Map<Pair, Integer> byAgent = new HashMap<>();
    Map<UUID, Integer> byOrganization = new HashMap<>();
    if (!capped.isEmpty()) {
      tx.query(LeaseSql.LOCK_CAPPED)
          .bindArray("organizations", UUID.class, capped)
          .mapTo(UUID.class)
          .list();
      count(tx, capped, byAgent, byOrganization);
    }
    for (Candidate candidate : candidates) {
      Pair pair = candidate.pair();
      Limits limit = limits.get(pair);
      if (limit == null || limit.paused()) {
        verdict.paused().add(candidate);
      } else if (full(limit.organizationMax(), byOrganization.get(pair.organization()))
          || full(limit.agentMax(), byAgent.get(pair))
          || limit.behindOthers(goingOn ? Long.MAX_VALUE : candidate.tag())
          || (goingOn && limit.organizationWaits())) {
        verdict.capped().add(candidate);
      } else {
        verdict.granted().add(candidate);
        byAgent.merge(pair, 1, Integer::sum);
        byOrganization.merge(pair.organization(), 1, Integer::sum);
      }
    }
    return verdict;
  }

  private static boolean full(@Nullable Integer max, @Nullable Integer running) {
    return max != null && (running == null ? 0 : running) >= max;
  }

  private static Map<Pair, Limits> limits(Tx tx, List<Candidate> candidates) {
    List<Pair> pairs = candidates.stream().map(Candidate::pair).distinct().toList();
    Map<Pair, Limits> limits = new HashMap<>();
    tx.query(LeaseSql.GATES)
        .bindArray("organizations", UUID.class, pairs.stream().map(Pair::organization).toList())
        .bindArray("agents", UUID.class, pairs.stream().map(Pair::agent).toList())
        .map((row, context) ->
            limits.put(
                new Pair(
                    row.getObject("organization_id", UUID.class),
                    row.getObject("agent_id", UUID.class)),
                new Limits(
                    row.getObject("organization_max", Integer.class),
                    row.getObject("agent_max", Integer.class),
                    row.getBoolean("paused"),
                    row.getObject("agent_first", Long.class),
                    row.getBoolean("organization_waits"))))
        .list();
    return limits;
  }

  private static void count(
      Tx tx,
      List<UUID> organizations,
      Map<Pair, Integer> byAgent,
      Map<UUID, Integer> byOrganization) {
    tx.query(LeaseSql.COUNT_RUNNING)
        .bindArray("organizations", UUID.class, organizations)
        .map((row, context) -> {
          Pair pair =
              new Pair(
                  row.getObject("organization_id", UUID.class),
                  row.getObject("agent_id", UUID.class));
          int running = row.getInt("running");
          byAgent.merge(pair, running, Integer::sum);
          return byOrganization.merge(pair.organization(), running, Integer::sum);
        })
        .list();
  }
}

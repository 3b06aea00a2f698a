package io.turnkeeper.ui;

import io.turnkeeper.agents.Agent;
import io.turnkeeper.base.AgentId;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.cluster.ReplicaInfo;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.Activity;
import io.turnkeeper.queue.QueueDepth;
import io.turnkeeper.queue.RunFilter;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.ui.Overview.Share;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;

/** Is it healthy, and if not, where. */
final class OverviewPage {
  private static final int COUNTED_MAX = 1_000;
  private static final int AGENTS_SHOWN = 5;
  private static final long FRESH_NANOS = 900_000_000L;

  /** Minutes whose failures say how it is now. */
  private static final int RECENT = 10;

  private static final double FAILING = 0.1;
  private static final double SLOW_SECONDS = 10;

  private record Key(OrganizationId organization, boolean operator) {}

  private record Made(Overview overview, long nanos) {}

  private record Counted(long events, long nanos, @Nullable Double perSecond) {}

  private final Console.Desk desk;
  private final Map<Key, Made> made = new HashMap<>();
  private @Nullable Counted counted;

  OverviewPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/console", desk.signing().page(this::show)),
        Route.get("/console/live/overview", desk.signing().page(this::live)));
  }

  private void show(Exchange exchange, View view) {
    Map<String, Object> model = Map.of("view", view, "now", overview(view));
    desk.signing().html(exchange, 200, desk.templates().render("overview", model));
  }

  private void live(Exchange exchange, View view) throws InterruptedException {
    desk.live().stream(
        exchange,
        () -> {
          Map<String, Object> model = Map.of("view", view, "now", overview(view));
          Map<String, String> parts = new LinkedHashMap<>();
          for (String part : List.of("overview-now", "overview-charts", "overview-where")) {
            parts.put(part, desk.templates().render("parts/" + part, model));
          }
          return parts;
        },
        null);
  }

  /** However many look, it is read once a second. */
  private synchronized Overview overview(View view) {
    Key key = new Key(view.organization(), view.operator());
    long now = desk.parts().clock().nanos();
    made.values().removeIf(old -> now - old.nanos() > FRESH_NANOS);
    return made.computeIfAbsent(key, _ -> new Made(read(view), now)).overview();
  }

  private Overview read(View view) {
    OrganizationId organization = view.organization();
    List<Activity> hour = desk.parts().reports().history(organization, Overview.MINUTES);
    QueueDepth depth = desk.parts().reports().depth(organization);
    List<ReplicaInfo> replicas =
        view.operator()
            ? desk.parts().installation().replicas().get().stream()
                .filter(one -> one.endedAt() == null)
                .toList()
            : List.of();
    long waiting =
        desk.parts()
            .reports()
            .count(
                organization,
                new RunFilter(Set.of(RunStatus.WAITING), null, null, null, null, COUNTED_MAX));
    List<Share> shares = shares(organization, hour);
    Activity last = hour.reversed().stream().filter(it -> it.ended() > 0).findFirst().orElse(null);
    List<Activity> recent = hour.subList(hour.size() - RECENT, hour.size());
    Verdict verdict = verdict(view, depth, recent, replicas);
    return new Overview(
        verdict.tone(),
        verdict.text(),
        verdict.link(),
        depth,
        waiting,
        Overview.sum(hour, Activity::accepted),
        Overview.sum(hour, Activity::ended),
        Overview.sum(hour, Activity::failed),
        last == null ? null : last.waitP50Millis(),
        last == null ? null : last.waitP99Millis(),
        runsChart(hour),
        waitChart(hour),
        top(shares.stream().filter(it -> it.failed() > 0), Comparator.comparing(Share::failed)),
        top(shares.stream().filter(it -> it.ended() > 0), Comparator.comparing(Share::meanMillis)),
        view.operator() ? desk.parts().reports().depth(null) : null,
        view.operator() ? eventsPerSecond() : null,
        replicas);
  }

  private record Verdict(Turn.Tone tone, String text, String link) {}

  private static Verdict verdict(
      View view, QueueDepth depth, List<Activity> recent, List<ReplicaInfo> replicas) {
    long ended = Overview.sum(recent, Activity::ended);
    long failed = Overview.sum(recent, Activity::failed);
    boolean full =
        !replicas.isEmpty() && replicas.stream().allMatch(it -> it.leases() >= it.maxLeases());
    if (full && depth.ready() > 0) {
      return new Verdict(
          Turn.Tone.BAD, "Every slot is taken, and work waits", view.link("/replicas"));
    }
    if (ended > 0 && failed > ended * FAILING) {
      return new Verdict(
          Turn.Tone.BAD,
          view.percent(failed, ended) + " of the runs of the last " + RECENT + " minutes failed",
          view.link("/runs", "status", "failing", "since", "1h"));
    }
    if (depth.oldestReadySeconds() > SLOW_SECONDS) {
      return new Verdict(
          Turn.Tone.WARN, "Work waits for a free slot", view.link("/runs", "status", "pending"));
    }
    if (failed > 0) {
      return new Verdict(
          Turn.Tone.WARN,
          "Working; "
              + failed
              + (failed == 1 ? " run" : " runs")
              + " failed in the last "
              + RECENT
              + " minutes",
          view.link("/runs", "status", "failing", "since", "1h"));
    }
    return new Verdict(
        Turn.Tone.GOOD,
        depth.running() > 0 ? "Healthy" : "Healthy; nothing runs now",
        view.link("/runs"));
  }

  private List<Share> shares(OrganizationId organization, List<Activity> hour) {
    Map<AgentId, Share> byAgent = new HashMap<>();
    for (Activity minute : hour) {
      for (Activity.OfAgent part : minute.agents()) {
        byAgent.merge(
            part.agent(),
            new Share("", part.ended(), part.failed(), part.meanMillis(), part.maxMillis()),
            OverviewPage::together);
      }
    }
    List<Share> shares = new ArrayList<>();
    byAgent.forEach((agent, share) ->
        shares.add(
            new Share(
                desk.parts()
                    .agents()
                    .current(organization, agent)
                    .map(Agent::name)
                    .orElse(agent.toString()),
                share.ended(),
                share.failed(),
                share.meanMillis(),
                share.maxMillis())));
    return shares;
  }

  private static Share together(Share one, Share other) {
    long ended = one.ended() + other.ended();
    return new Share(
        "",
        ended,
        one.failed() + other.failed(),
        (one.meanMillis() * one.ended() + other.meanMillis() * other.ended()) / ended,
        Math.max(one.maxMillis(), other.maxMillis()));
  }

  private static List<Share> top(java.util.stream.Stream<Share> shares, Comparator<Share> by) {
    return shares.sorted(by.reversed().thenComparing(Share::agent)).limit(AGENTS_SHOWN).toList();
  }

  private static String runsChart(List<Activity> hour) {
    ArrayNode data = Json.array();
    ArrayNode at = data.addArray();
    ArrayNode accepted = data.addArray();
    ArrayNode ended = data.addArray();
    ArrayNode failed = data.addArray();
    for (Activity minute : hour) {
      at.add(minute.minute().getEpochSecond());
      accepted.add(minute.accepted());
      ended.add(minute.ended() - minute.failed());
      failed.add(minute.failed());
    }
    return Json.write(data);
  }

  private static String waitChart(List<Activity> hour) {
    ArrayNode data = Json.array();
    ArrayNode at = data.addArray();
    ArrayNode p50 = data.addArray();
    ArrayNode p99 = data.addArray();
    for (Activity minute : hour) {
      at.add(minute.minute().getEpochSecond());
      add(p50, minute.waitP50Millis());
      add(p99, minute.waitP99Millis());
    }
    return Json.write(data);
  }

  private static void add(ArrayNode values, @Nullable Double millis) {
    if (millis == null) {
      values.addNull();
    } else {
      values.add(Math.round(millis * 10) / 10.0);
    }
  }

  /** From one look to the next; unknown at the first. */
  private @Nullable Double eventsPerSecond() {
    long now = desk.parts().clock().nanos();
    long events = desk.parts().installation().events().getAsLong();
    Counted before = counted;
    Double perSecond = null;
    if (before != null && now - before.nanos() < 10 * FRESH_NANOS) {
      double seconds = (now - before.nanos()) / 1e9;
      perSecond = Math.max(0, events - before.events()) / seconds;
    }
    counted = new Counted(events, now, perSecond);
    return perSecond;
  }
}

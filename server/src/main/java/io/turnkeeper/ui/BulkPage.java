package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.base.Uuid7;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.Route;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunFilter;
import io.turnkeeper.queue.RunPage;
import io.turnkeeper.queue.RunStatus;
import io.turnkeeper.tenancy.Role;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The same for many runs: first what it would meet, then step by step. The page drives it, with a
 * cursor: any replica can take the next step, none remembers anything, and it stops when the page
 * is closed.
 */
final class BulkPage {
  private static final int COUNTED_MAX = 10_000;
  private static final int SAMPLE = 8;
  private static final int STEP = 50;
  private static final Duration STEP_TIME = Duration.ofMillis(700);

  private final Console.Desk desk;

  BulkPage(Console.Desk desk) {
    this.desk = desk;
  }

  List<Route> routes() {
    return List.of(
        Route.get("/console/bulk", desk.signing().page(this::preview)),
        Route.post("/console/bulk/step", desk.signing().actionPage(Role.CLIENT, this::step)));
  }

  /** How far it is. */
  public enum What {
    CANCEL,
    RETRY
  }

  private void preview(Exchange exchange, View view) {
    view.caller().require(Role.CLIENT);
    What what =
        Choices.of(What.class, exchange.query("do").orElse(""), "do")
            .orElseThrow(() -> new Refusal.Invalid("field_missing", "do", "cancel or retry?"));
    ListAsked asked = ListAsked.of(exchange);
    RunFilter filter = narrowed(what, view, asked);
    RunFilter counted = filter.after(null, COUNTED_MAX);
    RunPage sample = desk.parts().reports().runs(view.organization(), filter.after(null, SAMPLE));
    BulkStep start =
        new BulkStep(
            what == What.CANCEL,
            asked,
            desk.parts().reports().count(view.organization(), counted),
            0,
            0,
            Uuid7.floor(desk.parts().clock().now().toEpochMilli()).toString(),
            false);
    desk.signing()
        .html(
            exchange,
            200,
            desk.templates()
                .render(
                    "bulk",
                    Map.of("view", view, "step", start, "sample", sample, "max", COUNTED_MAX)));
  }

  private String step(Exchange exchange, View view, Form form) {
    What what = Choices.of(What.class, form.required("do", "what to do"), "do").orElseThrow();
    ListAsked asked =
        new ListAsked(
            "",
            "",
            form.field("status").orElse(""),
            form.field("agent").orElse(""),
            form.field("error").orElse(""),
            form.field("since").orElse(""),
            form.required("cursor", "where to go on"));
    long done = number(form, "done");
    long missed = number(form, "missed");
    RunPage page =
        desk.parts()
            .reports()
            .runs(
                view.organization(),
                narrowed(what, view, asked).after(RunId.parse(asked.cursor()).orElse(null), STEP));
    long until = desk.parts().clock().nanos() + STEP_TIME.toNanos();
    String cursor = page.next() == null ? "" : page.next().toString();
    for (RunPage.Row row : page.rows()) {
      if (apply(what, view, row.id())) {
        done++;
      } else {
        missed++;
      }
      if (desk.parts().clock().nanos() > until) {
        cursor = row.id().toString();
        break;
      }
    }
    BulkStep next =
        new BulkStep(
            what == What.CANCEL,
            asked,
            number(form, "total"),
            done,
            missed,
            cursor,
            cursor.isEmpty());
    return desk.templates().render("parts/bulk", Map.of("view", view, "step", next));
  }

  private boolean apply(What what, View view, RunId id) {
    try {
      if (what == What.CANCEL) {
        String reason = "cancelled by " + view.caller().keyName();
        return desk.parts().conversations().cancel(view.organization(), id, reason)
            != io.turnkeeper.orchestrator.Conversations.Cancelled.TOO_LATE;
      }
      desk.mayQueue(view, 1);
      Optional<Run> run = desk.parts().conversations().run(view.organization(), id);
      run.ifPresent(desk.parts().conversations()::retry);
      return run.isPresent();
    } catch (Refusal.NotFound | Refusal.Conflict gone) {
      return false;
    }
  }

  /** What cannot be cancelled, or asked again, is not looked at. */
  private RunFilter narrowed(What what, View view, ListAsked asked) {
    ListAsked from =
        new ListAsked("", "", asked.status(), asked.agent(), asked.error(), asked.since(), "");
    RunFilter filter = RunsPage.filter(desk, view, from, STEP);
    java.util.Set<RunStatus> able = RunsPage.statuses(what == What.CANCEL ? "live" : "failing");
    java.util.Set<RunStatus> wanted = java.util.EnumSet.copyOf(able);
    if (!filter.statuses().isEmpty()) {
      wanted.retainAll(filter.statuses());
    }
    if (wanted.isEmpty()) {
      throw new Refusal.Invalid(
          "nothing_to_do",
          "status",
          what == What.CANCEL
              ? "runs that have ended cannot be cancelled"
              : "only runs that failed or timed out are asked again");
    }
    return new RunFilter(wanted, filter.agent(), filter.error(), filter.since(), null, STEP);
  }

  private static long number(Form form, String name) {
    String text = form.field(name).orElse("0");
    return text.matches("[0-9]{1,9}") ? Long.parseLong(text) : 0;
  }
}

package io.turnkeeper.bench;

import io.turnkeeper.base.Json;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Results for people and for programs. */
final class Report {
  private static final int MANY = 20;

  private Report() {}

  static void print(PrintStream out, Scenario scenario, Sheet sheet) {
    out.printf("%n%s: %s%n", scenario.name(), scenario.claim());
    for (Sheet.Series one : sheet.series()) {
      out.printf(
          Locale.ROOT,
          "  %-58s %12s %-4s [%s – %s] n=%d%s%n",
          one.name(),
          number(one.median()),
          one.unit(),
          number(one.min()),
          number(one.max()),
          one.values().size(),
          tail(one));
    }
    for (Sheet.Figure figure : sheet.figures()) {
      out.printf(
          Locale.ROOT,
          "  %-58s %12s  wanted %s %s  %s%n",
          figure.name(),
          number(figure.value()),
          figure.bound().wanted() == Sheet.Wanted.AT_LEAST ? "≥" : "≤",
          number(figure.bound().target()),
          figure.bound().met(figure.value()) ? "met" : "MISSED");
    }
    sheet.notes().forEach(note -> out.println("  " + note));
  }

  static ObjectNode json(ObjectNode machine, Mode mode, List<Sheet> sheets) {
    ObjectNode all = Json.object();
    all.set("machine", machine);
    all.put("mode", mode.name().toLowerCase(Locale.ROOT));
    ArrayNode scenarios = all.putArray("scenarios");
    for (Sheet sheet : sheets) {
      ObjectNode one = scenarios.addObject().put("scenario", sheet.scenario());
      ArrayNode series = one.putArray("series");
      for (Sheet.Series values : sheet.series()) {
        ArrayNode each =
            series
                .addObject()
                .put("name", values.name())
                .put("unit", values.unit())
                .put("median", values.median())
                .put("min", values.min())
                .put("max", values.max())
                .put("p90", values.percentile(90))
                .put("p99", values.percentile(99))
                .putArray("values");
        values.values().forEach(each::add);
      }
      ArrayNode figures = one.putArray("figures");
      for (Sheet.Figure figure : sheet.figures()) {
        figures
            .addObject()
            .put("name", figure.name())
            .put("value", figure.value())
            .put("wanted", figure.bound().wanted().name().toLowerCase(Locale.ROOT))
            .put("target", figure.bound().target())
            .put("met", figure.bound().met(figure.value()));
      }
      ArrayNode notes = one.putArray("notes");
      sheet.notes().forEach(notes::add);
    }
    return all;
  }

  /** Where there are enough of them to speak of. */
  private static String tail(Sheet.Series one) {
    return one.values().size() < MANY
        ? ""
        : " p90=" + number(one.percentile(90)) + " p99=" + number(one.percentile(99));
  }

  private static String number(double value) {
    if (value >= 100) {
      return String.format(Locale.ROOT, "%,.0f", value);
    }
    return String.format(Locale.ROOT, value >= 10 ? "%.1f" : value >= 0.1 ? "%.2f" : "%.4f", value);
  }
}

package io.turnkeeper.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What one scenario came to: series of values, and what is compared with what. */
final class Sheet {
  /** Values of one thing, one for each time that it was measured. */
  record Series(String name, String unit, List<Double> values) {
    double median() {
      List<Double> sorted = values.stream().sorted().toList();
      int middle = sorted.size() / 2;
      return sorted.size() % 2 == 1
          ? sorted.get(middle)
          : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }

    /** The lowest value that so many of a hundred do not exceed. */
    double percentile(int ofHundred) {
      List<Double> sorted = values.stream().sorted().toList();
      return sorted.get(Math.max(0, (sorted.size() * ofHundred + 99) / 100 - 1));
    }

    double min() {
      return values.stream().mapToDouble(Double::doubleValue).min().orElse(0);
    }

    double max() {
      return values.stream().mapToDouble(Double::doubleValue).max().orElse(0);
    }
  }

  /** Which side of its bound a figure is to be on. */
  enum Wanted {
    AT_LEAST,
    AT_MOST
  }

  /**
   * What is asked of a figure.
   *
   * @param target what the issue asks for
   * @param loose far from it: beyond this something is broken, on any machine; null is not held
   */
  record Bound(Wanted wanted, double target, @Nullable Double loose) {
    static Bound atLeast(double target, double loose) {
      return new Bound(Wanted.AT_LEAST, target, loose);
    }

    static Bound atMost(double target, double loose) {
      return new Bound(Wanted.AT_MOST, target, loose);
    }

    /** For a figure that depends on the machine: no gate may hold it. */
    static Bound atLeast(double target) {
      return new Bound(Wanted.AT_LEAST, target, null);
    }

    static Bound atMost(double target) {
      return new Bound(Wanted.AT_MOST, target, null);
    }

    boolean met(double value) {
      return wanted == Wanted.AT_LEAST ? value >= target : value <= target;
    }

    boolean farOff(double value) {
      Double far = loose;
      return far != null && (wanted == Wanted.AT_LEAST ? value < far : value > far);
    }
  }

  record Figure(String name, double value, Bound bound) {}

  private final String scenario;
  private final Map<String, Series> series = new LinkedHashMap<>();
  private final List<Figure> figures = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  Sheet(String scenario) {
    this.scenario = scenario;
  }

  String scenario() {
    return scenario;
  }

  void add(String name, String unit, double value) {
    series.computeIfAbsent(name, n -> new Series(n, unit, new ArrayList<>())).values().add(value);
  }

  /** The median of one series over that of another; nothing when either was not measured. */
  void ratio(String name, String over, String under, Bound bound) {
    Series top = series.get(over);
    Series bottom = series.get(under);
    if (top != null && bottom != null && bottom.median() > 0) {
      figures.add(new Figure(name, top.median() / bottom.median(), bound));
    }
  }

  /** A series' median against a bound. */
  void figure(String name, String of, Bound bound) {
    Series one = series.get(of);
    if (one != null) {
      figures.add(new Figure(name, one.median(), bound));
    }
  }

  /** A series' percentile against a bound. */
  void percentile(String name, String of, int ofHundred, Bound bound) {
    Series one = series.get(of);
    if (one != null) {
      figures.add(new Figure(name, one.percentile(ofHundred), bound));
    }
  }

  /** Something that must hold and is no speed: 1 when it does. */
  void holds(String name, boolean holds) {
    figures.add(new Figure(name, holds ? 1 : 0, Bound.atLeast(1, 1)));
  }

  void note(String text) {
    notes.add(text);
  }

  List<Series> series() {
    return List.copyOf(series.values());
  }

  List<Figure> figures() {
    return List.copyOf(figures);
  }

  List<String> notes() {
    return List.copyOf(notes);
  }

  List<Figure> farOff() {
    return figures.stream().filter(it -> it.bound().farOff(it.value())).toList();
  }
}

package io.turnkeeper.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.style.Styler;

/** One SVG for each unit of a scenario: medians as bars, with the spread from lowest to highest. */
final class Charts {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 420;
  private static final int LABEL_DEGREES = 30;

  private Charts() {}

  static void write(Path directory, Sheet sheet) {
    Map<String, List<Sheet.Series>> byUnit = new LinkedHashMap<>();
    sheet.series().stream()
        .filter(it -> it.median() > 0)
        .forEach(it -> byUnit.computeIfAbsent(it.unit(), unit -> new ArrayList<>()).add(it));
    try {
      Files.createDirectories(directory);
      int number = 0;
      for (var unit : byUnit.entrySet()) {
        String name = sheet.scenario() + (number++ == 0 ? "" : "-" + number);
        VectorGraphicsEncoder.saveVectorGraphic(
            chart(sheet.scenario(), unit.getKey(), unit.getValue()),
            directory.resolve(name).toString(),
            VectorGraphicsFormat.SVG);
      }
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private static CategoryChart chart(String title, String unit, List<Sheet.Series> series) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .yAxisTitle(unit)
            .theme(Styler.ChartTheme.GGPlot2)
            .build();
    chart.getStyler().setLegendVisible(false);
    chart.getStyler().setXAxisLabelRotation(LABEL_DEGREES);
    chart.getStyler().setLabelsVisible(true);
    List<String> names = series.stream().map(Sheet.Series::name).toList();
    List<Double> medians = series.stream().map(Sheet.Series::median).toList();
    List<Double> spreads = series.stream().map(it -> (it.max() - it.min()) / 2).toList();
    chart.addSeries(unit, names, medians, spreads);
    return chart;
  }
}

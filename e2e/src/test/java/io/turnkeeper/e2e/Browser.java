package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import org.awaitility.Awaitility;
import org.openqa.selenium.By;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.StaleElementReferenceException;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/** Debian's Chromium without a screen, at one replica's console. */
final class Browser implements AutoCloseable {
  private static final Duration WITHIN = Duration.ofSeconds(30);

  private final ChromeDriver driver;
  private final String axe;
  private String url;

  private Browser(ChromeDriver driver, String axe, String url) {
    this.driver = driver;
    this.axe = axe;
    this.url = url;
  }

  static Browser open(String url) {
    LoggingPreferences logs = new LoggingPreferences();
    logs.enable(LogType.BROWSER, Level.ALL);
    ChromeOptions options = new ChromeOptions();
    options.setBinary("/usr/bin/chromium");
    options.addArguments(
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage");
    options.setCapability("goog:loggingPrefs", logs);
    ChromeDriverService service =
        new ChromeDriverService.Builder()
            .usingDriverExecutable(Path.of("/usr/bin/chromedriver").toFile())
            .build();
    try (var in =
        Browser.class.getResourceAsStream(
            "/META-INF/resources/webjars/axe-core/4.6.3/axe.min.js")) {
      return new Browser(
          new ChromeDriver(service, options),
          new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8),
          url);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** From now on it looks at another replica. */
  void at(String other) {
    url = other;
  }

  void go(String path) {
    driver.get(url + path);
  }

  String path() {
    return driver.getCurrentUrl().substring(url.length());
  }

  void signIn(String key) {
    go("/console/sign-in");
    type("#key", key);
    click("form.signin button");
    see("main h1", "Overview");
  }

  void type(String css, String text) {
    shown(css).sendKeys(text);
  }

  /** What has the focus gets these keys. */
  void keys(CharSequence keys) {
    driver.switchTo().activeElement().sendKeys(keys);
  }

  void click(String css) {
    Awaitility.await("a click on " + css)
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .ignoreExceptions()
        .until(() -> {
          driver.findElement(By.cssSelector(css)).click();
          return true;
        });
  }

  WebElement shown(String css) {
    return Awaitility.await(css + " on " + path())
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .ignoreExceptions()
        .until(() -> driver.findElement(By.cssSelector(css)), element -> element.isDisplayed());
  }

  /** Waits until the text of an element has this in it. */
  void see(String css, String text) {
    Awaitility.await("'" + text + "' in " + css + " on " + path())
        .atMost(WITHIN)
        .pollInterval(Duration.ofMillis(50))
        .untilAsserted(() -> assertThat(text(css)).contains(text));
  }

  /** The text of the last such element, as it is now. */
  String text(String css) {
    try {
      List<WebElement> found = driver.findElements(By.cssSelector(css));
      return found.isEmpty() ? "" : found.getLast().getText();
    } catch (StaleElementReferenceException changed) {
      return "";
    }
  }

  Object run(String script, Object... arguments) {
    return driver.executeScript(script, arguments);
  }

  /** How long the server says that it worked on the page. */
  double serverMillis() {
    return ((Number)
            run("return performance.getEntriesByType('navigation')[0].serverTiming[0].duration"))
        .doubleValue();
  }

  void size(int width, int height) {
    driver.executeCdpCommand(
        "Emulation.setDeviceMetricsOverride",
        Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
  }

  void dark(boolean dark) {
    driver.executeCdpCommand(
        "Emulation.setEmulatedMedia",
        Map.of(
            "features",
            List.of(
                Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"),
                Map.of("name", "prefers-reduced-motion", "value", "reduce"))));
  }

  void shot(Path file) {
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, driver.getScreenshotAs(OutputType.BYTES));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What axe finds wrong with the page, a line for each. */
  @SuppressWarnings("unchecked")
  List<String> violations() {
    driver.executeScript(axe);
    List<Map<String, Object>> found =
        (List<Map<String, Object>>)
            driver.executeAsyncScript(
                """
                const done = arguments[arguments.length - 1];
                axe.run(document, {resultTypes: ["violations"]})
                  .then(result => done(result.violations.map(one => ({
                    id: one.id, where: one.nodes.map(node => node.html.slice(0, 160)).join(" | ")}))));
                """);
    List<String> lines = new ArrayList<>();
    found.forEach(one -> lines.add(one.get("id") + ": " + one.get("where")));
    return lines;
  }

  /** What the browser has complained of since the last time of asking. */
  List<String> complaints() {
    return driver.manage().logs().get(LogType.BROWSER).getAll().stream()
        .filter(entry -> entry.getLevel().intValue() >= Level.SEVERE.intValue())
        .map(LogEntry::getMessage)
        .toList();
  }

  void assertNoComplaints() {
    assertThat(complaints()).as("the browser's console on %s", path()).isEmpty();
  }

  @Override
  public void close() {
    driver.quit();
  }
}

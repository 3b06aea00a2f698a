package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.Keys;

/** The console in a real browser, on two replicas. */
@Tag("e2e")
@Tag("external")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ConsoleTest {
  /** Every page of the console, with what only it shows. */
  private static final List<String> PAGES =
      List.of(
          "",
          "/conversations",
          "/conversations/seen",
          "/runs",
          "/runs?status=failing",
          "/bulk?do=cancel&status=live",
          "/agents",
          "/agents/demo",
          "/replicas",
          "/tenants",
          "/audit");

  @TempDir static Path scratch;
  private static Postgres database;
  private static Service service;
  private static Browser browser;

  @BeforeAll
  static void start() {
    database = Postgres.start();
    service = Service.start(scratch, 2, database.url());
    Turnkeeper first = service.replica(0);
    first.addAgent(
        Map.of(
            "name", "demo",
            "kind", "acp",
            "command", demoAgent(),
            "permissions", "ask",
            "on_worker_loss", "resume"));
    first.addAgent(
        Map.of("name", "broken", "kind", "command", "command", List.of("/bin/sh", "-c", "exit 3")));
    service.addMarkingAgent("marking", Map.of("on_worker_loss", "resume"));
    first.post("/threads", Map.of("thread_id", "seen", "metadata", Map.of("user", "ada")));
    first.ask("seen", "demo", "my name is Ada");
    first.ask("seen", "demo", "what do you remember?");
    first.ended(first.run(first.newThread(), "broken", "hi"), Duration.ofSeconds(30));
    browser = Browser.open(first.url());
  }

  static List<String> demoAgent() {
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "-Xmx48m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xlog:disable",
        "-cp",
        Path.of(System.getProperty("turnkeeper.jar")).toAbsolutePath().toString(),
        "io.turnkeeper.demo.DemoAgent");
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
    }
    service.close();
    database.close();
  }

  @Test
  @Order(1)
  void a_key_opens_the_console_where_the_link_led_and_a_wrong_one_does_not() {
    browser.size(1440, 900);
    browser.go("/console/agents");
    assertThat(browser.path()).startsWith("/console/sign-in?next=");
    assertThat(browser.violations()).isEmpty();
    browser.assertNoComplaints();
    browser.type("#key", "tk_wrong" + Keys.ENTER);
    browser.see("[role=alert]", "not valid");
    browser.complaints();
    browser.type("#key", service.key() + Keys.ENTER);
    browser.see("h1", "Agents");
    browser.see("#agents", "demo");
    browser.see("#link", "Live");
    browser.assertNoComplaints();
  }

  @Test
  @Order(2)
  void the_overview_says_whether_it_is_healthy_and_where_not() {
    browser.go("/console");
    browser.see(".verdict", "failed");
    assertThat(browser.shown(".verdict").getDomAttribute("href")).contains("status=failing");
    browser.shown(".chart canvas");
    browser.see("#overview-where", "broken");
    browser.assertNoComplaints();
  }

  @Test
  @Order(3)
  void a_reply_appears_as_it_is_written_until_a_person_cancels_it() {
    browser.go("/console/agents/demo");
    browser.type("#start-message", "count to 3000 slowly");
    browser.click(".start button.primary");
    browser.see(".bubble.agent", "2");
    browser.run("window.notReloaded = true");
    int seen = browser.text(".bubble.agent").length();
    Awaitility.await("more of the reply")
        .atMost(Duration.ofSeconds(10))
        .pollInterval(Duration.ofMillis(50))
        .until(() -> browser.text(".bubble.agent").length() > seen + 10);
    browser.click(".turn header button");
    browser.see(".turn:last-child header", "Cancelled");
    browser.see(".line", "Cancelled");
    assertThat(browser.run("return window.notReloaded")).isEqualTo(true);
    browser.type("#message", "my name is Grace" + Keys.ENTER);
    browser.see(".turn:last-child .bubble.agent", "Grace");
    browser.see(".turn:last-child header", "Completed");
    assertThat(browser.run("return window.notReloaded")).isEqualTo(true);
    browser.assertNoComplaints();
  }

  @Test
  @Order(4)
  void a_person_answers_what_the_agent_asks() {
    browser.go("/console/conversations/seen");
    browser.type("#message", "please delete my name" + Keys.ENTER);
    browser.see(".ask", "May it?");
    assertThat(browser.violations()).isEmpty();
    browser.click(".ask button.primary");
    browser.see(".turn:last-child header", "Completed");
    browser.see(".turn:last-child .line", "Answered");
    browser.assertNoComplaints();
  }

  @Test
  @Order(5)
  void every_page_is_accessible_and_fits_narrow_and_wide_light_and_dark() {
    for (String page : PAGES) {
      for (int width : List.of(1440, 360)) {
        browser.size(width, 900);
        browser.dark(width == 360);
        browser.go("/console" + page);
        browser.shown("h1");
        assertThat(browser.violations()).as("%s at %d px", page, width).isEmpty();
        browser.dark(width != 360);
        Object over =
            browser.run("return document.documentElement.scrollWidth - window.innerWidth");
        assertThat((Long) over).as("%s is wider than %d px", page, width).isLessThanOrEqualTo(0);
        browser.assertNoComplaints();
      }
    }
    browser.size(1440, 900);
    browser.dark(false);
  }

  @Test
  @Order(6)
  void the_keyboard_alone_leads_to_a_conversation_and_speaks() {
    browser.go("/console/conversations");
    browser.shown("h1");
    browser.keys(Keys.TAB);
    assertThat(browser.run("return document.activeElement.className")).isEqualTo("skip");
    browser.keys("/");
    assertThat(browser.run("return document.activeElement.id")).isEqualTo("q");
    browser.keys("seen" + Keys.ENTER);
    browser.see("#conversations", "seen");
    for (int i = 0; i < 30; i++) {
      if ("seen".equals(browser.run("return document.activeElement.textContent"))) {
        break;
      }
      browser.keys(Keys.TAB);
    }
    browser.keys(Keys.ENTER);
    browser.see("h1", "seen");
    browser.see("#link", "Live");
    browser.keys("/");
    browser.keys("what do you remember?" + Keys.ENTER);
    browser.see(".turn:last-child .bubble.agent", "message");
    browser.assertNoComplaints();
  }

  @Test
  @Order(7)
  void a_takeover_is_seen_while_it_happens_and_the_page_says_where_to_go_on() {
    Turnkeeper seen = service.replica(0);
    String thread = seen.newThread();
    String wish = "{\"label\": \"%s\", \"chunks\": 2000, \"every\": 25, \"again\": 20}";
    String run = seen.run(thread, "marking", wish.formatted(thread));
    Turnkeeper holder = service.holderOf(seen, run);
    Turnkeeper other = service.otherThan(holder);
    // The session is good on each replica.
    browser.at(other.url());
    browser.go("/console/conversations/" + thread);
    browser.see(".line", "Started");
    browser.see("#link", "Live");
    holder.kill();
    browser.see(".line", "Taken over: its replica was lost");
    browser.see(".line", "Attempt 2 started");
    browser.see(".turn:last-child header", "Completed");
    browser.go("/console/replicas");
    browser.see("#replicas", "of silence");
    service.revive();
    browser.see("#replicas", holder.url());
    other.kill();
    browser.see("#link", "go to another replica");
    service.revive();
  }

  @Test
  @Order(8)
  void a_page_of_a_hundred_thousand_conversations_is_made_within_300_ms() {
    History.insert(database, "broken", 100_000, 60 * 24 * 30);
    browser.at(service.replica(0).url());
    browser.go("/console/conversations");
    for (String query :
        List.of(
            "",
            "?q=broken-99",
            "?metadata=user%3Dada",
            "?metadata=user%3Dnobody",
            "?status=idle",
            "?status=failed",
            "?agent=broken&since=7d")) {
      browser.go("/console/conversations" + query);
      assertThat(browser.serverMillis()).as("server time of %s", query).isLessThan(300);
      browser.click(".pager a[rel=next]");
      browser.see(".pager", "Newest");
      assertThat(browser.serverMillis()).as("the page after %s", query).isLessThan(300);
    }
  }
}

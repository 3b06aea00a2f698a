package io.turnkeeper.e2e;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Makes the pictures of docs/console.md; asked for by name, never by a suite. */
@Tag("external")
class ConsoleShots {
  private static final Path INTO = Path.of(System.getProperty("shots", "target/console"));

  @TempDir Path scratch;

  @Test
  void of_every_page_light_and_dark_wide_and_narrow() {
    try (Postgres database = Postgres.start();
        Service service = Service.start(scratch, 2, database.url());
        Browser browser = scene(database, service)) {
      Map<String, String> pages = new LinkedHashMap<>();
      pages.put("sign-in", "/sign-in");
      pages.put("overview", "");
      pages.put("conversations", "/conversations");
      pages.put("conversation", "/conversations/trip-to-lisbon");
      pages.put("runs", "/runs?status=failing");
      pages.put("bulk", "/bulk?do=retry&status=failing");
      pages.put("agents", "/agents");
      pages.put("agent", "/agents/demo");
      pages.put("replicas", "/replicas");
      pages.put("tenants", "/tenants");
      pages.put("audit", "/audit");
      pages.forEach((name, path) -> {
        if (name.equals("overview")) {
          browser.signIn(service.key());
        }
        for (int width : List.of(1440, 360)) {
          for (boolean dark : List.of(false, true)) {
            browser.size(width, width == 360 ? 740 : 900);
            browser.dark(dark);
            browser.go("/console" + path);
            browser.shown("h1");
            if (!name.equals("sign-in") && browser.text("#link").contains("Connecting")) {
              browser.see("#link", "Live");
            }
            browser.shot(INTO.resolve(name + "-" + width + (dark ? "-dark" : "-light") + ".png"));
          }
        }
      });
    }
  }

  private static Browser scene(Postgres database, Service service) {
    Turnkeeper first = service.replica(0);
    for (String agent : List.of("demo", "invoices", "support")) {
      first.addAgent(
          Map.of(
              "name",
              agent,
              "kind",
              "acp",
              "command",
              ConsoleTest.demoAgent(),
              "permissions",
              "ask"));
    }
    first.addAgent(
        Map.of(
            "name",
            "support",
            "kind",
            "acp",
            "command",
            ConsoleTest.demoAgent(),
            "permissions",
            "ask",
            "env",
            Map.of("MODEL", "small"),
            "idle_timeout_ms",
            120_000));
    History.insert(database, "support", 4_000, 58);
    History.insert(database, "invoices", 900, 50);
    first.post(
        "/threads", Map.of("thread_id", "trip-to-lisbon", "metadata", Map.of("user", "ada")));
    first.ask("trip-to-lisbon", "demo", "my name is Ada");
    first.ask("trip-to-lisbon", "demo", "what do you remember?");
    String waits = first.run("trip-to-lisbon", "demo", "please delete my name");
    first.run(first.newThread(), "demo", "count to 3000 slowly");
    first.post("/admin/organizations", Map.of("name", "acme", "max_running", 20)).expect(201);
    first.post("/admin/organizations", Map.of("name", "globex")).expect(201);
    first
        .post(
            "/admin/organizations/default/limits",
            Map.of("queued", 5000, "streams", 200, "stored_bytes", 50_000_000))
        .expect(200);
    first.post("/admin/keys", Map.of("name", "web-frontend", "role", "client")).expect(201);
    first.post("/admin/keys", Map.of("name", "dashboards", "role", "reader")).expect(201);
    first.post("/admin/agents/invoices/pause", Map.of()).expect(200);
    Awaitility.await("the agent asks")
        .atMost(Duration.ofSeconds(30))
        .until(() ->
            first.get("/admin/runs/" + waits).body().path("status").asString().equals("waiting"));
    return Browser.open(first.url());
  }
}

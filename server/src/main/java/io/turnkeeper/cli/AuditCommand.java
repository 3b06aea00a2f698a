package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;

@Command(
    name = "audit",
    description = "Show who did what to keys, agents, caps and threads, newest first.",
    footerHeading = "%nExamples:%n",
    footer = {"  turnkeeper audit", "  turnkeeper audit --thread t1 --json"})
final class AuditCommand implements Callable<Integer> {
  private static final List<String> COLUMNS =
      List.of("at", "key_name", "action", "subject", "outcome", "request_id");
  private static final int PAGE = 100;

  private final Shell shell;
  @Mixin private ServerOptions server = new ServerOptions();

  @Option(names = "--limit", paramLabel = "N", description = "At most this many. Default: 20.")
  private int limit = 20;

  @Option(names = "--thread", paramLabel = "THREAD", description = "Only of this thread.")
  private Optional<String> thread = Optional.empty();

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  AuditCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    ArrayNode entries = Json.array();
    String only = thread.map(id -> "&thread=" + Api.segment(id)).orElse("");
    try (Api api = server.open(shell)) {
      String cursor = "";
      boolean more = true;
      while (more && entries.size() < limit) {
        int page = Math.clamp(limit - entries.size(), 1, PAGE);
        JsonNode answer = api.get("/admin/audit?limit=" + page + only + cursor);
        answer.path("entries").forEach(entries::add);
        String next = answer.path("next_cursor").asString("");
        cursor = "&cursor=" + next;
        more = !next.isEmpty();
      }
    }
    Screen screen = shell.screen();
    if (json) {
      screen.json(entries);
    } else if (entries.isEmpty()) {
      screen.remark("nothing was done yet");
    } else {
      List<List<String>> rows = new ArrayList<>();
      for (JsonNode entry : entries) {
        rows.add(COLUMNS.stream().map(field -> Screen.text(entry.path(field))).toList());
      }
      screen.table(List.of("AT", "KEY", "ACTION", "SUBJECT", "OUTCOME", "REQUEST"), rows);
    }
    return ExitCode.OK.status();
  }
}

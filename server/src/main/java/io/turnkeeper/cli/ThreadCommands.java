package io.turnkeeper.cli;

import io.turnkeeper.base.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

@Command(name = "threads", description = "Conversations, which the API calls threads.")
final class ThreadCommands extends Group {
  ThreadCommands(Shell shell) {
    super(shell);
  }

  @Command(
      name = "list",
      description = "List the threads, the latest first.",
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper threads list --status busy",
        "  turnkeeper threads list --json | jq -r '.[].thread_id'"
      })
  int list(
      @Mixin ServerOptions server,
      @Mixin Page page,
      @Option(
              names = "--status",
              paramLabel = "idle|busy|interrupted|error",
              description = "Only these.")
          Optional<String> status,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    ObjectNode query = Json.object();
    query.put("limit", page.limit());
    query.put("offset", page.offset());
    query.put("sort_by", "updated_at");
    query.put("sort_order", "desc");
    status.ifPresent(it -> query.put("status", it));
    return show(
        server,
        json,
        api -> api.post("/threads/search", query),
        answer ->
            listed(
                answer,
                "no threads; start one with: turnkeeper chat AGENT \"hello\"",
                List.of(
                    new Column("thread_id"),
                    new Column("status"),
                    new Column("AGENT", "metadata", ThreadCommands::agent),
                    new Column("updated_at"))));
  }

  @Command(
      name = "show",
      description = "Show a thread and its messages.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper threads show 0b1f…")
  int show(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "THREAD", description = "The thread's id.") String thread,
      @Option(names = "--json", description = "Print JSON.") boolean json) {
    return show(
        server, json, api -> api.get("/threads/" + Api.segment(thread)), this::conversation);
  }

  @Command(
      name = "delete",
      description = "Delete a thread, its runs and its agent's files.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper threads delete 0b1f…")
  int delete(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "THREAD", description = "The thread's id.") String thread) {
    return act(
        server,
        api -> api.delete("/threads/" + Api.segment(thread)),
        answer -> screen().line("thread " + thread + " deleted"));
  }

  @Command(
      name = "export",
      description = {
        "Write all of a thread as JSON: messages, runs with their events, its agent's files.",
        "A file is in base64."
      },
      footerHeading = "%nExamples:%n",
      footer = {
        "  turnkeeper threads export 0b1f… --out 0b1f.json",
        "  turnkeeper threads export 0b1f… | jq -r '.messages[].content'"
      })
  int export(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "THREAD", description = "The thread's id.") String thread,
      @Option(
              names = "--out",
              paramLabel = "FILE",
              description = "Write it there, when it is whole; for you alone to read.")
          Optional<Path> out) {
    String path = "/threads/" + Api.segment(thread) + "/export";
    try (Api api = server.open(shell())) {
      if (out.isEmpty()) {
        api.download(path, screen().raw());
      } else {
        keep(api, path, out.get());
      }
    } catch (IOException failed) {
      throw new Failure(ExitCode.FAILED, "it cannot be written: " + failed.getMessage());
    }
    return ExitCode.OK.status();
  }

  /** What broke off leaves no file that looks whole. */
  private void keep(Api api, String path, Path into) throws IOException {
    Path part = into.resolveSibling(into.getFileName() + ".part");
    Files.deleteIfExists(part);
    Files.createFile(
        part, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    try {
      try (OutputStream file = Files.newOutputStream(part)) {
        api.download(path, file);
      }
      Files.move(part, into, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
    screen().remark("exported to " + into);
  }

  @Command(
      name = "pause",
      description = "Start no more of a thread's runs; they wait.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper threads pause 0b1f…")
  int pause(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "THREAD", description = "The thread's id.") String thread) {
    return act(
        server,
        api -> api.post("/admin/threads/" + Api.segment(thread) + "/pause", null),
        answer -> screen().line("thread " + thread + ": paused"));
  }

  @Command(
      name = "resume",
      description = "Start a thread's runs again.",
      footerHeading = "%nExample:%n",
      footer = "  turnkeeper threads resume 0b1f…")
  int resume(
      @Mixin ServerOptions server,
      @Parameters(paramLabel = "THREAD", description = "The thread's id.") String thread) {
    return act(
        server,
        api -> api.post("/admin/threads/" + Api.segment(thread) + "/resume", null),
        answer -> screen().line("thread " + thread + ": resumed"));
  }

  private static String agent(JsonNode metadata) {
    return Screen.text(metadata.path("graph_id"));
  }

  private void conversation(JsonNode thread) {
    Screen screen = screen();
    screen.line(
        "thread %s  %s  updated %s"
            .formatted(
                Screen.text(thread.path("thread_id")),
                Screen.text(thread.path("status")),
                Screen.text(thread.path("updated_at"))));
    for (JsonNode message : thread.path("values").path("messages")) {
      String who = message.path("type").asString("?");
      screen.line("");
      screen.line(screen.bold(who));
      screen.line(said(message));
    }
  }

  private static String said(JsonNode message) {
    JsonNode content = message.path("content");
    StringBuilder text = new StringBuilder();
    if (content.isArray()) {
      content.forEach(block -> text.append(Screen.text(block.path("text"))));
    } else {
      text.append(Screen.text(content));
    }
    for (JsonNode call : message.path("tool_calls")) {
      text.append(text.isEmpty() ? "" : "\n")
          .append("→ ")
          .append(Screen.text(call.path("name")))
          .append(' ')
          .append(Screen.brief(call.path("args"), 200));
    }
    return text.toString();
  }
}

package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A client that comes back with the last id that it saw gets every event once, also from the next
 * replica.
 */
@Tag("e2e")
@Promise(4)
class StreamResumeTest {
  private record Frame(String id, String event, String data) {}

  @TempDir Path scratch;

  @Test
  void a_stream_is_resumed_after_any_event_across_a_restart() throws Exception {
    try (Turnkeeper replica = Turnkeeper.start(scratch.resolve("data"))) {
      replica.addAgent(
          Map.of(
              "name",
              "steps",
              "kind",
              "command",
              "command",
              List.of("/bin/sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done")));
      String thread = replica.newThread();
      Map<String, Object> body = new HashMap<>(Turnkeeper.message("steps", "go"));
      body.put("stream_mode", List.of("messages-tuple", "values"));
      HttpRequest request =
          replica
              .request("/threads/" + thread + "/runs/stream")
              .POST(BodyPublishers.ofString(Turnkeeper.JSON.writeValueAsString(body)))
              .build();
      List<Frame> whole = new ArrayList<>();
      String location = read(request, whole);
      assertThat(whole).hasSizeGreaterThan(4).allSatisfy(it -> assertThat(it.id()).isNotEmpty());
      assertThat(whole.stream().map(Frame::id)).doesNotHaveDuplicates();

      replica.stop();
      replica.wipeWorkingFiles();
      replica.start();

      for (int seen = 0; seen < whole.size(); seen++) {
        List<Frame> rest = new ArrayList<>();
        read(
            replica
                .request(location + "?stream_mode=%5B%22messages-tuple%22%2C%22values%22%5D")
                .header("last-event-id", whole.get(seen).id())
                .GET()
                .build(),
            rest);
        assertThat(rest)
            .as("what follows %s", whole.get(seen).id())
            .isEqualTo(whole.subList(seen + 1, whole.size()));
      }
    }
  }

  /** Reads to the end of the stream; returns where to resume it. */
  private static String read(HttpRequest request, List<Frame> frames) throws Exception {
    try (HttpClient http = HttpClient.newHttpClient()) {
      HttpResponse<java.io.InputStream> response = http.send(request, BodyHandlers.ofInputStream());
      try (BufferedReader lines =
          new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
        assertThat(response.statusCode()).isEqualTo(200);
        parse(lines, frames);
      }
      return response.headers().firstValue("location").orElse("");
    }
  }

  private static void parse(BufferedReader lines, List<Frame> frames) throws IOException {
    Map<String, String> fields = new HashMap<>();
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      int colon = line.indexOf(':');
      if (colon > 0) {
        fields.put(line.substring(0, colon), line.substring(colon + 1).strip());
      } else if (line.isEmpty() && !fields.isEmpty()) {
        frames.add(
            new Frame(
                fields.getOrDefault("id", ""),
                fields.getOrDefault("event", ""),
                fields.getOrDefault("data", "")));
        fields.clear();
      }
    }
  }
}

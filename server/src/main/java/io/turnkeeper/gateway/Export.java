package io.turnkeeper.gateway;

import io.turnkeeper.base.Json;
import io.turnkeeper.conversation.StoredConversation;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.http.Download;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.snapshot.SavedFile;
import io.turnkeeper.snapshot.SnapshotInfo;
import io.turnkeeper.snapshot.Snapshots;
import io.turnkeeper.tenancy.Role;
import java.io.InputStream;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * All of a conversation as one JSON document: its messages, its runs with their events, its agent's
 * files. Written as it is read, a page at a time.
 */
public final class Export {
  private static final int RUNS = 20;
  private static final int EVENTS = 200;

  private final Conversations conversations;
  private final StoredConversation conversation;

  private Export(Conversations conversations, StoredConversation conversation) {
    this.conversations = conversations;
    this.conversation = conversation;
  }

  /**
   * Answers with it.
   *
   * @param role of whoever asks; files are for those who may also change the conversation
   */
  public static void answer(
      Exchange exchange, Conversations conversations, StoredConversation conversation, Role role) {
    String name = conversation.id().replaceAll("[^A-Za-z0-9._-]", "_");
    exchange.responseHeader("Content-Disposition", "attachment; filename=\"" + name + ".json\"");
    Download download = exchange.download("application/json");
    try (JsonGenerator json = Json.MAPPER.createGenerator(download.out())) {
      new Export(conversations, conversation).write(json, role.compareTo(Role.CLIENT) >= 0);
      json.flush();
      download.end();
    }
  }

  private void write(JsonGenerator json, boolean files) {
    json.writeStartObject();
    json.writeStringProperty("thread_id", conversation.id());
    put(json, "metadata", conversation.metadata());
    put(json, "created_at", conversation.createdAt());
    put(json, "updated_at", conversation.updatedAt());
    json.writeArrayPropertyStart("messages");
    eachPage(page -> Conversations.messages(page).forEach(json::writeTree));
    json.writeEndArray();
    json.writeArrayPropertyStart("runs");
    eachPage(page -> page.forEach(run -> run(json, run)));
    json.writeEndArray();
    json.writeName("files");
    if (!files || !conversations.showFiles(conversation, new Files(json))) {
      json.writeNull();
    } else {
      json.writeEndArray();
      json.writeEndObject();
    }
    json.writeEndObject();
  }

  private interface Pages {
    void take(List<Run> page);
  }

  private void eachPage(Pages each) {
    long after = 0;
    while (true) {
      List<Run> page = conversations.turnsAfter(conversation, after, RUNS);
      each.take(page);
      if (page.size() < RUNS) {
        return;
      }
      after = page.getLast().turn();
    }
  }

  private void run(JsonGenerator json, Run run) {
    json.writeStartObject();
    json.writeStringProperty("run_id", run.id().toString());
    json.writeNumberProperty("turn", run.turn());
    json.writeStringProperty("status", run.status().word());
    json.writeNumberProperty("attempt", run.attempt());
    put(json, "created_at", run.times().created());
    put(json, "started_at", run.times().started());
    put(json, "finished_at", run.times().finished());
    put(json, "metadata", run.metadata());
    put(json, "input", run.input());
    put(json, "error", run.error());
    json.writeArrayPropertyStart("events");
    int after = 0;
    while (true) {
      List<Event> page = conversations.events(conversation.organization(), run.id(), after, EVENTS);
      for (Event event : page) {
        ObjectNode node = Json.object().put("seq", event.seq()).put("kind", event.kind());
        node.put("at", event.at().toString()).set("data", event.data());
        json.writeTree(node);
        after = event.seq();
      }
      if (page.size() < EVENTS) {
        break;
      }
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void put(JsonGenerator json, String name, @Nullable JsonNode value) {
    json.writeName(name);
    if (value == null) {
      json.writeNull();
    } else {
      json.writeTree(value);
    }
  }

  private static void put(JsonGenerator json, String name, @Nullable Instant time) {
    json.writeName(name);
    json.writeString(time == null ? (String) null : time.toString());
  }

  private record Files(JsonGenerator json) implements Snapshots.Visitor {
    @Override
    public void begin(SnapshotInfo of) {
      json.writeStartObject();
      json.writeStringProperty("run_id", of.run().toString());
      json.writeNumberProperty("turn", of.turn());
      put(json, "session", of.session());
      json.writeArrayPropertyStart("entries");
    }

    @Override
    public void entry(SavedFile file, InputStream content) {
      json.writeStartObject();
      json.writeStringProperty("path", file.path());
      json.writeStringProperty("kind", file.kind().name().toLowerCase(Locale.ROOT));
      switch (file.kind()) {
        case LINK -> json.writeStringProperty("target", file.target());
        case DIRECTORY -> json.writeStringProperty("mode", mode(file));
        case FILE -> {
          json.writeStringProperty("mode", mode(file));
          put(json, "modified", Instant.ofEpochMilli(file.modified()));
          json.writeNumberProperty("bytes", file.bytes());
          json.writeName("base64");
          json.writeBinary(content, Math.toIntExact(file.bytes()));
        }
      }
      json.writeEndObject();
    }

    private static String mode(SavedFile file) {
      return Integer.toOctalString(file.mode());
    }
  }
}

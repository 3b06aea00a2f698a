package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.eventlog.Event;
import io.turnkeeper.eventlog.Subscription;
import io.turnkeeper.http.Exchange;
import io.turnkeeper.http.PendingJson;
import io.turnkeeper.http.SseStream;
import io.turnkeeper.http.StreamClosed;
import io.turnkeeper.orchestrator.Conversations;
import io.turnkeeper.queue.Run;
import io.turnkeeper.queue.RunStatus;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Streams of runs: a cursor over the durable log. Whoever holds the run, or held it, this replica
 * only reads. A stream ends with the run, or when the run waits for a person.
 */
final class RunStreams {
  private static final int PAGE = 500;

  /**
   * The client's watchdog expects steady heartbeats from the first second, also while the run is
   * queued.
   */
  private static final Duration HEARTBEAT = Duration.ofSeconds(5);

  private static final Duration LOOK = Duration.ofSeconds(1);

  private final Conversations conversations;
  private final Threads threads;
  private final Agents agents;

  RunStreams(Conversations conversations, Threads threads, Agents agents) {
    this.conversations = conversations;
    this.threads = threads;
    this.agents = agents;
  }

  /** Names the run to the client, and the path to come back to. */
  void announce(Exchange exchange, Run run, boolean stateless) {
    String path =
        stateless
            ? "/runs/" + run.id()
            : "/threads/" + encode(run.conversation().id()) + "/runs/" + run.id();
    exchange.responseHeader("Content-Location", path);
    exchange.responseHeader("Location", path + "/stream");
  }

  void stream(
      Exchange exchange, Run run, Set<StreamMode> modes, Cursor from, boolean cancelOnDisconnect)
      throws InterruptedException {
    RunTranslator translator = new RunTranslator(threads.subject(run, agentName(run)), modes);
    SseStream out = exchange.sse();
    try (Subscription news = conversations.subscribe(run.conversation().key())) {
      copy(run, translator, from, out, news);
      out.end();
    } catch (StreamClosed closed) {
      if (cancelOnDisconnect && closed.reason() == StreamClosed.Reason.PEER) {
        conversations.cancel(run.organization(), run.id(), "the client went away");
      }
      throw closed;
    }
  }

  private void copy(
      Run run, RunTranslator translator, Cursor from, SseStream out, Subscription news)
      throws InterruptedException {
    int after = 0;
    Duration silent = Duration.ZERO;
    while (true) {
      List<Event> page = conversations.events(run.organization(), run.id(), after, PAGE);
      for (Event event : page) {
        after = event.seq();
        send(run, event.seq(), translator.apply(event.kind(), event.data()), from, out);
      }
      if (translator.ended() || (page.size() < PAGE && translator.interrupted())) {
        return;
      }
      if (!page.isEmpty()) {
        silent = Duration.ZERO;
      }
      if (page.size() == PAGE) {
        continue;
      }
      boolean woken = false;
      while (!woken && silent.compareTo(HEARTBEAT) < 0 && out.isOpen()) {
        woken = news.await(LOOK);
        silent = silent.plus(LOOK);
      }
      if (!woken) {
        out.heartbeat();
        silent = Duration.ZERO;
      }
    }
  }

  private static void send(
      Run run, int seq, List<RunTranslator.Frame> frames, Cursor from, SseStream out) {
    for (int i = 1; i <= frames.size(); i++) {
      if (!from.covers(run.turn(), seq, i)) {
        RunTranslator.Frame frame = frames.get(i - 1);
        out.send(frame.event(), Cursor.id(run.turn(), seq, i, frames.size()), frame.data());
      }
    }
  }

  /**
   * Streams what the thread's runs do from now on, one after the other, until the client leaves.
   */
  void follow(Exchange exchange, io.turnkeeper.conversation.StoredConversation thread, Cursor from)
      throws InterruptedException {
    SseStream out = exchange.sse();
    Cursor at = from;
    try (Subscription news = conversations.subscribe(thread.key())) {
      while (out.isOpen()) {
        long done = at.turn();
        List<Run> later =
            conversations.turns(thread, Long.MAX_VALUE).stream()
                .filter(run -> run.turn() >= done)
                .toList();
        for (Run run : later) {
          RunTranslator translator =
              new RunTranslator(
                  threads.subject(run, agentName(run)),
                  EnumSet.of(StreamMode.VALUES, StreamMode.UPDATES, StreamMode.MESSAGES_TUPLE));
          copy(run, translator, at, out, news);
          at = new Cursor(run.turn() + 1, 0, 0);
        }
        if (!news.await(HEARTBEAT)) {
          out.heartbeat();
        }
      }
    }
  }

  /** Answers with the values once the run has ended, or waits for a person. */
  void join(Exchange exchange, Run run, boolean cancelOnDisconnect) throws InterruptedException {
    PendingJson out = exchange.pendingJson();
    try (Subscription news = conversations.subscribe(run.conversation().key())) {
      Run now = run;
      while (!now.status().terminal() && now.status() != RunStatus.WAITING) {
        if (!news.await(LOOK)) {
          out.keepAlive();
        }
        now = conversations.run(run.organization(), run.id()).orElseThrow(() -> gone(run));
      }
      out.end(result(now));
    } catch (StreamClosed closed) {
      if (cancelOnDisconnect && closed.reason() == StreamClosed.Reason.PEER) {
        conversations.cancel(run.organization(), run.id(), "the client went away");
      }
      throw closed;
    }
  }

  private JsonNode result(Run run) {
    ObjectNode error = run.error();
    if (error != null && run.status() != RunStatus.CANCELLED) {
      ObjectNode result = Json.object();
      result
          .putObject("__error__")
          .put("error", error.path("code").asString("error"))
          .put("message", error.path("message").asString(""));
      return result;
    }
    ArrayNode messages =
        conversations.messages(run.organization(), run.conversation().key(), run.turn());
    ObjectNode values = Shapes.values(messages);
    if (run.status() == RunStatus.WAITING) {
      values.set("__interrupt__", threads.folded(run).interrupts());
    }
    return values;
  }

  private String agentName(Run run) {
    return agents
        .current(run.organization(), run.agent())
        .map(io.turnkeeper.agents.Agent::name)
        .orElse("agent");
  }

  private static Refusal gone(Run run) {
    return new Refusal.NotFound("run", run.id().toString());
  }

  private static String encode(String segment) {
    return java.net.URLEncoder.encode(segment, java.nio.charset.StandardCharsets.UTF_8)
        .replace("+", "%20");
  }
}

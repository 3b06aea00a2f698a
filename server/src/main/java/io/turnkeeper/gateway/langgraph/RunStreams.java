package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.agents.Agents;
import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.conversation.StoredConversation;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Streams of runs: a cursor over the durable log. Whoever holds the run, or held it, this replica
 * only reads. A stream ends with the run, or when the run waits for a person.
 */
final class RunStreams {
  private static final int PAGE = 500;
  private static final int RUNS_PAGE = 50;

  /** Stands for a run's last event when its log is gone: above all numbers that a run gets to. */
  private static final int PAST_ALL = 999_999_999;

  /**
   * The client's watchdog expects steady heartbeats from the first second, also while the run is
   * queued.
   */
  private static final Duration HEARTBEAT = Duration.ofSeconds(5);

  private static final Duration LOOK = Duration.ofSeconds(1);

  private final Conversations conversations;
  private final Threads threads;
  private final Agents agents;
  private final Clock clock;

  RunStreams(Conversations conversations, Threads threads, Agents agents, Clock clock) {
    this.conversations = conversations;
    this.threads = threads;
    this.agents = agents;
    this.clock = clock;
  }

  /** What a stream shows of a run: these modes, and only what the client has not seen. */
  record View(Set<StreamMode> modes, Cursor from) {}

  /** Where a stream ends. */
  private enum Until {
    /** With the run, or once the client has seen what a person is asked. */
    ASKED,
    ENDED
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

  void stream(Exchange exchange, Run run, View view, boolean cancelOnDisconnect)
      throws InterruptedException {
    SseStream out = exchange.sse();
    try (Subscription news = conversations.subscribe(run.conversation().key())) {
      copy(run, view, Until.ASKED, new Live(out, news));
      out.end();
    } catch (StreamClosed closed) {
      if (cancelOnDisconnect && closed.reason() == StreamClosed.Reason.PEER) {
        conversations.cancel(run.organization(), run.id(), "the client went away");
      }
      throw closed;
    }
  }

  private void copy(Run run, View view, Until until, Live live) throws InterruptedException {
    RunTranslator translator = null;
    int after = 0;
    boolean asked = false;
    boolean quiet = true;
    while (true) {
      List<Event> page = conversations.events(run.organization(), run.id(), after, PAGE);
      for (Event event : page) {
        if (translator == null) {
          // What the conversation held before is settled once its run has begun, and not earlier.
          translator = new RunTranslator(threads.subject(run, agentName(run)), view.modes());
        }
        after = event.seq();
        send(run, event.seq(), translator.apply(event.kind(), event.data()), view.from(), live);
        if (event.kind().startsWith("permission.")) {
          asked = translator.interrupted() && view.from().isBefore(run.turn(), event.seq());
        }
      }
      if (translator != null && translator.ended()) {
        return;
      }
      if (page.size() == PAGE) {
        continue;
      }
      if (asked && until == Until.ASKED) {
        return;
      }
      if (page.isEmpty() && quiet) {
        Optional<Run> now = conversations.run(run.organization(), run.id());
        boolean over = now.isEmpty() || now.get().status().terminal();
        // Asked after the run: what ended it was written in one transaction with its status.
        if (over && conversations.events(run.organization(), run.id(), after, 1).isEmpty()) {
          now.ifPresent(ended -> sendStored(ended, view, live));
          return;
        }
      }
      quiet = !live.await();
    }
  }

  /** What is left of a run whose log is past its retention: how it ended, unless it was seen. */
  private void sendStored(Run run, View view, Live live) {
    if (view.from().covers(run.turn(), PAST_ALL, 1)) {
      return;
    }
    String id = Cursor.id(run.turn(), PAST_ALL, 1, 1);
    ObjectNode error = run.error();
    if (error != null && run.status() != RunStatus.CANCELLED) {
      live.send("error", id, Shapes.error(error));
    } else {
      live.send("values", id, valuesAfter(run));
    }
  }

  /** An open stream, and the way to hear that there is more for it. */
  private final class Live {
    private final SseStream out;
    private final Subscription news;
    private long beatAt = nextBeat();

    private Live(SseStream out, Subscription news) {
      this.out = out;
      this.news = news;
    }

    void send(String event, String id, JsonNode data) {
      out.send(event, id, data);
      beatAt = nextBeat();
    }

    boolean isOpen() {
      return out.isOpen();
    }

    /**
     * Waits for news, at most until a heartbeat is due; news of other runs do not put it off. False
     * when there were none.
     */
    boolean await() throws InterruptedException {
      long left = beatAt - clock.nanos();
      while (left > 0 && out.isOpen()) {
        if (news.await(left < LOOK.toNanos() ? Duration.ofNanos(left) : LOOK)) {
          return true;
        }
        left = beatAt - clock.nanos();
      }
      out.heartbeat();
      beatAt = nextBeat();
      return false;
    }

    private long nextBeat() {
      return clock.nanos() + HEARTBEAT.toNanos();
    }
  }

  private static void send(
      Run run, int seq, List<RunTranslator.Frame> frames, Cursor from, Live live) {
    for (int i = 1; i <= frames.size(); i++) {
      if (!from.covers(run.turn(), seq, i)) {
        RunTranslator.Frame frame = frames.get(i - 1);
        live.send(frame.event(), Cursor.id(run.turn(), seq, i, frames.size()), frame.data());
      }
    }
  }

  /** Streams what the thread's runs do, one after the other, until the client leaves. */
  void follow(Exchange exchange, StoredConversation thread, Cursor from)
      throws InterruptedException {
    SseStream out = exchange.sse();
    Cursor at = from;
    try (Subscription news = conversations.subscribe(thread.key())) {
      Live live = new Live(out, news);
      while (live.isOpen()) {
        List<Run> more = from(thread, at.turn());
        if (more.isEmpty() && isGone(thread)) {
          out.end();
          return;
        }
        for (Run run : more) {
          copy(run, new View(modes(run), at), Until.ENDED, live);
          at = new Cursor(run.turn() + 1, 0, 0);
        }
        live.await();
      }
    }
  }

  private boolean isGone(StoredConversation thread) {
    return conversations
        .find(thread.organization(), thread.id())
        .filter(now -> now.key() == thread.key())
        .isEmpty();
  }

  /** The runs of this turn and of later ones, in their order. */
  private List<Run> from(StoredConversation thread, long turn) {
    List<Run> newestFirst = new ArrayList<>();
    while (true) {
      List<Run> page = conversations.runs(thread, Set.of(), RUNS_PAGE, newestFirst.size());
      newestFirst.addAll(page);
      if (page.size() < RUNS_PAGE || page.getLast().turn() <= turn) {
        return newestFirst.reversed().stream().filter(run -> run.turn() >= turn).toList();
      }
    }
  }

  /** Those that the run was asked with. */
  static Set<StreamMode> modes(Run run) {
    return StreamMode.read(run.options().path("stream_mode"));
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
      result.set("__error__", Shapes.error(error));
      return result;
    }
    return run.status() == RunStatus.WAITING
        ? threads.folded(run).state().valuesNow()
        : valuesAfter(run);
  }

  private JsonNode valuesAfter(Run run) {
    return Shapes.values(
        conversations.messages(run.organization(), run.conversation().key(), run.turn()));
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

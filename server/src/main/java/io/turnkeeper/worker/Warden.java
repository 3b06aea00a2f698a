package io.turnkeeper.worker;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A small process of its own that outlives its replica by a moment. Stopping or killing a JVM does
 * not stop its children; so the warden kills them, when the beats stop or the pipe ends. Lines in:
 * {@code beat AGE_MILLIS}, {@code add PID START_TICKS}, {@code remove PID}. Lines out: {@code
 * ready}, {@code heard} for each beat, {@code killed COUNT REASON}. It outlives silence: a replica
 * that was only paused may go on.
 */
final class Warden {
  /** The answer to a beat: the replica replaces a warden that does not give it. */
  static final String HEARD = "heard";

  private static final Duration LOOK_EVERY = Duration.ofMillis(500);

  private final String markerPrefix;
  private final long silenceNanos;
  private final Map<Long, ProcessTable.Leader> leaders = new HashMap<>();
  private long heardNanos = System.nanoTime();
  private long lookedNanos = heardNanos;
  private boolean beaten;
  private boolean over;

  private Warden(String markerPrefix, Duration silence) {
    this.markerPrefix = markerPrefix;
    this.silenceNanos = silence.toNanos();
  }

  /** Arguments: the marker's prefix, the longest silence in milliseconds, and whose it is. */
  static void main(String[] args) throws IOException, InterruptedException {
    Warden warden = new Warden(args[0], Duration.ofMillis(Long.parseLong(args[1])));
    ProcessTable.find(ProcessHandle.current().pid()); // so that all it takes to kill is loaded now
    Signals.toProcess(ProcessHandle.current().pid(), Signals.PROBE);
    Thread watch = Thread.ofPlatform().daemon().name("watch").start(warden::watch);
    say("ready");
    try (var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        warden.heard(line.split(" "));
      }
    } finally {
      warden.end();
    }
    watch.join();
  }

  private synchronized void heard(String[] words) {
    switch (words[0]) {
      case "beat" -> {
        beat(words);
        say(HEARD);
      }
      case "add" -> {
        if (leaders.isEmpty() && !beaten) {
          heardNanos = System.nanoTime(); // one that never beat has this long for its first
        }
        long pid = Long.parseLong(words[1]);
        leaders.put(pid, new ProcessTable.Leader(pid, Long.parseLong(words[2])));
        notifyAll(); // the silence may have been too long already
      }
      case "remove" -> leaders.remove(Long.parseLong(words[1]));
      default -> {} // a newer replica's word
    }
  }

  /** One whose age cannot be read gives no time. */
  private void beat(String[] words) {
    if (words.length == 2 && words[1].matches("\\d{1,12}")) {
      heardNanos = System.nanoTime() - Duration.ofMillis(Long.parseLong(words[1])).toNanos();
      beaten = true;
    }
  }

  private synchronized void end() {
    over = true;
    kill("end");
    notifyAll();
  }

  private synchronized void watch() {
    try {
      while (!over) {
        long now = System.nanoTime();
        long left = silenceNanos - (now - heardNanos);
        if (left <= 0 && (!leaders.isEmpty() || mayBeUntold(now))) {
          lookedNanos = now;
          kill("silence");
        } else {
          long most = LOOK_EVERY.toNanos();
          wait(Math.max(1, (left > 0 ? Math.min(left, most) : most) / 1_000_000 + 1));
        }
      }
    } catch (InterruptedException e) {
      over = true;
    }
  }

  /**
   * A process may have been started and not told of: then only its marker finds it. Looked for
   * again and again while the silence lasts.
   */
  private boolean mayBeUntold(long now) {
    return beaten && now - lookedNanos >= LOOK_EVERY.toNanos();
  }

  private void kill(String reason) {
    int killed = ProcessTable.kill(List.copyOf(leaders.values()), markerPrefix);
    leaders.clear();
    if (killed > 0) {
      say("killed " + killed + " " + reason);
    }
  }

  private static void say(String line) {
    System.out.println(line); // a dead reader is no error here: PrintStream swallows it
  }
}

package io.turnkeeper.bench;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.Json;
import io.turnkeeper.gateway.Guard;
import io.turnkeeper.gateway.langgraph.LangGraphRoutes;
import io.turnkeeper.http.HttpConfig;
import io.turnkeeper.http.HttpServer;
import io.turnkeeper.telemetry.Metrics;
import io.turnkeeper.worker.Turn;
import io.turnkeeper.worker.TurnListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import tools.jackson.databind.node.ObjectNode;

/**
 * A replica with HTTP in a process of its own, whose agents speak as the message says: {@code say
 * COUNT EVERY_MS}. Each piece is the nanosecond at which it was to be said, by the clock that all
 * processes of the machine share.
 */
public final class Host {
  private static final int POOL = 10;

  private Host() {}

  /**
   * @param arguments database, most leases, directory for data, file for the address and the key
   */
  public static void main(String[] arguments) throws Exception {
    Main.quiet();
    Path data = Path.of(arguments[2]);
    Engine engine =
        Engine.prepare(
            arguments[0],
            new Engine.Shape(Integer.parseInt(arguments[1]), POOL, data),
            new NoopPool(true, Host::speak));
    HttpServer http =
        HttpServer.start(
            HttpConfig.of("127.0.0.1", 0),
            LangGraphRoutes.of(
                new Guard(engine.tenancy()),
                engine.agents(),
                engine.conversations(),
                "bench",
                Clock.system()),
            new Metrics());
    engine.join();
    Path ready = Path.of(arguments[3]);
    Path next = ready.resolveSibling(ready.getFileName() + ".next");
    Files.writeString(next, http.port() + " " + engine.key());
    Files.move(next, ready, StandardCopyOption.ATOMIC_MOVE);
    // Until it is killed.
    while (true) {
      LockSupport.park();
    }
  }

  private static void speak(Turn turn, TurnListener listener) throws InterruptedException {
    String text = turn.input().at("/messages/0/content").asString();
    String[] words = text.split(" ", -1);
    if (words.length < 3 || !words[0].equals("say")) {
      return;
    }
    int count = Integer.parseInt(words[1]);
    long every = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(words[2]));
    // Spread: thousands that begin at once would all speak at once.
    long next = System.nanoTime() + Math.floorMod(turn.threadId().hashCode() * 7_919L, every);
    for (int i = 0; i < count; i++, next += every) {
      for (long left = next - System.nanoTime(); left > 0; left = next - System.nanoTime()) {
        TimeUnit.NANOSECONDS.sleep(left);
      }
      ObjectNode update = Json.object().put("sessionUpdate", "agent_message_chunk");
      update.set("content", Json.object().put("type", "text").put("text", "@" + next + " "));
      listener.progress();
      listener.update(update);
    }
  }
}

package io.turnkeeper.bench;

import java.util.List;

/** Many agents that speak at once, as models do: dozens of pieces a second each. */
final class Flood implements Scenario {
  private static final int EVERY_MILLIS = 20;

  @Override
  public String name() {
    return "flood";
  }

  @Override
  public String claim() {
    return "pieces of hundreds of answers are durable and with their clients at once";
  }

  @Override
  public void run(Lab lab, Sheet sheet) {
    int conversations = lab.mode().pick(300, 300, 20);
    int seconds = lab.mode().pick(30, 10, 2);
    for (int repeat = 0; repeat < lab.mode().pick(3, 1, 1); repeat++) {
      lab.progress().say(conversations + " conversations at 50 pieces a second");
      try (Database database = lab.postgres().fresh();
          Hosted host = Hosted.start(lab, database, conversations);
          Streams.Readers readers = new Streams.Readers()) {
        List<String> paths =
            Streams.begin(host, conversations, "say 1000000 " + EVERY_MILLIS);
        paths.forEach(path -> readers.open(host, path));
        Threads.await(20, 30, () -> readers.heard.get() == conversations);
        Threads.sleep(3_000);
        readers.measure(seconds);
        sheet.add("chunk to client, p50", "ms", OpenLoop.millis(readers.times, 50));
        sheet.add("chunk to client, p99", "ms", OpenLoop.millis(readers.times, 99));
        sheet.add("chunks to clients", "/s", readers.times.getTotalCount() / (double) seconds);
        sheet.add("asked for", "/s", conversations * 1_000.0 / EVERY_MILLIS);
      }
    }
    sheet.figure("chunk to client, p99", "chunk to client, p99", Sheet.Bound.atMost(100));
    sheet.ratio(
        "chunks that came, over those asked for",
        "chunks to clients",
        "asked for",
        Sheet.Bound.atLeast(0.98, 0.3));
  }
}

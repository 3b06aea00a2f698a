package io.turnkeeper.db;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The network to a database. What is connected can be made to pass nothing on any more, for good
 * and without telling, while new connections are well: as behind a load balancer that has failed
 * over.
 */
public final class Wire implements AutoCloseable {
  private static final int BUFFER = 16 * 1024;
  private static final Pattern PARSED_COMMIT = Pattern.compile("(S_\\d+|)\\x00COMMIT\\x00");

  /** One connection: what goes to the database, and what comes back. */
  private static final class Line {
    private final Socket near;
    private final Socket far;
    private volatile boolean deaf;
    private volatile boolean mute;
    private volatile boolean commitsUnheard;

    /** Under which the server knows it; the driver names it after its first use. */
    private volatile String commit = "COMMIT";

    private Line(Socket near, Socket far) {
      this.near = near;
      this.far = far;
    }
  }

  private final DatabaseUrl behind;
  private final String host;
  private final int port;
  private final ServerSocket listening;
  private final Set<Line> lines = ConcurrentHashMap.newKeySet();

  public Wire(DatabaseUrl to) {
    Matcher address = Pattern.compile("//([^/:]+):(\\d+)").matcher(to.toString());
    if (!address.find()) {
      throw new IllegalArgumentException("no host and port in " + to);
    }
    host = address.group(1);
    port = Integer.parseInt(address.group(2));
    try {
      listening = new ServerSocket(0, 100, InetAddress.getLoopbackAddress());
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
    String who =
        to.user().map(user -> user + to.password().map(p -> ":" + p).orElse("") + "@").orElse("");
    behind =
        DatabaseUrl.parse(
            address.replaceFirst("//" + who + "127.0.0.1:" + listening.getLocalPort()));
    Thread.ofVirtual().name("wire").start(this::accept);
  }

  /** The same database, through here. */
  public DatabaseUrl url() {
    return behind;
  }

  /** What is connected now passes nothing on any more. */
  public void silence() {
    lines.forEach(line -> {
      line.deaf = true;
      line.mute = true;
    });
  }

  /** What is connected now commits once more, and never hears of it. */
  public void swallowCommit() {
    lines.forEach(line -> line.commitsUnheard = true);
  }

  private void accept() {
    while (!listening.isClosed()) {
      try {
        Socket near = listening.accept();
        Line line = new Line(near, new Socket(host, port));
        lines.add(line);
        Thread.ofVirtual().start(() -> pass(line, line.near, line.far));
        Thread.ofVirtual().start(() -> pass(line, line.far, line.near));
      } catch (IOException over) {
        return;
      }
    }
  }

  private void pass(Line line, Socket from, Socket into) {
    byte[] buffer = new byte[BUFFER];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = into.getOutputStream();
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        if (from == line.near && commits(line, buffer, count) && line.commitsUnheard) {
          line.mute = true;
        }
        if (!lost(line, from)) {
          out.write(buffer, 0, count);
          out.flush();
        }
      }
    } catch (IOException broken) {
      // The other end learns of it below, unless nothing arrives there.
    }
    if (!lost(line, from)) {
      end(line);
    }
  }

  private static boolean commits(Line line, byte[] sent, int count) {
    String text = new String(sent, 0, count, StandardCharsets.ISO_8859_1);
    Matcher parsed = PARSED_COMMIT.matcher(text);
    boolean commits = parsed.find();
    if (commits && !parsed.group(1).isEmpty()) {
      line.commit = parsed.group(1);
    }
    return commits || text.contains("\0" + line.commit + "\0");
  }

  private static boolean lost(Line line, Socket from) {
    return from == line.near ? line.deaf : line.mute;
  }

  private void end(Line line) {
    lines.remove(line);
    try (line.near;
        line.far) {
      line.near.shutdownInput();
    } catch (IOException alreadyGone) {
      return;
    }
  }

  @Override
  public void close() {
    try {
      listening.close();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
    lines.forEach(this::end);
  }
}

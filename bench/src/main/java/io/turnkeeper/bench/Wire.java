package io.turnkeeper.bench;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.function.Predicate;

/**
 * One connection to a replica, kept open: as little of a client as there can be, for on a small
 * machine a client takes from the server what it needs itself.
 */
final class Wire implements AutoCloseable {
  private static final int PATIENCE_MILLIS = 60_000;
  private static final int BUFFER = 2_048;

  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;
  private final String headers;

  Wire(int port, String key) {
    try {
      socket = new Socket(InetAddress.getLoopbackAddress(), port);
      socket.setTcpNoDelay(true);
      socket.setSoTimeout(PATIENCE_MILLIS);
      in = new BufferedInputStream(socket.getInputStream(), BUFFER);
      out = socket.getOutputStream();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
    headers =
        " HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: "
            + key
            + "\r\ncontent-type: application/json\r\ncontent-length: ";
  }

  /** The body of the answer, which must be a success. */
  String post(String path, String body) {
    try {
      send("POST", path, body);
      int status = status();
      String answer = body();
      if (status >= 300) {
        throw new IllegalStateException(path + " answered " + status + ": " + answer);
      }
      return answer;
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** Reads a stream line by line for as long as it is wanted. */
  void stream(String path, Predicate<String> line) {
    try {
      send("GET", path, "");
      int status = status();
      if (status != 200) {
        throw new IllegalStateException(path + " answered " + status);
      }
      while (!line().isEmpty()) {
        // The headers.
      }
      while (line.test(line())) {
        // As long as it is wanted.
      }
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  /** Asks for a stream and never reads it. */
  void stall(String path) {
    try {
      socket.setReceiveBufferSize(BUFFER);
      send("GET", path, "");
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  private void send(String method, String path, String body) throws IOException {
    byte[] content = body.getBytes(StandardCharsets.UTF_8);
    byte[] head =
        (method + " " + path + headers + content.length + "\r\n\r\n")
            .getBytes(StandardCharsets.US_ASCII);
    byte[] all = new byte[head.length + content.length];
    System.arraycopy(head, 0, all, 0, head.length);
    System.arraycopy(content, 0, all, head.length, content.length);
    out.write(all);
    out.flush();
  }

  private int status() throws IOException {
    String first = line();
    return Integer.parseInt(first, 9, 12, 10);
  }

  private String body() throws IOException {
    int length = -1;
    boolean chunked = false;
    for (String line = line(); !line.isEmpty(); line = line()) {
      String lower = line.toLowerCase(java.util.Locale.ROOT);
      if (lower.startsWith("content-length:")) {
        length = Integer.parseInt(lower.substring(15).strip());
      }
      chunked |= lower.startsWith("transfer-encoding:") && lower.contains("chunked");
    }
    if (!chunked) {
      return new String(in.readNBytes(Math.max(length, 0)), StandardCharsets.UTF_8);
    }
    StringBuilder body = new StringBuilder();
    for (int size = size(); size > 0; size = size()) {
      body.append(new String(in.readNBytes(size), StandardCharsets.UTF_8));
      line();
    }
    line();
    return body.toString();
  }

  private int size() throws IOException {
    return Integer.parseInt(line().strip(), 16);
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    while (true) {
      int next = in.read();
      if (next < 0) {
        throw new IOException("the connection ended");
      }
      if (next == '\n') {
        int end = line.length();
        return end > 0 && line.charAt(end - 1) == '\r'
            ? line.substring(0, end - 1)
            : line.toString();
      }
      line.append((char) next);
    }
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }
}

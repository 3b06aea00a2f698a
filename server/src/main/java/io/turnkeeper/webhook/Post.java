package io.turnkeeper.webhook;

import io.turnkeeper.base.Clock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * One POST to an address that was found before: the JDK's client would look the name up again, and
 * might find another. Follows nothing and reads no more than the status.
 */
final class Post {
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final int STATUS_LINE_MAX = 512;
  private static final Pattern STATUS_LINE = Pattern.compile("HTTP/1\\.[01] ([1-5]\\d\\d)(?: .*)?");
  private static final int HTTP = 80;
  private static final int HTTPS = 443;

  private final URI url;
  private final InetAddress to;
  private final Map<String, String> headers;
  private final byte[] body;

  Post(URI url, InetAddress to, Map<String, String> headers, byte[] body) {
    this.url = url;
    this.to = to;
    this.headers = headers;
    this.body = body;
  }

  /** The status that it was answered with, in time. */
  int send(Clock clock, Duration deadline) throws IOException {
    try (Socket plain = new Socket(Proxy.NO_PROXY)) {
      // Closing it ends whatever waits on it, also a write to a peer that does not read.
      clock.after(deadline, () -> close(plain));
      plain.connect(new InetSocketAddress(to, port()), (int) CONNECT.toMillis());
      plain.setSoTimeout((int) deadline.toMillis());
      if (!secure()) {
        return exchange(plain);
      }
      try (SSLSocket tls = tls(plain)) {
        tls.startHandshake();
        return exchange(tls);
      }
    }
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException closedAnyway) {
      // There is nothing else to do with it.
    }
  }

  private boolean secure() {
    return "https".equalsIgnoreCase(url.getScheme());
  }

  private int port() {
    return url.getPort() > 0 ? url.getPort() : secure() ? HTTPS : HTTP;
  }

  /** For the name in the URL, whatever address it was found at. */
  private SSLSocket tls(Socket plain) throws IOException {
    SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
    String host = url.getHost().replaceAll("[\\[\\]]", "");
    SSLSocket tls = (SSLSocket) factory.createSocket(plain, host, port(), true);
    SSLParameters parameters = tls.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    tls.setSSLParameters(parameters);
    return tls;
  }

  private int exchange(Socket socket) throws IOException {
    OutputStream out = socket.getOutputStream();
    out.write(head().getBytes(StandardCharsets.US_ASCII));
    out.write(body);
    out.flush();
    return status(socket.getInputStream());
  }

  private String head() {
    String path = url.getRawPath().isEmpty() ? "/" : url.getRawPath();
    String query = url.getRawQuery() == null ? "" : "?" + url.getRawQuery();
    String port = url.getPort() > 0 ? ":" + url.getPort() : "";
    StringBuilder head =
        new StringBuilder("POST " + path + query + " HTTP/1.1\r\n")
            .append("Host: " + url.getHost() + port + "\r\n")
            .append("Content-Type: application/json\r\n")
            .append("Content-Length: " + body.length + "\r\n")
            .append("Connection: close\r\n");
    headers.forEach((name, value) -> head.append(name + ": " + value + "\r\n"));
    return head.append("\r\n").toString();
  }

  private static int status(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int next = in.read(); next != '\n'; next = in.read()) {
      if (next < 0 || line.size() == STATUS_LINE_MAX) {
        throw new IOException("the answer is not HTTP");
      }
      line.write(next);
    }
    Matcher status = STATUS_LINE.matcher(line.toString(StandardCharsets.ISO_8859_1).strip());
    if (!status.matches()) {
      throw new IOException("the answer is not HTTP");
    }
    return Integer.parseInt(status.group(1));
  }
}

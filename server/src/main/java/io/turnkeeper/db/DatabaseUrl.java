package io.turnkeeper.db;

import io.turnkeeper.base.Refusal;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where the database is: {@code postgresql://user:password@host:port,host2:port/name?option=value},
 * as libpq writes it, or the same with a {@code jdbc:} prefix. Its text form never shows the
 * password.
 */
public final class DatabaseUrl {
  private static final String PREPARE = "prepareThreshold";

  private final String jdbcUrl;
  private final @Nullable String user;
  private final @Nullable String password;

  private DatabaseUrl(String jdbcUrl, @Nullable String user, @Nullable String password) {
    this.jdbcUrl = jdbcUrl;
    this.user = user;
    this.password = password;
  }

  /**
   * @throws Refusal.Invalid when it is not a PostgreSQL URL; the message does not repeat it, for it
   *     may hold a password
   */
  public static DatabaseUrl parse(String text) {
    String url = text.startsWith("jdbc:") ? text.substring("jdbc:".length()) : text;
    String rest;
    if (url.startsWith("postgresql://")) {
      rest = url.substring("postgresql://".length());
    } else if (url.startsWith("postgres://")) {
      rest = url.substring("postgres://".length());
    } else {
      throw new Refusal.Invalid(
          "database_url",
          "database-url",
          "a database URL looks like postgresql://user:password@host:5432/name");
    }
    String user = null;
    String password = null;
    int slash = rest.indexOf('/');
    int at = rest.lastIndexOf('@', slash < 0 ? rest.length() : slash);
    if (at >= 0) {
      String who = rest.substring(0, at);
      rest = rest.substring(at + 1);
      int colon = who.indexOf(':');
      user = decode(colon < 0 ? who : who.substring(0, colon));
      password = colon < 0 ? null : decode(who.substring(colon + 1));
    }
    List<String> kept = new ArrayList<>();
    int question = rest.indexOf('?');
    if (question >= 0) {
      for (String pair : rest.substring(question + 1).split("&")) {
        if (pair.startsWith("user=")) {
          user = decode(pair.substring("user=".length()));
        } else if (pair.startsWith("password=")) {
          password = decode(pair.substring("password=".length()));
        } else if (!pair.isBlank()) {
          kept.add(pair);
        }
      }
      rest = rest.substring(0, question);
    }
    String query = kept.isEmpty() ? "" : "?" + String.join("&", kept);
    try {
      // Hosts may be a comma-separated list, which URI takes only as an opaque authority: enough of
      // a check.
      new URI("postgresql://" + rest + query);
    } catch (URISyntaxException bad) {
      throw new Refusal.Invalid(
          "database_url", "database-url", "the database URL has a character that must be escaped");
    }
    return new DatabaseUrl("jdbc:postgresql://" + rest + query, user, password);
  }

  /** Without user and password. */
  public String jdbcUrl() {
    return jdbcUrl;
  }

  /**
   * The same through a pooler that gives each transaction another session: nothing is prepared at
   * the server for later, unless the URL itself says when ({@code prepareThreshold}).
   */
  public DatabaseUrl pooled() {
    if (jdbcUrl.contains(PREPARE + "=")) {
      return this;
    }
    String joint = jdbcUrl.contains("?") ? "&" : "?";
    return new DatabaseUrl(jdbcUrl + joint + PREPARE + "=0", user, password);
  }

  public Optional<String> user() {
    return Optional.ofNullable(user);
  }

  public Optional<String> password() {
    return Optional.ofNullable(password);
  }

  @Override
  public String toString() {
    return jdbcUrl.substring("jdbc:".length());
  }

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }
}

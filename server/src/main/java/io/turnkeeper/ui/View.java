package io.turnkeeper.ui;

import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.tenancy.Caller;
import io.turnkeeper.tenancy.Role;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What every template knows: who looks, at whose data, and how things are written.
 *
 * @param organization whose data is shown: the caller's own, or for the operator any
 * @param path of the page, without the query
 * @param formToken what forms send back
 * @param assets names the version of the static files
 */
public record View(
    Caller caller,
    OrganizationId organization,
    String organizationName,
    String path,
    String formToken,
    String assets,
    Instant now) {
  private static final DateTimeFormatter EXACT =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS 'UTC'", Locale.ROOT)
          .withZone(ZoneOffset.UTC);
  private static final long SECOND = 1_000;
  private static final long MINUTE = 60 * SECOND;
  private static final long HOUR = 60 * MINUTE;
  private static final long DAY = 24 * HOUR;

  /** Whether this is the operator at another tenant's data. */
  public boolean elsewhere() {
    return !organization.equals(caller.organization());
  }

  public boolean mayAct() {
    return caller.role().compareTo(Role.CLIENT) >= 0;
  }

  public boolean admin() {
    return caller.role() == Role.ADMIN;
  }

  public boolean operator() {
    return caller.operator();
  }

  /** Marks the navigation's current entry; null leaves the attribute out. */
  public @Nullable String current(String section) {
    boolean here =
        section.isEmpty() ? path.equals("/console") : path.startsWith("/console/" + section);
    return here ? "page" : null;
  }

  /** A path of the console with a query; absent values are left out. */
  public String link(String to, @Nullable Object... query) {
    StringBuilder link = new StringBuilder("/console").append(to);
    char mark = '?';
    for (int i = 0; i + 1 < query.length; i += 2) {
      Object value = query[i + 1];
      if (value != null && !value.toString().isEmpty()) {
        link.append(mark).append(query[i]).append('=').append(encoded(value.toString()));
        mark = '&';
      }
    }
    if (elsewhere()) {
      link.append(mark).append("organization=").append(encoded(organizationName));
    }
    return link.toString();
  }

  public String conversation(String id) {
    return link("/conversations/" + segment(id));
  }

  /** Below a conversation's own path. */
  public String conversation(String id, String below) {
    return link("/conversations/" + segment(id) + below);
  }

  public String run(String conversation, Object run) {
    return conversation(conversation) + "#run-" + run;
  }

  public String agent(String name) {
    return link("/agents/" + segment(name));
  }

  /** Text as one segment of a path. */
  public static String segment(String text) {
    return encoded(text).replace("+", "%20");
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }

  public String exact(Instant at) {
    return EXACT.format(at);
  }

  /** How long, in the two largest units or less. */
  public String span(double given) {
    long millis = Math.round(given);
    if (millis < SECOND) {
      return millis + " ms";
    }
    if (millis < 10 * SECOND) {
      return String.format(Locale.ROOT, "%.1f s", millis / (double) SECOND);
    }
    if (millis < MINUTE) {
      return millis / SECOND + " s";
    }
    if (millis < HOUR) {
      return two(millis / MINUTE, "min", millis % MINUTE / SECOND, "s");
    }
    return millis < DAY
        ? two(millis / HOUR, "h", millis % HOUR / MINUTE, "min")
        : two(millis / DAY, "d", millis % DAY / HOUR, "h");
  }

  public String between(@Nullable Instant from, @Nullable Instant to) {
    return from == null ? "–" : span(Duration.between(from, to == null ? now : to).toMillis());
  }

  public String number(long number) {
    return String.format(Locale.ROOT, "%,d", number).replace(',', '\u202f');
  }

  public String rate(double perSecond) {
    return String.format(Locale.ROOT, perSecond < 10 ? "%.1f" : "%.0f", perSecond);
  }

  public String percent(long part, long whole) {
    if (whole == 0) {
      return "–";
    }
    double percent = 100.0 * part / whole;
    boolean plain = percent == 0 || percent == 100 || percent >= 10 && percent <= 99;
    return String.format(Locale.ROOT, plain ? "%.0f %%" : "%.1f %%", percent);
  }

  public String bytes(long bytes) {
    if (bytes < 1_000) {
      return bytes + " B";
    }
    if (bytes < 1_000_000) {
      return String.format(Locale.ROOT, "%.1f kB", bytes / 1e3);
    }
    return bytes < 1_000_000_000
        ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%.1f GB", bytes / 1e9);
  }

  private static String two(long large, String unit, long small, String smaller) {
    return small == 0 ? large + " " + unit : large + " " + unit + " " + small + " " + smaller;
  }
}

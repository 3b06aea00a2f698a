package io.turnkeeper.base;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Why a request is not done. One sealed family, mapped to problem details by an exhaustive switch.
 * The {@link #code} is stable: clients may branch on it. The message is for people and never holds
 * a secret.
 */
public abstract sealed class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final @Nullable String field;

  private Refusal(String code, @Nullable String field, String message) {
    super(message, null, false, false);
    this.code = code;
    this.field = field;
  }

  /** A stable, machine-readable name, in snake case. */
  public String code() {
    return code;
  }

  /** The request field at fault, as a path such as {@code config.configurable}, if there is one. */
  public @Nullable String field() {
    return field;
  }

  /** 400: the request cannot be read. */
  public static final class Malformed extends Refusal {
    public Malformed(String code, @Nullable String field, String message) {
      super(code, field, message);
    }
  }

  /** 401: no key, or not a valid one. */
  public static final class Unauthenticated extends Refusal {
    public Unauthenticated(String code, String message) {
      super(code, null, message);
    }
  }

  /** 403: the key is valid and its role may not do this. */
  public static final class Denied extends Refusal {
    public Denied(String code, String message) {
      super(code, null, message);
    }
  }

  /** 404: it does not exist, or it is another tenant's: the two look the same. */
  public static final class NotFound extends Refusal {
    public NotFound(String what, String id) {
      super(what + "_not_found", null, "no such " + what + ": " + Refusal.shown(id));
    }
  }

  /** 409: it contradicts what is there. */
  public static final class Conflict extends Refusal {
    public Conflict(String code, String message) {
      super(code, null, message);
    }
  }

  /** 413: over a size limit. */
  public static final class TooLarge extends Refusal {
    public TooLarge(String code, @Nullable String field, String message) {
      super(code, field, message);
    }
  }

  /** 422: it can be read, and its content cannot be accepted. */
  public static final class Invalid extends Refusal {
    public Invalid(String code, @Nullable String field, String message) {
      super(code, field, message);
    }
  }

  /** 429: over a limit that frees up by itself. */
  public static final class Limited extends Refusal {
    private final Duration retryAfter;

    public Limited(String code, String message, Duration retryAfter) {
      super(code, null, message);
      this.retryAfter = retryAfter;
    }

    public Duration retryAfter() {
      return retryAfter;
    }
  }

  /** 501: named by the protocol, and not served. */
  public static final class Unsupported extends Refusal {
    public Unsupported(String code, @Nullable String field, String message) {
      super(code, field, message);
    }
  }

  /** 503: not now; the same request may be sent again. */
  public static final class Unavailable extends Refusal {
    private final Duration retryAfter;

    public Unavailable(String code, String message, Duration retryAfter) {
      super(code, null, message);
      this.retryAfter = retryAfter;
    }

    public Duration retryAfter() {
      return retryAfter;
    }
  }

  private static final int SHOWN_CHARS = 80;

  /** Client text as it may appear in a message: short, without control characters. */
  public static String shown(String text) {
    String plain = text.replaceAll("\\p{Cntrl}", "?");
    return plain.length() <= SHOWN_CHARS ? plain : plain.substring(0, SHOWN_CHARS) + "…";
  }
}

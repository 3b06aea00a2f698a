package io.turnkeeper.http;

import io.turnkeeper.telemetry.TraceContext;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What names a request: an id of its own, or the one that a proxy gave it, and its trace. */
record RequestTags(String requestId, TraceContext trace) {
  private static final Pattern SAFE = Pattern.compile("[A-Za-z0-9._-]{1,64}");

  static RequestTags of(@Nullable String givenId, @Nullable String traceparent) {
    String id =
        givenId != null && SAFE.matcher(givenId).matches()
            ? givenId
            : HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
    return new RequestTags(id, TraceContext.continuing(traceparent));
  }
}

package io.turnkeeper.tenancy;

import io.turnkeeper.base.Clock;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.db.Db;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds organizations and keys to their limits. Requests and streams are this replica's own count;
 * what is queued and stored is read from the database now and then, only for those with a limit on
 * it, and what is accepted here in between is added.
 */
final class Quotas {
  private static final Logger log = LoggerFactory.getLogger(Quotas.class);
  private static final Duration QUEUED_KNOWN_FOR = Duration.ofSeconds(1);
  private static final Duration STORED_KNOWN_FOR = Duration.ofMinutes(2);
  private static final Duration SOON = Duration.ofSeconds(1);
  private static final Duration LATER = Duration.ofMinutes(5);
  private static final int BUCKETS_MAX = 10_000;
  private static final double NANOS = 1e9;

  /** A second's worth of requests, refilled as time passes. */
  private static final class Bucket {
    private double left;
    private long at;

    Bucket(int perSecond, long now) {
      left = perSecond;
      at = now;
    }

    /** How long until there is one again; zero when one was taken. */
    Duration take(int perSecond, long now) {
      left = Math.min(perSecond, left + perSecond * (now - at) / NANOS);
      at = now;
      if (left >= 1) {
        left--;
        return Duration.ZERO;
      }
      return Duration.ofNanos((long) ((1 - left) / perSecond * NANOS));
    }
  }

  /** What an organization may send, and when that was read. */
  private record Rate(@Nullable Integer perSecond, long readAt) {}

  /** A count of the database's, and when it was read. */
  private static final class Count {
    private long value;
    private long readAt;
    private boolean known;
    private boolean reading;
  }

  private final Db db;
  private final Clock clock;
  private final Map<UUID, Bucket> buckets =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<UUID, Bucket> eldest) {
          return size() > BUCKETS_MAX;
        }
      };
  private final Map<UUID, Rate> rates =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<UUID, Rate> eldest) {
          return size() > BUCKETS_MAX;
        }
      };
  private final Map<UUID, Integer> streams = new HashMap<>();
  private final Map<UUID, Count> queued = new HashMap<>();
  private final Map<UUID, Count> stored = new HashMap<>();
  private final AtomicLong refused = new AtomicLong();

  Quotas(Db db, Clock clock) {
    this.db = db;
    this.clock = clock;
  }

  /** How many requests were refused for a limit since the start. */
  long refused() {
    return refused.get();
  }

  void request(Caller caller, Limits organization, Limits key) {
    request(caller.keyId(), key.requestsPerSecond(), "key");
    request(caller.organization().value(), organization.requestsPerSecond(), "organization");
  }

  /** A request that is known to be the organization's by something else than a key. */
  void request(OrganizationId organization) {
    UUID whose = organization.value();
    Rate rate;
    synchronized (rates) {
      rate = rates.get(whose);
    }
    long now = clock.nanos();
    if (rate == null || now - rate.readAt() >= Tenancy.CACHE_TTL.toNanos()) {
      Optional<Integer> perSecond =
          db.inTx(
              organization,
              tx ->
                  tx.query(TenancySql.REQUESTS_MAX)
                      .bind("organization_id", whose)
                      .mapTo(Integer.class)
                      .findOne());
      rate = new Rate(perSecond.orElse(null), now);
      synchronized (rates) {
        rates.put(whose, rate);
      }
    }
    request(whose, rate.perSecond(), "organization");
  }

  private void request(UUID whose, @Nullable Integer perSecond, String word) {
    if (perSecond == null) {
      return;
    }
    Duration wait;
    synchronized (buckets) {
      long now = clock.nanos();
      wait = buckets.computeIfAbsent(whose, any -> new Bucket(perSecond, now)).take(perSecond, now);
    }
    if (wait.isPositive()) {
      throw limited(
          "too_many_requests",
          "the " + word + " may send " + perSecond + " requests per second to each replica",
          wait);
    }
  }

  /** Counts a stream until what this returns is run, once. */
  Runnable stream(Caller caller, Limits organization, Limits key) {
    UUID byKey = caller.keyId();
    UUID byOrganization = caller.organization().value();
    synchronized (streams) {
      refuseFull(byKey, key.streams(), "key");
      refuseFull(byOrganization, organization.streams(), "organization");
      streams.merge(byKey, 1, Integer::sum);
      streams.merge(byOrganization, 1, Integer::sum);
    }
    return () -> {
      synchronized (streams) {
        streams.computeIfPresent(byKey, (id, open) -> open == 1 ? null : open - 1);
        streams.computeIfPresent(byOrganization, (id, open) -> open == 1 ? null : open - 1);
      }
    };
  }

  private void refuseFull(UUID whose, @Nullable Integer max, String word) {
    if (max != null && streams.getOrDefault(whose, 0) >= max) {
      throw limited(
          "too_many_streams", "the " + word + " may have " + max + " streams open at once", SOON);
    }
  }

  /** Before so many runs are queued, and what comes with them is stored. */
  void queue(OrganizationId organization, Limits limits, int runs) {
    Integer most = limits.queued();
    if (most != null) {
      long now = queuedNow(organization);
      if (now + runs > most) {
        throw limited(
            "too_many_queued",
            "the organization may have " + most + " runs queued, and has " + now,
            SOON);
      }
      synchronized (queued) {
        queued.computeIfAbsent(organization.value(), any -> new Count()).value += runs;
      }
    }
    Long bytes = limits.storedBytes();
    if (bytes != null && storedNow(organization) >= bytes) {
      throw limited(
          "storage_full",
          "the organization's " + bytes + " bytes are used up; delete threads",
          LATER);
    }
  }

  Usage usage(OrganizationId organization, Limits limits) {
    int open;
    synchronized (streams) {
      open = streams.getOrDefault(organization.value(), 0);
    }
    return new Usage(
        limits,
        open,
        limits.queued() == null ? null : queuedNow(organization),
        limits.storedBytes() == null ? null : storedNow(organization));
  }

  private long queuedNow(OrganizationId organization) {
    Count count;
    synchronized (queued) {
      count = queued.computeIfAbsent(organization.value(), any -> new Count());
      if (count.known && clock.nanos() - count.readAt < QUEUED_KNOWN_FOR.toNanos()) {
        return count.value;
      }
    }
    long at = clock.nanos();
    long value =
        db.inTx(
            organization,
            tx ->
                tx.query(UsageSql.QUEUED)
                    .bind("organization", organization.value())
                    .mapTo(Long.class)
                    .one());
    set(queued, count, value, at);
    return value;
  }

  /** Reading it takes as long as there is much: nobody waits for it, the number before counts. */
  private long storedNow(OrganizationId organization) {
    Count count;
    long known;
    synchronized (stored) {
      count = stored.computeIfAbsent(organization.value(), any -> new Count());
      boolean fresh = count.known && clock.nanos() - count.readAt < STORED_KNOWN_FOR.toNanos();
      if (fresh || count.reading) {
        return count.value;
      }
      count.reading = true;
      known = count.value;
    }
    Thread.ofVirtual().name("stored-bytes").start(() -> readStored(organization, count));
    return known;
  }

  private void readStored(OrganizationId organization, Count count) {
    long at = clock.nanos();
    try {
      long value =
          db.inTx(
              organization,
              tx ->
                  tx.query(UsageSql.STORED)
                      .bind("organization", organization.value())
                      .mapTo(Long.class)
                      .one());
      set(stored, count, value, at);
    } catch (RuntimeException away) {
      log.debug("what an organization stores cannot be counted now", away);
    } finally {
      synchronized (stored) {
        count.reading = false;
      }
    }
  }

  private static void set(Map<UUID, Count> counts, Count count, long value, long at) {
    synchronized (counts) {
      count.value = value;
      count.readAt = at;
      count.known = true;
    }
  }

  private Refusal limited(String code, String message, Duration retryAfter) {
    refused.incrementAndGet();
    return new Refusal.Limited(code, message, retryAfter);
  }
}

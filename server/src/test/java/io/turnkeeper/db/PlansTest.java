package io.turnkeeper.db;

import static org.assertj.core.api.Assertions.assertThat;

import io.turnkeeper.Promise;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every statement of the product on a database of 100,000 conversations, 120,000 queued runs and a
 * million ended ones: none reads a growing table from end to end, none sorts or hashes one, and
 * what claims and ticks touch does not grow with it.
 */
@DbTest
@Promise(6)
class PlansTest {
  private static final Logger log = LoggerFactory.getLogger(PlansTest.class);
  private static final int FEW = 10_000;
  private static final int MANY = 100_000;
  private static final int SLOTS = 50;

  /** More ended runs for each conversation: a million with the three that it has. */
  private static final int TURNS_MORE = 7;

  private static final long MILLION = 1_000_000;

  /** Those whose answer itself is long, or that only a person asks for. */
  private static final Map<String, String> MAY_READ_MUCH =
      Map.ofEntries(
          Map.entry(
              "ClusterSql.LIST",
              "an operator's page: replicas of the last hour, and what they hold"),
          Map.entry("ConversationSql.COUNT", "counts an organization's threads by what they hold"),
          Map.entry(
              "ConversationSql.SEARCH",
              "an order that is computed: reads an organization's threads"),
          Map.entry("ConversationSql.SEARCH_CREATED", "pinned below, with its limit"),
          Map.entry("LeaseSql.COUNT_RUNNING", "as many as the caps let run at once"),
          Map.entry("LeaseSql.MARK_TAKEN", "a takeover: what the dead replica held"),
          Map.entry("PageSql.BUSY", "a page of the console; each part of it ends at a limit"),
          Map.entry("WatchSql.DEPTH_OF", "the console's overview; each part ends at a limit"),
          Map.entry("ReadSql.DEPTH", "a scrape: what waits and what is held, but nothing idle"),
          Map.entry("ReadSql.LEASES", "what a replica holds"),
          Map.entry("ReadSql.RUNS", "pinned below, with its limit"),
          Map.entry(
              "UsageSql.QUEUED",
              "only for a tenant with a limit on it, once a second: what waits, of all tenants"),
          Map.entry(
              "UsageSql.STORED",
              "only for a tenant with a limit on it, aside, every two minutes: all that it has"));

  private final Db db;
  private final Map<String, Long> withFew;
  private final Map<String, Long> withMany;
  private final Map<String, Long> withMillion;

  PlansTest(Db db) {
    this.db = db;
    Backlog.found(db);
    Backlog.add(db, 1, FEW);
    this.withFew = pages();
    Backlog.add(db, FEW + 1, MANY);
    this.withMany = pages();
    Backlog.age(db, MANY, TURNS_MORE);
    this.withMillion = pages();
  }

  @Test
  void no_statement_reads_or_sorts_a_growing_table_whatever_its_parameters() {
    Map<String, List<String>> wrong = new TreeMap<>();
    Statements.all()
        .forEach((name, sql) -> {
          List<String> found = Plans.wrongs(Plans.generic(db, sql));
          if (!found.isEmpty() && !MAY_READ_MUCH.containsKey(name)) {
            wrong.put(name, found);
          }
        });
    assertThat(wrong).isEmpty();
  }

  @Test
  void a_plan_that_reads_a_growing_table_is_noticed() {
    assertThat(Plans.wrongs(Plans.explain(db, "SELECT * FROM runs WHERE attempt = 3", Map.of())))
        .isNotEmpty();
    assertThat(
            Plans.wrongs(
                Plans.explain(db, "SELECT * FROM mailboxes ORDER BY changed_at LIMIT 1", Map.of())))
        .isNotEmpty();
  }

  @Test
  void pages_of_lists_are_read_in_the_order_of_an_index() {
    Map<String, Object> page = new HashMap<>();
    page.put("organization", organization(1));
    page.put("limit", 50);
    for (String absent : List.of("before", "status", "agent", "metadata", "ids")) {
      page.put(absent, null);
    }
    Plans.assertIndexed(db, sql("ReadSql.RUNS"), page);
    page.put("before", run(50_001));
    Plans.assertIndexed(db, sql("ReadSql.RUNS"), page);
    page.put("offset", 0);
    Plans.assertIndexed(db, sql("ConversationSql.SEARCH_CREATED"), page);
  }

  @Test
  void what_a_claim_and_the_ticks_touch_does_not_grow_with_what_is_queued_or_has_been() {
    assertThat(withMany).hasSameSizeAs(withFew);
    log.info("pages with {} conversations {}, with {} {}", FEW, withFew, MANY, withMany);
    withMany.forEach((name, pages) -> {
      long few = withFew.getOrDefault(name, 0L);
      // One level more in each index, another way to as many rows, dead rows that a vacuum met or
      // not.
      assertThat(pages).as(name).isLessThan(Math.max(few * 3 + 20, 8 * SLOTS));
    });
  }

  @Test
  void a_million_completed_runs_make_no_claim_slower() {
    assertThat(ended()).isGreaterThanOrEqualTo(MILLION);
    log.info("pages with 300,000 ended runs {}, with a million {}", withMany, withMillion);
    for (String name : List.of("PICK", "GRANT", "HEADS")) {
      long before = withMany.getOrDefault(name, 0L);
      assertThat(before).as(name).isPositive();
      // One level more in the indexes of what it starts.
      assertThat(withMillion.getOrDefault(name, Long.MAX_VALUE))
          .as("pages of %s; before %d", name, before)
          .isLessThanOrEqualTo(before + before / 5 + 2 * SLOTS);
    }
    for (String name : List.of("LeaseSql.PICK", "LeaseSql.GRANT", "LeaseSql.HEADS")) {
      assertThat(Plans.wrongs(Plans.generic(db, sql(name)))).as(name).isEmpty();
    }
  }

  private long ended() {
    return db.inTx(tx ->
        tx.query("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL")
            .mapTo(Long.class)
            .one());
  }

  /** The statements of a claim and of the ticks, and the pages that each touches. */
  private Map<String, Long> pages() {
    Map<String, Long> pages = new LinkedHashMap<>();
    try {
      db.useTx(tx -> {
        own(tx, pages);
        claim(tx, pages);
        tick(tx, pages);
        throw new Undone();
      });
    } catch (Undone done) {
      return pages;
    }
    throw new IllegalStateException("not undone");
  }

  private void claim(Tx tx, Map<String, Long> pages) {
    Map<String, Object> with = new HashMap<>();
    with.put("slots", SLOTS);
    with.put("replica", 1);
    with.put("state", "capped");
    with.put("max", 1_000);
    List<Long> keys = new ArrayList<>();
    tx.query(sql("LeaseSql.PICK"))
        .bind("slots", SLOTS)
        .map((row, context) -> keys.add(row.getLong("conversation_key")))
        .list();
    with.put("keys", keys.toArray(Long[]::new));
    with.put("organizations", new UUID[] {organization(9), organization(9)});
    with.put("agents", new UUID[] {agent(9, 1), agent(9, 8)});
    for (String name : List.of("PICK", "GATES", "LOCK_CAPPED", "COUNT_RUNNING", "GRANT", "SWEEP")) {
      pages.put(
          name, Plans.pages(tx, sql("LeaseSql." + name), used(sql("LeaseSql." + name), with)));
    }
    // The leases that the claim above took are of the epoch after.
    with.put("epochs", keys.stream().map(key -> 8L).toArray(Long[]::new));
    with.put("tags", keys.stream().map(key -> 1L).toArray(Long[]::new));
    for (String name : List.of("LOCK_LEASES", "HEADS", "RELEASE")) {
      pages.put(
          name, Plans.pages(tx, sql("LeaseSql." + name), used(sql("LeaseSql." + name), with)));
    }
  }

  private void tick(Tx tx, Map<String, Long> pages) {
    Map<String, Object> with = new HashMap<>();
    with.put("me", 1);
    with.put("replica", 1);
    with.put("class", 1);
    with.put("max_leases", 10);
    with.put("tag", 1L);
    with.put("max", 1_000);
    with.put(
        "joined_at",
        tx.query("SELECT started_at FROM replicas WHERE id = 1").mapTo(OffsetDateTime.class).one());
    for (String name :
        List.of(
            "ClusterSql.BEAT",
            "ClusterSql.WATCH",
            "UpkeepSql.SMALLEST_TAG",
            "UpkeepSql.PROMOTE_DELAYED",
            "UpkeepSql.HELD_GROUPS",
            "UpkeepSql.EXPIRED",
            "UpkeepSql.ASKED")) {
      pages.put(name, Plans.pages(tx, sql(name), used(sql(name), with)));
    }
  }

  /** What each use of a run's token looks up: whose run it is, and the lease that it has. */
  private void own(Tx tx, Map<String, Long> pages) {
    UUID run = run(1_150, 4);
    for (String name : List.of("ReadSql.RUN", "LeaseSql.HELD")) {
      pages.put(
          name, Plans.pages(tx, sql(name), Map.of("run", run, "organization", organization(0))));
    }
    pages.put(
        "RemoteSql.LOCK_TURN",
        Plans.pages(
            tx,
            sql("RemoteSql.LOCK_TURN"),
            Map.of("run", run, "organization_id", organization(0))));
  }

  @Test
  void whose_a_run_is_is_one_look_by_its_key_whatever_there_is() {
    for (String name : List.of("ReadSql.RUN", "LeaseSql.HELD")) {
      String plan = Plans.generic(db, sql(name)).toString();
      assertThat(plan)
          .as(name)
          .containsPattern("\\(?id = \\$\\d\\)")
          .contains("conversations_pkey");
      assertThat(plan).as(name).doesNotContain("runs_live");
    }
    for (String name : List.of("ReadSql.RUN", "LeaseSql.HELD", "RemoteSql.LOCK_TURN")) {
      // One level more in an index at most.
      assertThat(withMany.get(name))
          .as(name)
          .isLessThanOrEqualTo(withFew.getOrDefault(name, 0L) + 4);
      assertThat(withMany.get(name)).as(name).isLessThan(40);
    }
  }

  /** Those that the statement names: more is refused. */
  private static Map<String, Object> used(String sql, Map<String, Object> of) {
    Map<String, Object> used = new HashMap<>(of);
    used.keySet().removeIf(name -> !sql.contains(":" + name));
    return used;
  }

  private static String sql(String name) {
    String sql = Statements.all().get(name);
    if (sql == null) {
      throw new IllegalArgumentException(name);
    }
    return sql;
  }

  private UUID run(long conversation) {
    return run(conversation, 1);
  }

  private UUID run(long conversation, int turn) {
    return id(
        "SELECT id FROM runs WHERE turn = " + turn + " AND conversation_key = " + conversation);
  }

  private UUID organization(int number) {
    return id("SELECT md5('o" + number + "')::uuid");
  }

  private UUID agent(int organization, int number) {
    return id("SELECT md5('a" + organization + "-" + number + "')::uuid");
  }

  private UUID id(String sql) {
    return db.inTx(tx -> tx.query(sql).mapTo(UUID.class).one());
  }

  private static final class Undone extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }
}

package io.turnkeeper.db;

import io.turnkeeper.eventlog.EventLog;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * A database as it is after a while, by a few statements of seconds: 10 tenants with 10 agents
 * each, conversations in every state, three ended runs of history behind each, with events,
 * snapshots and the rows of replicas that are long gone.
 */
public final class Backlog {
  private static final int BATCH = 20_000;

  private static final String TENANTS =
      """
      INSERT INTO organizations (id, name, max_running)
      SELECT md5('o' || o)::uuid, 'tenant-' || o, CASE WHEN o = 9 THEN 0 END
        FROM generate_series(0, 9) o
      """;

  private static final String AGENTS =
      """
      INSERT INTO agents (id, organization_id, name, version, max_running, paused_at, paused_by)
      SELECT md5('a' || o || '-' || a)::uuid, md5('o' || o)::uuid, 'agent-' || a, 3,
             CASE WHEN a = 8 THEN 5 END, CASE WHEN a = 9 THEN now() END,
             CASE WHEN a = 9 THEN 'ops' END
        FROM generate_series(0, 9) o, generate_series(0, 9) a
      """;

  private static final String REPLICAS =
      """
      INSERT INTO replicas (state, host, pid, address, version, max_leases, ended_at)
      SELECT CASE WHEN r <= 3 THEN 'live' ELSE 'dead' END, 'h', r, 'h:' || r, 'v', 100,
             CASE WHEN r > 3 THEN now() - interval '2 days' END
        FROM generate_series(1, 5000) r
      """;

  private static final String CONVERSATIONS =
      """
      INSERT INTO conversations (key, organization_id, agent_id, id, metadata, created_at, updated_at)
      OVERRIDING SYSTEM VALUE
      SELECT n, md5('o' || n % 10)::uuid, md5('a' || n % 10 || '-' || n / 10 % 10)::uuid, 't-' || n,
             '{"who": "somebody"}', now() - n * interval '1 s', now() - n * interval '1 s'
        FROM generate_series(:from::int, :to::int) n
      """;

  /**
   * Half of them have two runs queued, in every state that there is. How many are leased does not
   * grow beyond the first ten thousand.
   */
  private static final String MAILBOXES =
      """
      INSERT INTO mailboxes
             (conversation_key, organization_id, agent_id, state, running, pending, replica_id,
              next_turn, epoch, tag, ready_at, paused_by)
      SELECT n, md5('o' || n % 10)::uuid, md5('a' || n % 10 || '-' || n / 10 % 10)::uuid,
             CASE WHEN s < 6 THEN 'ready' WHEN s = 6 THEN 'delayed' WHEN s < 9 THEN 'capped'
                  WHEN s < 11 THEN 'paused' WHEN s < 13 THEN 'leased' ELSE 'idle' END,
             s = 11, CASE WHEN s < 11 THEN 2 WHEN s = 11 THEN 1 ELSE 0 END,
             CASE WHEN s IN (11, 12) THEN 1 + n % 3 END, CASE WHEN s < 12 THEN 6 ELSE 4 END, 7, n,
             now() + CASE WHEN s = 6 THEN interval '1 h' ELSE interval '-1 h' END,
             CASE WHEN s = 10 THEN 'somebody' END
        FROM (SELECT n, CASE WHEN n > 10000 AND n / 100 % 20 IN (11, 12) THEN 0
                             ELSE n / 100 % 20 END AS s
                FROM generate_series(:from::int, :to::int) n) i
      """;

  private static final String ENDED_RUNS =
      """
      INSERT INTO runs
             (id, organization_id, agent_id, conversation_key, turn, status, attempt, agent_version,
              epoch, action_input, output, started_at, finished_at)
      SELECT (v7('1 h', n, t)), md5('o' || n % 10)::uuid,
             md5('a' || n % 10 || '-' || n / 10 % 10)::uuid, n, t, 'completed', 1, 3, 7,
             '{"messages": [{"type": "human", "content": "hello"}]}', '[]',
             now() - interval '1 h', now() - interval '1 h'
        FROM generate_series(:from::int, :to::int) n, generate_series(1, 3) t
      """;

  /**
   * Ended runs of the same conversations, as they gather over time. Their ids grow, so that a
   * million are soon there.
   */
  private static final String HISTORY =
      """
      INSERT INTO runs
             (id, organization_id, agent_id, conversation_key, turn, status, attempt, epoch,
              action_input, started_at, finished_at)
      SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n * 16 + t), 12, '0'))::uuid,
             md5('o' || n % 10)::uuid, md5('a' || n % 10 || '-' || n / 10 % 10)::uuid, n, t, 'completed', 1, 7, '{}',
             now() - interval '2 h', now() - interval '2 h'
        FROM generate_series(:from::int, :to::int) n
        CROSS JOIN generate_series(6, 5 + :turns::int) t
      """;

  private static final String LIVE_RUNS =
      """
      INSERT INTO runs
             (id, organization_id, agent_id, conversation_key, turn, status, attempt, epoch, run_at,
              expires_at, action_input)
      SELECT v7('1 s', m.conversation_key, t), m.organization_id, m.agent_id, m.conversation_key, t,
             CASE WHEN m.running AND t = 4 THEN 'running' ELSE 'pending' END,
             CASE WHEN m.running AND t = 4 THEN 1 ELSE 0 END, m.epoch, m.ready_at,
             CASE WHEN m.conversation_key % 3 = 0 THEN now() + interval '1 h' END, '{}'
        FROM mailboxes m, generate_series(4, 5) t
       WHERE m.next_turn = 6 AND m.conversation_key BETWEEN :from::int AND :to::int
      """;

  private static final String V7 =
      """
      CREATE FUNCTION v7(before interval, n bigint, t int) RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT (lpad(to_hex((extract(epoch FROM now() - before) * 1000)::bigint), 12, '0')
                || '7' || substr(md5(n || '-' || t), 1, 3) || '8' || substr(md5(n || '+' || t), 1, 15)
               )::uuid
      $$
      """;

  private static final String EVENTS =
      """
      INSERT INTO run_events (run_id, seq, organization_id, kind, data)
      SELECT r.id, s, r.organization_id, 'agent.update', '{"sessionUpdate":"x"}'
        FROM runs r, generate_series(1, 6) s
       WHERE r.turn >= 3 AND r.conversation_key BETWEEN :from::int AND :to::int
         AND r.conversation_key % 4 = 0
      """;

  private static final String SNAPSHOTS =
      """
      INSERT INTO snapshots
             (run_id, organization_id, conversation_key, turn, epoch, completed, session, manifest,
              files, bytes, added_bytes)
      SELECT r.id, r.organization_id, r.conversation_key, r.turn, 7, true, '{}', '', 1, 1, 1
        FROM runs r
       WHERE r.turn <= 3 AND r.conversation_key BETWEEN :from::int AND :to::int
         AND r.conversation_key % 5 = 0
      """;

  private static final String CHUNKS =
      """
      INSERT INTO snapshot_chunks (conversation_key, hash, organization_id, data)
      SELECT n, decode(md5(n || '-' || c), 'hex'), md5('o' || n % 10)::uuid, '\\x00'
        FROM generate_series(:from::int, :to::int) n, generate_series(1, 3) c WHERE n % 5 = 0
      """;

  private static final String COMMANDS =
      """
      INSERT INTO run_commands (organization_id, conversation_key, run_id, kind, body)
      SELECT r.organization_id, r.conversation_key, r.id, 'cancel', '{}'
        FROM runs r WHERE r.status = 'running' ORDER BY r.id LIMIT 20
      """;

  private static final String EMPTY_DAYS =
      """
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'run_events'::regclass
         AND c.relname NOT IN (to_char(now() AT TIME ZONE 'UTC', '"run_events_"YYYYMMDD'),
                               to_char(now() AT TIME ZONE 'UTC' - interval '1 h', '"run_events_"YYYYMMDD'))
      """;

  private static final List<String> PER_CONVERSATION =
      List.of(CONVERSATIONS, MAILBOXES, ENDED_RUNS, LIVE_RUNS, EVENTS, SNAPSHOTS, CHUNKS);

  private Backlog() {}

  /** Tenants, agents and replicas: three live ones with ids 1 to 3. Once, in an empty database. */
  public static void found(Db db) {
    db.useTx(tx -> {
      for (String statement : List.of(V7, TENANTS, AGENTS, REPLICAS)) {
        tx.update(statement).execute();
      }
      new EventLog(Duration.ofDays(1)).tend(tx, Instant.now());
      // What is empty is read from end to end for nothing, and hides what is not.
      tx.query(EMPTY_DAYS)
          .mapTo(String.class)
          .list()
          .forEach(day -> tx.update("DROP TABLE " + day).execute());
    });
  }

  /** So many more ended runs for each conversation up to this key; then ANALYZE. */
  public static void age(Db db, int to, int turns) {
    for (int at = 1; at <= to; at += BATCH) {
      int first = at;
      db.useTx(tx -> {
        tx.update("SET LOCAL session_replication_role = replica").execute();
        tx.update("SET LOCAL synchronous_commit = off").execute();
        tx.update(HISTORY)
            .bind("from", first)
            .bind("to", Math.min(to, first + BATCH - 1))
            .bind("turns", turns)
            .execute();
      });
    }
    db.useTx(tx -> tx.update("ANALYZE runs").execute());
  }

  /** Conversations with these keys and all that hangs below them; then ANALYZE. */
  public static void add(Db db, int from, int to) {
    for (int at = from; at <= to; at += BATCH) {
      int first = at;
      db.useTx(tx -> {
        // What refers to what is right by construction; to look it up again takes a minute.
        tx.update("SET LOCAL session_replication_role = replica").execute();
        for (String statement : PER_CONVERSATION) {
          tx.update(statement)
              .bind("from", first)
              .bind("to", Math.min(to, first + BATCH - 1))
              .execute();
        }
      });
    }
    db.useTx(tx -> {
      tx.update("DELETE FROM run_commands").execute();
      tx.update(COMMANDS).execute();
      tx.query("SELECT setval(pg_get_serial_sequence('conversations', 'key'), :to)")
          .bind("to", to)
          .mapTo(Long.class)
          .one();
      tx.update("ANALYZE").execute();
    });
  }
}

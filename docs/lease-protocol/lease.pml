/*
 * The lease protocol of docs/lease-protocol.md: two replicas, one conversation with one run.
 *
 * What each replica does is four threads, as in the code: the member (heartbeats, looks, takeovers,
 * joining), the deadline, the dispatcher with its worker, and the warden, a process of its own. The
 * database executes a statement at once or never; its answer may come late, or never. Between any two
 * steps a replica may be paused, cut off, killed; the database may restart, or fail over to a standby
 * that lacks the newest commits. Time is counted in ticks, and passes only when nothing that has a
 * deadline is left undone by somebody who could do it.
 *
 * Checked: the assertions, on every schedule; and with -DLIVE, where the number of faults is bounded
 * as ever and who can act does so each tick, that the run ends.
 *
 * Each macro below takes one rule out of the protocol. Each makes the checker find an error:
 *   NO_FENCE            writes are accepted whatever their lease
 *   LATE_FENCE          a replica stops its workers after the TTL, not before
 *   NO_WARDEN           nobody kills the workers of a paused or dead replica
 *   WARDEN_FROM_ANSWER  the warden counts from when the answer came, not from when the beat was sent
 *   WARDEN_FROM_START   the warden counts from the start of the first worker
 *   UNKNOWN_IS_DONE     a heartbeat whose outcome is unknown counts as confirmed
 *   KEEP_ON_CUT         a replica that lost its session works on
 *   NO_GRACE            a lock that is missing is death at once
 *   NO_WITNESS          a missing lock counts for who never saw it held
 *   NO_JUMP             epochs go on from where the standby was
 *   LATE_CLAIM          a claim is acted on whatever became of its replica since it was sent
 *   LOST_CLAIM          (LIVE) nobody looks for a lease whose claim got no answer
 *   NO_TAKEOVER         (LIVE) nobody takes over
 * Three more give limits their proof: two workers may live at once (the error) when DEAF_CUT lets the
 * database end the session of a replica that cannot notice, when CUTS=2 ends a session twice between two
 * looks, and when a failover (FAILOVERS=1) has lost a claim. With WRITES_ONLY there is no error: the writes
 * stay fenced.
 */

#define N     2
#ifndef ROWS
#define ROWS  3
#endif
#define NONE  15
#define TTL   3
#define GRACE 1
#ifdef LATE_FENCE
#define FENCE 4
#else
#define FENCE 2
#endif

#ifndef PAUSES
#define PAUSES 1
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef DROPS
#define DROPS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef FAILOVERS
#define FAILOVERS 0
#endif
#ifndef FAULTS
#define FAULTS 2
#endif

#define READY   0
#define RUNNING 1
#define DONE    2

/* ---- the database ------------------------------------------------------------------------------ */
byte rows = N;
bool live[ROWS];       /* replicas.state is live or draining */
byte age[ROWS];        /* of replicas.heartbeat_at */
byte locked[ROWS];     /* whose session has the advisory lock: replica + 1, 0 nobody's */
byte holder = NONE;    /* mailboxes.replica_id */
byte epoch = 0;        /* mailboxes.epoch */
byte turn = READY;      /* runs.status */
byte timeline = 0;

/* what the standby has, once it no longer gets what is committed */
bool behind = false;
byte s_rows; bool s_live[ROWS]; byte s_age[ROWS]; byte s_holder; byte s_epoch; byte s_run; byte s_rightful;

/* ---- the replicas ------------------------------------------------------------------------------ */
bool up[N]; bool paused[N]; bool reach[N]; bool fenced[N];
byte me[N];            /* its row */
byte silent[N];        /* ticks since the last confirmed heartbeat was sent */
bool cut[N];           /* its session was ended at the database */
byte beat[N];          /* 0 none, 1 sent, 2 executed: the answer is under way */
byte beat_age[N]; bool beat_ok[N];
byte missing[N * ROWS];/* since when it has seen a lock missing: 0 not, else ticks + 1 */
bool saw[N * ROWS];    /* the lock held, in this life of its own session */
bool server_down[N];   /* its session ended with the server, which said so */
byte token[N]; byte token_row[N];
bool worker[N]; byte quiet[N];     /* the warden: ticks since the last beat */
byte claim[N]; byte claim_row[N];  /* the epoch of a claim whose answer is under way, 0 none */
bool orphan[N];        /* a claim of this replica got no answer */
bool beaten[N]; bool looked[N];    /* in this tick, for LIVE */

/* ---- what only the checker knows --------------------------------------------------------------- */
byte newest = 0;       /* the largest epoch that anybody ever acted under */
byte rightful = 0;     /* the epoch of the lease that is good now */

byte pauses = PAUSES; byte cuts = CUTS; byte drops = DROPS; byte kills = KILLS;
byte restarts = RESTARTS; byte failovers = FAILOVERS; byte faults = FAULTS;

#define acts(r)    (up[r] && !paused[r])
#define talks(r)   (acts(r) && reach[r])
#define noticed(r) (cut[r] && reach[r] && !fenced[r])
#ifdef KEEP_ON_CUT
#define lock_gone(r) false
#else
#define lock_gone(r) (noticed(r) && !server_down[r])
#endif
#define overdue(r) (silent[r] >= FENCE)
#ifdef NO_WARDEN
#define warden_due(r) false
#else
#define warden_due(r) (worker[r] && (quiet[r] >= FENCE || !up[r]))
#endif
#if defined(NO_WARDEN) || defined(WARDEN_FROM_START)
#define warden_lets(r) true
#else
#define warden_lets(r) (quiet[r] < FENCE)
#endif
#ifdef NO_JUMP
#define floor_of(t) 0
#else
#define floor_of(t) ((t) * 100)
#endif

#ifdef NO_WITNESS
#define witness(r, i) true
#else
#define witness(r, i) (saw[r * ROWS + i] && locked[me[r]] == r + 1)
#endif
#ifdef NO_GRACE
#define PATIENCE 0
#else
#define PATIENCE GRACE
#endif
#define gone(r, i) (i < rows && i != me[r] && live[i] && (age[i] >= TTL || \
    (locked[i] == 0 && missing[r * ROWS + i] > PATIENCE && witness(r, i))))
#if defined(NO_TAKEOVER)
#define buries(r) false
#elif ROWS > 3
#define buries(r) (gone(r, 0) || gone(r, 1) || gone(r, 2) || gone(r, 3))
#else
#define buries(r) (gone(r, 0) || gone(r, 1) || gone(r, 2))
#endif
#ifdef LATE_CLAIM
#define serves(r) true
#else
#define serves(r) (!fenced[r] && claim_row[r] == me[r])
#endif
#ifdef DEAF_CUT
#define hears_cut(r) true
#else
#define hears_cut(r) talks(r)
#endif
#ifdef LIVE
#define may_give_up(r) !reach[r]
/* Every run that is under way ends: only writes that are refused matter. */
#define writes(r) !(holder == token_row[r] && epoch == token[r] && live[token_row[r]])
#else
#define may_give_up(r) (r == 0)
#define writes(r) true
#endif

#ifdef LIVE
#define is_prompt(r) true
#else
#define is_prompt(r) (r == 1)
#endif

inline older(x, most) { if :: x < most -> x++ :: else fi }

inline forget(r)
{
  saw[r * ROWS] = false; saw[r * ROWS + 1] = false; saw[r * ROWS + 2] = false;
  saw[r * ROWS + ROWS - 1] = false;
  missing[r * ROWS] = 0; missing[r * ROWS + 1] = 0; missing[r * ROWS + 2] = 0;
  missing[r * ROWS + ROWS - 1] = 0
}

inline do_fence(r)
{
  fenced[r] = true; token[r] = 0; token_row[r] = 0; worker[r] = false; silent[r] = 0; cut[r] = false; server_down[r] = false;
  orphan[r] = false;
  if :: reach[r] && locked[me[r]] == r + 1 -> locked[me[r]] = 0 :: else fi
}

#ifdef WRITES_ONLY
#define at_most_one true
#else
#define at_most_one (!(worker[0] && worker[1]))
#endif

/* Heartbeats, looks, takeovers, joining: Cluster.beatAndWatch and takeOver. */
proctype Member(byte r)
{
  byte i;
  do
  :: atomic { acts(r) && !fenced[r] && beat[r] == 0 && !beaten[r] ->
       beat[r] = 1; beat_age[r] = 0; beaten[r] = true }
  :: atomic { beat[r] == 2 && talks(r) ->
       /* ClusterSql.BEAT was answered */
       beat[r] = 0;
       if
       :: fenced[r]
       :: !fenced[r] && (overdue(r) || !beat_ok[r]) -> do_fence(r)
       :: else -> silent[r] = beat_age[r];
#ifdef WARDEN_FROM_ANSWER
          quiet[r] = 0
#else
          quiet[r] = beat_age[r]
#endif
       fi }
  :: atomic { beat[r] != 0 && acts(r) && may_give_up(r) ->
       beat[r] = 0; beat_ok[r] = false;
#ifdef UNKNOWN_IS_DONE
       silent[r] = 0; quiet[r] = 0
#endif
     }
  :: atomic { talks(r) && !fenced[r] && !looked[r] ->
       /* ClusterSql.WATCH */
       looked[r] = (is_prompt(r));
       i = 0;
       do
       :: i < rows ->
          if
          :: i != me[r] && live[i] && locked[i] != 0 && locked[me[r]] == r + 1 ->
             saw[r * ROWS + i] = true; missing[r * ROWS + i] = 0
          :: i != me[r] && live[i] && locked[i] == 0 && witness(r, i) ->
             if :: missing[r * ROWS + i] == 0 -> missing[r * ROWS + i] = 1 :: else fi
          :: else -> missing[r * ROWS + i] = 0
          fi;
          i++
       :: else -> break
       od;
       i = 0 }
#ifndef NO_TAKEOVER
  :: atomic { talks(r) && !fenced[r] && live[me[r]] && buries(r) ->
       /* Cluster.bury: ClusterSql.HOLD_TAKER, LOCK_REPLICA, STILL_GONE, END; LeaseSql.MARK_TAKEN */
       i = 0;
       do
       :: i < rows ->
          if
          :: gone(r, i) ->
             live[i] = false; age[i] = 0; locked[i] = 0;
             missing[i] = 0; missing[ROWS + i] = 0; saw[i] = false; saw[ROWS + i] = false;
             if
             :: holder == i ->
                assert(turn == RUNNING);
                epoch++; holder = NONE; turn = READY; rightful = 0
             :: else
             fi;
             break
          :: else -> i++
          fi
       :: i == rows -> break
       od;
       i = 0 }
#endif
  :: atomic { talks(r) && fenced[r] && !worker[r] && beat[r] == 0 && rows < ROWS ->
       /* Cluster.join */
       forget(r);
       me[r] = rows; rows++;
       live[me[r]] = true; age[me[r]] = 0; locked[me[r]] = r + 1;
       cut[r] = false; orphan[r] = false;
       silent[r] = 0; quiet[r] = 0; fenced[r] = false; beaten[r] = true }
  od
}

/* What the network and the database do with a heartbeat, whatever became of its sender since. */
proctype Wire(byte r)
{
  do
  :: atomic { beat[r] == 1 && reach[r] && up[r] && live[me[r]] ->
       age[me[r]] = 0; beat_ok[r] = true; beat[r] = 2 }
  :: atomic { beat[r] == 1 && reach[r] && up[r] && !live[me[r]] ->
       beat_ok[r] = false; beat[r] = 2 }
  od
}

/* Cluster.fenceIfOverdue, and the session's own thread, which takes the lock again. */
proctype Deadline(byte r)
{
  do
  :: atomic { acts(r) && !fenced[r] && (overdue(r) || lock_gone(r)) -> do_fence(r) }
  :: atomic { talks(r) && noticed(r) ->
       /* ClusterSql.LOCK_AGAIN */
       if
       :: locked[me[r]] == 0 ->
          locked[me[r]] = r + 1; cut[r] = false; server_down[r] = false; forget(r)
       :: else -> do_fence(r)
       fi }
  od
}

/* Warden: kills on silence and at the end of its pipe. */
proctype Warden(byte r)
{
  do
  :: atomic { warden_due(r) -> worker[r] = false }
  od
}

/* Dispatcher, ConversationSession, TurnWriter. */
proctype Work(byte r)
{
  do
  :: atomic { talks(r) && !fenced[r] && token[r] == 0 && !worker[r] && claim[r] == 0 &&
              holder == NONE && turn == READY && live[me[r]] ->
       /* LeaseSql.GRANT */
       holder = me[r];
       if :: epoch < floor_of(timeline) -> epoch = floor_of(timeline) :: else fi;
       epoch++; turn = RUNNING;
       assert(epoch > newest);
       newest = epoch; rightful = epoch;
       claim[r] = epoch; claim_row[r] = me[r] }
  :: atomic { talks(r) && claim[r] != 0 ->
       /* Dispatcher.start, however late; the replica may have been fenced, and have joined again */
       if
       :: serves(r) -> token[r] = claim[r]; token_row[r] = claim_row[r]
       :: !serves(r)
       :: faults > 0 && serves(r) -> faults--; orphan[r] = true   /* the answer is lost */
       fi;
       claim[r] = 0; claim_row[r] = 0 }
#ifndef LOST_CLAIM
  :: atomic { talks(r) && !fenced[r] && orphan[r] ->
       /* the lease that nobody here works under is given back */
       orphan[r] = false;
       if
       :: holder == me[r] && live[me[r]] -> epoch++; holder = NONE; turn = READY; rightful = 0
       :: else
       fi }
#endif
  :: atomic { acts(r) && !fenced[r] && token[r] != 0 && !worker[r] && warden_lets(r) ->
       worker[r] = true;
#ifdef WARDEN_FROM_START
       quiet[r] = 0;
#endif
       assert(at_most_one) }
  :: atomic { talks(r) && token[r] != 0 && writes(r) ->
       /* an event: LeaseSql.LOCK_LEASES */
       if
#ifdef NO_FENCE
       :: true -> assert(token[r] == rightful)
#else
       :: holder == token_row[r] && epoch == token[r] && live[token_row[r]] ->
          assert(token[r] == rightful)
       :: else -> token[r] = 0; token_row[r] = 0; worker[r] = false
#endif
       fi }
  :: atomic { talks(r) && worker[r] && token[r] != 0 &&
              holder == token_row[r] && epoch == token[r] && live[token_row[r]] ->
       /* the end of the run: LeaseSql.SETTLE and RELEASE */
       assert(token[r] == rightful);
       turn = DONE; holder = NONE; rightful = 0;
       if
       :: token[r] = 0; token_row[r] = 0; worker[r] = false
       :: faults > 0 -> faults--                     /* the answer is lost */
       fi }
  od
}

#define able(r)    (talks(r) && !fenced[r])
#define prompt(r)  (!is_prompt(r) || \
                    (!(able(r) && (!beaten[r] || beat[r] != 0 || !looked[r] || (live[me[r]] && buries(r)))) && \
                     !(talks(r) && fenced[r] && rows < ROWS)))
#define on_time(r) (!warden_due(r) && !(acts(r) && !fenced[r] && (overdue(r) || lock_gone(r))) && prompt(r))

proctype Time()
{
  byte i;
  do
  :: d_step { on_time(0) && on_time(1) ->
       i = 0;
       do
       :: i < N ->
          if
          :: fenced[i] -> silent[i] = 0; if :: worker[i] -> older(quiet[i], FENCE) :: else -> quiet[i] = 0 fi
          :: else -> older(silent[i], FENCE); older(quiet[i], FENCE)
          fi;
          if :: beat[i] == 0 -> beat_age[i] = 0 :: else -> older(beat_age[i], FENCE) fi;
          beaten[i] = false; looked[i] = false;
          i++
       :: else -> break
       od;
       i = 0;
       do
       :: i < ROWS ->
          if :: live[i] && i < rows -> older(age[i], TTL) :: else fi;
          if :: behind && s_live[i] && i < s_rows -> older(s_age[i], TTL) :: else fi;
          if :: missing[i] > 0 && missing[i] <= GRACE -> missing[i]++ :: else fi;
          if :: missing[ROWS + i] > 0 && missing[ROWS + i] <= GRACE -> missing[ROWS + i]++ :: else fi;
          i++
       :: else -> break
       od;
       i = 0 }
  od
}

/* A claim whose connection ended: done or not, nobody knows. */
inline unanswered(r)
{
  if :: claim[r] != 0 && !fenced[r] && claim_row[r] == me[r] -> orphan[r] = true :: else fi;
  claim[r] = 0; claim_row[r] = 0
}

inline all_sessions_end()
{
  i = 0; do :: i < ROWS -> locked[i] = 0; i++ :: else -> break od;
  i = 0; do :: i < N -> if :: up[i] && !fenced[i] -> cut[i] = true; server_down[i] = true :: else fi; beat[i] = 0; unanswered(i); i++ :: else -> break od;
  i = 0
}

/* Faults, a bounded number of them, and how they end. The first replica is the one that they befall. */
proctype Faults()
{
  byte i;
  do
  :: atomic { faults > 0 && pauses > 0 && acts(0) && !noticed(0) -> faults--; pauses--; paused[0] = true }
  :: atomic { paused[0] -> paused[0] = false }
  :: atomic { faults > 0 && drops > 0 && reach[0] && !noticed(0) -> faults--; drops--; reach[0] = false }
  :: atomic { !reach[0] -> reach[0] = true }
  :: atomic { faults > 0 && cuts > 0 && !fenced[0] && locked[me[0]] == 1 && hears_cut(0) ->
       faults--; cuts--; locked[me[0]] = 0; cut[0] = true }
  :: atomic { faults > 0 && kills > 0 && up[0] ->
       faults--; kills--;
       up[0] = false; paused[0] = false; fenced[0] = true; token[0] = 0; beat[0] = 0; cut[0] = false;
       orphan[0] = false; claim[0] = 0; claim_row[0] = 0;
       if :: reach[0] && locked[me[0]] == 1 -> locked[me[0]] = 0 :: else fi }
  :: atomic { !up[0] && !worker[0] -> up[0] = true }
  :: atomic { faults > 0 && restarts > 0 ->
       faults--; restarts--;
       all_sessions_end() }
  :: atomic { failovers > 0 && !behind ->
       behind = true;
       s_rows = rows; s_holder = holder; s_epoch = epoch; s_run = turn; s_rightful = rightful;
       i = 0; do :: i < ROWS -> s_live[i] = live[i]; s_age[i] = age[i]; i++ :: else -> break od;
       i = 0 }
  :: atomic { faults > 0 && failovers > 0 && behind ->
       faults--; failovers--; behind = false;
       rows = s_rows; holder = s_holder; epoch = s_epoch; turn = s_run; rightful = s_rightful;
       i = 0;
       do
       :: i < ROWS -> live[i] = s_live[i]; age[i] = s_age[i]; s_live[i] = false; s_age[i] = 0; i++
       :: else -> break
       od;
       s_rows = 0; s_holder = 0; s_epoch = 0; s_run = 0; s_rightful = 0;
       all_sessions_end();
       timeline++ }
  od
}

init
{
  atomic {
    byte r = 0;
    do
    :: r < N ->
       up[r] = true; reach[r] = true; me[r] = r; live[r] = true; locked[r] = r + 1; r++
    :: else -> break
    od;
    run Member(0); run Member(1); run Wire(0); run Wire(1); run Deadline(0); run Deadline(1);
    run Warden(0); run Warden(1); run Work(0); run Work(1); run Time(); run Faults()
  }
}

#ifdef LIVE
/* No run is lost, and takeover happens in the end. */
ltl ends { <> [] (turn == DONE) }
#endif

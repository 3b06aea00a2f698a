package io.turnkeeper.sim;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import io.turnkeeper.base.RunId;
import io.turnkeeper.cluster.ClusterConfig;
import io.turnkeeper.cluster.SimCluster;
import io.turnkeeper.orchestrator.Accepted;
import io.turnkeeper.orchestrator.NewTurn;
import io.turnkeeper.queue.NewRun.Idempotency;
import io.turnkeeper.sim.Engine.Fate;
import io.turnkeeper.sim.SimProcess.Loop;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One run of several replicas under a schedule and faults that a seed decides; then everything
 * heals, and all work must come to its end.
 */
final class Simulation {
  static final Duration TTL = Duration.ofSeconds(2);
  static final Duration GRACE = Duration.ofMillis(400);
  static final Duration HEARTBEAT = Duration.ofMillis(500);

  private static final Duration LOOK_EVERY = Duration.ofMillis(300);
  private static final Duration KEEP_EVERY = Duration.ofSeconds(1);
  private static final Duration CLOCKS_EVERY = Duration.ofMillis(200);
  private static final List<OrganizationId> TENANTS =
      List.of(new OrganizationId(new UUID(7, 1)), new OrganizationId(new UUID(7, 2)));
  static final String UNFINISHED = "work does not come to its end: ";
  private static final int HEALED_STEPS_MAX = 6_000;
  private static final int PROCESSES_MAX = 4;

  /** What a seed may do, and how much of it. */
  record Plan(int steps, List<Fault> faults, Duration ownTtl, boolean warden) {
    /** Every tenth seed takes longer. */
    static Plan standard(long seed) {
      return new Plan(seed % 10 == 0 ? 400 : 120, List.of(Fault.values()), TTL, true);
    }

    static Plan with(Fault... faults) {
      return new Plan(300, List.of(faults), TTL, true);
    }

    /**
     * The first process does not notice by itself that it cannot show that it lives; its warden
     * does.
     */
    Plan withoutDeadline() {
      return new Plan(steps, faults, Duration.ofHours(1), warden);
    }

    /** Nor does its warden. */
    Plan withoutWarden() {
      return new Plan(steps, faults, ownTtl, false);
    }
  }

  /** What may go wrong. */
  enum Fault {
    PAUSE,
    BEGIN,
    KILL,
    CUT_SESSION,
    CUT_ALL,
    CUT_OFF,
    SERVER_RESTART,
    COMMIT_IN_DOUBT
  }

  /** What came of it. */
  record Report(long seed, long trace, long statements, long looks, int runs, String story) {}

  /** A message that a client wants accepted, and sends again until it is. */
  private static final class Letter {
    final OrganizationId tenant;
    final String key;
    final String conversation;
    final String agent;

    /** Who was asked, and has not answered. */
    @Nullable SimProcess at;

    boolean done;

    Letter(OrganizationId tenant, String key, String conversation, String agent) {
      this.tenant = tenant;
      this.key = key;
      this.conversation = conversation;
      this.agent = agent;
    }
  }

  /** A run that somebody wants to end. */
  private record Wish(OrganizationId tenant, UUID run) {}

  private final long seed;
  private final Random random;
  private final Plan plan;
  private final SimDatabase database;
  private final Engine engine;
  private final Checker checker;
  private final Path data;
  private final List<Letter> letters = new ArrayList<>();
  private final List<SimReader> readers = new ArrayList<>();
  private final List<Wish> cancels = new ArrayList<>();
  private boolean healing;
  private int made;

  Simulation(SimDatabase database, Path data, Fence fence, Plan plan, long seed)
      throws SQLException {
    this.seed = seed;
    this.random = new Random(seed * 0x9E3779B97F4A7C15L + 1);
    this.plan = plan;
    this.database = database;
    this.data = data.resolve(Long.toString(seed));
    this.checker = new Checker(database, TTL, GRACE);
    this.engine = new Engine(database, fence, checker, seed);
    checker.engine(engine);
  }

  /**
   * @throws Violation a promise was broken
   */
  Report run() throws SQLException {
    try {
      database.reset();
      settle();
      for (int i = 0; i < 2 + random.nextInt(2); i++) {
        begin();
      }
      for (int i = 0; i < plan.steps(); i++) {
        step();
      }
      heal();
      return new Report(
          seed,
          engine.trace(),
          engine.statements,
          checker.looks,
          checker.last().runs().size(),
          engine.story());
    } catch (Violation broken) {
      throw new Violation(
          broken.getMessage()
              + "\nreplay: mvn -q -pl server test -Dtest=SimulatorTest"
              + " -Dsurefire.failIfNoSpecifiedTests=false -Dsim.seed="
              + seed
              + "\n"
              + engine.story());
    } finally {
      List.copyOf(engine.processes).forEach(engine::kill);
      Trees.delete(data);
    }
  }

  /** Tenants and agents. */
  private void settle() throws SQLException {
    for (OrganizationId tenant : TENANTS) {
      settle(tenant);
    }
    int conversations = 1 + random.nextInt(3);
    int messages = 2 + random.nextInt(8);
    for (int i = 0; i < messages; i++) {
      OrganizationId tenant = TENANTS.get(random.nextInt(TENANTS.size()));
      int conversation = random.nextInt(conversations);
      letters.add(new Letter(tenant, "k" + i, "c" + conversation, "agent" + conversation % 2));
    }
  }

  /** Names and ids of conversations are the same for both. */
  private void settle(OrganizationId tenant) throws SQLException {
    List<String> policies = List.of("fail", "retry", "resume");
    try (Statement statement = database.own().connection.createStatement()) {
      statement.execute(
          "INSERT INTO organizations (id, name) VALUES ('%s', '%s')"
              .formatted(tenant.value(), tenant.value()));
      for (int i = 0; i < 2; i++) {
        UUID agent = new UUID(tenant.value().getLeastSignificantBits(), i);
        String policy = policies.get(random.nextInt(3));
        if (policy.equals("fail")) {
          checker.failing(agent);
        }
        String definition =
            """
            {"kind": "acp", "command": ["a"], "env": {}, "state": [], "idle_timeout_ms": %d,
             "run_timeout_ms": %d, "progress_timeout_ms": 60000, "start_timeout_ms": 60000,
             "permission_timeout_ms": 60000, "on_worker_loss": "%s", "permissions": "allow",
             "max_attempts": %d}
            """
                .formatted(
                    random.nextInt(3) * 1500,
                    random.nextInt(4) == 0 ? 1500 : 60_000,
                    policy,
                    1 + random.nextInt(4));
        statement.execute(
            """
            INSERT INTO agents (id, organization_id, name, version, max_running)
            VALUES ('%s', '%s', 'agent%d', 1, %s)
            """
                .formatted(agent, tenant.value(), i, random.nextInt(3) == 0 ? "1" : "NULL"));
        statement.execute(
            """
            INSERT INTO agent_versions (organization_id, agent_id, version, definition)
            VALUES ('%s', '%s', 1, '%s')
            """
                .formatted(tenant.value(), agent, definition));
      }
    }
  }

  private void begin() {
    ClusterConfig config =
        made == 0 && !plan.ownTtl().equals(TTL)
            ? SimCluster.config(plan.ownTtl(), plan.ownTtl(), HEARTBEAT)
            : SimCluster.config(TTL, GRACE, HEARTBEAT);
    Duration skew = Duration.ofMinutes(random.nextInt(121) - 60);
    SimProcess process = new SimProcess(engine, "p" + ++made, data, config, skew);
    process.wardenSilence =
        (made == 1 && !plan.warden() ? plan.ownTtl() : TTL).multipliedBy(2).dividedBy(3);
    engine.processes.add(process);
    engine.note(process + " begins");
  }

  private record Choice(int weight, Runnable what) {}

  private void step() {
    List<Choice> choices = new ArrayList<>();
    messages(choices);
    for (SimProcess process : engine.processes) {
      loops(process, choices);
      agents(process, choices);
      sessions(process, choices);
    }
    clients(choices);
    choices.add(new Choice(choices.isEmpty() ? 1 : 6, this::pass));
    if (!plan.faults().isEmpty() && !healing) {
      faults(choices);
    }
    int total = choices.stream().mapToInt(Choice::weight).sum();
    int at = random.nextInt(total);
    engine.detail("choose " + at + " of " + choices.stream().map(Choice::weight).toList());
    for (Choice choice : choices) {
      at -= choice.weight();
      if (at < 0) {
        choice.what().run();
        break;
      }
    }
    engine.drain();
    checker.throwFound();
  }

  private void messages(List<Choice> choices) {
    for (Op op : List.copyOf(engine.ops)) {
      if (op.blocked != null || op.actor.process.away) {
        continue;
      }
      boolean begun = op.link != null && op.link.open;
      int weight = op.actor.process.paused ? 2 : begun ? 30 : 12;
      choices.add(new Choice(weight, () -> perform(op)));
    }
  }

  private void perform(Op op) {
    SimProcess process = op.actor.process;
    Fate fate = Fate.ANSWERED;
    if (op.kind == Op.Kind.COMMIT && process.nextCommit != null) {
      fate = process.nextCommit;
      process.nextCommit = null;
    }
    engine.perform(op, fate);
  }

  private void loops(SimProcess process, List<Choice> choices) {
    if (process.paused) {
      return;
    }
    loop(process, Loop.CLUSTER, LOOK_EVERY, 12, choices);
    if (process.joined) {
      loop(process, Loop.BURY, Duration.ofMillis(20), 8, choices);
      loop(process, Loop.TELL, Duration.ofMillis(20), 8, choices);
      loop(process, Loop.DISPATCH, Duration.ofMillis(150), 6, choices);
      loop(process, Loop.KEEP, KEEP_EVERY, 4, choices);
      loop(process, Loop.LOOK, CLOCKS_EVERY, 4, choices);
    }
  }

  private void loop(
      SimProcess process, Loop loop, Duration every, int weight, List<Choice> choices) {
    if (process.idle(loop) && process.due.getOrDefault(loop, 0L) <= engine.nanos()) {
      choices.add(
          new Choice(
              weight,
              () -> {
                process.due.put(loop, engine.nanos() + every.toNanos());
                engine.detail(loop + " of " + process);
                process.step(loop);
              }));
    }
  }

  private void agents(SimProcess process, List<Choice> choices) {
    for (SimWorkers.Agent agent : List.copyOf(process.workers.all)) {
      if (agent.starting()) {
        choices.add(new Choice(6, () -> agent.started.complete(true)));
        if (!healing) {
          choices.add(
              new Choice(
                  1, () -> agent.started.completeExceptionally(new IllegalStateException("no"))));
        }
      } else if (agent.prompted() && !process.paused) {
        if (!healing) {
          choices.add(new Choice(5, agent::speak));
          choices.add(new Choice(1, () -> agent.gone("worker_died")));
          choices.add(new Choice(1, agent::fail));
        }
        choices.add(new Choice(healing || agent.cancelled() ? 8 : 3, agent::end));
      }
    }
  }

  /** The session connection's own thread: it notices a cut, and connects again. */
  private void sessions(SimProcess process, List<Choice> choices) {
    if (process.paused || process.away) {
      return;
    }
    Link link = process.session;
    if (link != null && link.broken && !link.noticed && process.line().listens()) {
      choices.add(new Choice(10, () -> process.line().notice(link)));
    }
    if (!process.mail.isEmpty()) {
      choices.add(new Choice(6, () -> deliver(process)));
    }
    if (process.line().wants()) {
      choices.add(new Choice(10, () -> process.line().answer(process.newSession())));
    }
  }

  /** A notification arrives; or is lost, as when nobody listens; or arrives twice. */
  private void deliver(SimProcess process) {
    String payload = process.mail.removeFirst();
    Link link = process.session;
    if (link == null
        || link.broken
        || !process.line().listens()
        || !healing && random.nextInt(6) == 0) {
      return;
    }
    process.line().hear(payload);
    if (random.nextInt(6) == 0) {
      process.line().hear(payload);
    }
  }

  private void clients(List<Choice> choices) {
    List<SimProcess> up = engine.processes.stream().filter(p -> p.joined && !p.paused).toList();
    if (up.isEmpty()) {
      return;
    }
    for (Letter letter : letters) {
      if (!letter.done && (letter.at == null || letter.at.dead)) {
        choices.add(new Choice(2, () -> post(letter, up.get(random.nextInt(up.size())))));
        break;
      }
    }
    List<SimReader> waiting = readers.stream().filter(SimReader::wants).toList();
    if (!waiting.isEmpty()) {
      choices.add(
          new Choice(
              2,
              () -> {
                SimReader reader = waiting.get(random.nextInt(waiting.size()));
                reader.read(up.get(random.nextInt(up.size())), healing ? 1_000 : 4);
              }));
    }
    if (!cancels.isEmpty() && !healing) {
      choices.add(
          new Choice(
              1,
              () ->
                  cancel(
                      cancels.remove(random.nextInt(cancels.size())),
                      up.get(random.nextInt(up.size())))));
    }
  }

  private void post(Letter letter, SimProcess at) {
    letter.at = at;
    AtomicReference<@Nullable Accepted> answer = new AtomicReference<>();
    byte[] same = letter.key.getBytes(StandardCharsets.UTF_8);
    NewTurn turn =
        new NewTurn(
            letter.tenant,
            letter.agent,
            letter.conversation,
            true,
            NewTurn.Busy.ENQUEUE,
            Json.object().put("messages", letter.key),
            Json.object(),
            Json.object(),
            0,
            random.nextInt(6) == 0 ? Duration.ofMillis(700) : Duration.ZERO,
            random.nextInt(8) == 0 ? Duration.ofSeconds(3) : null,
            new Idempotency(letter.key, same));
    at.executor()
        .execute(() -> {
          try {
            Accepted accepted = at.orchestrator.conversations().post(turn);
            answer.set(accepted);
            letter.done = true;
            checker.accepted(accepted.run().value());
            if (random.nextInt(3) == 0) {
              readers.add(new SimReader(letter.tenant, other(letter.tenant), accepted.run(), this));
            }
            if (random.nextInt(4) == 0) {
              cancels.add(new Wish(letter.tenant, accepted.run().value()));
            }
          } catch (Refusal.Unavailable away) {
            engine.note("a client of " + at + " has no answer to " + letter.key);
          } finally {
            letter.at = null;
          }
        });
  }

  private static OrganizationId other(OrganizationId tenant) {
    return TENANTS.get(1 - TENANTS.indexOf(tenant));
  }

  Checker checker() {
    return checker;
  }

  int random(int bound) {
    return random.nextInt(bound);
  }

  private void cancel(Wish wish, SimProcess at) {
    at.executor()
        .execute(() -> {
          try {
            at.orchestrator.conversations().cancel(wish.tenant(), new RunId(wish.run()), "no more");
          } catch (Refusal.Unavailable away) {
            engine.note("a cancel had no answer");
          }
        });
  }

  private void pass() {
    int[] millis = {1, 5, 20, 50, 50, 100};
    engine.pass(Duration.ofMillis(millis[random.nextInt(millis.length)]));
  }

  private void faults(List<Choice> choices) {
    List<SimProcess> all = engine.processes;
    SimProcess one = all.get(random.nextInt(all.size()));
    if (one.paused) {
      choices.add(
          new Choice(
              1,
              () -> {
                engine.note(one + " goes on");
                one.paused = false;
              }));
      choices.add(new Choice(4, () -> jump(Duration.ofMillis(300 + random.nextInt(1500)))));
      return;
    }
    if (one.away) {
      choices.add(new Choice(1, () -> reach(one)));
      choices.add(new Choice(4, this::pass));
      return;
    }
    choices.add(
        new Choice(
            1,
            () -> {
              happen(plan.faults().get(random.nextInt(plan.faults().size())), one);
            }));
  }

  /** Most of those that are cut off stay so for long enough to be missed. */
  private void reach(SimProcess one) {
    if (random.nextInt(3) == 0) {
      engine.note(one + " is no longer cut off");
      one.away = false;
    }
  }

  private void happen(Fault fault, SimProcess one) {
    switch (fault) {
      case PAUSE -> {
        engine.note(one + " is paused");
        one.paused = true;
      }
      case BEGIN -> {
        if (engine.processes.size() < PROCESSES_MAX) {
          begin();
        }
      }
      case KILL -> {
        engine.note(one + " is killed");
        engine.kill(one);
        engine.processes.remove(one);
        if (engine.processes.isEmpty()) {
          begin();
        }
      }
      case CUT_SESSION -> cutSession(one);
      case CUT_ALL -> {
        engine.note("all connections of " + one + " are cut");
        List.copyOf(one.links).forEach(engine::cut);
      }
      case CUT_OFF -> {
        engine.note(one + " is cut off");
        one.away = true;
      }
      case SERVER_RESTART -> {
        if (random.nextInt(3) == 0) {
          engine.note("the server is restarted");
          engine.restartServer();
        }
      }
      case COMMIT_IN_DOUBT -> one.nextCommit = random.nextBoolean() ? Fate.LOST : Fate.UNANSWERED;
    }
  }

  private void cutSession(SimProcess process) {
    Link link = process.session;
    if (link != null && !link.broken) {
      engine.note("the session of " + process + " is cut");
      engine.cut(link);
    }
  }

  /** Much time passes, for all but those that look at it, in small steps. */
  private void jump(Duration time) {
    for (long left = time.toMillis(); left > 0; left -= 50) {
      engine.pass(Duration.ofMillis(50));
    }
  }

  private void heal() {
    engine.note("all is well again");
    healing = true;
    if (engine.processes.isEmpty()) {
      begin();
    }
    for (SimProcess process : engine.processes) {
      process.paused = false;
      process.away = false;
      process.nextCommit = null;
    }
    for (int i = 0; i < HEALED_STEPS_MAX; i++) {
      step();
      if (i % 20 == 0 && quiet()) {
        readers.forEach(reader -> reader.compare(checker.read()));
        checker.throwFound();
        return;
      }
    }
    throw new Violation(UNFINISHED + unfinished());
  }

  private boolean quiet() {
    Checker.State now = checker.read();
    return letters.stream().allMatch(letter -> letter.done)
        && readers.stream().allMatch(SimReader::over)
        && now.runs().values().stream().allMatch(Checker.Row::ended)
        && now.boxes().values().stream().allMatch(box -> box.state().equals("idle"))
        && checker.workers() == 0;
  }

  private String unfinished() {
    Checker.State now = checker.read();
    return "letters %s, readers %s, runs %s, mailboxes %s, workers %d, messages %s"
        .formatted(
            letters.stream().filter(letter -> !letter.done).map(letter -> letter.key).toList(),
            readers.stream().filter(reader -> !reader.over()).toList(),
            now.runs().values().stream().filter(run -> !run.ended()).toList(),
            now.boxes(),
            checker.workers(),
            engine.ops);
  }
}

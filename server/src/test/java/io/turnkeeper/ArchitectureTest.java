package io.turnkeeper;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import io.turnkeeper.base.LeaseToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

/**
 * The house: what may know what. Rules without lists of exceptions; the tables are the design
 * itself.
 */
class ArchitectureTest {
  private static final String ROOT = "io.turnkeeper";

  /**
   * Each package and its floor. A class knows its own package and those of lower floors, nothing
   * else.
   */
  private static final Map<String, Integer> FLOORS =
      Map.ofEntries(
          Map.entry("base", 0),
          Map.entry("config", 1),
          Map.entry("telemetry", 1),
          Map.entry("db", 2),
          Map.entry("http", 2),
          Map.entry("tenancy", 3),
          Map.entry("agents", 3),
          Map.entry("conversation", 3),
          Map.entry("queue", 3),
          Map.entry("cluster", 3),
          Map.entry("eventlog", 3),
          Map.entry("snapshot", 3),
          Map.entry("transcript", 3),
          Map.entry("worker", 3),
          Map.entry("remote", 3),
          Map.entry("tokens", 3),
          Map.entry("deletion", 3),
          Map.entry("webhook", 3),
          Map.entry("orchestrator", 4),
          Map.entry("gateway", 5),
          Map.entry("gateway.langgraph", 6),
          Map.entry("gateway.admin", 6),
          Map.entry("gateway.worker", 6),
          Map.entry("ui", 6),
          Map.entry("server", 7),
          Map.entry("cli", 8),
          // A program of its own, which the others only know as a command line.
          Map.entry("demo", 0));

  /** The classes that other packages talk to. Everything else of a package is its own affair. */
  private static final Map<String, Set<String>> FRONT_DOORS =
      Map.ofEntries(
          Map.entry("base", Set.of("Json", "Uuid7")),
          Map.entry("config", Set.of("ConfigLoader", "Units")),
          Map.entry("telemetry", Set.of("Metrics", "LogLayout")),
          Map.entry(
              "db",
              Set.of(
                  "Backfill",
                  "Db",
                  "Tx",
                  "GroupCommit",
                  "DatabaseUrl",
                  "ConnectionLoss",
                  "EmbeddedPostgres",
                  "Migrations",
                  "PgSession")),
          Map.entry(
              "http",
              Set.of(
                  "HttpServer",
                  "Exchange",
                  "LongResponse",
                  "SseStream",
                  "PendingJson",
                  "Download")),
          Map.entry("tenancy", Set.of("Tenancy", "Audit", "Sessions")),
          Map.entry("agents", Set.of("Agents", "Vault")),
          Map.entry("conversation", Set.of("ConversationStore")),
          Map.entry("queue", Set.of("RunQueue")),
          Map.entry("eventlog", Set.of("EventLog")),
          Map.entry("cluster", Set.of("Cluster")),
          Map.entry("snapshot", Set.of("Snapshots")),
          Map.entry("transcript", Set.of("Transcript", "TurnFold")),
          Map.entry("worker", Set.of("Workers")),
          Map.entry("remote", Set.of("RemoteWork")),
          Map.entry("tokens", Set.of("RunTokens")),
          Map.entry("deletion", Set.of("Deletions")),
          Map.entry("webhook", Set.of("Webhooks")),
          Map.entry(
              "orchestrator", Set.of("Orchestrator", "Conversations", "WorkerPort", "Reports")),
          Map.entry("server", Set.of("Server")),
          Map.entry("gateway", Set.of("Guard", "OpenApi", "Export")),
          Map.entry("gateway.langgraph", Set.of("LangGraphRoutes")),
          Map.entry("gateway.admin", Set.of("AdminRoutes", "HealthRoutes")),
          Map.entry("gateway.worker", Set.of("WorkerRoutes")),
          Map.entry("ui", Set.of("Console")),
          Map.entry("cli", Set.of("Main")),
          Map.entry("demo", Set.of("DemoAgent")));

  private static final int MAIN_LINES_MAX = 600;
  private static final int TEST_LINES_MAX = 900;

  private static final JavaClasses MAIN =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(ROOT);

  @Test
  void every_class_is_in_a_package_of_the_design() {
    Set<String> unknown =
        MAIN.stream()
            .map(ArchitectureTest::packageOf)
            .filter(name -> !FLOORS.containsKey(name))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(unknown).isEmpty();
  }

  @Test
  void arrows_point_down() {
    classes().should(onlyKnowLowerFloors()).check(MAIN);
  }

  @Test
  void there_are_no_cycles() {
    slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(MAIN);
  }

  @Test
  void only_http_knows_the_http_server() {
    noClasses()
        .that(resideOutside("http"))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                "io.javalin..", "org.eclipse.jetty..", "jakarta.servlet..", "kotlin.."))
        .check(MAIN);
  }

  @Test
  void only_db_opens_connections() {
    noClasses()
        .that(resideOutside("db"))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                    "com.zaxxer.hikari..", "org.postgresql..", "org.flywaydb..", "javax.sql..")
                .or(
                    DescribedPredicate.describe(
                        "are java.sql.DriverManager",
                        type -> type.getName().equals("java.sql.DriverManager"))))
        .check(MAIN);
  }

  /** Who works for no tenant, or for several at once; everybody else names one. */
  private static final Map<String, String> ACROSS_TENANTS =
      Map.ofEntries(
          Map.entry("db.Db", "its own probes"),
          Map.entry("db.Backfill", "a migration's leftovers are all tenants'"),
          Map.entry("db.GroupCommit", "writes of several tenants share a commit"),
          Map.entry("cluster.Cluster", "replicas serve all tenants"),
          Map.entry("cluster.Notifier", "as do their channels"),
          Map.entry("orchestrator.Dispatcher", "claims the fairest, whoever's it is"),
          Map.entry("orchestrator.Housekeeping", "time passes for all"),
          Map.entry("orchestrator.RemoteDesk", "one look for all runs and workers of the replica"),
          Map.entry("tokens.RunTokens", "the keys of run tokens are nobody's but the service's"),
          Map.entry("orchestrator.Orchestrator", "partitions of the log hold all tenants' events"),
          Map.entry("orchestrator.Conversations", "why a run waits is a place in one line for all"),
          Map.entry("orchestrator.Removal", "any replica goes on with any deletion"),
          Map.entry("orchestrator.Postman", "any replica tells of any run"),
          Map.entry("orchestrator.Reports", "the operator's overview is of all tenants"),
          Map.entry("tenancy.Sessions", "finds whose a browser's session is"),
          Map.entry("tenancy.Tenancy", "finds whose a key is; founds, lists and ends tenants"),
          Map.entry("agents.Agents", "seals every tenant's secrets under a new key"),
          Map.entry("server.Server", "depth of the whole queue"));

  @Test
  void only_the_table_s_classes_work_across_tenants() {
    Set<String> found =
        MAIN.stream()
            .flatMap(type -> type.getMethodCallsFromSelf().stream())
            .filter(call -> call.getTargetOwner().getFullName().equals(ROOT + ".db.Db"))
            .filter(call -> Set.of("inTx", "useTx").contains(call.getName()))
            .filter(call -> call.getTarget().getRawParameterTypes().size() == 1)
            .map(call -> call.getOriginOwner().getName().replaceFirst("\\$.*", ""))
            .map(name -> name.substring(ROOT.length() + 1))
            .collect(Collectors.toCollection(TreeSet::new));
    assertThat(found).isEqualTo(new TreeSet<>(ACROSS_TENANTS.keySet()));
  }

  /**
   * Rows are read where the statements are: a package without statements has no business with JDBC.
   */
  @Test
  void only_packages_with_statements_know_rows() {
    Set<String> withStatements =
        MAIN.stream()
            .filter(type -> type.getSimpleName().endsWith("Sql"))
            .map(ArchitectureTest::packageOf)
            .collect(Collectors.toSet());
    withStatements.add("db");
    noClasses()
        .that(
            DescribedPredicate.describe(
                "are in a package without statements",
                type -> !withStatements.contains(packageOf(type))))
        .should()
        .dependOnClassesThat(resideInAnyPackage("java.sql..", "org.jdbi.."))
        .check(MAIN);
    assertThat(withStatements)
        .doesNotContain(
            "worker", "orchestrator", "gateway.admin", "gateway.langgraph", "gateway.worker");
  }

  @Test
  void statements_are_their_package_s_own() {
    classes()
        .that()
        .haveSimpleNameEndingWith("Sql")
        .should()
        .bePackagePrivate()
        .andShould()
        .haveModifier(JavaModifier.FINAL)
        .check(MAIN);
  }

  @Test
  void only_front_doors_and_what_they_hand_out_are_public() {
    classes().that().arePublic().and().areTopLevelClasses().should(beFrontDoorOrData()).check(MAIN);
  }

  @Test
  @Promise(1)
  void only_the_queue_makes_a_lease() {
    noClasses()
        .that(resideOutside("queue"))
        .should()
        .callConstructorWhere(
            DescribedPredicate.describe(
                "it makes a LeaseToken",
                call -> call.getTargetOwner().isEquivalentTo(LeaseToken.class)))
        .check(MAIN);
  }

  @Test
  void nothing_sleeps() {
    noClasses()
        .that(resideOutside("demo"))
        .should()
        .callMethodWhere(
            DescribedPredicate.describe(
                "it is Thread.sleep",
                call ->
                    call.getTargetOwner().isEquivalentTo(Thread.class)
                        && call.getName().equals("sleep")))
        .check(MAIN);
  }

  /** The standard streams belong to whoever was started from a command line. */
  @Test
  void only_programs_print() {
    noClasses()
        .that(
            DescribedPredicate.describe(
                "are no program",
                type ->
                    !packageOf(type).equals("cli")
                        && type.tryGetMethod("main", String[].class).isEmpty()
                        && !packageOf(type).equals("demo")))
        .should()
        .accessFieldWhere(
            DescribedPredicate.describe(
                "it is a standard stream",
                access ->
                    access.getTargetOwner().isEquivalentTo(System.class)
                        && Set.of("out", "err", "in").contains(access.getName())))
        .check(MAIN);
  }

  @Test
  void only_the_demo_agent_knows_the_protocol_s_sdk_and_its_reactive_types() {
    noClasses()
        .that(resideOutside("demo"))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                "com.agentclientprotocol..", "reactor..", "io.netty..", "org.reactivestreams.."))
        .check(MAIN);
  }

  @Test
  void nullness_is_declared_in_every_package() {
    Set<String> declared =
        MAIN.stream()
            .filter(type -> type.getSimpleName().equals("package-info"))
            .filter(type -> type.isAnnotatedWith(NullMarked.class))
            .map(ArchitectureTest::packageOf)
            .collect(Collectors.toSet());
    Set<String> all = MAIN.stream().map(ArchitectureTest::packageOf).collect(Collectors.toSet());
    assertThat(declared).isEqualTo(all);
  }

  @Test
  void names_say_what_a_class_does() {
    classes().should().haveNameNotMatching(".*(Impl|Manager|Helper|Util|Utils)$").check(MAIN);
  }

  @Test
  void files_are_short() {
    assertThat(longerThan(Path.of("src/main/java"), MAIN_LINES_MAX)).isEmpty();
    assertThat(longerThan(Path.of("src/test/java"), TEST_LINES_MAX)).isEmpty();
  }

  private static List<String> longerThan(Path sources, int linesMax) {
    try (Stream<Path> files = Files.walk(sources)) {
      return files
          .filter(file -> file.toString().endsWith(".java"))
          .filter(file -> lines(file) > linesMax)
          .map(file -> file + ": " + lines(file) + " lines")
          .toList();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static long lines(Path file) {
    try (Stream<String> lines = Files.lines(file)) {
      return lines.count();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static ArchCondition<JavaClass> onlyKnowLowerFloors() {
    return new ArchCondition<>("only know their own package and lower floors") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        for (Dependency dependency : type.getDirectDependenciesFromSelf()) {
          JavaClass target = dependency.getTargetClass().getBaseComponentType();
          if (!target.getPackageName().startsWith(ROOT)) {
            continue;
          }
          String from = packageOf(type);
          String to = packageOf(target);
          boolean down = FLOORS.getOrDefault(to, 99) < FLOORS.getOrDefault(from, -1);
          boolean island = from.equals("demo") || to.equals("demo");
          if (!from.equals(to) && (!down || island)) {
            events.add(SimpleConditionEvent.violated(type, dependency.getDescription()));
          }
        }
      }
    };
  }

  private static ArchCondition<JavaClass> beFrontDoorOrData() {
    return new ArchCondition<>(
        "be a front door, or a record, enum, interface, sealed type or exception") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        boolean frontDoor =
            FRONT_DOORS.getOrDefault(packageOf(type), Set.of()).contains(type.getSimpleName());
        Class<?> loaded = type.reflect();
        boolean data =
            type.isRecord()
                || type.isEnum()
                || type.isInterface()
                || loaded.isSealed()
                || Throwable.class.isAssignableFrom(loaded);
        if (!frontDoor && !data) {
          events.add(
              SimpleConditionEvent.violated(
                  type, type.getName() + " is public, and not a front door of its package"));
        }
      }
    };
  }

  private static DescribedPredicate<JavaClass> resideOutside(String packageName) {
    return DescribedPredicate.not(resideInAPackage(ROOT + "." + packageName))
        .as("are outside " + packageName);
  }

  private static String packageOf(JavaClass type) {
    String name = type.getPackageName();
    return name.equals(ROOT) ? "" : name.substring(ROOT.length() + 1);
  }
}

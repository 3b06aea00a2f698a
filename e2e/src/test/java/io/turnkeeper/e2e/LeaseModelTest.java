package io.turnkeeper.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The model of the lease protocol, on every schedule: spin finds no error in it, and finds one in
 * each model that lacks one of its rules.
 */
@Tag("external")
@Promise(1)
class LeaseModelTest {
  private static final Path MODEL =
      Path.of("..", "docs", "lease-protocol", "lease.pml").toAbsolutePath().normalize();

  /** Whether to search for many minutes: {@code -Dturnkeeper.model.all=true}. */
  private static final String ALL = "turnkeeper.model.all";

  private static final long SECONDS_MAX = Boolean.getBoolean(ALL) ? 3_600 : 300;
  private static final String NOTHING_ELSE = "-DKILLS=0 -DPAUSES=0 -DDROPS=0 -DCUTS=0";

  @TempDir Path scratch;

  @ParameterizedTest
  @ValueSource(
      strings = {"-DFAULTS=1", "-DFAULTS=1 -DKILLS=0 -DPAUSES=0 -DDROPS=0 -DCUTS=0 -DRESTARTS=1"})
  void at_most_one_writer_is_accepted_and_one_worker_lives(String faults) throws Exception {
    assertThat(check(faults, List.of())).contains("errors: 0");
  }

  @Test
  void a_run_whose_holder_is_killed_ends_whatever_happens_next() throws Exception {
    assertThat(check(live("-DKILLS=1"), List.of("-a", "-f"))).contains("errors: 0");
  }

  @Test
  void without_takeovers_it_would_not() throws Exception {
    assertThat(check(live("-DNO_TAKEOVER -DKILLS=1"), List.of("-a", "-f")))
        .contains("acceptance cycle");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-DNO_FENCE",
        "-DLATE_FENCE -DFAULTS=1",
        "-DNO_WARDEN -DFAULTS=1",
        "-DWARDEN_FROM_ANSWER -DFAULTS=1",
        "-DWARDEN_FROM_START -DFAULTS=1",
        "-DUNKNOWN_IS_DONE",
        "-DKEEP_ON_CUT -DFAULTS=1",
        "-DNO_GRACE -DFAULTS=1",
        "-DLATE_CLAIM -DFAULTS=1",
        "-DNO_WITNESS -DRESTARTS=1 -DKILLS=0 -DCUTS=0 -DPAUSES=0 -DFAULTS=1",
        "-DNO_JUMP -DFAILOVERS=1 -DFAULTS=1 -DKILLS=0 -DCUTS=0 -DPAUSES=0 -DDROPS=0"
      })
  void without_any_one_of_its_rules_it_fails(String mutant) throws Exception {
    assertThat(check(mutant, "-O0", List.of())).contains("assertion violated", "errors: 1");
  }

  @TestFactory
  Stream<DynamicTest> what_takes_long_is_searched_on_demand() {
    if (!Boolean.getBoolean(ALL)) {
      return Stream.empty();
    }
    String failover = "-DFAILOVERS=1 -DFAULTS=1 -DKILLS=0 -DDROPS=0 -DPAUSES=0 -DCUTS=0";
    return Stream.of(
        found("-DDEAF_CUT -DKILLS=0 -DDROPS=0", "assertion violated"),
        found("-DDEAF_CUT -DKILLS=0 -DDROPS=0 -DWRITES_ONLY", "errors: 0"),
        found("-DCUTS=2 -DKILLS=0 -DDROPS=0 -DPAUSES=0", "assertion violated"),
        found("-DCUTS=2 -DKILLS=0 -DDROPS=0 -DPAUSES=0 -DWRITES_ONLY", "errors: 0"),
        found(failover, "assertion violated"),
        found(failover + " -DWRITES_ONLY", "errors: 0"),
        ends("-DPAUSES=1", "errors: 0"),
        ends("-DDROPS=1", "errors: 0"),
        ends("-DCUTS=1", "errors: 0"),
        ends("-DLOST_CLAIM", "acceptance cycle"));
  }

  private DynamicTest found(String flags, String what) {
    return DynamicTest.dynamicTest(flags, () -> assertThat(check(flags, List.of())).contains(what));
  }

  /** Whether every run ends after the fault. */
  private DynamicTest ends(String fault, String what) {
    return DynamicTest.dynamicTest(
        "ends " + fault, () -> assertThat(check(live(fault), List.of("-a", "-f"))).contains(what));
  }

  /** One fault of the kind that is named, or one lost answer. */
  private static String live(String flags) {
    List<String> all = new ArrayList<>(List.of("-DLIVE", "-DROWS=4", "-DFAULTS=1"));
    for (String kind : NOTHING_ELSE.split(" ")) {
      String name = kind.substring(0, kind.indexOf('='));
      if (!flags.contains(name)) {
        all.add(kind);
      }
    }
    return String.join(" ", all) + " " + flags;
  }

  private String check(String flags, List<String> options) throws Exception {
    return check(flags, "-O2", options);
  }

  /** An error is soon found: the compiler would take longer. */
  private String check(String flags, String optimization, List<String> options) throws Exception {
    List<String> generate = new ArrayList<>(List.of("spin", "-a"));
    generate.addAll(List.of(flags.split(" ")));
    generate.add(MODEL.toString());
    run(generate);
    List<String> compile = new ArrayList<>(List.of("gcc", optimization, "-w", "-DNFAIR=4"));
    if (options.isEmpty()) {
      compile.add("-DSAFETY");
    }
    compile.addAll(List.of("-o", "pan", "pan.c"));
    run(compile);
    List<String> search = new ArrayList<>(List.of("./pan", "-m200000", "-w22"));
    search.addAll(options);
    String said = run(search);
    assertThat(said)
        .as("an exhaustive search")
        .doesNotContain("out of memory")
        .doesNotContain("max search depth");
    return said;
  }

  private String run(List<String> command) throws IOException, InterruptedException {
    Path out = Files.createTempFile(scratch, "out", ".txt");
    Process process =
        new ProcessBuilder(command)
            .directory(scratch.toFile())
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    try {
      assertThat(process.waitFor(SECONDS_MAX, TimeUnit.SECONDS)).as("%s ends", command).isTrue();
      return Files.readString(out);
    } finally {
      process.destroyForcibly();
    }
  }
}

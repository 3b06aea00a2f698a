package io.turnkeeper.cli;

import io.turnkeeper.config.Settings;
import io.turnkeeper.db.Backfill;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.EmbeddedPostgres;
import io.turnkeeper.db.Migrations;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "migrate",
    description = {
      "Bring the database's schema up to this release, and leave.",
      "up does the same when it starts; this is for those who want to see it happen before.",
      "With --backfill it then fills what a migration added, a few rows at a time. It may be"
          + " stopped at any time: the next one goes on from there."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  turnkeeper migrate --database-url postgresql://me@db/turnkeeper --dry-run",
      "  turnkeeper migrate --database-url postgresql://me@db/turnkeeper",
      "  turnkeeper migrate --database-url postgresql://me@db/turnkeeper --backfill a_name"
    })
final class MigrateCommand implements Callable<Integer> {
  private static final int PAGES_BETWEEN_REMARKS = 20;

  private final Shell shell;
  @Mixin private SettingOptions options = new SettingOptions();

  @Option(names = "--dry-run", description = "Print the SQL that would be run, and run nothing.")
  private boolean dryRun;

  @Option(
      names = "--backfill",
      paramLabel = "NAME",
      description = "Also run this one of the release's backfills, to its end.")
  private Optional<String> backfill = Optional.empty();

  MigrateCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    Settings settings = options.load(shell).settings();
    Consumer<DatabaseUrl> work = dryRun ? this::show : this::migrate;
    Optional<String> direct = settings.database().sessionUrl().or(() -> settings.database().url());
    if (direct.isPresent()) {
      work.accept(DatabaseUrl.parse(direct.get()));
      return ExitCode.OK.status();
    }
    DataDirectory held = DataDirectory.open(settings.data());
    try (EmbeddedPostgres embedded =
        EmbeddedPostgres.start(
            settings.data().resolve("postgres"), settings.data().resolve("postgres-binaries"))) {
      work.accept(embedded.url());
    } finally {
      held.close();
    }
    return ExitCode.OK.status();
  }

  private void migrate(DatabaseUrl url) {
    int run = Migrations.migrate(url);
    shell
        .screen()
        .line(
            run == 0
                ? "the schema is up to date"
                : "ran " + run + (run == 1 ? " migration" : " migrations"));
    backfill.ifPresent(name -> fill(name, url));
  }

  private void fill(String name, DatabaseUrl url) {
    AtomicInteger pages = new AtomicInteger();
    Backfill.Progress end =
        Backfill.named(name)
            .run(
                url,
                progress -> {
                  if (pages.incrementAndGet() % PAGES_BETWEEN_REMARKS == 0) {
                    shell.screen().remark(text(name, progress) + ", to " + progress.position());
                  }
                });
    shell.screen().line(text(name, end));
  }

  private static String text(String name, Backfill.Progress progress) {
    return "backfill %s: %d filled, %d passed"
        .formatted(name, progress.filled(), progress.passed());
  }

  private void show(DatabaseUrl url) {
    List<Migrations.Pending> pending = Migrations.pending(url);
    Screen screen = shell.screen();
    if (pending.isEmpty()) {
      screen.notice("the schema is up to date: nothing would be run");
    }
    for (Migrations.Pending one : pending) {
      screen.line("-- " + one.version() + ": " + one.description());
      screen.line(one.sql());
    }
  }
}

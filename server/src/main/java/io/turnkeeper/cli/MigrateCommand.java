package io.turnkeeper.cli;

import io.turnkeeper.config.Settings;
import io.turnkeeper.db.DatabaseUrl;
import io.turnkeeper.db.EmbeddedPostgres;
import io.turnkeeper.db.Migrations;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
    name = "migrate",
    description = {
      "Bring the database's schema up to this release, and leave.",
      "up does the same when it starts; this is for those who want to see it happen before."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  turnkeeper migrate --database-url postgresql://me@db/turnkeeper --dry-run",
      "  turnkeeper migrate --database-url postgresql://me@db/turnkeeper"
    })
final class MigrateCommand implements Callable<Integer> {
  private final Shell shell;
  @Mixin private SettingOptions options = new SettingOptions();

  @Option(names = "--dry-run", description = "Print the SQL that would be run, and run nothing.")
  private boolean dryRun;

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

package io.turnkeeper.cli;

import io.turnkeeper.config.Settings;
import io.turnkeeper.config.Units;
import io.turnkeeper.server.Server;
import java.net.URI;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jline.utils.Signals;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
    name = "up",
    description = {
      "Run a replica in the foreground.",
      "Without a database it brings its own, kept under the data directory. The first start"
          + " prints an admin key, once, and stores it in DIR/credentials for the other commands."
          + " TERM and Ctrl-C stop it gracefully, a second one at once."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  turnkeeper up",
      "  turnkeeper up --port 9000 --data /srv/turnkeeper",
      "  TURNKEEPER_DATABASE_URL_FILE=/run/secrets/db turnkeeper up --host 0.0.0.0"
    })
final class UpCommand implements Callable<Integer> {
  private final Shell shell;
  @Mixin private SettingOptions options = new SettingOptions();

  UpCommand(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() throws InterruptedException {
    Settings settings = options.load(shell).settings();
    Logs.ofReplica(settings.log());
    Screen screen = shell.screen();
    DataDirectory held = DataDirectory.open(settings.data());
    try {
      CountDownLatch stop = new CountDownLatch(1);
      onSignal(screen, settings, stop);
      try (Server server =
          Server.start(
              settings,
              (url, key) -> new Credentials(reachable(url), key).write(settings.data()))) {
        tell(settings, server, screen);
        screen.line("turnkeeper is ready at " + server.url());
        stop.await();
      }
      screen.notice("stopped");
    } finally {
      held.close();
    }
    return ExitCode.OK.status();
  }

  /**
   * The first signal stops gracefully, the second at once: the warden ends the workers when this
   * process is gone, and what runs below it, such as an embedded database, is told to end.
   */
  private static void onSignal(Screen screen, Settings settings, CountDownLatch stop) {
    Runnable handler =
        () -> {
          if (stop.getCount() == 0) {
            screen.notice("stopped at once");
            ProcessHandle.current().children().forEach(ProcessHandle::destroy);
            Runtime.getRuntime().halt(ExitCode.INTERRUPTED.status());
          }
          screen.notice(
              "stopping: running runs have %s to finish; once more stops at once"
                  .formatted(Units.show(settings.drainTimeout())));
          stop.countDown();
        };
    for (String signal : new String[] {"TERM", "INT", "HUP"}) {
      Signals.register(signal, handler);
    }
  }

  /** Says the first start's key; and stores the address, which may have changed since. */
  private static void tell(Settings settings, Server server, Screen screen) {
    server
        .newAdminKey()
        .ifPresent(key ->
            screen.line(
                "admin key (shown this once; stored in %s): %s"
                    .formatted(Credentials.fileIn(settings.data()), key)));
    String url = reachable(server.url());
    Credentials.read(settings.data())
        .filter(known -> !known.url().equals(url))
        .ifPresent(known -> new Credentials(url, known.key()).write(settings.data()));
  }

  /** Where this machine reaches what listens everywhere. */
  private static String reachable(URI url) {
    boolean everywhere = "0.0.0.0".equals(url.getHost()) || "[::]".equals(url.getHost());
    return everywhere ? "http://127.0.0.1:" + url.getPort() : url.toString();
  }
}

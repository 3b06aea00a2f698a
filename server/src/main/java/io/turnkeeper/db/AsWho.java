package io.turnkeeper.db;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * As whom PostgreSQL runs. It refuses the user id 0, so root starts it in a user namespace, where
 * root's files stay its own and its id is another; or, where namespaces are not allowed, as the
 * unprivileged user {@code nobody}, to whom the directory is given.
 *
 * @param prefix what goes before the program
 */
record AsWho(List<String> prefix, boolean givesDirectoryAway) {
  private static final String NOBODY = "65534";
  private static final long TRY_SECONDS = 5;

  static AsWho choose(Path directory, Path binaries) throws IOException {
    if (!"root".equals(System.getProperty("user.name"))) {
      return new AsWho(List.of(), false);
    }
    if (succeeds(List.of("unshare", "-U", binaries.resolve("bin/postgres").toString(), "-V"))) {
      return new AsWho(List.of("unshare", "-U"), false);
    }
    List<String> nobody =
        List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups");
    // The directory may lie where only root may pass, such as under /root.
    List<String> passing = new ArrayList<>(nobody);
    // The secure bit is for access(2), which otherwise forgets capabilities of such a user.
    passing.addAll(
        List.of(
            "--securebits=+no_setuid_fixup",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override"));
    List<String> trial = new ArrayList<>(passing);
    trial.addAll(List.of(binaries.resolve("bin/postgres").toString(), "-V"));
    return new AsWho(succeeds(trial) ? passing : nobody, true);
  }

  /** Gives the directory to whoever the server runs as. */
  void own(Path directory) throws IOException {
    if (givesDirectoryAway
        && !succeeds(List.of("chown", "-R", NOBODY + ":" + NOBODY, directory.toString()))) {
      throw new IOException("cannot give " + directory + " to an unprivileged user");
    }
  }

  private static boolean succeeds(List<String> command) throws IOException {
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      return process.waitFor(TRY_SECONDS, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      return false;
    } finally {
      process.destroyForcibly();
    }
  }
}

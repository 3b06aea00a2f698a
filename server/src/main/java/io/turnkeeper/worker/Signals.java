package io.turnkeeper.worker;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** kill(2), called directly: it must work when the machine can start no process any more. */
final class Signals {
  static final int PROBE = 0;
  static final int KILL = 9;
  static final int TERM = 15;

  private static final MethodHandle KILL_CALL = link();

  private Signals() {}

  private static MethodHandle link() {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow("kill"),
        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
  }

  /** Sends the signal to every process of the group. False when there is none. */
  static boolean toGroup(long group, int signal) {
    return group > 1 && send((int) -group, signal);
  }

  /** Sends the signal to one process. False when it does not exist. */
  static boolean toProcess(long pid, int signal) {
    return pid > 1 && send((int) pid, signal);
  }

  private static boolean send(int target, int signal) {
    try {
      return (int) KILL_CALL.invokeExact(target, signal) == 0;
    } catch (Throwable e) {
      throw new AssertionError("kill(2) cannot throw", e);
    }
  }
}

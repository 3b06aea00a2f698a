package io.turnkeeper.worker;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/**
 * kill(2) and setpriority(2), called directly: killing must work when the machine can start no
 * process any more.
 */
final class Signals {
  static final int PROBE = 0;
  static final int KILL = 9;
  static final int TERM = 15;

  private static final MethodHandle KILL_CALL = link("kill", 2);
  private static final MethodHandle SETPRIORITY_CALL = link("setpriority", 3);

  private Signals() {}

  private static MethodHandle link(String name, int integers) {
    Linker linker = Linker.nativeLinker();
    ValueLayout[] arguments = new ValueLayout[integers];
    Arrays.fill(arguments, ValueLayout.JAVA_INT);
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow(name),
        FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
  }

  /** Makes the process, and what it starts from now on, give way to others that want to run. */
  static void makeNice(long pid, int by) {
    try {
      int unused = (int) SETPRIORITY_CALL.invokeExact(0, (int) pid, by);
    } catch (Throwable e) {
      throw new AssertionError("setpriority(2) cannot throw", e);
    }
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

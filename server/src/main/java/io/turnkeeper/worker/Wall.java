package io.turnkeeper.worker;

/**
 * One of the things that keep workers to themselves, and whether it holds on this machine.
 *
 * @param name stable, in snake case
 * @param detail what was found
 * @param todo what to do about it; empty when it holds
 */
public record Wall(String name, boolean holds, String detail, String todo) {
  static Wall holds(String name, String detail) {
    return new Wall(name, true, detail, "");
  }

  static Wall missing(String name, String detail, String todo) {
    return new Wall(name, false, detail, todo);
  }
}

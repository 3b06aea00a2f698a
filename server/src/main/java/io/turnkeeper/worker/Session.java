package io.turnkeeper.worker;

/**
 * What brings an agent's session back. Kept next to the snapshot of its files.
 *
 * @param id the agent's own name for it
 * @param cwd the working directory it was made in: agents file their sessions by it
 */
public record Session(String id, String cwd) {}

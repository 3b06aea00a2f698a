package io.turnkeeper.queue;

import java.util.List;

/**
 * What one claim came to.
 *
 * @param again whether to claim again at once: as many as asked for were found, or some of them may
 *     not start and others may stand behind them
 * @param capped whether some were held back by a cap
 */
public record Claims(List<Claimed> taken, boolean again, boolean capped) {
  public Claims {
    taken = List.copyOf(taken);
  }
}

package io.turnkeeper.cluster;

/**
 * What one replica tells the others. A hint: to lose one, or to get it twice, changes when
 * something is seen, never what.
 *
 * @param conversationKey 0 when it is about none
 */
public record News(Kind kind, long conversationKey) {
  /** What happened. The letter is what goes over the wire. */
  public enum Kind {
    /** The conversation got an event, a status or a run. */
    CHANGED('e'),
    /** Something was asked of a run that another replica may hold. */
    ASKED('a'),
    /** The conversation should be given back by whoever keeps it warm: it is being deleted. */
    LET_GO('g'),
    /** There is work that this replica has no room for. */
    READY('r'),
    /** The conversation's run is on offer to workers from elsewhere. */
    OFFERED('o'),
    /** A worker from elsewhere took the conversation's run, or said something. */
    SAID('s'),
    /** The worker that has the conversation's run is to look what there is for it. */
    TOLD('t');

    private final char letter;

    Kind(char letter) {
      this.letter = letter;
    }

    char letter() {
      return letter;
    }
  }

  public static News changed(long conversationKey) {
    return new News(Kind.CHANGED, conversationKey);
  }

  public static News asked(long conversationKey) {
    return new News(Kind.ASKED, conversationKey);
  }

  public static News letGo(long conversationKey) {
    return new News(Kind.LET_GO, conversationKey);
  }

  public static News offered(long conversationKey) {
    return new News(Kind.OFFERED, conversationKey);
  }

  public static News said(long conversationKey) {
    return new News(Kind.SAID, conversationKey);
  }

  public static News told(long conversationKey) {
    return new News(Kind.TOLD, conversationKey);
  }

  public static News ready() {
    return new News(Kind.READY, 0);
  }
}

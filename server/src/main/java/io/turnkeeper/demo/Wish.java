package io.turnkeeper.demo;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a message asks of the demo agent. */
sealed interface Wish {
  int COUNT_MAX = 10_000;

  record Remember(String fact) implements Wish {}

  record Recall() implements Wish {}

  record Delete(String what) implements Wish {}

  record Count(int to, boolean slowly) implements Wish {}

  record Crash() implements Wish {}

  record Other() implements Wish {}

  Pattern FACT =
      Pattern.compile(
          "(?i)\\b(my [\\w' -]{1,60} (?:is|are) [^.!?\\n]{1,200}"
              + "|i am called [^.!?\\n]{1,200}|i (?:like|love|prefer) [^.!?\\n]{1,200})");
  Pattern NOTE = Pattern.compile("(?i)\\bremember(?: that)?:? +([^?\\n]{1,400}[^?.\\n])\\.?$");
  Pattern RECALL =
      Pattern.compile(
          "(?i)what do you (?:remember|know)|what(?:'s| is| are) my\\b|who am i\\b|do you"
              + " remember");
  Pattern DELETE = Pattern.compile("(?i)\\b(?:delete|forget) +(.{1,200}?)[.!]?$");
  Pattern COUNT = Pattern.compile("(?i)\\bcount to (\\d{1,5})\\b");
  Pattern CRASH = Pattern.compile("(?i)\\bplease crash\\b");

  static Wish of(String message) {
    Matcher count = COUNT.matcher(message);
    if (count.find()) {
      int to = Math.clamp(Integer.parseInt(count.group(1)), 1, COUNT_MAX);
      return new Count(to, message.toLowerCase(Locale.ROOT).contains("slow"));
    }
    if (CRASH.matcher(message).find()) {
      return new Crash();
    }
    if (RECALL.matcher(message).find()) {
      return new Recall();
    }
    Matcher delete = DELETE.matcher(message);
    if (delete.find()) {
      return new Delete(delete.group(1));
    }
    for (Pattern pattern : new Pattern[] {NOTE, FACT}) {
      Matcher matcher = pattern.matcher(message);
      if (matcher.find()) {
        return new Remember(matcher.group(1).strip());
      }
    }
    return new Other();
  }
}

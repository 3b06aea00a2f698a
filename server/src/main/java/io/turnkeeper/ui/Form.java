package io.turnkeeper.ui;

import io.turnkeeper.base.Refusal;
import io.turnkeeper.http.Exchange;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** The fields of a form that a browser sent. */
record Form(Map<String, String> fields) {
  static Form of(Exchange exchange) {
    Map<String, String> fields = new HashMap<>();
    String body = new String(exchange.bodyBytes(), StandardCharsets.UTF_8);
    for (String pair : body.split("&", -1)) {
      int equals = pair.indexOf('=');
      if (equals > 0) {
        fields.putIfAbsent(decoded(pair.substring(0, equals)), decoded(pair.substring(equals + 1)));
      }
    }
    return new Form(fields);
  }

  Optional<String> field(String name) {
    return Optional.ofNullable(fields.get(name)).filter(text -> !text.isBlank());
  }

  /**
   * @throws Refusal.Invalid when it is missing or empty
   */
  String required(String name, String what) {
    return field(name)
        .orElseThrow(() -> new Refusal.Invalid("field_missing", name, "please give " + what));
  }

  private static String decoded(String text) {
    try {
      String plain = URLDecoder.decode(text, StandardCharsets.UTF_8);
      if (plain.indexOf('\0') >= 0) {
        throw new Refusal.Invalid("nul_in_string", null, "text must not hold the NUL character");
      }
      return plain.replace("\r\n", "\n");
    } catch (IllegalArgumentException broken) {
      throw new Refusal.Malformed("form_unreadable", null, "the form cannot be read");
    }
  }
}

package io.turnkeeper.ui;

import gg.jte.ContentType;
import gg.jte.TemplateEngine;
import gg.jte.output.StringOutput;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The templates, compiled with the program; nothing of them is loaded before the first page. */
final class Templates {
  private @Nullable TemplateEngine engine;

  String render(String name, Map<String, Object> parameters) {
    StringOutput out = new StringOutput();
    engine().render(name + ".jte", parameters, out);
    return out.toString();
  }

  private synchronized TemplateEngine engine() {
    TemplateEngine made = engine;
    if (made == null) {
      made = TemplateEngine.createPrecompiled(ContentType.Html);
      engine = made;
    }
    return made;
  }
}

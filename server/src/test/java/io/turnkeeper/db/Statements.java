package io.turnkeeper.db;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Every statement of the product: the constants, not private, of the classes that are named {@code
 * …Sql}. A private constant is a part of others.
 */
final class Statements {
  private static final Pattern NOT_CODE = Pattern.compile("--[^\\n]*|'(?:[^']|'')*'");
  private static final Pattern PARAMETER = Pattern.compile("\\?|(?<!:):[a-zA-Z_]\\w*");

  private Statements() {}

  private static final Map<String, String> ALL = read();

  /** By name: {@code LeaseSql.PICK}. */
  static Map<String, String> all() {
    return ALL;
  }

  private static Map<String, String> read() {
    Map<String, String> statements = new TreeMap<>();
    for (JavaClass type :
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("io.turnkeeper")) {
      if (type.getSimpleName().endsWith("Sql")) {
        for (Field field : type.reflect().getDeclaredFields()) {
          if (field.getType() == String.class && !Modifier.isPrivate(field.getModifiers())) {
            statements.put(type.getSimpleName() + "." + field.getName(), value(field));
          }
        }
      }
    }
    return statements;
  }

  private static String value(Field field) {
    try {
      field.setAccessible(true);
      return (String) field.get(null);
    } catch (IllegalAccessException hidden) {
      throw new IllegalStateException(hidden);
    }
  }

  /** Each use of a name is a parameter of its own, as it is when the statement is run. */
  static String positional(String sql, IntFunction<String> parameter) {
    Matcher skipped = NOT_CODE.matcher(sql);
    StringBuilder out = new StringBuilder();
    int from = 0;
    int number = 0;
    while (true) {
      boolean more = skipped.find();
      Matcher parameters =
          PARAMETER.matcher(sql.substring(from, more ? skipped.start() : sql.length()));
      while (parameters.find()) {
        parameters.appendReplacement(out, Matcher.quoteReplacement(parameter.apply(++number)));
      }
      parameters.appendTail(out);
      if (!more) {
        return out.toString();
      }
      out.append(skipped.group().startsWith("--") ? "" : skipped.group());
      from = skipped.end();
    }
  }

  static int parameters(String sql) {
    int[] most = {0};
    String unused =
        positional(
            sql,
            n -> {
              most[0] = n;
              return "?";
            });
    return unused.isEmpty() ? 0 : most[0];
  }

  /** Without comments and with empty literals. */
  static String code(String sql) {
    return NOT_CODE.matcher(sql).replaceAll("''");
  }
}

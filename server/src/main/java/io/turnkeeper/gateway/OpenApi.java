package io.turnkeeper.gateway;

import io.turnkeeper.base.Json;
import io.turnkeeper.http.Route;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The whole HTTP API as an OpenAPI 3.1 document, made from the routes themselves. */
public final class OpenApi {
  private static final Pattern PARAMETER = Pattern.compile("\\{([^}]+)}");
  private static final List<String> OPEN = List.of("/health/", "/metrics", "/ok", "/info");
  private static final String PATH = "/openapi.json";

  private OpenApi() {}

  /** The routes, and the one that describes them all, itself included. */
  public static List<Route> describing(List<Route> routes, String version) {
    List<Route> all = new ArrayList<>(routes);
    ObjectNode document = Json.object();
    all.add(Route.get(PATH, exchange -> exchange.json(200, document)));
    describe(document, all, version);
    return all;
  }

  private static void describe(ObjectNode document, List<Route> routes, String version) {
    document.put("openapi", "3.1.0");
    document.putObject("info").put("title", "Turnkeeper").put("version", version);
    ObjectNode paths = document.putObject("paths");
    for (Route route : routes) {
      ObjectNode path =
          paths.path(route.path()) instanceof ObjectNode known
              ? known
              : paths.putObject(route.path());
      operation(path.putObject(route.method().name().toLowerCase(Locale.ROOT)), route);
    }
    ObjectNode components = document.putObject("components");
    components
        .putObject("securitySchemes")
        .putObject("key")
        .put("type", "apiKey")
        .put("in", "header")
        .put("name", "x-api-key");
    ObjectNode problem = components.putObject("schemas").putObject("Problem").put("type", "object");
    ObjectNode fields = problem.putObject("properties");
    for (String field : List.of("type", "title", "detail", "instance", "code", "field")) {
      fields.putObject(field).put("type", "string");
    }
    fields.putObject("status").put("type", "integer");
  }

  private static void operation(ObjectNode operation, Route route) {
    String id = route.method().name().toLowerCase(Locale.ROOT) + route.path();
    operation.put("operationId", id.replaceAll("[^A-Za-z0-9]+", "_").replaceAll("_$", ""));
    operation.putArray("tags").add(route.path().split("/")[1]);
    ArrayNode parameters = operation.putArray("parameters");
    Matcher names = PARAMETER.matcher(route.path());
    while (names.find()) {
      parameters
          .addObject()
          .put("name", names.group(1))
          .put("in", "path")
          .put("required", true)
          .putObject("schema")
          .put("type", "string");
    }
    ObjectNode responses = operation.putObject("responses");
    responses.putObject("2XX").put("description", "done");
    responses
        .putObject("default")
        .put("description", "a problem, RFC 9457")
        .putObject("content")
        .putObject("application/problem+json")
        .putObject("schema")
        .put("$ref", "#/components/schemas/Problem");
    if (OPEN.stream().noneMatch(route.path()::startsWith) && !route.path().equals(PATH)) {
      operation.putArray("security").addObject().putArray("key");
    }
  }
}

package io.turnkeeper.gateway;

import io.turnkeeper.base.Json;
import io.turnkeeper.http.Route;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The whole HTTP API as an OpenAPI 3.1 document: the paths from the routes themselves, what goes in
 * and comes out from {@code openapi/operations.json}, which names each by its method and path. A
 * body or an answer there is a schema's name, {@code [Name]} for a list, {@code Name?} for a body
 * that may be missing; an answer may also be {@code stream}, {@code text}, {@code integer} or
 * {@code none}. What does not say its {@code security} needs a key.
 */
public final class OpenApi {
  private static final Pattern PARAMETER = Pattern.compile("\\{([^}]+)}");
  private static final List<String> OPEN = List.of("/health/", "/metrics", "/ok", "/info");
  private static final String PATH = "/openapi.json";
  private static final String DESCRIPTIONS = "/openapi/operations.json";

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
    JsonNode described = descriptions();
    document.put("openapi", "3.1.0");
    document.putObject("info").put("title", "Turnkeeper").put("version", version);
    ObjectNode paths = document.putObject("paths");
    for (Route route : routes) {
      ObjectNode path =
          paths.path(route.path()) instanceof ObjectNode known
              ? known
              : paths.putObject(route.path());
      ObjectNode operation = path.putObject(route.method().name().toLowerCase(Locale.ROOT));
      operation(operation, route, described.path("operations").path(key(route)));
    }
    ObjectNode components = document.putObject("components");
    ObjectNode schemes = components.putObject("securitySchemes");
    schemes.putObject("key").put("type", "apiKey").put("in", "header").put("name", "x-api-key");
    schemes.putObject("run_token").put("type", "http").put("scheme", "bearer");
    ObjectNode schemas = components.putObject("schemas");
    schemas.setAll((ObjectNode) described.path("schemas"));
    ObjectNode problem = schemas.putObject("Problem").put("type", "object");
    ObjectNode fields = problem.putObject("properties");
    for (String field : List.of("type", "title", "detail", "instance", "code", "field")) {
      fields.putObject(field).put("type", "string");
    }
    fields.putObject("status").put("type", "integer");
  }

  private static String key(Route route) {
    return route.method() + " " + route.path();
  }

  private static JsonNode descriptions() {
    try (InputStream in =
        Objects.requireNonNull(OpenApi.class.getResourceAsStream(DESCRIPTIONS), DESCRIPTIONS)) {
      return Json.parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  private static void operation(ObjectNode operation, Route route, JsonNode described) {
    String id = route.method().name().toLowerCase(Locale.ROOT) + route.path();
    operation.put("operationId", id.replaceAll("[^A-Za-z0-9]+", "_").replaceAll("_$", ""));
    operation.put("summary", described.path("summary").asString(""));
    operation.putArray("tags").add(route.path().split("/")[1]);
    ArrayNode parameters = operation.putArray("parameters");
    Matcher names = PARAMETER.matcher(route.path());
    while (names.find()) {
      parameter(parameters, names.group(1), "path", "string").put("required", true);
    }
    described
        .path("query")
        .properties()
        .forEach(one -> parameter(parameters, one.getKey(), "query", one.getValue().asString()));
    described
        .path("headers")
        .forEach(name -> parameter(parameters, name.asString(), "header", "string"));
    String body = described.path("body").asString("");
    if (!body.isEmpty()) {
      ObjectNode request = operation.putObject("requestBody").put("required", !body.endsWith("?"));
      content(request, "application/json").set("schema", schema(body.replace("?", "")));
    }
    ObjectNode responses = operation.putObject("responses");
    answer(responses.putObject("2XX"), described.path("answer").asString("none"));
    content(
            responses.putObject("default").put("description", "a problem, RFC 9457"),
            "application/problem+json")
        .set("schema", schema("Problem"));
    if (OPEN.stream().noneMatch(route.path()::startsWith) && !route.path().equals(PATH)) {
      operation
          .putArray("security")
          .addObject()
          .putArray(described.path("security").asString("key"));
    }
  }

  private static ObjectNode parameter(ArrayNode parameters, String name, String in, String type) {
    ObjectNode parameter = parameters.addObject().put("name", name).put("in", in);
    parameter.putObject("schema").put("type", type);
    return parameter;
  }

  private static void answer(ObjectNode response, String answer) {
    response.put("description", "done");
    switch (answer) {
      case "none" -> {}
      case "text" -> content(response, "text/plain").putObject("schema").put("type", "string");
      case "stream" ->
          content(response, "text/event-stream").putObject("schema").put("type", "string");
      default -> content(response, "application/json").set("schema", schema(answer));
    }
  }

  private static ObjectNode content(ObjectNode of, String type) {
    return of.putObject("content").putObject(type);
  }

  private static ObjectNode schema(String name) {
    ObjectNode schema = Json.object();
    if (name.startsWith("[")) {
      schema.put("type", "array").set("items", schema(name.substring(1, name.length() - 1)));
    } else if (name.equals("integer")) {
      schema.put("type", name);
    } else {
      schema.put("$ref", "#/components/schemas/" + name);
    }
    return schema;
  }
}

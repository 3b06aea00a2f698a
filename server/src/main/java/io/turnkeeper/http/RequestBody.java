package io.turnkeeper.http;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.exc.MismatchedInputException;

/** Reads bodies, within limits, and refuses text that the database could not keep. */
final class RequestBody {
  private static final ObjectReader READER =
      Json.MAPPER.reader().with(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);

  private RequestBody() {}

  /**
   * The whole body.
   *
   * @param declared the length that the request claims, or -1
   */
  static byte[] read(InputStream in, long declared, int bytesMax) throws IOException {
    if (declared > bytesMax) {
      throw tooLarge(bytesMax);
    }
    byte[] body = in.readNBytes(bytesMax);
    if (body.length == bytesMax && in.read() >= 0) {
      throw tooLarge(bytesMax);
    }
    return body;
  }

  static JsonNode parse(byte[] body) {
    if (body.length == 0) {
      throw new Refusal.Malformed("body_missing", null, "the request needs a JSON body");
    }
    JsonNode node;
    try {
      node = READER.readTree(body);
    } catch (StreamConstraintsException overLimit) {
      throw new Refusal.Malformed(
          "body_too_deep",
          null,
          "the body goes over a limit: at most "
              + Json.DEPTH_MAX
              + " levels, numbers of 1000 digits, names of 50000 characters");
    } catch (MismatchedInputException duplicate) {
      throw new Refusal.Malformed(
          "body_not_json", null, "the body is not one JSON document without repeated keys");
    } catch (JacksonException notJson) {
      var at = notJson.getLocation();
      String where =
          at == null ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
      throw new Refusal.Malformed("body_not_json", null, "the body is not JSON" + where);
    }
    if (node.isMissingNode()) {
      throw new Refusal.Malformed("body_missing", null, "the request needs a JSON body");
    }
    checkText(node, "");
    return node;
  }

  /** Depth is bounded by the parser, so recursion is too. */
  private static void checkText(JsonNode node, String path) {
    switch (node.getNodeType()) {
      case STRING -> checkText(node.stringValue(), path);
      case NUMBER -> checkNumber(node, path);
      case ARRAY -> {
        for (int i = 0; i < node.size(); i++) {
          checkText(node.get(i), path + "[" + i + "]");
        }
      }
      case OBJECT -> {
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
          String at = path.isEmpty() ? entry.getKey() : path + "." + entry.getKey();
          checkText(entry.getKey(), at);
          checkText(entry.getValue(), at);
        }
      }
      default -> {
        // nothing in it that could be refused
      }
    }
  }

  /** PostgreSQL keeps neither NUL nor half a surrogate pair. */
  static void checkText(String text, String path) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == 0) {
        throw new Refusal.Invalid(
            "nul_in_string", Refusal.shown(path), "text must not hold the NUL character");
      }
      if (Character.isSurrogate(c)) {
        if (i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1))) {
          i++;
        } else {
          throw new Refusal.Invalid(
              "not_unicode", Refusal.shown(path), "text must not hold half of a surrogate pair");
        }
      }
    }
  }

  private static void checkNumber(JsonNode node, String path) {
    if (node.isFloatingPointNumber() && !Double.isFinite(node.doubleValue())) {
      throw new Refusal.Invalid(
          "number_out_of_range", Refusal.shown(path), "the number is beyond what a double holds");
    }
  }

  private static Refusal tooLarge(int bytesMax) {
    return new Refusal.TooLarge(
        "body_too_large", null, "the body is larger than " + bytesMax + " bytes");
  }
}

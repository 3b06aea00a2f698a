package io.turnkeeper.http;

import io.turnkeeper.base.Json;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;
import org.jspecify.annotations.Nullable;

/**
 * What Jetty refuses by itself, before or after the routes, in the same form as every other error.
 */
final class ProblemErrors extends ErrorHandler {
  @Override
  protected void generateResponse(
      Request request,
      Response response,
      int status,
      @Nullable String message,
      @Nullable Throwable cause,
      Callback callback) {
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, Problem.CONTENT_TYPE);
    response.write(true, body(status), callback);
  }

  @Override
  public ByteBuffer badMessageError(
      int status, @Nullable String reason, HttpFields.Mutable fields) {
    fields.put(HttpHeader.CONTENT_TYPE, Problem.CONTENT_TYPE);
    return body(status);
  }

  @Override
  public boolean errorPageForMethod(String method) {
    return true;
  }

  private static ByteBuffer body(int status) {
    String requestId = RequestTags.of(null, null).requestId();
    String json = Json.write(Problem.transport(status).body(null, requestId, null));
    return ByteBuffer.wrap(json.getBytes(StandardCharsets.UTF_8));
  }
}

package io.turnkeeper.http;

/**
 * What answers a method on a path.
 *
 * @param path segments that are literal or {@code {named}}, such as {@code
 *     /threads/{thread_id}/runs}. A literal wins over a name wherever both match, whatever the
 *     order of the routes
 */
public record Route(Method method, String path, Handler handler) {
  /**
   * The methods that a route may have. A GET route also answers HEAD; OPTIONS is answered for all.
   */
  public enum Method {
    GET,
    POST,
    PUT,
    PATCH,
    DELETE
  }

  public static Route get(String path, Handler handler) {
    return new Route(Method.GET, path, handler);
  }

  public static Route post(String path, Handler handler) {
    return new Route(Method.POST, path, handler);
  }

  public static Route put(String path, Handler handler) {
    return new Route(Method.PUT, path, handler);
  }

  public static Route patch(String path, Handler handler) {
    return new Route(Method.PATCH, path, handler);
  }

  public static Route delete(String path, Handler handler) {
    return new Route(Method.DELETE, path, handler);
  }
}

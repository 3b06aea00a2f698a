package io.turnkeeper.gateway.langgraph;

import io.turnkeeper.base.Refusal;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Optional;

/** Webhooks are not delivered yet; what they would be refused for is already. */
final class Webhooks {
  private Webhooks() {}

  static void refuse(Body body) {
    Optional<String> webhook = body.string("webhook");
    if (webhook.isEmpty()) {
      return;
    }
    if (!isPublic(webhook.get())) {
      throw new Refusal.Invalid(
          "webhook_address", "webhook", "webhook must be an http or https URL of a public address");
    }
    throw new Refusal.Unsupported(
        "webhooks_not_supported",
        "webhook",
        "webhooks are not supported yet; join or stream the run");
  }

  private static boolean isPublic(String text) {
    try {
      URI uri = URI.create(text);
      String scheme = uri.getScheme();
      if (uri.getHost() == null || !("http".equals(scheme) || "https".equals(scheme))) {
        return false;
      }
      for (InetAddress address : InetAddress.getAllByName(uri.getHost())) {
        boolean uniqueLocal =
            address.getAddress().length == 16 && (address.getAddress()[0] & 0xfe) == 0xfc;
        if (address.isLoopbackAddress()
            || address.isAnyLocalAddress()
            || address.isLinkLocalAddress()
            || address.isSiteLocalAddress()
            || address.isMulticastAddress()
            || uniqueLocal) {
          return false;
        }
      }
      return true;
    } catch (IllegalArgumentException | UnknownHostException notAnAddress) {
      return false;
    }
  }
}

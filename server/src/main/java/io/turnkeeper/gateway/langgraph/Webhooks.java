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
        if (!isPublic(address)) {
          return false;
        }
      }
      return true;
    } catch (IllegalArgumentException | UnknownHostException notAnAddress) {
      return false;
    }
  }

  private static boolean isPublic(InetAddress address) {
    if (address.isLoopbackAddress()
        || address.isAnyLocalAddress()
        || address.isLinkLocalAddress()
        || address.isSiteLocalAddress()
        || address.isMulticastAddress()) {
      return false;
    }
    byte[] bytes = address.getAddress();
    int first = bytes[0] & 0xff;
    int second = bytes[1] & 0xff;
    if (bytes.length == 4) {
      boolean thisNetwork = first == 0;
      boolean carrierShared = first == 100 && (second & 0xc0) == 64;
      boolean benchmarks = first == 198 && (second & 0xfe) == 18;
      boolean protocols = first == 192 && second == 0 && bytes[2] == 0;
      boolean reserved = first >= 240;
      return !(thisNetwork || carrierShared || benchmarks || protocols || reserved);
    }
    boolean uniqueLocal = (first & 0xfe) == 0xfc;
    // Both carry an IPv4 address inside, which may be any of the above.
    boolean translated = first == 0x00 && second == 0x64;
    boolean sixToFour = first == 0x20 && second == 0x02;
    return !(uniqueLocal || translated || sixToFour);
  }
}

package io.turnkeeper.webhook;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;

/**
 * Which addresses a URL of a tenant may lead to: those of the public internet, and the networks
 * that the operator names. All else is this machine's, or its neighbours'.
 */
final class Reach {
  /** Not public, of IPv4: the special-purpose registry, with what is reserved. */
  private static final List<Network> SPECIAL =
      List.of(
              "0.0.0.0/8",
              "10.0.0.0/8",
              "100.64.0.0/10",
              "127.0.0.0/8",
              "169.254.0.0/16",
              "172.16.0.0/12",
              "192.0.0.0/24",
              "192.0.2.0/24",
              "192.88.99.0/24",
              "192.168.0.0/16",
              "198.18.0.0/15",
              "198.51.100.0/24",
              "203.0.113.0/24",
              "224.0.0.0/4",
              "240.0.0.0/4")
          .stream()
          .map(Network::parse)
          .toList();

  /** What IPv6 has given out to the public; all else is local, mapped, translated or reserved. */
  private static final Network GLOBAL = Network.parse("2000::/3");

  /** Within it: Teredo and its like, documentation, 6to4, which hides an IPv4 address. */
  private static final List<Network> NOT_GLOBAL =
      List.of("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20").stream()
          .map(Network::parse)
          .toList();

  private final List<Network> allowed;

  /**
   * @param networks allowed besides, such as {@code 10.1.0.0/16}
   * @throws IllegalArgumentException when one of them is none
   */
  Reach(List<String> networks) {
    this.allowed = networks.stream().map(Network::parse).toList();
  }

  boolean permits(InetAddress address) {
    byte[] bytes = address.getAddress();
    if (allowed.stream().anyMatch(network -> network.contains(bytes))) {
      return true;
    }
    return address instanceof Inet4Address
        ? SPECIAL.stream().noneMatch(network -> network.contains(bytes))
        : GLOBAL.contains(bytes)
            && NOT_GLOBAL.stream().noneMatch(network -> network.contains(bytes));
  }

  record Network(byte[] prefix, int bits) {
    static Network parse(String text) {
      int slash = text.indexOf('/');
      if (slash <= 0 || !text.substring(0, slash).matches("[0-9a-fA-F.:]+")) {
        throw new IllegalArgumentException("no network: " + text);
      }
      try {
        // Digits, dots and colons only: nothing is looked up.
        byte[] prefix = InetAddress.getByName(text.substring(0, slash)).getAddress();
        int bits = Integer.parseInt(text.substring(slash + 1));
        if (bits < 0 || bits > prefix.length * Byte.SIZE) {
          throw new IllegalArgumentException("no network: " + text);
        }
        return new Network(prefix, bits);
      } catch (UnknownHostException | NumberFormatException wrong) {
        throw new IllegalArgumentException("no network: " + text, wrong);
      }
    }

    boolean contains(byte[] address) {
      if (address.length != prefix.length) {
        return false;
      }
      int whole = bits / Byte.SIZE;
      for (int i = 0; i < whole; i++) {
        if (address[i] != prefix[i]) {
          return false;
        }
      }
      int rest = bits % Byte.SIZE;
      int mask = 0xff << (Byte.SIZE - rest) & 0xff;
      return rest == 0 || (address[whole] & mask) == (prefix[whole] & mask);
    }
  }
}

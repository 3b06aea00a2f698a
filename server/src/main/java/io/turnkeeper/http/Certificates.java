package io.turnkeeper.http;

import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/** A certificate and its key, from the files in PEM that every authority hands out. */
final class Certificates {
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----");
  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "Ed25519");
  private static final char[] UNUSED = "unused".toCharArray();

  private Certificates() {}

  /**
   * TLS 1.2 and 1.3 only.
   *
   * @throws Refusal.Unavailable in one line, what is wrong with the files
   */
  static SslContextFactory.Server read(HttpConfig.Tls tls) {
    try (InputStream in = Files.newInputStream(tls.certificate())) {
      Certificate[] chain =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(in)
              .toArray(Certificate[]::new);
      if (chain.length == 0) {
        throw refused(tls.certificate(), "there is no certificate in it");
      }
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, UNUSED);
      store.setKeyEntry("server", key(tls.key()), UNUSED, chain);
      SslContextFactory.Server factory = new SslContextFactory.Server();
      factory.setKeyStore(store);
      factory.setKeyStorePassword(new String(UNUSED));
      factory.setIncludeProtocols("TLSv1.3", "TLSv1.2");
      factory.setSniRequired(false);
      return factory;
    } catch (IOException unreadable) {
      throw refused(tls.certificate(), "it cannot be read");
    } catch (GeneralSecurityException unusable) {
      throw refused(tls.certificate(), "it and its key do not fit: " + unusable.getMessage());
    }
  }

  private static PrivateKey key(Path file) throws GeneralSecurityException {
    byte[] bytes;
    try {
      Matcher pem = KEY.matcher(Files.readString(file));
      if (!pem.find()) {
        throw refused(file, "it must hold a key in PKCS #8 without a password, BEGIN PRIVATE KEY");
      }
      bytes = Base64.getMimeDecoder().decode(pem.group(1));
    } catch (IOException | IllegalArgumentException unreadable) {
      throw refused(file, "it cannot be read");
    }
    for (String algorithm : ALGORITHMS) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(bytes));
      } catch (InvalidKeySpecException anotherKind) {
        // the next one
      }
    }
    throw refused(file, "its key is neither RSA nor EC nor Ed25519");
  }

  private static Refusal refused(Path file, String why) {
    return new Refusal.Unavailable(
        "tls_files", "TLS cannot be served with " + file + ": " + why, Duration.ofSeconds(1));
  }
}

package io.turnkeeper.agents;

import io.turnkeeper.base.Json;
import io.turnkeeper.base.OrganizationId;
import io.turnkeeper.base.Refusal;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Seals what must not be readable in the database, with AES-256-GCM. The organization and the
 * variable's name are bound in: what is sealed for one cannot be passed off as another's.
 */
public final class Vault {
  private static final String CIPHER = "AES/GCM/NoPadding";
  private static final int KEY_BYTES = 32;
  private static final int NONCE_BYTES = 12;
  private static final int TAG_BITS = 128;
  private static final int ID_CHARS = 12;
  private static final String KEY = "key";
  private static final String SEALED = "sealed";
  private static final SecureRandom RANDOM = new SecureRandom();

  /** Names a key without telling anything of it. */
  private record Key(String id, SecretKeySpec secret) {
    static Key of(byte[] bytes) {
      if (bytes.length != KEY_BYTES) {
        throw new IllegalArgumentException("a key has " + KEY_BYTES + " bytes");
      }
      try {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
        return new Key(
            HexFormat.of().formatHex(digest).substring(0, ID_CHARS),
            new SecretKeySpec(bytes, "AES"));
      } catch (GeneralSecurityException everyJdkHasIt) {
        throw new IllegalStateException(everyJdkHasIt);
      }
    }
  }

  private final List<Key> keys;

  private Vault(List<Key> keys) {
    this.keys = keys;
  }

  /**
   * @param keys of 32 bytes each; the first seals, all of them open
   */
  public static Vault of(List<byte[]> keys) {
    return new Vault(keys.stream().map(Key::of).toList());
  }

  /** Without a key: nothing can be sealed. */
  public static Vault none() {
    return new Vault(List.of());
  }

  /**
   * With the key of that file, which is made, for its owner only, when it is not there.
   *
   * @throws Refusal.Unavailable when the file cannot be read or made, or holds no key
   */
  public static Vault kept(Path file) {
    try {
      if (!Files.exists(file)) {
        make(file);
      }
      byte[] key = Base64.getDecoder().decode(Files.readString(file).strip());
      return of(List.of(key));
    } catch (IOException | IllegalArgumentException unusable) {
      throw new Refusal.Unavailable(
          "secrets_key",
          file + " cannot be used as the key of agents' secrets; put back the one that was there",
          Duration.ofSeconds(1));
    }
  }

  private static void make(Path file) throws IOException {
    byte[] key = new byte[KEY_BYTES];
    RANDOM.nextBytes(key);
    Path next = file.resolveSibling(file.getFileName() + ".next");
    Files.createDirectories(file.toAbsolutePath().getParent());
    Files.deleteIfExists(next);
    Files.createFile(
        next, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(next, Base64.getEncoder().encodeToString(key));
    try {
      // A link fails when another start was first; its key counts then.
      Files.createLink(file, next);
    } catch (FileAlreadyExistsException another) {
      // read below
    } finally {
      Files.delete(next);
    }
  }

  /**
   * @throws Refusal.Conflict when there is no key to seal it with
   */
  ObjectNode seal(OrganizationId of, String name, String plain) {
    if (keys.isEmpty()) {
      throw new Refusal.Conflict(
          "secrets_key_missing",
          "an agent's variables are stored encrypted, and this replica has no key for it: set"
              + " secrets.key, the same on every replica");
    }
    Key key = keys.getFirst();
    byte[] nonce = new byte[NONCE_BYTES];
    RANDOM.nextBytes(nonce);
    try {
      Cipher cipher = cipher(Cipher.ENCRYPT_MODE, key, nonce, context(of, name));
      byte[] text = cipher.doFinal(plain.getBytes(StandardCharsets.UTF_8));
      byte[] stored = Arrays.copyOf(nonce, NONCE_BYTES + text.length);
      System.arraycopy(text, 0, stored, NONCE_BYTES, text.length);
      return Json.object()
          .put(KEY, key.id())
          .put(SEALED, Base64.getEncoder().encodeToString(stored));
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  /** Empty when its key is not here any more, or it was tampered with. */
  Optional<String> open(OrganizationId of, String name, JsonNode sealed) {
    String id = sealed.path(KEY).asString("");
    for (Key key : keys) {
      if (key.id().equals(id)) {
        try {
          byte[] stored = Base64.getDecoder().decode(sealed.path(SEALED).asString(""));
          Cipher cipher =
              cipher(
                  Cipher.DECRYPT_MODE, key, Arrays.copyOf(stored, NONCE_BYTES), context(of, name));
          byte[] plain = cipher.doFinal(stored, NONCE_BYTES, stored.length - NONCE_BYTES);
          return Optional.of(new String(plain, StandardCharsets.UTF_8));
        } catch (GeneralSecurityException | IllegalArgumentException damaged) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  /** Whether it is sealed with the key that seals now. */
  boolean isCurrent(JsonNode sealed) {
    return !keys.isEmpty() && keys.getFirst().id().equals(sealed.path(KEY).asString(""));
  }

  private static Cipher cipher(int mode, Key key, byte[] nonce, byte[] context)
      throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance(CIPHER);
    cipher.init(mode, key.secret(), new GCMParameterSpec(TAG_BITS, nonce));
    cipher.updateAAD(context);
    return cipher;
  }

  private static byte[] context(OrganizationId of, String name) {
    return (of + "/" + name).getBytes(StandardCharsets.UTF_8);
  }
}

package io.turnkeeper.snapshot;

import java.util.Collection;
import org.jdbi.v3.core.argument.Argument;

/** Arrays of bytes as a parameter: the driver takes them as {@code byte[][]} only. */
final class Blobs {
  private Blobs() {}

  static Argument array(Collection<byte[]> blobs) {
    byte[][] array = blobs.toArray(new byte[0][]);
    return (position, statement, context) ->
        statement.setArray(position, statement.getConnection().createArrayOf("bytea", array));
  }

  static Argument names(Collection<Hash> hashes) {
    return array(hashes.stream().map(Hash::value).toList());
  }
}

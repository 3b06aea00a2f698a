package io.turnkeeper.http;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;

/**
 * A document of unknown length, written piece by piece. One that is not ended reaches the client as
 * a broken answer.
 */
public final class Download extends LongResponse {
  private static final int PIECE_BYTES = 64 * 1024;

  private final OutputStream pieces =
      new BufferedOutputStream(
          new OutputStream() {
            @Override
            public void write(int one) {
              Download.this.write(new byte[] {(byte) one});
            }

            @Override
            public void write(byte[] bytes, int offset, int length) {
              Download.this.write(Arrays.copyOfRange(bytes, offset, offset + length));
            }
          },
          PIECE_BYTES);

  Download(OutputStream out) {
    super(out);
  }

  /** Blocks while the peer does not read. Throws {@link StreamClosed} once it is gone. */
  public OutputStream out() {
    return pieces;
  }

  /** Sends what is left and ends the response. */
  public void end() {
    try {
      pieces.flush();
    } catch (IOException neverOfItsOwn) {
      throw new IllegalStateException(neverOfItsOwn);
    }
    markEnded();
  }
}

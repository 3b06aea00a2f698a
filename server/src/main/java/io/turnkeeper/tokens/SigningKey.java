package io.turnkeeper.tokens;

/** A secret that tokens are signed with, and its public name. */
record SigningKey(String id, byte[] secret) {
  @Override
  public String toString() {
    return "SigningKey[" + id + "]";
  }
}

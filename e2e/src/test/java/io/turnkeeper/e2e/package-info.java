/** Tests from outside, on the built jar: what a user, a client library or an operator would see. */
package io.turnkeeper.e2e;

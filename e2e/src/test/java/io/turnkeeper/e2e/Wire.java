package io.turnkeeper.e2e;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The network between a replica and its database: passes bytes on, late, or not at all while both
 * ends believe that they are connected. What is held back arrives when the wire is well again, but
 * for what was swallowed.
 */
final class Wire implements AutoCloseable {
  private static final int BUFFER = 64 * 1024;

  private final int to;
  private final ServerSocket listening;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private volatile boolean dead;
  private volatile boolean closed;
  private volatile long delayMillis;
  private volatile int swallowed;
  private final AtomicInteger joined = new AtomicInteger();

  private Wire(int to, ServerSocket listening) {
    this.to = to;
    this.listening = listening;
  }

  /** To a port of this machine. */
  static Wire to(int port) {
    try {
      Wire wire = new Wire(port, new ServerSocket(0, 100, InetAddress.getLoopbackAddress()));
      Thread.ofVirtual().name("wire").start(wire::accept);
      return wire;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  int port() {
    return listening.getLocalPort();
  }

  /** From now on nothing arrives, in neither direction, and nobody is told; or it does again. */
  void dead(boolean nothingArrives) {
    lock.lock();
    try {
      dead = nothingArrives;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Everything arrives later by so much. */
  void delay(long millis) {
    lock.lock();
    try {
      delayMillis = millis;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Nothing ever arrives again on what is connected now; new connections are well. */
  void swallow() {
    swallowed = joined.get();
  }

  /** Ends what is connected; new connections are taken. */
  void cut() {
    open.forEach(Wire::end);
  }

  private void accept() {
    while (!closed) {
      try {
        Socket near = listening.accept();
        Thread.ofVirtual().start(() -> join(near));
      } catch (IOException over) {
        return;
      }
    }
  }

  private void join(Socket near) {
    open.add(near);
    Socket far = new Socket();
    open.add(far);
    int number = joined.incrementAndGet();
    try {
      awaitWell(number);
      far.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), to));
      far.setTcpNoDelay(true);
      near.setTcpNoDelay(true);
      Thread back = Thread.ofVirtual().start(() -> pass(far, near, number));
      pass(near, far, number);
      back.join();
    } catch (IOException | InterruptedException over) {
      end(near);
      end(far);
    } finally {
      open.remove(near);
      open.remove(far);
    }
  }

  private void pass(Socket from, Socket into, int number) {
    byte[] buffer = new byte[BUFFER];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = into.getOutputStream();
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        awaitWell(number);
        out.write(buffer, 0, count);
        out.flush();
      }
    } catch (IOException | InterruptedException broken) {
      // The other end learns of it like this one.
    } finally {
      end(from);
      end(into);
    }
  }

  private void awaitWell(int number) throws InterruptedException {
    lock.lock();
    try {
      long from = System.nanoTime();
      long left = TimeUnit.MILLISECONDS.toNanos(delayMillis);
      while (left > 0 && !closed) {
        changed.awaitNanos(left);
        // Anew: it may be well again in the meantime.
        left = from + TimeUnit.MILLISECONDS.toNanos(delayMillis) - System.nanoTime();
      }
      while ((dead || number <= swallowed) && !closed) {
        changed.await();
      }
    } finally {
      lock.unlock();
    }
  }

  private static void end(Socket socket) {
    try {
      socket.close();
    } catch (IOException alreadyGone) {
      throw new UncheckedIOException(alreadyGone);
    }
  }

  @Override
  public void close() {
    closed = true;
    dead(false);
    try {
      listening.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    cut();
  }
}

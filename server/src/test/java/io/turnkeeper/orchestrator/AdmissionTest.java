package io.turnkeeper.orchestrator;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class AdmissionTest {
  private final Logger logger = (Logger) LoggerFactory.getLogger(Admission.class);
  private final ListAppender<ILoggingEvent> logged = new ListAppender<>();

  @BeforeEach
  void listen() {
    logged.start();
    logger.addAppender(logged);
  }

  @AfterEach
  void stop() {
    logger.detachAppender(logged);
  }

  @Test
  void it_warns_once_at_four_fifths_and_again_only_after_it_was_below() {
    Admission admission = new Admission(10);
    take(admission, 7);
    assertThat(admission.near()).isFalse();
    assertThat(warnings()).isZero();
    take(admission, 3);
    assertThat(admission.near()).isTrue();
    assertThat(warnings()).isEqualTo(1);
    admission.giveBack();
    take(admission, 1);
    assertThat(warnings()).isEqualTo(1);
    for (int i = 0; i < 3; i++) {
      admission.giveBack();
    }
    take(admission, 1);
    assertThat(warnings()).isEqualTo(2);
  }

  @Test
  void a_lowered_cap_counts_at_once_and_what_is_held_above_it_stays_until_it_ends() {
    Admission admission = new Admission(10);
    take(admission, 4);
    admission.cap(3);
    assertThat(admission.free()).isZero();
    assertThat(admission.excess()).isEqualTo(1);
    assertThat(admission.near()).isTrue();
    admission.giveBack();
    assertThat(admission.excess()).isZero();
    admission.cap(5);
    assertThat(admission.free()).isEqualTo(2);
  }

  @Test
  void a_cap_of_nothing_drains_and_is_near_nothing() {
    Admission admission = new Admission(2);
    take(admission, 1);
    admission.cap(0);
    assertThat(admission.free()).isZero();
    assertThat(admission.excess()).isEqualTo(1);
    assertThat(admission.near()).isFalse();
  }

  private static void take(Admission admission, int leases) {
    for (int i = 0; i < leases; i++) {
      admission.take();
    }
  }

  private long warnings() {
    return logged.list.stream().filter(event -> event.getLevel().equals(Level.WARN)).count();
  }
}

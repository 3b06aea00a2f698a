package io.turnkeeper.db;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test on a real PostgreSQL. Each class gets a database of its own, migrated, as a {@link Db} or
 * a {@link DatabaseUrl} in its constructor or methods. The server is the embedded one, or the one
 * that {@code TURNKEEPER_TEST_DATABASE_URL} names. An ERROR in the log fails the test, unless it
 * was announced: {@link NoErrorsLogged#expect}.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("db")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith({TestDatabases.class, NoErrorsLogged.class})
public @interface DbTest {}

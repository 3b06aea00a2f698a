/**
 * PostgreSQL: pool, transactions, group commit, migrations, the session connection, the embedded
 * server.
 */
@NullMarked
package io.turnkeeper.db;

import org.jspecify.annotations.NullMarked;

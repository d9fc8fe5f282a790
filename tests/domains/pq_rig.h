// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server of a test's own, from the system's package: in a temporary directory, on a Unix socket alone, as an unprivileged
// user, as it refuses root. Each test has a schema of its own in it.
#ifndef WF_TESTS_PQ_RIG_H
#define WF_TESTS_PQ_RIG_H

#include <stdbool.h>

// From main, before the first test forks. false: the system has no PostgreSQL; the reason was printed.
bool pq_rig_start(void);
void pq_rig_stop(void);
// kill -9 of the whole server, and its start after that.
void pq_rig_kill(void);
void pq_rig_again(void);
// Settings for a schema that no test used before; valid until the next call but three.
const char *pq_rig_where(void);
// The same for tests of both databases; 0: a file of SQLite.
const char *pq_rig_place(int back_end);
// As somebody with the database could, of either kind; asserts that it works.
void pq_rig_change(const char *where, const char *sql);
// The first cell of a SELECT as PostgreSQL prints it, valid until the next call; "" without a row.
const char *pq_rig_ask(const char *where, const char *sql);
long long pq_rig_number(const char *where, const char *sql);

#endif

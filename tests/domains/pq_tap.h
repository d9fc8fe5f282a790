// SPDX-License-Identifier: Apache-2.0
// What is sent to PostgreSQL passes here, in tests that link PQexec, PQexecParams and PQputCopyEnd wrapped.
#ifndef WF_TESTS_PQ_TAP_H
#define WF_TESTS_PQ_TAP_H

#include <libpq-fe.h>

// Before the server has a statement, and after its answer came; NULL: nobody looks. The end of a COPY is the statement "".
extern void (*pq_tap_before)(const PGconn *c, const char *sql);
extern void (*pq_tap_after)(const PGconn *c, const char *sql);

#endif

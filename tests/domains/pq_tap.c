// SPDX-License-Identifier: Apache-2.0
// See pq_tap.h.
#include "tests/domains/pq_tap.h"

#include <stddef.h>

void (*pq_tap_before)(const PGconn *c, const char *sql);
void (*pq_tap_after)(const PGconn *c, const char *sql);

PGresult *__real_PQexec(PGconn *c, const char *sql);
PGresult *__wrap_PQexec(PGconn *c, const char *sql);
PGresult *__real_PQexecParams(PGconn *c, const char *sql, int n, const Oid *types,
    const char *const *values, const int *lengths, const int *formats, int format);
PGresult *__wrap_PQexecParams(PGconn *c, const char *sql, int n, const Oid *types,
    const char *const *values, const int *lengths, const int *formats, int format);
int __real_PQputCopyEnd(PGconn *c, const char *message);
int __wrap_PQputCopyEnd(PGconn *c, const char *message);

static void look(void (*fn)(const PGconn *c, const char *sql), const PGconn *c, const char *sql)
{
    if (fn)
        fn(c, sql);
}

PGresult *__wrap_PQexec(PGconn *c, const char *sql)
{
    look(pq_tap_before, c, sql);
    PGresult *r = __real_PQexec(c, sql);
    look(pq_tap_after, c, sql);
    return r;
}

// libpq's own parameters. NOLINTNEXTLINE(readability-function-size)
PGresult *__wrap_PQexecParams(PGconn *c, const char *sql, int n, const Oid *types,
    const char *const *values, const int *lengths, const int *formats, int format)
{
    look(pq_tap_before, c, sql);
    PGresult *r = __real_PQexecParams(c, sql, n, types, values, lengths, formats, format);
    look(pq_tap_after, c, sql);
    return r;
}

int __wrap_PQputCopyEnd(PGconn *c, const char *message)
{
    look(pq_tap_before, c, "");
    int rc = __real_PQputCopyEnd(c, message);
    look(pq_tap_after, c, "");
    return rc;
}

// SPDX-License-Identifier: Apache-2.0
// The inside of the book, shared by book_sqlite.c (file, transactions, places) and said_sqlite.c (alerts and what people say of them).
#ifndef WF_MONITORING_BOOK_SQLITE_H
#define WF_MONITORING_BOOK_SQLITE_H

#include <sqlite3.h>

#include "domains/monitoring/alert/book.h"

struct wf_book {
    sqlite3 *db;
    int lock_fd;
    int64_t version; // of the data, by other programs
    char problem[320];
};

// One bound value of a statement.
struct wf_bind {
    char type; // t text, i integer, r real, b blob, 0 the end
    const void *ptr;
    size_t len;
    int64_t integer;
    double real;
};
#define WF_T(s)                                                                                    \
    {                                                                                              \
        .type = 't', .ptr = (s)                                                                    \
    }
#define WF_I(n)                                                                                    \
    {                                                                                              \
        .type = 'i', .integer = (int64_t)(n)                                                       \
    }
#define WF_R(x)                                                                                    \
    {                                                                                              \
        .type = 'r', .real = (x)                                                                   \
    }
#define WF_B(p, count)                                                                             \
    {                                                                                              \
        .type = 'b', .ptr = (p), .len = (count)                                                    \
    }
#define WF_END                                                                                     \
    {                                                                                              \
        .type = 0                                                                                  \
    }

WEFT_MUST_USE enum weft_err wf_book_prepare(
    struct wf_book *b, const char *sql, const struct wf_bind *values, sqlite3_stmt **ret);
// Prepares, binds, runs to the end.
WEFT_MUST_USE enum weft_err wf_book_run(
    struct wf_book *b, const char *sql, const struct wf_bind *values);
// OK with a row, NOT_FOUND at the end.
WEFT_MUST_USE enum weft_err wf_book_step(struct wf_book *b, sqlite3_stmt *st);
void wf_book_text(sqlite3_stmt *st, int column, char *out, size_t size);

#endif

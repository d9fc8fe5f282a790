// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/common/cell_sqlite.h"

static int bind(
    sqlite3_stmt *st, int at, const struct wf_mon_cell *c, sqlite3_destructor_type copied)
{
    switch (c->class) {
    case WF_MON_INTEGER:
        return sqlite3_bind_int64(st, at, c->integer);
    case WF_MON_REAL:
        return sqlite3_bind_double(st, at, c->real);
    case WF_MON_TEXT:
        return sqlite3_bind_text64(st, at, c->ptr, c->len, copied, SQLITE_UTF8);
    case WF_MON_BLOB:
        return sqlite3_bind_blob64(st, at, c->ptr, c->len, copied);
    case WF_MON_NULL:
        break;
    }
    return sqlite3_bind_null(st, at);
}

int wf_mon_cell_bind(sqlite3_stmt *st, int at, const struct wf_mon_cell *c)
{
    return bind(st, at, c, SQLITE_TRANSIENT);
}

int wf_mon_cell_lend(sqlite3_stmt *st, int at, const struct wf_mon_cell *c)
{
    return bind(st, at, c, c->ptr == c->digits ? SQLITE_TRANSIENT : SQLITE_STATIC);
}

void wf_mon_cell_read(sqlite3_stmt *st, int at, struct wf_mon_cell *ret)
{
    *ret = (struct wf_mon_cell){ .class = WF_MON_NULL };
    switch (sqlite3_column_type(st, at)) {
    case SQLITE_INTEGER:
        ret->class = WF_MON_INTEGER;
        ret->integer = sqlite3_column_int64(st, at);
        break;
    case SQLITE_FLOAT:
        ret->class = WF_MON_REAL;
        ret->real = sqlite3_column_double(st, at);
        break;
    case SQLITE_TEXT:
        ret->class = WF_MON_TEXT;
        ret->ptr = (const char *)sqlite3_column_text(st, at);
        ret->len = (size_t)sqlite3_column_bytes(st, at);
        break;
    case SQLITE_BLOB:
        ret->class = WF_MON_BLOB;
        ret->ptr = sqlite3_column_blob(st, at);
        ret->len = (size_t)sqlite3_column_bytes(st, at);
        break;
    default:
        break;
    }
    if (!ret->ptr)
        ret->ptr = "";
}

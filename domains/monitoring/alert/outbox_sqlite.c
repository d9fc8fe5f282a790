// SPDX-License-Identifier: Apache-2.0
// Changes of alerts that are to be published, in the book: written in the transaction that changes the alert, gone when the node has them.
// See book.h.
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/book_sqlite.h"

enum weft_err wf_book_publisher(struct wf_book *b, struct wf_book_publisher *ret)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_book_prepare(
        b, "SELECT key, product, next, snapshot_ms, lost FROM publisher", NULL, &st);

    if (!err)
        err = wf_book_step(b, st);
    if (!err && sqlite3_column_bytes(st, 0) != (int)sizeof ret->key)
        err = WEFT_E_DAMAGED;
    if (!err) {
        memcpy(ret->key, sqlite3_column_blob(st, 0), sizeof ret->key);
        wf_book_text(st, 1, ret->product, sizeof ret->product);
        ret->next = (uint64_t)sqlite3_column_int64(st, 2);
        ret->snapshot_ms = sqlite3_column_int64(st, 3);
        ret->lost = (uint64_t)sqlite3_column_int64(st, 4);
    }
    sqlite3_finalize(st);
    return err;
}

enum weft_err wf_book_publisher_set(struct wf_book *b, const struct wf_book_publisher *p)
{
    const struct wf_bind values[] = { WF_B(p->key, sizeof p->key), WF_T(p->product), WF_I(p->next),
        WF_I(p->snapshot_ms), WF_I(p->lost), WF_END };

    return wf_book_run(b, "INSERT OR REPLACE INTO publisher VALUES(1, ?, ?, ?, ?, ?)", values);
}

enum weft_err wf_book_change_put(struct wf_book *b, const struct wf_book_change *c)
{
    const struct wf_bind values[] = { WF_I(c->n), WF_I(c->op), WF_I(c->time_ms),
        WF_T(c->json ? c->json : ""), WF_END };

    return wf_book_run(b, "INSERT INTO outbox VALUES(?, ?, ?, ?)", values);
}

enum weft_err wf_book_changes_drop(struct wf_book *b, uint64_t n)
{
    const struct wf_bind values[] = { WF_I(n > INT64_MAX ? INT64_MAX : n), WF_END };

    return wf_book_run(b, "DELETE FROM outbox WHERE n < ?", values);
}

static enum weft_err read_change(sqlite3_stmt *st, wf_book_change_fn fn, void *arg)
{
    const char *json = (const char *)sqlite3_column_text(st, 3);
    struct wf_book_change c = { .n = (uint64_t)sqlite3_column_int64(st, 0),
        .op = sqlite3_column_int(st, 1),
        .time_ms = sqlite3_column_int64(st, 2) };

    if (json && json[0]) {
        c.json = strdup(json);
        if (!c.json)
            return WEFT_E_NOMEM;
    }
    return fn(arg, &c);
}

enum weft_err wf_book_changes(
    struct wf_book *b, uint64_t n, size_t most, wf_book_change_fn fn, void *arg)
{
    const struct wf_bind values[] = { WF_I(n), WF_I(most), WF_END };
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_book_prepare(
        b, "SELECT n, op, time_ms, json FROM outbox WHERE n >= ? ORDER BY n LIMIT ?", values, &st);

    for (err = err ? err : wf_book_step(b, st); !err;) {
        err = read_change(st, fn, arg);
        if (!err)
            err = wf_book_step(b, st);
    }
    sqlite3_finalize(st);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

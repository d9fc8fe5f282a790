// SPDX-License-Identifier: Apache-2.0
// Rules that came with products, in the book: what was good is good after a restart, whether their owner answers or not. See book.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/book_sqlite.h"

static enum weft_err put(struct wf_book *b, const struct wf_taken_item *item)
{
    const struct wf_bind values[] = { WF_T(item->product), WF_T(item->hash), WF_T(item->version),
        WF_T(item->by), WF_T(item->text ? item->text : ""), WF_I(item->taken_ms),
        WF_I(item->seen_ms), WF_I(item->rules ? item->rules->count : 0), WF_T(item->problem),
        WF_END };

    return wf_book_run(b, "INSERT INTO taken VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", values);
}

enum weft_err wf_book_taken_put(struct wf_book *b, struct wf_taken *t)
{
    enum weft_err err = wf_book_run(b, "DELETE FROM taken", NULL);

    for (size_t i = 0; i < WF_TAKEN_PRODUCTS && !err; i++)
        if (wf_taken_at(t, i)->used)
            err = put(b, wf_taken_at(t, i));
    return err;
}

static enum weft_err read_item(sqlite3_stmt *st, wf_book_taken_fn fn, void *arg)
{
    struct wf_taken_item item = { .taken_ms = sqlite3_column_int64(st, 5),
        .seen_ms = sqlite3_column_int64(st, 6) };
    const char *text = (const char *)sqlite3_column_text(st, 4);

    wf_book_text(st, 0, item.product, sizeof item.product);
    wf_book_text(st, 1, item.hash, sizeof item.hash);
    wf_book_text(st, 2, item.version, sizeof item.version);
    wf_book_text(st, 3, item.by, sizeof item.by);
    wf_book_text(st, 8, item.problem, sizeof item.problem);
    item.text = text && text[0] ? strdup(text) : NULL;
    if (text && text[0] && !item.text)
        return WEFT_E_NOMEM;
    enum weft_err err = fn(arg, &item, (uint64_t)sqlite3_column_int64(st, 7));
    free(item.text);
    return err;
}

enum weft_err wf_book_taken(struct wf_book *b, wf_book_taken_fn fn, void *arg)
{
    sqlite3_stmt *st = NULL;
    enum weft_err err = wf_book_prepare(b, "SELECT * FROM taken ORDER BY product", NULL, &st);

    for (err = err ? err : wf_book_step(b, st); !err;) {
        err = read_item(st, fn, arg);
        if (!err)
            err = wf_book_step(b, st);
    }
    sqlite3_finalize(st);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

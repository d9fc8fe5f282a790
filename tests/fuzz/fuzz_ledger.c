// SPDX-License-Identifier: Apache-2.0
// What lies in the ledger of `weft-monitor write`: rows of any values in its tables. Whoever starts from it sends well-formed requests and ends
// series without a step out of bounds, and `status` has its line. Input: a table, then its values, again and again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/store_sqlite.h"
#include "domains/monitoring/remote/flight.h"
#include "domains/monitoring/remote/ledger.h"
#include "domains/monitoring/remote/state.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

#define NOW_MS 1767225600000

// No power fails here.
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static void must(bool right)
{
    if (!right)
        abort();
}

// ---- rows ------------------------------------------------------------------------------------------------------------

struct input {
    const uint8_t *at, *end;
};

static unsigned next_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

// A value of any type.
static void bind_next(sqlite3_stmt *st, int at, struct input *in)
{
    unsigned kind = next_byte(in);
    size_t left = (size_t)(in->end - in->at), len = kind >> 2 < left ? kind >> 2 : left;
    int64_t number = 0;
    int rc = SQLITE_OK;

    switch (kind & 3) {
    case 0: // small ones, so that ids meet
        rc = sqlite3_bind_int64(st, at, (int64_t)(kind >> 2) - 4);
        len = 0;
        break;
    case 1:
        rc = sqlite3_bind_text(st, at, (const char *)in->at, (int)len, SQLITE_TRANSIENT);
        break;
    case 2:
        rc = sqlite3_bind_blob(st, at, len ? (const void *)in->at : "", (int)len, SQLITE_TRANSIENT);
        break;
    default:
        len = left < 8 ? left : 8;
        if (len)
            memcpy(&number, in->at, len);
        rc = kind & 4 ? sqlite3_bind_null(st, at) : sqlite3_bind_int64(st, at, number);
        len = kind & 4 ? 0 : len;
    }
    must(rc == SQLITE_OK);
    in->at += len;
}

static const char *const tables[] = { "_series", "_series_last", "_outbox", "_drop", "_remote",
    "_monitor", "_status" };

static int columns_of(sqlite3 *db, const char *table)
{
    sqlite3_stmt *st = NULL;
    char sql[64];

    snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
    must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
    int count = sqlite3_column_count(st);
    sqlite3_finalize(st);
    return count;
}

static void put_row(sqlite3 *db, const char *table, struct input *in)
{
    sqlite3_stmt *st = NULL;
    char sql[256];
    int count = columns_of(db, table),
        len = snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s VALUES(?", table);

    for (int i = 1; i < count; i++)
        len += snprintf(sql + len, sizeof sql - (size_t)len, ", ?");
    snprintf(sql + len, sizeof sql - (size_t)len, ")");
    must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
    for (int i = 0; i < count; i++)
        bind_next(st, i + 1, in);
    (void)!sqlite3_step(st); // what the table does not take is not there
    sqlite3_finalize(st);
}

static void fill(sqlite3 *db, struct input *in)
{
    must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i]);
        must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    }
    for (unsigned i = 0; in->at < in->end && i < 12; i++) {
        size_t which = next_byte(in) % (sizeof tables / sizeof *tables);
        put_row(db, tables[which], in);
    }
    must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
}

// ---- who reads them --------------------------------------------------------------------------------------------------

// All of it goes out, whatever the receiver says of it.
static void fly(struct wf_remote_batch *batch, unsigned answers)
{
    static const int codes[] = { 200, 400, 413, 200 };
    struct wf_remote_flight f = { .part_count = 0 };
    size_t all = batch->count, seen = 0;

    must(wf_remote_flight_start(&f, batch, true));
    for (unsigned i = 0; f.part_count && i < 4096; i++) {
        const struct wf_remote_sample *samples = NULL;
        struct wf_remote_bytes out = { .ptr = NULL };
        struct wf_post_answer a = { .status = codes[(answers >> (i % 4) * 2) & 3] };
        size_t count = 0;
        wf_remote_flight_next(&f, &samples, &count);
        must(count > 0 && count <= all);
        must(wf_remote_encode(&out, samples, count) && out.len > 0);
        wf_remote_bytes_fini(&out);
        if (wf_remote_flight_answer(&f, &a, NOW_MS, i) == WF_REMOTE_LANDED)
            break;
        seen += count;
    }
    must(seen <= 4096 * (all + 1));
    wf_remote_flight_end(&f);
    wf_remote_flight_fini(&f);
}

static void start(struct wf_ledger *l, unsigned answers)
{
    struct wf_remote_table *t = wf_remote_table_new(1);
    struct wf_remote_batch batch = { .samples = NULL };

    must(t != NULL);
    must(wf_ledger_restore(l, t, 0, &batch) == WEFT_OK);
    wf_remote_product(t, "servers/cpu")->freshness_ms = 1;
    fly(&batch, answers);
    must(wf_remote_sweep(t, 1000, &batch, NULL, NULL) == WEFT_OK);
    fly(&batch, answers);
    wf_remote_batch_fini(&batch);
    wf_remote_table_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_ledger *ledger;
    static struct wf_remote_sum sum;
    static char path[256];
    struct weft_problem problem = { 0 };
    struct input in = { data, data + size };

    if (!ledger) {
        snprintf(path, sizeof path, "%s/ledger", wf_test_tmpdir());
        must(wf_ledger_open(path, &ledger, &problem) == WEFT_OK);
    }
    unsigned answers = next_byte(&in);
    fill(wf_mon_sqlite(wf_ledger_store(ledger))->db, &in);
    start(ledger, answers);
    wf_remote_look(path, NOW_MS, &sum);
    must(sum.there && strlen(sum.text) < sizeof sum.text && strlen(sum.json) < sizeof sum.json);
    return 0;
}

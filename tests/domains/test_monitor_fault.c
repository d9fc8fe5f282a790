// SPDX-License-Identifier: Apache-2.0
// The monitor's database with every allocation, write, sync and read failing in turn (tests/support/fault.h): a cursor never passes rows that
// are not stored, what is stored is what came, and the next run stores the rest, each record once.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/domains/monitor_rig.h"
#include "tests/support/fault.h"
#include "tests/support/support.h"

#define PRODUCT "servers/load"
#define BATCHES 6u
#define EACH    5u
#define LOST    3u // told behind the batches

static char db[300];
static struct fake_product *product;

// ---- time --------------------------------------------------------------------------------------------------------------

// What this thread would wait for passes at once; the one that reads the catalog has a clock of its own.
static _Thread_local int64_t skipped_ms;
static bool skips;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = __real_clock_gettime(id, ts);

    ts->tv_sec += (time_t)(skipped_ms / 1000);
    ts->tv_nsec += (long)(skipped_ms % 1000) * 1000000;
    ts->tv_sec += ts->tv_nsec / 1000000000;
    ts->tv_nsec %= 1000000000;
    return rc;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    int ready = __real_poll(fds, count, skips && ms > 1 ? 1 : ms);

    if (skips && ready == 0 && ms > 1)
        skipped_ms += ms;
    return ready;
}

// ---- what is stored ----------------------------------------------------------------------------------------------------

static long long number(const char *sql)
{
    return rig_number(db, sql);
}

// Events that the stored cursor has behind it.
static uint64_t cursor(void)
{
    struct wf_mon_store *s = NULL;
    struct weft_cursor_row *rows = NULL;
    size_t count = 0;
    uint64_t at = 0;

    ck_assert_int_eq(wf_mon_store_open(db, &s, NULL), WEFT_OK);
    ck_assert_int_eq(wf_mon_store_cursor(s, PRODUCT, &rows, &count), WEFT_OK);
    if (count)
        memcpy(&at, rows[0].value, sizeof at);
    free(rows);
    wf_mon_store_close(s);
    return at;
}

// The events before the cursor are stored, whole and right, and none behind it.
static void check_stored(void)
{
    uint64_t at = cursor(), batches = at < BATCHES ? at : BATCHES, rows = batches * EACH;

    if (!rig_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'servers_load'")) {
        ck_assert_uint_eq(at, 0);
        return;
    }
    ck_assert_int_eq(number("SELECT count(*) FROM servers_load"), (long long)rows);
    ck_assert_int_eq(
        number("SELECT count(DISTINCT _offset) FROM servers_load WHERE host = _origin "
               "AND load = _batch - 1 + tasks % 100 / 8.0 AND tasks / 100 = _batch - 1 "
               "AND _time = 1700000000000000 + 1000 * (_batch - 1) + tasks % 100 AND "
               "_op = 'put'"),
        (long long)rows);
    ck_assert_int_eq(number("SELECT coalesce(sum(count), 0) FROM _batch WHERE length(header) AND "
                            "length(payload) AND chain "
                            "IN (SELECT id FROM _chain WHERE length(bytes))"),
        (long long)rows);
    ck_assert_int_eq(number("SELECT coalesce(sum(records), 0) FROM _origin"), (long long)rows);
    ck_assert_int_eq(number("SELECT records FROM _status"), (long long)rows);
    ck_assert_int_eq(number("SELECT coalesce(sum(\"to\" - \"from\"), 0) FROM _loss"),
        at > BATCHES ? (long long)LOST : 0);
    ck_assert_int_eq(number("SELECT count(*) FROM _table"), 1);
}

// What the next run finds is whole, and it stores the rest.
static void end_stored(enum weft_err err)
{
    (void)err;
    check_stored();
    rig_run(db);
    check_stored();
    ck_assert_int_eq(number("SELECT count(*) FROM servers_load"), BATCHES * EACH);
    ck_assert_int_eq(number("SELECT count(*) FROM _loss"), 1);
    ck_assert_str_eq(rig_ask(db, "PRAGMA integrity_check"), "ok");
    fake_reset();
}

// ---- the store ---------------------------------------------------------------------------------------------------------

static void begin(void)
{
    static const char *dir;

    if (!dir)
        dir = wf_test_tmpdir();
    wf_test_empty(dir);
    snprintf(db, sizeof db, "%s/monitor.db", dir);
    fake_reset();
    product = fake_product(PRODUCT, WEFT_METRIC, "load1", "weft.test.Load");
    fake_fill(product, BATCHES, EACH);
    fake_loss(product, BATCHES * EACH, BATCHES * EACH + LOST);
}

static enum weft_err store_one(struct wf_mon_store *s, size_t at)
{
    const struct weft_event *e = fake_event(product, at);
    struct weft_product *schema = fake_described(product);
    struct wf_mon_table *t = NULL;
    enum weft_err err = wf_mon_store_table(s, PRODUCT, &t);

    if (!err)
        err = e->kind == WEFT_EV_LOSS ? wf_mon_store_loss(s, t, e, 1)
                                      : wf_mon_store_records(s, t, schema, e, 1700000000000000);
    weft_product_free(schema);
    return err;
}

// As the loop does it: two events a transaction, from where the database stands.
static enum weft_err store_rest(struct wf_mon_store *s)
{
    struct weft_cursor_row *rows = NULL;
    size_t count = 0, at = 0;
    enum weft_err err = wf_mon_store_cursor(s, PRODUCT, &rows, &count);

    if (!err && count)
        memcpy(&at, rows[0].value, sizeof at);
    free(rows);
    while (!err && at <= BATCHES) {
        err = wf_mon_store_begin(s);
        for (size_t to = at + 2; !err && at < to && at <= BATCHES; at++)
            err = store_one(s, at);
        if (!err)
            err = wf_mon_store_commit(s);
    }
    if (err && wf_mon_store_is_open(s))
        wf_mon_store_rollback(s);
    return err;
}

// It may be tried again. SQLite takes a disk that cannot read for one that lies; nobody is told to throw the database away for that.
static void check_reason(enum weft_err err, const char *text)
{
    ck_assert_msg(
        wf_mon_store_may_retry(err) || err == WEFT_E_DAMAGED, "%s: %s", weft_err_name(err), text);
    ck_assert_str_ne(text, "");
    ck_assert_ptr_null(strstr(text, "start anew"));
}

static enum weft_err open_and_store(void)
{
    struct wf_mon_store *s = NULL;
    struct weft_problem problem = { 0 };
    enum weft_err err = wf_mon_store_open(db, &s, &problem);

    if (err) {
        check_reason(err, problem.text[0] ? problem.text : weft_err_text(err));
        return err;
    }
    err = store_rest(s);
    if (err) { // and the same store goes on
        check_reason(err, wf_mon_store_problem(s));
        enum weft_err again = store_rest(s);
        ck_assert_msg(!again, "%s, then %s: %s", weft_err_name(err), weft_err_name(again),
            wf_mon_store_problem(s));
    }
    wf_mon_store_close(s);
    return err;
}

// A run that was killed: some is stored, and SQLite's own log is there still.
static void begin_killed(void)
{
    char from[340], to[340], kept[sizeof db];
    struct wf_mon_store *s = NULL;
    static const char *const suffixes[] = { "", "-wal" };

    begin();
    ck_assert_int_eq(wf_mon_store_open(db, &s, NULL), WEFT_OK);
    rig_store(s, product, 0, 3, true);
    snprintf(kept, sizeof kept, "%.290s.kept", db);
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s%s", db, suffixes[i]);
        snprintf(to, sizeof to, "%s%s", kept, suffixes[i]);
        struct wf_buf content = wf_test_file(from);
        FILE *f = fopen(to, "wb");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, f), content.len);
        fclose(f);
        ck_assert_int_eq(chmod(to, 0600), 0);
        wf_buf_fini(&content);
    }
    wf_mon_store_close(s);
    snprintf(db, sizeof db, "%s", kept);
}

// ---- what is too old ---------------------------------------------------------------------------------------------------

#define OLD_US (1700000000000000 + 3500) // of the batches 0 to 3

static void begin_old(void)
{
    begin();
    rig_run(db);
}

static enum weft_err trim(void)
{
    struct wf_mon_store *s = NULL;
    struct wf_mon_table *t = NULL;
    bool more = false;
    struct weft_product *schema = fake_described(product);
    enum weft_err err = wf_mon_store_open(db, &s, NULL);

    if (!err)
        err = wf_mon_store_begin(s);
    if (!err)
        err = wf_mon_store_table(s, PRODUCT, &t);
    if (!err)
        err = wf_mon_store_shape(s, t, schema);
    if (!err)
        err = wf_mon_store_commit(s);
    if (!err)
        err = wf_mon_store_trim(s, t, OLD_US, &more);
    wf_mon_store_close(s);
    weft_product_free(schema);
    return err;
}

// A batch is there as long as one of its rows is, and verify knows that others may be gone.
static void end_trimmed(enum weft_err err)
{
    for (int again = 0; again < 2; again++) {
        bool gone = number("SELECT count(*) FROM servers_load") == 2 * EACH;
        ck_assert_int_eq(number("SELECT count(*) FROM servers_load"), (gone ? 2 : BATCHES) * EACH);
        ck_assert_int_eq(number("SELECT sum(count) FROM _batch"), (gone ? 2 : BATCHES) * EACH);
        ck_assert_int_eq(number("SELECT kept_from_us IS NOT NULL FROM _table"), gone);
        ck_assert(gone || err);
        err = again ? WEFT_OK : trim();
    }
    ck_assert_uint_eq(cursor(), BATCHES + 1);
    fake_reset();
}

// ---- the whole loop ----------------------------------------------------------------------------------------------------

static enum weft_err run_once(void)
{
    struct wf_mon_options o = rig_options(db);

    o.discover_ms = 5;
    skips = true;
    int status = wf_mon_cmd_store(&o);
    skips = false;
    return status ? WEFT_E_BUSY : WEFT_OK; // it could not begin, and says why
}

static const struct wf_scenario scenarios[] = {
    { "monitor, a database made and filled", 0, begin, open_and_store, end_stored },
    { "monitor, a database after a kill", 0, begin_killed, open_and_store, end_stored },
    { "monitor, rows that are too old", 0, begin_old, trim, end_trimmed },
    { "monitor, store --once", 0, begin, run_once, end_stored },
};

START_TEST(a_cursor_never_passes_rows_that_are_not_stored)
{
    wf_scenario_run(&scenarios[_i]);
}
END_TEST

int main(void)
{
    return wf_suite_main("domains.monitor_fault", a_cursor_never_passes_rows_that_are_not_stored,
        WF_COUNT(scenarios), 1800);
}

// SPDX-License-Identifier: Apache-2.0
// An application that reads servers/readings of a fake home: it checks that each seq of an origin comes once and in order, and keeps the cursor's
// rows. One reader at a time; included by one test file of a program.
#ifndef WF_TESTS_READER_RIG_H
#define WF_TESTS_READER_RIG_H

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/clock.h"
#include "tests/support/fakehome.h"

#define PATIENCE_MS 100000

static struct wf_fakemesh m;
static struct wf_fakehome h;
static struct weft_client *c;
static struct weft_subscription *s;
static struct weft_problem problem;
static uint64_t next_seq[WF_HOME_ORIGINS]; // wanted of each origin
static uint64_t got, lost;
static enum weft_err last_loss;
static bool loss_by_origin;
static uint64_t loss_from, losses, owned;
static char loss_of[64]; // origin and incarnation of one by origin
static enum weft_stream_state state;
static char state_text[512];
static struct row { // what an application keeps of the cursor
    uint8_t key[80], value[400];
    size_t key_len, value_len;
} rows[8];
static size_t row_count;

static inline void setup(void)
{
    struct weft_options o = { .dir = m.dir, .flags = WEFT_REMOTE_ONLY, .deadline_ms = 30000 };

    unsetenv("WEFT_DIR");
    wf_fakemesh_init(&m, false);
    wf_fakemesh_join(&m, 0, 12 * WF_TEST_HOUR, 1);
    wf_fakehome_init(&h, &m);
    memset(next_seq, 0, sizeof next_seq);
    got = lost = losses = owned = row_count = 0;
    s = NULL;
    state = WEFT_STREAM_CONNECTING;
    state_text[0] = '\0';
    ck_assert_msg(weft_connect(&o, &c, &problem) == WEFT_OK, "%s", problem.text);
}

static inline void teardown(void)
{
    weft_unsubscribe(s);
    weft_close(c);
    wf_fakehome_fini(&h);
    wf_fakemesh_fini(&m);
}

static inline void subscribe(enum weft_from from, uint64_t offset)
{
    struct weft_cursor_row given[8];
    struct weft_subscribe_options o = { .from = from, .offset = offset, .cursor = given };

    for (size_t i = 0; i < row_count; i++)
        given[i] = (struct weft_cursor_row){ rows[i].key, rows[i].key_len, rows[i].value,
            rows[i].value_len };
    o.cursor_count = from == WEFT_FROM_CURSOR ? row_count : 0;
    ck_assert_msg(
        weft_subscribe(c, "servers/readings", &o, &s, &problem) == WEFT_OK, "%s", problem.text);
}

// ---- the application -------------------------------------------------------------------------------------------------------

static inline void keep_row(const struct weft_cursor_row *r)
{
    size_t i = 0;

    while (i < row_count &&
           (rows[i].key_len != r->key_len || memcmp(rows[i].key, r->key, r->key_len) != 0))
        i++;
    ck_assert_uint_lt(i, WF_COUNT(rows));
    if (i == row_count)
        row_count++;
    memcpy(rows[i].key, r->key, r->key_len);
    memcpy(rows[i].value, r->value, r->value_len);
    rows[i].key_len = r->key_len;
    rows[i].value_len = r->value_len;
}

// Station "<origin>-<seq>", each seq of an origin exactly once and in order.
static inline void check_record(const struct weft_event *e, const struct weft_record *r)
{
    struct weft_value v;
    char name[8], station[32], *dash = NULL, *end = NULL; // a value has no NUL

    ck_assert_int_eq(weft_record_value(weft_subscription_product(s), r, 0, &v), WEFT_OK);
    ck_assert_uint_lt(v.bytes.len, sizeof station);
    snprintf(station, sizeof station, "%.*s", (int)v.bytes.len, (const char *)v.bytes.ptr);
    unsigned long origin = strtoul(station, &dash, 10);
    ck_assert(*dash == '-' && origin < WF_HOME_ORIGINS);
    unsigned long long seq = strtoull(dash + 1, &end, 10);
    ck_assert(end > dash + 1 && !*end);
    snprintf(name, sizeof name, "web-%u", (unsigned)origin);
    ck_assert_str_eq(e->origin, name);
    ck_assert_msg(seq == next_seq[origin] && r->seq == seq, "origin %lu: %llu after %llu", origin,
        seq, (unsigned long long)next_seq[origin]);
    next_seq[origin]++;
    got++;
}

static inline bool take(int timeout_ms)
{
    const struct weft_event *e = NULL;
    enum weft_err err = weft_next(s, timeout_ms, &e, &problem);

    if (err)
        return false;
    ck_assert_str_eq(e->product, "servers/readings");
    if (e->kind == WEFT_EV_STATE) {
        state = e->state;
        snprintf(state_text, sizeof state_text, "%s", e->problem.text);
    } else if (e->kind == WEFT_EV_LOSS && e->loss_told) {
        ck_assert(e->by_origin);
        owned += e->loss_to - e->loss_from;
    } else if (e->kind == WEFT_EV_LOSS) {
        lost += e->loss_to - e->loss_from;
        last_loss = e->loss_code;
        loss_by_origin = e->by_origin;
        loss_from = e->loss_from;
        losses++;
        snprintf(loss_of, sizeof loss_of, "%s %s", e->by_origin ? e->origin : "",
            e->by_origin ? e->loss_incarnation : "");
    }
    for (size_t i = 0; i < e->record_count; i++)
        check_record(e, &e->records[i]);
    for (size_t i = 0; i < e->cursor_count; i++)
        keep_row(&e->cursor[i]);
    return true;
}

static inline void take_until_got(uint64_t count)
{
    for (int left = PATIENCE_MS; got < count && left > 0; left -= 100)
        while (take(100) && got < count)
            ;
    ck_assert_msg(got == count, "got %llu of %llu, state %d %s", (unsigned long long)got,
        (unsigned long long)count, (int)state, state_text);
}

static inline void take_until_state(enum weft_stream_state wanted)
{
    for (int left = PATIENCE_MS; state != wanted && left > 0; left -= 100)
        take(100);
    ck_assert_msg(state == wanted, "state %d %s, wanted %d", (int)state, state_text, (int)wanted);
}

static inline struct weft_stats stats(void)
{
    struct weft_stats st;

    weft_subscription_stats(s, &st);
    return st;
}

static inline void append(uint32_t batches, uint32_t records)
{
    for (uint32_t i = 0; i < batches; i++)
        wf_fakehome_append(&h, i % 2, records);
}

static inline void take_until_lost(uint64_t count)
{
    for (int left = PATIENCE_MS; lost < count && left > 0; left -= 100)
        take(100);
    ck_assert_msg(
        lost == count, "lost %llu of %llu", (unsigned long long)lost, (unsigned long long)count);
}

#endif

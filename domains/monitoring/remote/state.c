// SPDX-License-Identifier: Apache-2.0
// See state.h.
#include "domains/monitoring/remote/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/sight.h"
#include "domains/monitoring/batch/stored.h"
#include "domains/monitoring/common/print.h"

#define SHOWN    3     // drops
#define STUCK_MS 30000 // a request that is tried for so long does not arrive

struct view {
    struct wf_mon_beat beat;
    char url[200], problem[160];
    int64_t ok_ms, waits_ms, series, sent, already, lost, lag, drops;
};

struct drop {
    char product[WF_MON_PRODUCT], reason[120];
    int64_t from, to, samples, at_ms;
};

// None of them is ever below 0; a damaged one is as one that is not there.
static int64_t number(struct wf_mon_db *db, size_t column)
{
    struct wf_mon_cell c;

    wf_mon_db_cell(db, column, &c);
    return c.class == WF_MON_INTEGER && c.integer > 0 ? c.integer : 0;
}

static void text(struct wf_mon_db *db, size_t column, char *out, size_t size)
{
    struct wf_mon_cell c;

    wf_mon_db_cell(db, column, &c);
    snprintf(out, size, "%.*s", c.class == WF_MON_TEXT ? (int)c.len : 0, c.ptr ? c.ptr : "");
}

static enum weft_err read_view(struct wf_mon_db *db, struct view *v)
{
    enum weft_err err = wf_mon_db_beat(db, &v->beat);

    if (!err)
        err = wf_mon_db_query(db,
            "SELECT url, problem, ok_ms, waits_ms, series, sent, already, lost, (SELECT "
            "coalesce(sum(lag), 0) FROM _status), (SELECT count(*) FROM _drop) FROM _remote");
    if (!err)
        err = wf_mon_db_step(db);
    if (err)
        return err;
    text(db, 0, v->url, sizeof v->url);
    text(db, 1, v->problem, sizeof v->problem);
    int64_t *const numbers[] = { &v->ok_ms, &v->waits_ms, &v->series, &v->sent, &v->already,
        &v->lost, &v->lag, &v->drops };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = number(db, 2 + i);
    return WEFT_OK;
}

static enum weft_err read_drops(struct wf_mon_db *db, struct drop drops[SHOWN], size_t *ret_count)
{
    size_t count = 0;
    enum weft_err err = wf_mon_db_query(db,
        "SELECT product, \"from\", \"to\", samples, reason, at_ms FROM _drop ORDER BY id DESC "
        "LIMIT 3");

    for (; !err && count < SHOWN; count++) {
        struct drop *d = &drops[count];
        err = wf_mon_db_step(db);
        if (err)
            break;
        text(db, 0, d->product, sizeof d->product);
        d->from = number(db, 1);
        d->to = number(db, 2);
        d->samples = number(db, 3);
        text(db, 4, d->reason, sizeof d->reason);
        d->at_ms = number(db, 5);
    }
    *ret_count = count;
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// Products of which its process, as it runs now, sends nothing.
static enum weft_err read_unsent(struct wf_mon_db *db, struct wf_remote_sum *ret)
{
    char product[WF_MON_PRODUCT];
    size_t at = 0;
    enum weft_err err = wf_mon_db_query(db,
        "SELECT product, since_ms FROM _status WHERE why = 'not-sent' AND updated_ms >= (SELECT "
        "started_ms FROM _monitor) ORDER BY product");

    while (!err) {
        err = wf_mon_db_step(db);
        if (err)
            break;
        text(db, 0, product, sizeof product);
        int64_t since_ms = number(db, 1);
        if (!ret->unsent_ms || since_ms < ret->unsent_ms)
            ret->unsent_ms = since_ms;
        if (at < sizeof ret->unsent)
            at += (size_t)snprintf(
                ret->unsent + at, sizeof ret->unsent - at, "%s%s", at ? ", " : "", product);
        ret->unsent_count++;
    }
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// ---- for people ------------------------------------------------------------------------------------------------------------

static void print_drop(const struct drop *d, char *out, size_t size)
{
    snprintf(out, size, "%" PRId64 " samples of %s, records %" PRId64 " to %" PRId64 ": %s",
        d->samples, d->product, d->from, d->to - 1, d->reason);
}

static void fill_text(struct wf_remote_sum *ret, const struct view *v, const struct drop *drops,
    size_t count, int64_t now_ms)
{
    char silence[64], ago[24] = "never", tried[24] = "";
    size_t at;

    wf_mon_status_silence(&v->beat, now_ms, silence, sizeof silence);
    if (v->ok_ms)
        wf_mon_ago(now_ms - v->ok_ms, ago);
    if (v->waits_ms)
        wf_mon_ago(now_ms - v->waits_ms, tried);
    at = (size_t)snprintf(ret->text, sizeof ret->text,
        "remote write: %s%s%s: %" PRId64 " series, %" PRId64 " samples, lag %" PRId64
        " records, %" PRId64 " dropped; last taken %s%s%s%s%s%s",
        silence[0] ? "not running; " : "", silence[0] ? "last to " : "", v->url, v->series, v->sent,
        v->lag, v->lost, ago, v->ok_ms ? " ago" : "", tried[0] ? "; tried for " : "", tried,
        v->problem[0] ? "; " : "", v->problem);
    for (size_t i = 0; i < count && at < sizeof ret->text; i++) {
        char one[400];
        print_drop(&drops[i], one, sizeof one);
        wf_mon_ago(now_ms - drops[i].at_ms, ago);
        at += (size_t)snprintf(
            ret->text + at, sizeof ret->text - at, "\nremote write: dropped %s ago: %s", ago, one);
    }
}

// ---- for programs ----------------------------------------------------------------------------------------------------------

static void put_string(char *out, size_t size, size_t *at, const char *key, const char *value)
{
    char *quoted = wf_mon_json_string(value, strlen(value));

    if (*at < size)
        *at += (size_t)snprintf(out + *at, size - *at, "\"%s\":%s,", key, quoted ? quoted : "\"\"");
    free(quoted);
}

static void fill_json(struct wf_remote_sum *ret, const struct view *v, const struct drop *drops,
    size_t count, int64_t now_ms)
{
    char *out = ret->json;
    size_t size = sizeof ret->json, at = (size_t)snprintf(out, size, "{");

    put_string(out, size, &at, "url", v->url);
    put_string(out, size, &at, "problem", v->problem);
    at += (size_t)snprintf(out + at, size - at,
        "\"running\":%s,\"series\":%" PRId64 ",\"sent\":%" PRId64 ",\"already\":%" PRId64
        ",\"dropped\":%" PRId64 ",\"lag\":%" PRId64 ",\"age_ms\":%" PRId64 ",\"taken_ms\":%" PRId64
        ",\"tried_ms\":%" PRId64 ",\"unsent\":%zu,\"drops\":[",
        ret->written ? "true" : "false", v->series, v->sent, v->already, v->lost, v->lag,
        v->beat.updated_ms ? now_ms - v->beat.updated_ms : -1, v->ok_ms,
        v->waits_ms ? now_ms - v->waits_ms : 0, ret->unsent_count);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s{", i ? "," : "");
        put_string(out, size, &at, "product", drops[i].product);
        put_string(out, size, &at, "reason", drops[i].reason);
        at += (size_t)snprintf(out + at, size - at,
            "\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"samples\":%" PRId64 ",\"at_ms\":%" PRId64
            "}",
            drops[i].from, drops[i].to, drops[i].samples, drops[i].at_ms);
    }
    snprintf(out + at, size - at, "]}");
}

void wf_remote_look(const char *path, int64_t now_ms, struct wf_remote_sum *ret)
{
    struct weft_problem problem = { 0 };
    struct wf_mon_db *db = NULL;
    struct view v = { 0 };
    struct drop drops[SHOWN] = { 0 };
    size_t count = 0;
    char silence[64];

    *ret = (struct wf_remote_sum){ .json = "null" };
    enum weft_err err = wf_mon_db_open(path, &db, &problem);
    if (err == WEFT_E_NOT_FOUND)
        return;
    ret->there = true;
    if (!err)
        err = read_view(db, &v);
    if (!err)
        err = read_drops(db, drops, &count);
    if (!err)
        err = read_unsent(db, ret);
    if (err)
        snprintf(v.problem, sizeof v.problem, "%.150s",
            problem.text[0] ? problem.text : weft_err_text(err));
    wf_mon_status_silence(&v.beat, now_ms, silence, sizeof silence);
    ret->written = !err && !silence[0] && (!v.waits_ms || now_ms - v.waits_ms < STUCK_MS);
    ret->since_ms = silence[0] ? v.beat.updated_ms : v.waits_ms;
    snprintf(ret->problem, sizeof ret->problem, "%s%s%s", silence[0] ? "its " : "", silence,
        silence[0] && v.problem[0] ? ": " : "");
    snprintf(ret->problem + strlen(ret->problem), sizeof ret->problem - strlen(ret->problem), "%s",
        v.problem);
    if (count) {
        ret->drop_ms = drops[0].at_ms;
        print_drop(&drops[0], ret->drop, sizeof ret->drop);
    }
    fill_text(ret, &v, drops, count, now_ms);
    fill_json(ret, &v, drops, count, now_ms);
    wf_mon_db_close(db);
}

// SPDX-License-Identifier: Apache-2.0
// weft-monitor verify: names what differs, counts what is proven.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/screen.h>

#include "domains/monitoring/batch/verify.h"
#include "domains/monitoring/common/monitor.h"

struct report {
    const struct wf_mon_options *o;
    uint64_t named;
};

static void json_member(const char *name, const char *value)
{
    char *text = wf_mon_json_string(value, strlen(value));

    printf(",\"%s\":%s", name, text ? text : "null");
    free(text);
}

// Even names come from a file that is in doubt here: all are escaped.
static void name_json(const struct wf_mon_difference *d)
{
    printf("{\"schema\":\"weft.monitor-difference/v1\"");
    json_member("product", d->product);
    json_member("table", d->table);
    if (d->has_offset)
        printf(",\"offset\":%" PRIu64, d->offset);
    json_member("batch", d->batch);
    json_member("column", d->column);
    json_member("text", d->text);
    puts("}");
}

// A line stays one line, and the terminal what it was.
static void put_plain(const char *s)
{
    for (size_t left = strlen(s), n; left > 0; left -= n, s += n) {
        uint32_t code = 0;
        n = wf_screen_next(s, left, &code);
        if (code == WF_SCREEN_SHOWN)
            fwrite(s, 1, n, stdout);
        else
            putchar('?');
    }
}

static void name_difference(void *arg, const struct wf_mon_difference *d)
{
    struct report *r = arg;

    if (r->named++ >= r->o->most)
        return;
    if (r->o->format != WF_MON_AS_TABLE) {
        name_json(d);
        return;
    }
    put_plain(d->table[0] ? d->table : d->product);
    if (d->has_offset)
        printf(" offset %" PRIu64, d->offset);
    if (d->column[0]) {
        printf(" column ");
        put_plain(d->column);
    }
    printf(": ");
    put_plain(d->text);
    if (d->batch[0]) {
        printf(" (batch ");
        put_plain(d->batch);
        putchar(')');
    }
    putchar('\n');
}

// The auditor's way: row, signed batch, certificate, charter.
static void print_way(const struct wf_mon_options *o, const struct wf_mon_proof *p)
{
    if (o->format != WF_MON_AS_TABLE || p->differences || !p->rows)
        return;
    put_plain(o->row);
    printf(": each cell is what ");
    put_plain(p->domain);
    putchar('/');
    put_plain(p->origin);
    printf(" signed in batch ");
    put_plain(p->batch);
    printf(" (its records %" PRIu64 " to %" PRIu64 "), and its certificate leads to the charter\n",
        p->first_seq, p->last_seq);
}

static void print_sum(const struct wf_mon_options *o, const struct wf_mon_proof *p)
{
    if (o->format != WF_MON_AS_TABLE) {
        printf("{\"schema\":\"weft.monitor-verify/v1\",\"ok\":%s,\"verified_batches\":%" PRIu64
               ",\"records\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"differences\":%" PRIu64
               ",\"left_out\":%" PRIu64 ",\"let_go\":%" PRIu64 ",\"revoked\":%" PRIu64 "}\n",
            p->differences ? "false" : "true", p->batches, p->records, p->rows, p->differences,
            p->left_out, p->let_go, p->revoked);
        return;
    }
    if (p->differences > o->most)
        printf("and %" PRIu64 " more\n", p->differences - o->most);
    if (p->let_go)
        printf("%" PRIu64 " rows are older than what is kept\n", p->let_go);
    if (p->revoked)
        printf("%" PRIu64 " batches are of origins revoked as of their time\n", p->revoked);
    printf("verified %" PRIu64 " batches, %" PRIu64 " records, %" PRIu64 " rows: ", p->batches,
        p->records, p->rows);
    if (p->differences)
        printf("%" PRIu64 " differences\n", p->differences);
    else
        printf("all proven\n");
}

// "TABLE:OFFSET"
static bool parse_row(const char *text, char *table, size_t size, uint64_t *ret_offset)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;

    if (!colon || colon == text || (size_t)(colon - text) >= size || colon[1] < '0' ||
        colon[1] > '9')
        return false;
    snprintf(table, size, "%.*s", (int)(colon - text), text);
    errno = 0;
    *ret_offset = strtoull(colon + 1, &end, 10);
    return errno == 0 && *end == '\0';
}

// What leads from the certificates on is wrong by its own bytes or signatures, not out of reach.
static bool is_unproven(enum weft_err err)
{
    int status = weft_err_exit(err);

    return err != WEFT_E_PERMISSION &&
           (status == weft_err_exit(WEFT_E_SIGNATURE) || status == weft_err_exit(WEFT_E_TRUNCATED));
}

// Without its charter no row is proven, the one that is asked about neither.
static void doubt_charter(struct report *report, const struct wf_mon_verify *what,
    const struct weft_problem *problem, struct wf_mon_proof *ret)
{
    struct wf_mon_difference d = { .product = "",
        .table = what->table,
        .batch = "",
        .has_offset = true,
        .offset = what->offset,
        .column = "" };
    char text[400];

    snprintf(text, sizeof text, "not proven: the charter: %.300s", problem->text);
    d.text = text;
    name_difference(report, &d);
    ret->differences = 1;
}

static int conclude(const struct wf_mon_options *o, const struct wf_mon_proof *proof)
{
    char text[200];

    if (o->row && proof->batches == 0 && proof->differences == 0) {
        snprintf(text, sizeof text,
            "%.100s: no batch holds this row: it was never stored, or --keep let it go with its "
            "batch",
            o->row);
        return wf_mon_fail(WEFT_E_NOT_FOUND, text, "");
    }
    if (o->row)
        print_way(o, proof);
    print_sum(o, proof);
    return proof->differences != 0;
}

int wf_mon_cmd_verify(const struct wf_mon_options *o)
{
    const struct weft_options options = { .dir = o->dir, .socket = o->socket };
    struct weft_problem problem = { 0 };
    struct report report = { .o = o };
    struct wf_mon_verify what = {
        .product = o->pattern_count ? o->patterns[0] : NULL, .fn = name_difference, .arg = &report
    };
    struct wf_mon_proof proof = { 0 };
    struct wf_mon_db *db = NULL;
    char table[WF_MON_NAME];
    int status = 0;

    if (o->row) {
        if (!parse_row(o->row, table, sizeof table, &what.offset))
            return wf_mon_fail(
                WEFT_E_USAGE, "--row wants TABLE:OFFSET, as in servers_cpu:1042", "");
        what.table = table;
    }
    enum weft_err err = wf_mon_db_open(wf_mon_where(o), &db, &problem);
    if (!err) {
        err = weft_connect(&options, &what.client, &problem);
        if (o->row && is_unproven(err)) {
            doubt_charter(&report, &what, &problem, &proof);
            err = WEFT_OK;
        } else if (!err) {
            err = wf_mon_prove(db, &what, &proof);
            if (err)
                snprintf(problem.text, sizeof problem.text, "%s", wf_mon_db_problem(db));
        }
    }
    status =
        err ? wf_mon_fail(err, problem.text[0] ? problem.text : weft_err_text(err), problem.hint)
            : conclude(o, &proof);
    if (fflush(stdout) != 0 && status == 0)
        status = wf_mon_fail(WEFT_E_IO, "standard output", "");
    weft_close(what.client);
    wf_mon_db_close(db);
    return status;
}

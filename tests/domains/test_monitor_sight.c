// SPDX-License-Identifier: Apache-2.0
// What is judged of what the monitor sees: each finding with its word, since when, and whether the whole is well; a line over an hour without
// its domain, by a clock that is handed in.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/batch/line.h"
#include "domains/monitoring/batch/status.h"
#include "tests/domains/monitor_rig.h"

#define NOW  1700000000000
#define HOUR 3600000

// A monitor that runs and sees two products of two domains.
static struct wf_mon_sight *well(void)
{
    struct wf_mon_sight *s = calloc(1, sizeof *s);

    ck_assert_ptr_nonnull(s);
    s->now_ms = NOW;
    s->beat = (struct wf_mon_beat){ .pid = 5, .updated_ms = NOW - 500, .state = "running" };
    s->lines = calloc(4, sizeof *s->lines);
    ck_assert_ptr_nonnull(s->lines);
    s->count = 2;
    s->lines[0] = (struct wf_mon_line){ .product = "network/links",
        .state = "live",
        .records = 10,
        .last_append_ms = 1000,
        .last_received_ms = 1250 };
    s->lines[1] =
        (struct wf_mon_line){ .product = "servers/load", .state = "pull", .records = 5, .lag = 3 };
    return s;
}

static void release(struct wf_mon_sight *s)
{
    wf_mon_sight_fini(s);
    free(s);
}

static const struct wf_mon_finding *found(
    const struct wf_mon_sight *s, enum wf_mon_why why, const char *what)
{
    for (size_t i = 0; i < s->finding_count; i++)
        if (s->findings[i].why == why && strcmp(s->findings[i].what, what) == 0)
            return &s->findings[i];
    return NULL;
}

static void blind(struct wf_mon_line *l, enum wf_mon_why why, const char *cause, int64_t since_ms)
{
    snprintf(l->why, sizeof l->why, "%s", wf_mon_why_name(why));
    snprintf(l->cause, sizeof l->cause, "%s", cause);
    l->since_ms = since_ms;
}

START_TEST(a_monitor_that_sees_all_has_no_finding_and_a_line_a_domain)
{
    struct wf_mon_sight *s = well();

    s->lines[2] = (struct wf_mon_line){ .product = "servers/secret", .state = "not-granted" };
    s->count = 3;
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert(s->whole);
    ck_assert_uint_eq(s->finding_count, 0);
    ck_assert_uint_eq(s->domain_count, 2);
    ck_assert_str_eq(s->domains[0].name, "network");
    ck_assert_int_eq(s->domains[0].delay_ms, 250);
    ck_assert_str_eq(s->domains[1].name, "servers");
    ck_assert_uint_eq(s->domains[1].products, 2);
    ck_assert_uint_eq(s->domains[1].seen, 1);
    ck_assert_uint_eq(s->domains[1].foreign, 1);
    ck_assert_uint_eq(s->domains[1].lag, 3);
    ck_assert_int_eq(s->domains[1].delay_ms, -1);
    release(s);
}
END_TEST

// What makes a monitor that was well unwell, and what is said of it.
static void node_away(struct wf_mon_sight *s)
{
    blind(&s->lines[1], WF_MON_UNREACHABLE, "node unreachable", NOW - HOUR);
}
static void word_of_nobody(struct wf_mon_sight *s)
{
    snprintf(s->lines[1].cause, sizeof s->lines[1].cause, "something new");
}
static void begins(struct wf_mon_sight *s)
{
    snprintf(s->lines[0].state, sizeof s->lines[0].state, "connecting");
}
static void stopped(struct wf_mon_sight *s)
{
    snprintf(s->beat.state, sizeof s->beat.state, "stopped");
}
static void never(struct wf_mon_sight *s)
{
    s->beat.updated_ms = 0;
}
static void locked(struct wf_mon_sight *s)
{
    s->beat.updated_ms = NOW - 20000;
    s->pulses[0] = (struct wf_mon_pulse){ .name = "store",
        .alive = true,
        .pid = 5,
        .state = "running",
        .updated_ms = NOW,
        .wrong_ms = NOW - 20000,
        .wrong = "database: begin: database is locked" };
    s->pulse_count = 1;
}
static void away(struct wf_mon_sight *s)
{
    s->err = WEFT_E_UNREACHABLE;
    snprintf(s->err_text, sizeof s->err_text, "connection refused");
    s->count = 0;
    s->beat = (struct wf_mon_beat){ 0 };
}
static void died(struct wf_mon_sight *s)
{
    s->pulses[0] = (struct wf_mon_pulse){
        .name = "remote", .pid = 7, .state = "running", .updated_ms = NOW - 5000
    };
    s->pulse_count = 1;
}
static void hangs(struct wf_mon_sight *s)
{
    died(s);
    s->pulses[0].alive = true;
    s->pulses[0].updated_ms = NOW - 11000;
}
static void broken_rules(struct wf_mon_sight *s)
{
    died(s);
    s->pulses[0].alive = true;
    s->pulses[0].updated_ms = NOW;
    s->pulses[0].wrong_ms = NOW - 60000;
    snprintf(s->pulses[0].wrong, sizeof s->pulses[0].wrong, "no room for series of rule x");
}
static void no_such_field(struct wf_mon_sight *s)
{
    broken_rules(s);
    snprintf(s->pulses[0].wrong, sizeof s->pulses[0].wrong, "rule x: servers/p has no field y");
}
static void too_many(struct wf_mon_sight *s)
{
    broken_rules(s);
    snprintf(s->pulses[0].wrong, sizeof s->pulses[0].wrong, "7 products are not watched: one");
}
static void no_catalog(struct wf_mon_sight *s)
{
    snprintf(s->beat.problem, sizeof s->beat.problem, "catalog: no answer");
}
static void again(struct wf_mon_sight *s)
{
    s->parts[0] = (struct wf_mon_part){
        .name = "alert", .state = WF_MON_PART_WAITING, .since_ms = NOW - 1000, .restarts = 3
    };
    s->part_count = 1;
}
static void failed(struct wf_mon_sight *s)
{
    again(s);
    s->parts[0].state = WF_MON_PART_FAILED;
}
static void unjudged(struct wf_mon_sight *s)
{
    s->alerts.there = true;
    s->alerts.updated_ms = NOW - HOUR;
}
static void rules_of_nobody(struct wf_mon_sight *s)
{
    s->alerts = (struct wf_alert_sum){ .there = true, .judged = true, .problem = "a mistake" };
}
static void unwritten(struct wf_mon_sight *s)
{
    s->remote =
        (struct wf_remote_sum){ .there = true, .since_ms = NOW - HOUR, .problem = "HTTP 503" };
}
static void none_for_a_store_that_lives(struct wf_mon_sight *s)
{
    locked(s);
    away(s);
    s->err = WEFT_E_NOT_FOUND;
}
static void empty(struct wf_mon_sight *s)
{
    s->count = 0;
}

START_TEST(whatever_is_not_known_to_be_seen_is_a_finding)
{
    static const struct {
        void (*make)(struct wf_mon_sight *s);
        const char *what;
        enum wf_mon_why why;
        int64_t since_ms;
    } rows[] = {
        { node_away, "servers/load", WF_MON_UNREACHABLE, NOW - HOUR },
        { word_of_nobody, "servers/load", WF_MON_TROUBLE, 0 },
        { begins, "network/links", WF_MON_BEGINS, 0 },
        { stopped, "monitor", WF_MON_NOT_RUNNING, NOW - 500 },
        { never, "monitor", WF_MON_NEVER_RAN, 0 },
        { locked, "monitor", WF_MON_QUIET, NOW - 20000 },
        { locked, "process store", WF_MON_DATABASE, NOW - 20000 },
        { away, "database", WF_MON_DATABASE, 0 },
        { died, "process remote", WF_MON_NOT_RUNNING, NOW - 5000 },
        { hangs, "process remote", WF_MON_QUIET, NOW - 11000 },
        { broken_rules, "process remote", WF_MON_RULES, NOW - 60000 },
        { no_such_field, "process remote", WF_MON_RULES, NOW - 60000 },
        { no_catalog, "monitor", WF_MON_CATALOG, 0 },
        { too_many, "process remote", WF_MON_UNWATCHED, NOW - 60000 },
        { again, "process alert", WF_MON_AGAIN, NOW - 1000 },
        { failed, "process alert", WF_MON_FAILED, NOW - 1000 },
        { unjudged, "alerts", WF_MON_NOT_JUDGED, NOW - HOUR },
        { rules_of_nobody, "alerts", WF_MON_RULES, 0 },
        { unwritten, "remote write", WF_MON_NOT_WRITTEN, NOW - HOUR },
        { none_for_a_store_that_lives, "monitor", WF_MON_NEVER_RAN, 0 },
        { empty, "products", WF_MON_NOTHING, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_mon_sight *s = well();
        rows[i].make(s);
        ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
        const struct wf_mon_finding *f = found(s, rows[i].why, rows[i].what);
        ck_assert_msg(
            f, "row %zu: no finding %s of %s", i, wf_mon_why_name(rows[i].why), rows[i].what);
        ck_assert_msg(!s->whole, "row %zu: and yet all is well", i);
        ck_assert_msg(f->since_ms == rows[i].since_ms, "row %zu: since %lld", i,
            (long long)(NOW - f->since_ms));
        ck_assert_msg(f->cause[0] && f->todo[0], "row %zu: no words", i);
        release(s);
    }
}
END_TEST

// What is none: a process in order, or one that is over; a word of a process that died; what no process is there for.
static void in_hand(struct wf_mon_sight *s)
{
    died(s);
    again(s);
    s->parts[0].state = WF_MON_PART_RUNNING;
}
static void said_before_it_ended(struct wf_mon_sight *s)
{
    broken_rules(s);
    s->pulses[0].alive = false;
    snprintf(s->pulses[0].state, sizeof s->pulses[0].state, "stopped");
}
static void judged_well(struct wf_mon_sight *s)
{
    s->alerts = (struct wf_alert_sum){ .there = true, .judged = true };
}
static void no_alerts_yet(struct wf_mon_sight *s)
{
    snprintf(s->alerts.problem, sizeof s->alerts.problem, "no rules");
}
static void told_by_its_own_process(struct wf_mon_sight *s)
{
    rules_of_nobody(s);
    s->pulses[0] = (struct wf_mon_pulse){
        .name = "alert", .alive = true, .state = "running", .updated_ms = NOW
    };
    s->pulse_count = 1;
}
static void written_well(struct wf_mon_sight *s)
{
    s->remote = (struct wf_remote_sum){ .there = true, .written = true };
}

START_TEST(what_is_in_order_is_no_finding)
{
    static void (*const rows[])(struct wf_mon_sight * s) = { in_hand, said_before_it_ended,
        judged_well, no_alerts_yet, told_by_its_own_process, written_well };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wf_mon_sight *s = well();
        rows[i](s);
        ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
        ck_assert_msg(s->finding_count == 0, "row %zu: %s", i, s->findings[0].cause);
        ck_assert_msg(s->whole, "row %zu", i);
        release(s);
    }
}
END_TEST

// Who does not run is not taken for one that hangs: another process lives, or its own is dead.
START_TEST(a_store_that_is_gone_is_not_running_whoever_else_lives)
{
    struct wf_mon_sight *s = well();

    stopped(s);
    s->beat.updated_ms = NOW - 20000;
    broken_rules(s);
    s->pulses[1] = (struct wf_mon_pulse){ .name = "store", .state = "stopped" };
    s->pulse_count = 2;
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_ptr_nonnull(found(s, WF_MON_NOT_RUNNING, "monitor"));
    release(s);
}
END_TEST

START_TEST(a_monitor_without_a_database_yet_never_ran_and_its_database_is_well)
{
    struct wf_mon_sight *s = well();

    away(s);
    s->err = WEFT_E_NOT_FOUND;
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_ptr_nonnull(found(s, WF_MON_NEVER_RAN, "monitor"));
    ck_assert_ptr_null(found(s, WF_MON_DATABASE, "database"));
    ck_assert(!s->whole);
    release(s);
}
END_TEST

START_TEST(a_domains_line_is_the_sum_of_its_products)
{
    static const struct wf_mon_line lines[] = {
        { .product = "servers/a",
            .state = "live",
            .records = 10,
            .lag = 1,
            .lost = 3,
            .hosts = 5,
            .hosts_late = 1,
            .token_expires_ms = NOW + 3 * HOUR,
            .last_time_us = 1000,
            .last_append_ms = 50,
            .last_received_ms = 90 },
        { .product = "server/x", .state = "live", .records = 100, .last_time_us = 1 },
        { .product = "servers/b",
            .state = "live",
            .records = 20,
            .lag = 2,
            .lost = 4,
            .hosts = 6,
            .hosts_late = 2,
            .token_expires_ms = NOW + 4 * HOUR,
            .last_time_us = 3000,
            .last_append_ms = 50,
            .last_received_ms = 60 },
        { .product = "servers/c",
            .state = "live",
            .last_time_us = 2000,
            .last_append_ms = 50,
            .last_received_ms = 40 }, // a clock that went back is no delay
    };
    struct wf_mon_sight *s = well();

    memcpy(s->lines, lines, sizeof lines);
    s->count = 4;
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_uint_eq(s->domain_count, 2); // one is not the other's beginning
    const struct wf_mon_domain *d = &s->domains[0];
    ck_assert_str_eq(d->name, "servers");
    ck_assert(d->products == 3 && d->seen == 3 && d->blind == 0 && d->foreign == 0);
    ck_assert(d->records == 30 && d->lag == 3 && d->lost == 7);
    ck_assert(d->hosts == 11 && d->hosts_late == 3);
    ck_assert_int_eq(d->token_ms, NOW + 3 * HOUR); // the first to end; that without one has none
    ck_assert_int_eq(d->last_us, 3000);
    ck_assert_int_eq(d->delay_ms, 40);
    ck_assert_int_eq(d->since_ms, 0);
    release(s);
}
END_TEST

START_TEST(findings_without_room_are_counted)
{
    struct wf_mon_sight *s = well();

    free(s->lines);
    s->count = WF_MON_FINDINGS + 44;
    s->lines = calloc(s->count, sizeof *s->lines);
    ck_assert_ptr_nonnull(s->lines);
    for (size_t i = 0; i < s->count; i++) {
        snprintf(s->lines[i].product, sizeof s->lines[i].product, "d%zu/load", i);
        blind(&s->lines[i], WF_MON_UNREACHABLE, "node unreachable", NOW - HOUR);
    }
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_uint_eq(s->finding_count, WF_MON_FINDINGS);
    ck_assert_uint_eq(s->finding_more, 44);
    release(s);
}
END_TEST

START_TEST(products_of_a_domain_with_the_same_cause_are_one_finding)
{
    struct wf_mon_sight *s = well();

    snprintf(s->lines[0].product, sizeof s->lines[0].product, "server/x"); // not of that domain
    for (size_t i = 1; i < 4; i++)
        snprintf(s->lines[i].product, sizeof s->lines[i].product, "servers/p%zu", i);
    s->count = 4;
    blind(&s->lines[1], WF_MON_REVOKED, "refused: its owner revoked the token", NOW - 60000);
    blind(&s->lines[2], WF_MON_HOST_SILENT, "host silent: web-1", NOW - 1000);
    blind(&s->lines[3], WF_MON_REVOKED, "refused: its owner revoked the token", NOW - 90000);
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_uint_eq(s->finding_count, 2);
    const struct wf_mon_finding *f = found(s, WF_MON_REVOKED, "servers (2 products)");
    ck_assert_int_eq(f->since_ms, NOW - 90000);
    ck_assert_str_eq(f->cause, "refused: its owner revoked the token (servers/p1 first)");
    ck_assert_ptr_nonnull(strstr(f->todo, "`weft access request PRODUCT --verb subscribe`"));
    ck_assert_ptr_nonnull(found(s, WF_MON_HOST_SILENT, "servers/p2"));
    ck_assert_str_eq(s->domains[1].cause, "1 host-silent, 2 token-revoked");
    ck_assert_int_eq(s->domains[1].since_ms, NOW - 90000);
    ck_assert_uint_eq(s->domains[1].blind, 3);
    ck_assert_uint_eq(s->domains[0].blind, 0);
    ck_assert_uint_eq(s->blind, 3);
    release(s);
}
END_TEST

// What has to be typed is there to be typed.
START_TEST(a_finding_of_one_product_names_it_in_the_command)
{
    struct wf_mon_sight *s = well();

    snprintf(s->lines[1].product, sizeof s->lines[1].product, "servers/p1");
    blind(&s->lines[1], WF_MON_NO_TOKEN, "refused: nothing grants it", NOW);
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert_str_eq(found(s, WF_MON_NO_TOKEN, "servers/p1")->todo,
        "ask its owner: `weft access request servers/p1 --verb subscribe`");
    release(s);
}
END_TEST

START_TEST(what_will_be_missed_and_what_was_lost_are_told_and_not_blind)
{
    struct wf_mon_sight *s = well();
    char text[100];

    s->lines[0].token_expires_ms = NOW + 1800000;
    s->lines[1].token_expires_ms = NOW + 2 * HOUR; // in good time
    s->lines[1].lost = 7;
    s->losses = calloc(1, sizeof *s->losses);
    ck_assert_ptr_nonnull(s->losses);
    s->losses[0] = (struct wf_mon_lost){
        .product = "servers/load", .code = "LOST", .from = 8, .to = 12, .at_ms = NOW - 1000
    };
    s->loss_count = 1;
    s->remote = (struct wf_remote_sum){ .there = true,
        .written = true,
        .drop_ms = NOW - HOUR / 2,
        .drop = "7 samples of servers/load",
        .unsent = "network/links",
        .unsent_count = 1,
        .unsent_ms = NOW - HOUR };
    ck_assert_int_eq(wf_mon_sight_judge(s), WEFT_OK);
    ck_assert(s->whole);
    ck_assert_uint_eq(s->finding_count, 4);
    const struct wf_mon_finding *f = found(s, WF_MON_DROPPED, "remote write");
    ck_assert(f && f->warns && f->since_ms == NOW - HOUR / 2);
    ck_assert_str_eq(f->cause, "7 samples of servers/load");
    f = found(s, WF_MON_NOT_SENT, "network/links");
    ck_assert_ptr_nonnull(f);
    ck_assert(f->warns && f->since_ms == NOW - HOUR);
    ck_assert_str_eq(f->cause, "nothing of network/links is sent: no field is a value");
    ck_assert_str_eq(
        found(s, WF_MON_TOKEN_ENDS, "network/links")->cause, "its token ends in 30 min");
    ck_assert(found(s, WF_MON_LOST, "servers/load")->warns);
    ck_assert_str_eq(found(s, WF_MON_LOST, "servers/load")->cause,
        "7 records are lost, last offsets 8 to 11 (LOST)");
    snprintf(s->losses[0].origin, sizeof s->losses[0].origin, "web-1");
    wf_mon_loss_print(&s->losses[0], text, sizeof text);
    ck_assert_str_eq(text, "4 of web-1 (LOST)");
    release(s);
}
END_TEST

// ---- a line over time --------------------------------------------------------------------------------------------------

struct life { // a product's feed, and what was told of it
    struct wf_mon_feed f;
    struct wf_mon_said said;
    char schema[WF_MON_SCHEMA_ID];
    struct wf_mon_line line;
};

static void live_on(struct life *l, enum weft_stream_state state, enum weft_err err, int64_t at_ms)
{
    l->f.state = state;
    l->f.problem.err = err;
    wf_mon_line_fill(
        &l->f, &l->said, l->schema, (struct wf_mon_now){ at_ms, NOW + at_ms }, &l->line);
    memcpy(l->said.cause, l->line.cause, sizeof l->said.cause);
    memcpy(l->said.why, l->line.why, sizeof l->said.why);
    memcpy(l->said.past, l->line.past, sizeof l->said.past);
    l->said.since_ms = l->line.since_ms;
}

START_TEST(an_hour_without_its_domain_is_told_while_it_lasts_and_afterwards)
{
    struct life l = { .f = { .product = "servers/load", .granted = true } };

    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 1000);
    ck_assert_str_eq(l.line.cause, "");
    live_on(&l, WEFT_STREAM_UNREACHABLE, WEFT_E_UNREACHABLE, 5000);
    ck_assert_str_eq(l.line.why, "node-unreachable");
    ck_assert_int_eq(l.line.since_ms, NOW + 5000);
    live_on(&l, WEFT_STREAM_UNREACHABLE, WEFT_E_TIMEOUT, HOUR / 2);
    ck_assert_int_eq(l.line.since_ms, NOW + 5000);
    // The monitor is started again meanwhile: a reader that begins knows nothing better.
    l.f.state_ms = HOUR / 2 + 1000;
    live_on(&l, WEFT_STREAM_CONNECTING, WEFT_OK, HOUR / 2 + 2000);
    ck_assert_str_eq(l.line.state, "connecting");
    ck_assert_str_eq(l.line.cause, "node unreachable");
    ck_assert_int_eq(l.line.since_ms, NOW + 5000);
    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, HOUR + 5000);
    ck_assert_str_eq(l.line.cause, "");
    ck_assert_int_eq(l.line.since_ms, 0);
    ck_assert_str_eq(l.line.past,
        "until 2023-11-14T23:13:25Z not seen for 60 min, in the end: node unreachable");
    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 2 * HOUR); // and stays told
    ck_assert_str_eq(l.line.past,
        "until 2023-11-14T23:13:25Z not seen for 60 min, in the end: node unreachable");
}
END_TEST

START_TEST(a_schema_that_grows_is_told_once_and_is_no_finding)
{
    struct life l = { .f = { .product = "servers/load", .granted = true, .schema = "one" } };

    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 1000);
    ck_assert_str_eq(l.line.past, ""); // the first one is no change
    snprintf(l.f.schema, sizeof l.f.schema, "two");
    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 3000);
    live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 9000);
    ck_assert_str_eq(l.line.past, "since 2023-11-14T22:13:23Z with a changed schema");
    ck_assert_str_eq(l.line.cause, "");
}
END_TEST

START_TEST(a_token_that_is_revoked_or_ends_is_told_in_these_words)
{
    static const struct {
        enum weft_err err;
        bool ended;
        const char *why, *cause;
    } rows[] = {
        { WEFT_E_REVOKED, false, "token-revoked", "refused: its owner revoked the token" },
        { WEFT_E_NO_CAPABILITY, true, "token-ended", "refused: the token ended" },
        { WEFT_E_EXPIRED, false, "token-ended", "refused: the token ended" },
        { WEFT_E_NO_CAPABILITY, false, "no-token", "refused: nothing grants it any more" },
        { WEFT_E_PENDING, false, "request-waits",
            "refused: the request for it waits for its owner" },
        { WEFT_E_VERB, false, "refused", "refused: verb not granted" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct life l = { .f = { .product = "servers/load", .granted = true } };
        l.f.ended = rows[i].ended;
        l.f.foreign = rows[i].err == WEFT_E_NO_CAPABILITY;
        live_on(&l, WEFT_STREAM_REFUSED, rows[i].err, 5000);
        ck_assert_str_eq(l.line.why, rows[i].why);
        ck_assert_str_eq(l.line.cause, rows[i].cause);
        live_on(&l, WEFT_STREAM_LIVE, WEFT_OK, 65000);
        ck_assert_msg(strstr(l.line.past, rows[i].cause) && strstr(l.line.past, "for 60 s"),
            "row %zu: %s", i, l.line.past);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("monitor_sight");
    TCase *c = tcase_create("sight");

    tcase_add_checked_fixture(c, fake_reset, fake_reset);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_monitor_that_sees_all_has_no_finding_and_a_line_a_domain);
    tcase_add_test(c, whatever_is_not_known_to_be_seen_is_a_finding);
    tcase_add_test(c, what_is_in_order_is_no_finding);
    tcase_add_test(c, a_store_that_is_gone_is_not_running_whoever_else_lives);
    tcase_add_test(c, a_monitor_without_a_database_yet_never_ran_and_its_database_is_well);
    tcase_add_test(c, a_domains_line_is_the_sum_of_its_products);
    tcase_add_test(c, findings_without_room_are_counted);
    tcase_add_test(c, products_of_a_domain_with_the_same_cause_are_one_finding);
    tcase_add_test(c, a_finding_of_one_product_names_it_in_the_command);
    tcase_add_test(c, what_will_be_missed_and_what_was_lost_are_told_and_not_blind);
    tcase_add_test(c, an_hour_without_its_domain_is_told_while_it_lasts_and_afterwards);
    tcase_add_test(c, a_schema_that_grows_is_told_once_and_is_no_finding);
    tcase_add_test(c, a_token_that_is_revoked_or_ends_is_told_in_these_words);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int bad = srunner_ntests_failed(runner);
    srunner_free(runner);
    return bad != 0;
}

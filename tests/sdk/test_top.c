// SPDX-License-Identifier: Apache-2.0
// weft top between two answers: rates, order, silence and its cause; the picture keeps to its screen, the JSON to JSON.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdk/cli/top.h"
#include "tests/support/support.h"

#define MANY 300u

struct world { // one answer and all it points to
    Weft__V1__StatusReply r;
    Weft__V1__ProductState p[MANY], *ps[MANY];
    Weft__V1__SourceState s[2], *ss[2];
    Weft__V1__ReaderState l[3], *ls[3];
    Weft__V1__PeerState peer, *peers[1];
    Weft__V1__AgentInfo a[4], *as[4];
    Weft__V1__AgentState last;
    Weft__V1__QueueState q[2], *qs[2];
    char names[MANY][16], *alarms[1];
    struct wf_top_sample sample;
};

static struct world was, now;

static Weft__V1__ProductState *add_product(struct world *w, const char *name, uint64_t records)
{
    Weft__V1__ProductState *p = &w->p[w->r.n_products];

    weft__v1__product_state__init(p);
    snprintf(w->names[w->r.n_products], sizeof w->names[0], "%s", name);
    p->name = w->names[w->r.n_products];
    p->state = (char *)(uintptr_t) "up";
    p->records = records;
    p->stored_bytes = 100 * records;
    p->batches = records / 10;
    p->last_append_ms = w->r.time_ms - 2000;
    w->ps[w->r.n_products++] = p;
    return p;
}

static void begin(struct world *w, int64_t at_ms)
{
    memset(w, 0, sizeof *w);
    weft__v1__status_reply__init(&w->r);
    w->r.domain = (char *)(uintptr_t) "servers";
    w->r.subject = (char *)(uintptr_t) "node-1";
    w->r.kind = (char *)(uintptr_t) "node";
    w->r.version = (char *)(uintptr_t) "0.1.0";
    w->r.started_ms = 1000;
    w->r.time_ms = 1000000 + at_ms;
    w->r.products = w->ps;
    w->r.sources = w->ss;
    w->r.readers = w->ls;
    w->r.peers = w->peers;
    w->r.agents = w->as;
    w->r.queues = w->qs;
    w->r.alarms = w->alarms;
    w->sample = (struct wf_top_sample){ at_ms, &w->r };
}

static void setup(void)
{
    begin(&was, 5000);
    begin(&now, 7000); // two seconds later
}

static const struct wf_top_product *find(const struct wf_top_product *list, const char *name)
{
    for (size_t i = 0; i < now.r.n_products; i++)
        if (strcmp(list[i].state->name, name) == 0)
            return &list[i];
    ck_abort_msg("no %s", name);
    return NULL;
}

static void add_source(const char *product, const char *state, const char *error)
{
    Weft__V1__SourceState *s = &now.s[now.r.n_sources];

    weft__v1__source_state__init(s);
    s->product = (char *)(uintptr_t)product;
    s->state = (char *)(uintptr_t)state;
    s->error = (char *)(uintptr_t)error;
    now.ss[now.r.n_sources++] = s;
}

static void add_agent(const char *subject, const char *state)
{
    Weft__V1__AgentInfo *a = &now.a[now.r.n_agents];

    weft__v1__agent_info__init(a);
    a->subject = (char *)(uintptr_t)subject;
    a->state = (char *)(uintptr_t)state;
    a->heard_ms = 70000;
    now.as[now.r.n_agents++] = a;
    now.r.agent_count++;
}

static void add_queue(struct world *w, const char *name, uint64_t bytes, uint64_t dropped)
{
    Weft__V1__QueueState *q = &w->q[w->r.n_queues];

    weft__v1__queue_state__init(q);
    q->name = (char *)(uintptr_t)name;
    q->bytes = bytes;
    q->max_bytes = 1000;
    q->dropped = dropped;
    w->qs[w->r.n_queues++] = q;
}

static struct wf_picture page; // with the screen that the next picture has

static const char *picture(const struct wf_top_sample *before, const struct wf_top_view *v)
{
    struct wf_picture screen = { .rows = page.rows, .columns = page.columns };

    wf_picture_fini(&page);
    page = screen;
    ck_assert_int_eq(wf_top_text(before, &now.sample, v, &page), WEFT_OK);
    return page.text;
}

// ---- rates -----------------------------------------------------------------------------------------------------------

START_TEST(a_rate_is_the_difference_over_the_time_between_two_answers)
{
    struct wf_top_product list[2];

    add_product(&was, "cpu", 1000);
    add_product(&now, "cpu", 1500);
    add_product(&now, "new", 40);
    wf_top_products(&was.sample, &now.sample, WF_TOP_NAME, list);
    const struct wf_top_product *cpu = find(list, "cpu");
    ck_assert(cpu->has_rates);
    ck_assert_double_eq_tol(cpu->records_s, 250, 1e-9);
    ck_assert_double_eq_tol(cpu->bytes_s, 25000, 1e-9);
    ck_assert_double_eq_tol(cpu->batches_s, 25, 1e-9);
    ck_assert(!find(list, "new")->has_rates); // it was not there before
}
END_TEST

static const struct {
    const char *why;
    bool has_before;
    int64_t started_ms, at_ms;
    uint64_t records;
} no_rates[] = {
    { "the first answer", false, 1000, 5000, 1000 },
    { "weftd was started anew: its counters are others", true, 999, 5000, 1000 },
    { "a counter that fell", true, 1000, 5000, 2000 },
    { "no time has passed", true, 1000, 7000, 1000 },
};

START_TEST(no_rate_is_told_where_there_is_none)
{
    struct wf_top_product list[1];

    was.r.started_ms = no_rates[_i].started_ms;
    was.sample.at_ms = no_rates[_i].at_ms;
    add_product(&was, "cpu", no_rates[_i].records);
    add_product(&now, "cpu", 1500);
    wf_top_products(no_rates[_i].has_before ? &was.sample : NULL, &now.sample, WF_TOP_NAME, list);
    ck_assert_msg(!list[0].has_rates, "%s", no_rates[_i].why);
}
END_TEST

START_TEST(drops_of_a_queue_have_a_rate)
{
    add_queue(&was, "log", 10, 5);
    add_queue(&now, "log", 500, 9);
    add_queue(&now, "fresh", 0, 1);
    ck_assert_double_eq_tol(wf_top_drops_s(&was.sample, &now.sample, &now.q[0]), 2, 1e-9);
    ck_assert_double_lt(wf_top_drops_s(&was.sample, &now.sample, &now.q[1]), 0);
    ck_assert_double_lt(wf_top_drops_s(NULL, &now.sample, &now.q[0]), 0);
    const char *text = picture(&was.sample, &(struct wf_top_view){ 0 });
    ck_assert_ptr_nonnull(strstr(text, "50%")); // 500 of 1000 bytes
}
END_TEST

START_TEST(products_come_in_the_order_asked_for)
{
    static const char *const want[WF_TOP_SORTS] = {
        [WF_TOP_NAME] = "abc",
        [WF_TOP_RECORDS] = "cba",
        [WF_TOP_BYTES] = "bca",
        [WF_TOP_LAG] = "acb",
        [WF_TOP_AGE] = "bac",
    };
    struct wf_top_product list[3];

    for (int i = 0; i < 3; i++)
        add_product(&was, (const char *[]){ "c", "a", "b" }[i], 0);
    add_product(&now, "c", 300)->last_append_ms = now.r.time_ms - 10;
    add_product(&now, "a", 100);
    add_product(&now, "b", 200);
    now.p[0].stored_bytes = 500;
    now.p[1].stored_bytes = 100;
    now.p[2].stored_bytes = 900;
    now.p[1].lag_max = 7;
    now.p[0].lag_max = 3;
    now.p[2].last_append_ms = 0; // never
    for (int s = 0; s < WF_TOP_SORTS; s++) {
        char got[4] = "";
        wf_top_products(&was.sample, &now.sample, (enum wf_top_sort)s, list);
        for (int i = 0; i < 3; i++)
            got[i] = list[i].state->name[0];
        ck_assert_msg(
            strcmp(got, want[s]) == 0, "%s: %s, not %s", wf_top_sort_names[s], got, want[s]);
    }
}
END_TEST

// ---- silence ---------------------------------------------------------------------------------------------------------

static const struct silence {
    const char *why, *state, *source, *error;
    int64_t age_ms, freshness_ms; // age -1: no record ever
    bool agents_gone;
    const char *cause; // NULL: not silent
} silences[] = {
    { "within its promise", "up", NULL, "", 4000, 5000, false, NULL },
    { "it promises nothing", "up", NULL, "", 9000000, 0, false, NULL },
    { "nobody publishes", "up", NULL, "", 6000, 5000, false, "nobody publishes" },
    { "nobody ever did", "up", NULL, "", -1, 5000, false, "nobody publishes" },
    { "its source ends", "up", "failed", "no such device", 6000, 5000, true,
        "source failed: no such device" },
    { "its source was stopped", "up", "stopped", "", 6000, 5000, false, "source stopped" },
    { "its source waits for its turn", "up", "waiting", "", 6000, 5000, true, "nobody publishes" },
    { "its hosts are gone", "up", NULL, "", 6000, 5000, true, "of its hosts 1 are late, 1 gone" },
    { "its log takes nothing", "failing", NULL, "", 10, 5000, true, "its log takes nothing" },
    { "whatever it promises", "failing", NULL, "", 10, 0, false, "its log takes nothing" },
    { "its log is not begun", "starting", NULL, "", -1, 0, false,
        "its log could not be begun yet" },
    { "an api has no records", "api", NULL, "", -1, 5000, false, NULL },
};

START_TEST(what_is_silent_says_since_when_and_why)
{
    const struct silence *s = &silences[_i];
    struct wf_top_product list[1];
    Weft__V1__ProductState *p = add_product(&now, "cpu", 1);

    p->state = (char *)(uintptr_t)s->state;
    p->freshness_ms = s->freshness_ms;
    p->last_append_ms = s->age_ms < 0 ? 0 : now.r.time_ms - s->age_ms;
    add_source("other", "failed", "not ours");
    if (s->source)
        add_source("cpu", s->source, s->error);
    if (s->agents_gone) {
        add_agent("web-1", "gone");
        add_agent("web-2", "late");
    }
    wf_top_products(NULL, &now.sample, WF_TOP_NAME, list);
    ck_assert_msg(list[0].silent == (s->cause != NULL), "%s: %s", s->why, list[0].cause);
    ck_assert_msg(wf_top_is_silent(&now.r, p) == list[0].silent, "%s: node status", s->why);
    ck_assert_msg(
        strcmp(list[0].cause, s->cause ? s->cause : "") == 0, "%s: %s", s->why, list[0].cause);
    ck_assert_int_eq(list[0].age_ms, s->age_ms);
    const char *text = picture(NULL, &(struct wf_top_view){ 0 });
    ck_assert_msg((strstr(text, "SILENT") != NULL) == (s->cause != NULL), "%s: %s", s->why, text);
}
END_TEST

START_TEST(a_clock_that_stepped_back_makes_no_age_from_the_future)
{
    struct wf_top_product list[1];

    add_product(&now, "cpu", 1)->last_append_ms = now.r.time_ms + 3600000;
    wf_top_products(NULL, &now.sample, WF_TOP_NAME, list);
    ck_assert_int_eq(list[0].age_ms, 0);
}
END_TEST

// ---- the picture -----------------------------------------------------------------------------------------------------

static void fill(void)
{
    char name[16];

    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "product-%03u", i);
        add_product(&was, name, i);
        add_product(&now, name, 10 * i);
    }
    weft__v1__reader_state__init(&now.l[0]);
    now.l[0].reader = (char *)(uintptr_t) "monitoring/mon-1";
    now.l[0].product = (char *)(uintptr_t) "product-001";
    now.l[0].lag = 4321;
    now.l[0].unsent = 77123;
    now.ls[now.r.n_readers++] = &now.l[0];
    now.r.reader_count = 5000;
    weft__v1__peer_state__init(&now.peer);
    now.peer.domain = (char *)(uintptr_t) "network";
    now.peer.heard_ms = -1;
    now.peer.error = (char *)(uintptr_t) "a\033[2J\n\x7f\302\2332J"
                                         "b";
    now.peers[now.r.n_peers++] = &now.peer;
    add_agent("web-1", "gone");
    add_queue(&now, "log", 1, 0);
    add_queue(&now, "sender", 1, 0);
    now.alarms[0] = (char *)(uintptr_t) "disk: \xc3\xa4 full\r";
    now.r.n_alarms = 1;
}

static void add_reader(struct world *w, const char *verb, uint64_t position, int64_t heard_ms)
{
    Weft__V1__ReaderState *s = &w->l[w->r.n_readers];

    weft__v1__reader_state__init(s);
    s->reader = (char *)(uintptr_t) "monitoring/mon-1";
    s->product = (char *)(uintptr_t) "cpu";
    s->verb = (char *)(uintptr_t)verb;
    s->position = position;
    s->heard_ms = heard_ms;
    w->ls[w->r.n_readers++] = s;
}

START_TEST(a_readers_rate_is_how_its_place_moves)
{
    add_reader(&was, "replay", 5, 10);
    add_reader(&now, "replay", 11, 10);
    add_reader(&was, "subscribe", 1000, 10);
    add_reader(&now, "subscribe", 1500, 10);
    ck_assert_double_eq(wf_top_reader_s(&was.sample, &now.sample, &now.l[0]), 3);
    ck_assert_double_eq(wf_top_reader_s(&was.sample, &now.sample, &now.l[1]), 250);
    ck_assert_double_lt(wf_top_reader_s(NULL, &now.sample, &now.l[1]), 0);
    now.l[1].position = 999; // another program, or an older log
    ck_assert_double_lt(wf_top_reader_s(&was.sample, &now.sample, &now.l[1]), 0);
    now.l[1].position = 1500;
    was.l[1].heard_ms = -1; // a place that it never told
    ck_assert_double_lt(wf_top_reader_s(&was.sample, &now.sample, &now.l[1]), 0);
    was.l[1].heard_ms = 10;
    add_reader(&now, "subscribe", 1600, 10); // which of the two is the one before?
    ck_assert_double_lt(wf_top_reader_s(&was.sample, &now.sample, &now.l[1]), 0);
    ck_assert_double_lt(wf_top_reader_s(&was.sample, &now.sample, &now.l[2]), 0);
}
END_TEST

static const struct {
    unsigned rows, columns;
} screens[] = { { 1, 20 }, { 2, 40 }, { 10, 80 }, { 24, 80 }, { 50, 200 }, { 200, 120 } };

START_TEST(the_picture_keeps_to_its_screen)
{
    struct wf_top_view v = { 0 };
    unsigned lines = 0;

    page = (struct wf_picture){ .rows = screens[_i].rows, .columns = screens[_i].columns };
    fill();
    for (const char *p = picture(&was.sample, &v), *end; *p; p = end + 1) {
        unsigned wide = 0;
        end = strchr(p, '\n');
        ck_assert_ptr_nonnull(end);
        lines++;
        for (const char *c = p; c < end; c++)
            wide += ((unsigned char)*c & 0xc0) != 0x80;
        ck_assert_msg(wide <= page.columns, "%u columns: %.*s", wide, (int)(end - p), p);
    }
    ck_assert_uint_le(lines, page.rows);
    ck_assert_uint_gt(lines, 0);
}
END_TEST

START_TEST(every_section_is_on_a_screen_of_usual_size)
{
    static const char *const want[] = { "ALARM disk", "PRODUCT ", "… and", "READER ",
        "monitoring/mon-1", "77.1k", "4999 more", "PEER ", "never", "AGENT ", "no poll for 5 min",
        "QUEUE " };
    struct wf_top_view v = { 0 };

    page = (struct wf_picture){ .rows = 50, .columns = 160 };
    fill();
    const char *text = picture(&was.sample, &v);
    for (size_t i = 0; i < WF_COUNT(want); i++)
        ck_assert_msg(strstr(text, want[i]) != NULL, "no %s in\n%s", want[i], text);
}
END_TEST

START_TEST(what_others_said_never_steers_the_terminal)
{
    fill();
    for (const char *p = picture(&was.sample, &(struct wf_top_view){ 0 }); *p;) {
        uint32_t code = 0;
        p += wf_screen_next(p, strlen(p), &code);
        ck_assert_msg(code == WF_SCREEN_SHOWN || code == '\n', "%x", code);
    }
}
END_TEST

START_TEST(an_answer_that_does_not_come_is_told_above_the_last_one)
{
    struct wf_top_view v = { .problem = "no weftd answers", .problem_ms = 9000 };

    add_product(&now, "cpu", 1);
    const char *text = picture(NULL, &v);
    ck_assert_ptr_nonnull(strstr(text, "NO ANSWER for 9 s: no weftd answers"));
    ck_assert_ptr_nonnull(strstr(text, "cpu"));
}
END_TEST

// ---- JSON ------------------------------------------------------------------------------------------------------------

START_TEST(a_sample_is_one_line_of_json)
{
    struct wf_buf out = { 0 };

    fill();
    ck_assert_int_eq(wf_top_json(&was.sample, &now.sample, WF_TOP_RECORDS, &out), WEFT_OK);
    ck_assert(out.len && memchr(out.ptr, '\n', out.len) == out.ptr + out.len - 1);
    json_t *j = json_loadb((const char *)out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert_str_eq(json_string_value(json_object_get(j, "schema")), "weft.top/v1");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "interval_ms")), 2000);
    json_t *top = json_array_get(json_object_get(j, "products"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(top, "product")), "product-299");
    ck_assert_double_eq_tol(
        json_number_value(json_object_get(top, "records_per_s")), 9 * 299 / 2.0, 1e-3);
    ck_assert(json_is_null(json_object_get(top, "lag_max"))); // nobody reads it
    json_t *peer = json_array_get(json_object_get(j, "peers"), 0);
    ck_assert(json_is_null(json_object_get(peer, "heard_ms"))); // never
    ck_assert_str_eq(json_string_value(json_object_get(peer, "cause")), now.peer.error);
    ck_assert_int_eq(json_integer_value(json_object_get(j, "reader_count")), 5000);
    json_t *reader = json_array_get(json_object_get(j, "readers"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(reader, "unsent")), 77123);
    ck_assert(json_is_null(json_object_get(reader, "records_per_s"))); // not there before
    json_t *queue = json_array_get(json_object_get(j, "queues"), 1);
    ck_assert(json_is_null(json_object_get(queue, "drops_per_s"))); // not there before
    json_decref(j);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    struct wf_top_view v = { 0 };
    enum weft_err err = WEFT_E_NOMEM;
    struct wf_buf out = { 0 };

    fill();
    for (long nth = 1; err && nth < 100; nth++) {
        wf_buf_fini(&out);
        wf_picture_fini(&page);
        wf_test_fail_alloc(nth);
        err = wf_top_text(&was.sample, &now.sample, &v, &page);
        if (!err)
            err = wf_top_json(&was.sample, &now.sample, WF_TOP_NAME, &out);
        wf_test_fail_alloc(-1);
        ck_assert(err == WEFT_OK || err == WEFT_E_NOMEM);
    }
    ck_assert_int_eq(err, WEFT_OK);
    wf_buf_fini(&out);
    wf_picture_fini(&page);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.top");
    TCase *tc = tcase_create("samples");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_rate_is_the_difference_over_the_time_between_two_answers);
    tcase_add_loop_test(tc, no_rate_is_told_where_there_is_none, 0, (int)WF_COUNT(no_rates));
    tcase_add_test(tc, drops_of_a_queue_have_a_rate);
    tcase_add_test(tc, products_come_in_the_order_asked_for);
    tcase_add_loop_test(tc, what_is_silent_says_since_when_and_why, 0, (int)WF_COUNT(silences));
    tcase_add_test(tc, a_clock_that_stepped_back_makes_no_age_from_the_future);
    tcase_add_test(tc, a_readers_rate_is_how_its_place_moves);
    tcase_add_loop_test(tc, the_picture_keeps_to_its_screen, 0, (int)WF_COUNT(screens));
    tcase_add_test(tc, every_section_is_on_a_screen_of_usual_size);
    tcase_add_test(tc, what_others_said_never_steers_the_terminal);
    tcase_add_test(tc, an_answer_that_does_not_come_is_told_above_the_last_one);
    tcase_add_test(tc, a_sample_is_one_line_of_json);
    tcase_add_test(tc, without_memory_it_says_so_and_leaks_nothing);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

// SPDX-License-Identifier: Apache-2.0
// The repair machine against a home in simulated time: frames are lost, doubled and overtake each other, requests fail and are slow, the
// stream falls silent, old records are dropped, the home starts anew with or without a lost tail. Whatever happens, what is delivered is in
// order, once, and what the home appended; only what retention dropped, a crash took or a copy put back left out is reported lost; and when the faults end the reader
// arrives at the head.
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "sdk/repair.h"
#include "tests/support/support.h"

#define LOGS     64u
#define MESSAGES 512u

struct ent { // an entry of the home, in its order
    unsigned log;
    uint64_t offset, end;
    bool reset;
    unsigned gone; // the log that began without it; 0: it is there
};

struct message { // on its way to the reader
    int64_t at_ms;
    enum { TO_FRAME, TO_BEAT, TO_REPLY } kind;
    size_t first, count; // entries
    unsigned log;        // the home's when it was sent
    struct wf_repair_loss loss;
    uint32_t request;
    uint64_t next;
    enum weft_err err;
    struct wf_heartbeat beat;
    bool used;
};

struct faults {
    unsigned lost, doubled, delayed, failing; // in a thousand
    unsigned resets;                          // one in so many appends; 0 = never
    unsigned retention;                       // entries kept; 0 = all
    unsigned silences;                        // one in so many appends
    unsigned copies; // one in so many appends the log is put back from a copy
    bool lost_tails, pauses;
};

struct sim {
    uint64_t rand, seed;
    struct faults f;
    int64_t now;
    struct ent *ents;
    size_t ent_count;
    unsigned log;
    uint64_t log_end[LOGS]; // where each log ended
    uint64_t told[LOGS];    // the head of each as a heartbeat that arrived told it
    bool unknown[LOGS];     // left out of the copy
    uint64_t head, floor;
    struct message *messages;
    struct wf_repair *r;
    bool mute, paused, asked_in_step;
    int64_t mute_until, paused_until;
    // the reader
    unsigned at_log;
    uint64_t at;
    bool entered;       // at_log is known to the machine
    uint64_t told_here; // the head of at_log, as told since it was entered
    size_t items, delivered, lost, requests, losses, unknowns;
};

static uint64_t below(struct sim *s, uint64_t n)
{
    return wf_test_rand(&s->rand) % n;
}

static bool chance(struct sim *s, unsigned in_thousand)
{
    return below(s, 1000) < in_thousand;
}

static struct wf_incarnation id_of(unsigned log)
{
    return (struct wf_incarnation){ 1000 + log, 7 };
}

static unsigned log_of(const struct wf_incarnation *id)
{
    return (unsigned)(id->counter - 1000);
}

// ---- the home --------------------------------------------------------------------------------------------------------------

static void add(struct sim *s, struct ent e)
{
    s->ents[s->ent_count++] = e;
}

static struct wf_heartbeat beat_of(const struct sim *s)
{
    return (struct wf_heartbeat){
        .log_id = id_of(s->log), .head_offset = s->head, .floor_offset = s->floor
    };
}

static struct message *send(struct sim *s, int64_t delay)
{
    for (size_t i = 0; i < MESSAGES; i++)
        if (!s->messages[i].used) {
            s->messages[i] =
                (struct message){ .used = true, .at_ms = s->now + delay, .log = s->log };
            return &s->messages[i];
        }
    return NULL; // the network is full: lost
}

static int64_t delay(struct sim *s)
{
    return 1 + (chance(s, s->f.delayed) ? (int64_t)below(s, 60) : 0);
}

static void send_frame(struct sim *s, size_t first, size_t count)
{
    unsigned copies = chance(s, s->f.lost) || s->mute ? 0 : chance(s, s->f.doubled) ? 2 : 1;

    while (copies--) {
        struct message *m = send(s, delay(s));
        if (!m)
            return;
        m->kind = TO_FRAME;
        m->first = first;
        m->count = count;
    }
}

static void send_beat(struct sim *s)
{
    struct message *m = chance(s, s->f.lost) || s->mute ? NULL : send(s, delay(s));

    if (m) {
        m->kind = TO_BEAT;
        m->beat = beat_of(s);
    }
}

// The log under way ended there; so did those before it that reach beyond.
static void begin_log(struct sim *s, uint64_t end)
{
    for (unsigned l = 0; l <= s->log; l++)
        if (l == s->log || s->log_end[l] > end)
            s->log_end[l] = end;
    s->head = end;
    s->log++;
    add(s, (struct ent){ .log = s->log, .offset = end, .end = end, .reset = true });
}

static void restart(struct sim *s)
{
    uint64_t end = s->head;

    if (s->log + 1 == LOGS)
        return;
    for (size_t i = s->ent_count, n = s->f.lost_tails ? below(s, 4) : 0; n && i-- > 0; n--) {
        if (s->ents[i].log != s->log || s->ents[i].reset || s->ents[i].offset < s->floor)
            break;
        s->ents[i].gone = s->log + 1;
        end = s->ents[i].offset;
    }
    begin_log(s, end);
}

// The log as it was a while ago is put back: entries are gone, and perhaps whole logs, of which the home knows nothing then.
static void put_back(struct sim *s)
{
    uint64_t end = s->head;

    if (s->log + 1 == LOGS)
        return;
    for (size_t i = s->ent_count, n = below(s, 60); n && i-- > 1; n--) {
        struct ent *e = &s->ents[i];
        if (e->gone)
            continue;
        if (e->offset < s->floor)
            break;
        e->gone = s->log + 1;
        end = e->offset;
        if (e->reset)
            s->unknown[e->log] = true;
    }
    begin_log(s, end);
}

static void append(struct sim *s)
{
    size_t first = s->ent_count, count = 1 + below(s, 4);

    if (s->f.resets && below(s, s->f.resets) == 0)
        restart(s);
    if (s->f.copies && below(s, s->f.copies) == 0)
        put_back(s);
    if (s->f.silences && below(s, s->f.silences) == 0)
        s->mute_until = s->now + 4000 + (int64_t)below(s, 8000);
    first = s->ent_count;
    for (size_t i = 0; i < count; i++) {
        uint64_t n = 1 + below(s, 5);
        add(s, (struct ent){ .log = s->log, .offset = s->head, .end = s->head + n });
        s->head += n;
    }
    if (s->f.retention && s->ent_count > s->f.retention) {
        const struct ent *oldest = &s->ents[s->ent_count - s->f.retention];
        if (!oldest->gone && oldest->offset > s->floor && oldest->offset <= s->head)
            s->floor = oldest->offset;
    }
    send_frame(s, first, count);
    if (below(s, 3) == 0)
        send_beat(s);
}

// As node/stream/range.c answers: entries from a position on, resets that the reader does not know, losses for what is gone.
static void serve(struct sim *s, const struct wf_repair_action *a)
{
    bool anywhere = wf_incarnation_is_none(&a->log_id);
    unsigned log = anywhere ? 0 : log_of(&a->log_id);
    uint64_t from = a->from, max = 1 + below(s, 20);
    bool waits = a->wait && from >= s->head;
    struct message *m = send(s, delay(s) + (waits ? 40 : 0));

    if (!m)
        return; // as a request that timed out would, but for ever; the tests keep the network large enough
    m->kind = TO_REPLY;
    m->request = a->request;
    if (chance(s, s->f.failing)) {
        m->err = chance(s, 500) ? WEFT_E_TIMEOUT : WEFT_E_BUSY;
        return;
    }
    if (!anywhere && s->unknown[log]) {
        m->err = WEFT_E_LOG_ID;
        s->unknowns++;
        return;
    }
    if (!anywhere && log != s->log && from > s->log_end[log])
        from = s->log_end[log];
    m->next = from;
    if (from < s->floor) {
        uint64_t to = a->to && a->to < s->floor ? a->to : s->floor;
        m->loss = (struct wf_repair_loss){ from, to, WEFT_E_RETENTION };
        m->next = from = to;
    }
    m->first = s->ent_count;
    for (size_t i = 0; i < s->ent_count && m->count < max; i++) {
        const struct ent *e = &s->ents[i];
        bool known_reset = e->reset && !anywhere && e->log <= log;
        if (e->gone || known_reset || e->offset < s->floor || (!e->reset && e->end <= from) ||
            (e->reset && e->offset < from))
            continue;
        if (a->to && e->offset >= a->to)
            break;
        if (m->count == 0)
            m->first = i;
        m->count = i + 1 - m->first;
        m->next = e->end;
    }
    m->beat = beat_of(s);
}

// ---- the reader ------------------------------------------------------------------------------------------------------------

static void free_item(void *arg, void *item)
{
    struct sim *s = arg;

    s->items--;
    free(item);
}

static void delivered(struct sim *s, const struct wf_repair_action *a)
{
    struct ent e = *(struct ent *)a->entry.item;

    free_item(s, a->entry.item);
    if (e.reset) {
        ck_assert_uint_eq(s->at_log, e.log);
        ck_assert_uint_eq(s->at, e.offset);
        return;
    }
    ck_assert_msg(e.log == s->at_log, "seed %llu: entry of log %u while in %u",
        (unsigned long long)s->seed, e.log, s->at_log);
    ck_assert_msg(a->from == s->at, "seed %llu: from %llu at %llu", (unsigned long long)s->seed,
        (unsigned long long)a->from, (unsigned long long)s->at);
    ck_assert_msg(e.offset <= s->at && s->at < e.end, "seed %llu: [%llu, %llu) at %llu",
        (unsigned long long)s->seed, (unsigned long long)e.offset, (unsigned long long)e.end,
        (unsigned long long)s->at);
    s->at = e.end;
    s->delivered++;
}

static bool was_told(const struct sim *s, const struct wf_repair_action *a)
{
    unsigned log = log_of(&a->log_id);

    return a->code == WEFT_E_LOST && log < s->log && a->from >= s->log_end[log] &&
           a->to <= s->told[log];
}

static void lost(struct sim *s, const struct wf_repair_action *a)
{
    ck_assert(a->from == s->at && a->from < a->to);
    bool dropped = a->code == WEFT_E_RETENTION && s->f.retention && a->to <= s->floor;
    ck_assert_msg(dropped || was_told(s, a),
        "seed %llu: %s reported lost: [%llu, %llu), floor %llu head %llu",
        (unsigned long long)s->seed, weft_err_name(a->code), (unsigned long long)a->from,
        (unsigned long long)a->to, (unsigned long long)s->floor, (unsigned long long)s->head);
    s->at = a->to;
    s->losses++;
}

static void act(void *arg, const struct wf_repair_action *a)
{
    struct sim *s = arg;

    switch (a->kind) {
    case WF_REP_DELIVER:
        delivered(s, a);
        break;
    case WF_REP_LOSS:
        lost(s, a);
        break;
    case WF_REP_RANGE:
    case WF_REP_PULL:
        ck_assert_msg(
            !s->paused, "seed %llu: asked while there is no room", (unsigned long long)s->seed);
        s->requests++;
        serve(s, a);
        break;
    case WF_REP_LOG:
        ck_assert_msg(!s->entered || s->at >= s->told_here,
            "seed %llu: log %u is left at %llu, and its head was %llu", (unsigned long long)s->seed,
            s->at_log, (unsigned long long)s->at, (unsigned long long)s->told_here);
        s->at_log = log_of(&a->log_id);
        s->at = a->from;
        s->entered = true;
        s->told_here = 0;
        break;
    case WF_REP_POSITION:
    case WF_REP_MODE:
        break;
    }
}

static void step(struct sim *s, struct wf_repair_event *e)
{
    wf_repair_pause(s->r, s->paused);
    wf_repair_step(s->r, s->now, e, act, s);
}

static size_t entries_of(struct sim *s, const struct message *m, struct wf_repair_entry *out)
{
    size_t n = 0;

    for (size_t i = m->first; i < m->first + m->count; i++) {
        const struct ent *e = &s->ents[i];
        const struct wf_incarnation id = id_of(e->log);
        bool gone = e->gone && e->gone <= m->log && m->kind != TO_FRAME;
        if (gone || (!e->reset && !wf_repair_wants(s->r, &id, e->offset, e->end)))
            continue;
        struct ent *copy = malloc(sizeof *copy);
        *copy = *e;
        s->items++;
        out[n++] = (struct wf_repair_entry){ .log_id = id,
            .offset = e->offset,
            .end = e->end,
            .bytes = 100,
            .is_reset = e->reset,
            .previous_log = e->log ? id_of(e->log - 1) : (struct wf_incarnation){ 0 },
            .end_offset = e->offset,
            .item = copy };
    }
    return n;
}

static void receive(struct sim *s, struct message *m)
{
    struct wf_repair_entry entries[64];
    struct wf_repair_event e = { .entries = entries };
    struct message in = *m;

    m->used = false;
    if (!wf_incarnation_is_none(&in.beat.log_id)) {
        uint64_t *told = &s->told[log_of(&in.beat.log_id)];
        *told = in.beat.head_offset > *told ? in.beat.head_offset : *told;
        if (log_of(&in.beat.log_id) == s->at_log && in.beat.head_offset > s->told_here)
            s->told_here = in.beat.head_offset;
    }
    if (in.kind == TO_FRAME && s->paused) {
        e.kind = WF_REP_BEHIND;
    } else if (in.kind == TO_FRAME) {
        e.kind = WF_REP_FRAME;
        e.entry_count = entries_of(s, &in, entries);
    } else if (in.kind == TO_BEAT) {
        e.kind = WF_REP_HEARTBEAT;
        e.heartbeat = &in.beat;
        e.by_stream = true;
        e.next_beat_ms = s->now + 1000;
    } else if (in.err) {
        e.kind = WF_REP_FAILED;
        e.err = in.err;
        e.request = in.request;
    } else {
        e.kind = WF_REP_ENTRIES;
        e.request = in.request;
        e.entry_count = entries_of(s, &in, entries);
        e.losses = &in.loss;
        e.loss_count = in.loss.to > in.loss.from;
        e.next = in.next;
        e.heartbeat = &in.beat;
    }
    step(s, &e);
}

// Everything that happens up to `until`, in order of time.
static void run_until(struct sim *s, int64_t until)
{
    for (unsigned still = 0; s->now < until;) {
        struct message *next = NULL;
        int64_t due = wf_repair_due_ms(s->r);
        for (size_t i = 0; i < MESSAGES; i++)
            if (s->messages[i].used && (!next || s->messages[i].at_ms < next->at_ms))
                next = &s->messages[i];
        int64_t at = next && next->at_ms < due ? next->at_ms : due;
        if (at > until)
            at = until;
        ck_assert_msg(due >= s->now || s->paused, "seed %llu: due %lld at %lld",
            (unsigned long long)s->seed, (long long)due, (long long)s->now);
        still = at <= s->now ? still + 1 : 0;
        ck_assert_msg(still < 4096, "seed %llu: the machine spins at %lld",
            (unsigned long long)s->seed, (long long)s->now);
        s->now = at > s->now ? at : s->now;
        if (s->mute_until && s->now >= s->mute_until)
            s->mute_until = 0;
        s->mute = s->mute_until != 0;
        if (next && next->at_ms <= s->now) {
            receive(s, next);
        } else if (due <= s->now) {
            struct wf_repair_event tick = { .kind = WF_REP_TICK };
            step(s, &tick);
        }
    }
}

static void sim_init(struct sim *s, uint64_t seed, const struct faults *f, size_t entries)
{
    struct wf_repair_conf conf = { .held_bytes = 40000, .free_item = free_item, .arg = s };

    *s = (struct sim){ .seed = seed, .rand = seed * 2654435761u + 1, .f = *f, .now = 1000 };
    s->ents = calloc(entries + 64 * LOGS, sizeof *s->ents);
    s->messages = calloc(MESSAGES, sizeof *s->messages);
    ck_assert(!wf_repair_new(&conf, &s->r));
    add(s, (struct ent){ .reset = true });
}

static void begin(struct sim *s)
{
    struct wf_heartbeat beat = beat_of(s);
    struct wf_repair_event lease = { .kind = WF_REP_LEASE, .heartbeat = &beat };
    static const struct wf_incarnation none;

    s->at = s->floor;
    wf_repair_start(s->r, &none, s->floor);
    step(s, &lease);
}

static void maybe_pause(struct sim *s)
{
    if (s->f.pauses && !s->paused && below(s, 300) == 0) {
        s->paused = true;
        s->paused_until = s->now + (int64_t)below(s, 3000);
    }
    if (s->paused && s->now >= s->paused_until) {
        struct wf_repair_event tick = { .kind = WF_REP_TICK };
        s->paused = false;
        step(s, &tick);
    }
}

static void finish(struct sim *s)
{
    struct wf_incarnation log;
    uint64_t next;

    s->f = (struct faults){ .retention = s->f.retention };
    s->mute_until = 0;
    s->paused_until = s->now;
    maybe_pause(s);
    for (int i = 0; i < 60; i++) {
        send_beat(s);
        run_until(s, s->now + 1000);
    }
    wf_repair_position(s->r, &log, &next);
    ck_assert_msg(next == s->head && log_of(&log) == s->log,
        "seed %llu: ended at %llu of log %u, head %llu of log %u", (unsigned long long)s->seed,
        (unsigned long long)next, log_of(&log), (unsigned long long)s->head, s->log);
    ck_assert_uint_eq(s->at, s->head);
    wf_repair_free(s->r);
    ck_assert_uint_eq(s->items, 0);
    free(s->ents);
    free(s->messages);
}

static size_t all_unknowns, all_losses; // of this process

static void simulate(uint64_t seed, const struct faults *f, size_t entries, int64_t pace)
{
    struct sim s;

    sim_init(&s, seed, f, entries);
    begin(&s);
    while (s.ent_count < entries) {
        append(&s);
        maybe_pause(&s);
        run_until(&s, s.now + 1 + (int64_t)below(&s, (uint64_t)pace));
    }
    all_unknowns += s.unknowns;
    all_losses += s.losses;
    finish(&s);
}

static const struct {
    const char *why;
    struct faults f;
    int64_t pace;
} worlds[] = {
    { "a quiet network", { .delayed = 0 }, 20 },
    { "frames overtake each other", { .delayed = 300 }, 10 },
    { "one frame in ten is lost", { .lost = 100, .delayed = 100 }, 10 },
    { "nearly every frame is lost", { .lost = 900, .delayed = 100 }, 10 },
    { "frames come twice", { .doubled = 500, .delayed = 300 }, 10 },
    { "requests fail half of the time", { .lost = 100, .failing = 500 }, 10 },
    { "the stream falls silent now and then", { .silences = 200 }, 30 },
    { "old records are dropped while the reader is slow",
        { .lost = 300, .failing = 700, .retention = 40, .pauses = true }, 10 },
    { "the home starts anew", { .resets = 100, .lost = 50, .delayed = 100 }, 10 },
    { "the home loses its tail", { .resets = 100, .lost_tails = true, .delayed = 100 }, 10 },
    { "the log is put back from a copy",
        { .copies = 40, .resets = 20, .lost = 100, .delayed = 100, .pauses = true }, 10 },
    { "the application stops for seconds", { .pauses = true, .lost = 20 }, 5 },
    { "all of it",
        { .lost = 100,
            .doubled = 50,
            .delayed = 200,
            .failing = 100,
            .resets = 300,
            .lost_tails = true,
            .copies = 700,
            .silences = 500,
            .pauses = true },
        10 },
};

START_TEST(whatever_the_network_does_order_holds_and_the_head_is_reached)
{
    const char *only = getenv("WEFT_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, last = only ? first : 30;

    for (uint64_t seed = first; seed <= last; seed++) {
        if (only)
            fprintf(stderr, "%s: seed %llu\n", worlds[_i].why, (unsigned long long)seed);
        simulate(seed, &worlds[_i].f, 1500, worlds[_i].pace);
    }
    if (worlds[_i].f.copies && !worlds[_i].f.silences && !only) // it does happen
        ck_assert_msg(all_unknowns > 20 && all_losses > 10, "%zu, %zu", all_unknowns, all_losses);
}
END_TEST

START_TEST(a_hundred_thousand_entries_through_every_fault)
{
    const struct faults f = { .lost = 20,
        .doubled = 20,
        .delayed = 100,
        .failing = 20,
        .resets = 3000,
        .lost_tails = true,
        .silences = 5000,
        .pauses = true };

    simulate(4711, &f, 100000, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sdk.repair_sim");
    TCase *t = tcase_create("worlds");

    tcase_set_timeout(t, 110);
    tcase_add_loop_test(
        t, whatever_the_network_does_order_holds_and_the_head_is_reached, 0, (int)WF_COUNT(worlds));
    tcase_add_test(t, a_hundred_thousand_entries_through_every_fault);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

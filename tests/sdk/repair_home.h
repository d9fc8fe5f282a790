// SPDX-License-Identifier: Apache-2.0
// A home in simulated time, and the network before it, for test_repair_sim.c: what it appends, drops and loses, what it sends and answers.
#ifndef WF_TESTS_REPAIR_HOME_H
#define WF_TESTS_REPAIR_HOME_H

#include <check.h>

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
    enum { TO_FRAME, TO_BEAT, TO_REPLY, TO_FORGED } kind;
    size_t first, count; // entries
    unsigned log;        // the home's when it was sent
    struct wf_repair_loss loss;
    uint32_t request;
    uint64_t next;
    enum weft_err err;
    struct wf_heartbeat beat;
    bool used, arrived;
};

struct faults {
    unsigned lost, doubled, delayed, failing; // in a thousand
    unsigned resets;                          // one in so many appends; 0 = never
    unsigned retention;                       // entries kept; 0 = all
    unsigned silences;                        // one in so many appends
    unsigned copies; // one in so many appends the log is put back from a copy
    unsigned
        forged; // one in so many appends a reader makes a frame of a place that the home never had
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
    enum wf_repair_mode mode;
    size_t items, delivered, lost, requests, losses, unknowns, ahead;
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

static void send_forged(struct sim *s)
{
    struct message *m = send(s, delay(s));

    if (!m)
        return;
    m->kind = TO_FORGED;
    m->next = s->head + 1000 + below(s, 1000000000);
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
    if (s->f.forged && below(s, s->f.forged) == 0)
        send_forged(s);
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

#endif

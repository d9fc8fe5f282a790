// SPDX-License-Identifier: Apache-2.0
// cpu: where the processors' time went, from /proc/stat (proc(5)), one row a processor and one, "all", for the sum.
// Times are counters in seconds since boot; busyRatio needs a sample before it and is absent in the first.
#include <stdlib.h>
#include <unistd.h>

#include "domains/common/bounds.h"
#include "domains/common/collector.h"

enum field { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, FIELDS };

static const char *const field_names[FIELDS] = { "user", "nice", "system", "idle", "iowait", "irq",
    "softirq", "steal", "guest", "guestNice" };

struct cpu_time {
    char name[16];  // "all" or the processor's number
    unsigned known; // how many of the fields this kernel writes
    uint64_t ticks[FIELDS];
};

struct cpu_state {
    struct cpu_time *times;
    size_t count;
};

static bool parse_line(struct wf_text line, struct cpu_time *ret)
{
    struct wf_text word;
    struct cpu_time t = { .name = "all" };

    if (!wf_text_word(&line, &word) || !wf_text_has_prefix(word, "cpu"))
        return false;
    struct wf_text number = { word.ptr + 3, word.len - 3 };
    uint32_t ignored = 0;
    if (number.len > 0 &&
        (wf_text_u32(number, &ignored) || wf_text_copy(number, t.name, sizeof t.name)))
        return false;
    while (t.known < FIELDS && wf_text_word(&line, &word)) {
        if (wf_text_u64(word, &t.ticks[t.known]))
            return false;
        t.known++;
    }
    if (t.known <= IDLE)
        return false;
    *ret = t;
    return true;
}

// Idle and waiting times of an offline processor may step back (proc(5)); such a step counts as no time.
static uint64_t elapsed(const struct cpu_time *before, const struct cpu_time *now, enum field f)
{
    return now->ticks[f] > before->ticks[f] ? now->ticks[f] - before->ticks[f] : 0;
}

// The share of the time since `before` in which the processor was neither idle nor waiting for a disk. Guest time is
// part of user time already. False when no time passed.
static bool busy_ratio(const struct cpu_time *before, const struct cpu_time *now, double *ret)
{
    double total = 0, idle = 0;

    for (int f = USER; f <= STEAL; f++)
        total += (double)elapsed(before, now, (enum field)f);
    idle = (double)elapsed(before, now, IDLE) + (double)elapsed(before, now, IOWAIT);
    if (total <= 0)
        return false;
    *ret = (total - idle) / total;
    return true;
}

static const struct cpu_time *find(const struct cpu_state *s, const char *name, size_t hint)
{
    if (hint < s->count && strcmp(s->times[hint].name, name) == 0)
        return &s->times[hint];
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->times[i].name, name) == 0)
            return &s->times[i];
    return NULL;
}

static enum weft_err put_row(
    struct wf_out *out, const struct cpu_time *t, const struct cpu_time *before, double hz)
{
    double ratio = 0;

    wf_out_open_row(out);
    wf_out_str(out, "cpu", wf_text(t->name));
    for (unsigned f = 0; f < t->known; f++)
        wf_out_double(out, field_names[f], (double)t->ticks[f] / hz);
    if (before && busy_ratio(before, t, &ratio))
        wf_out_double(out, "busyRatio", ratio);
    return wf_out_close_row(out);
}

static enum weft_err add(struct cpu_state *s, size_t *cap, const struct cpu_time *t)
{
    if (s->count == *cap) {
        if (s->count >= WF_HOST_MAX_CPUS)
            return WEFT_E_TOO_BIG;
        size_t grown = *cap ? *cap * 2 : 64;
        struct cpu_time *times = realloc(s->times, grown * sizeof *times);
        if (!times)
            return WEFT_E_NOMEM;
        s->times = times;
        *cap = grown;
    }
    s->times[s->count++] = *t;
    return WEFT_OK;
}

static enum weft_err parse(struct wf_collect *c, struct wf_text text, struct cpu_state *ret)
{
    struct cpu_state s = { NULL, 0 };
    struct wf_text line;
    size_t cap = 0;
    enum weft_err err = WEFT_OK;

    while (!err && wf_text_line(&text, &line)) {
        struct cpu_time t;
        if (parse_line(line, &t))
            err = add(&s, &cap, &t);
    }
    if (err)
        wf_problem(c, err, "%s/proc/stat: %s", c->root,
            err == WEFT_E_TOO_BIG ? "too many processors" : "out of memory");
    else if (s.count == 0)
        err = wf_problem(c, WEFT_E_SYNTAX, "%s/proc/stat: no line of a processor", c->root);
    if (err) {
        free(s.times);
        return err;
    }
    *ret = s;
    return WEFT_OK;
}

void wf_collect_cpu_forget(void *state)
{
    struct cpu_state *s = state;

    if (s)
        free(s->times);
    free(s);
}

enum weft_err wf_collect_cpu(struct wf_collect *c)
{
    struct wf_file file;
    struct cpu_state now = { NULL, 0 };
    long hz = sysconf(_SC_CLK_TCK);

    enum weft_err err = wf_collect_file(c, "/proc/stat", WF_HOST_MAX_PROC, &file);
    if (err)
        return err;
    err = parse(c, wf_file_text(&file), &now);
    wf_file_fini(&file);
    if (err)
        return err;
    if (!c->state)
        c->state = calloc(1, sizeof(struct cpu_state));
    struct cpu_state *before = c->state;
    if (!before) {
        free(now.times);
        return wf_problem(c, WEFT_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < now.count && !err; i++)
        err = put_row(
            c->out, &now.times[i], find(before, now.times[i].name, i), hz > 0 ? (double)hz : 100.0);
    free(before->times);
    *before = now;
    return err;
}

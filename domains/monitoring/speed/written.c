// SPDX-License-Identifier: Apache-2.0
// Series of values as people write them, in the notation of promtool's tests: `A+BxN` is N + 1 values from A in steps of B, `AxN` is A N + 1
// times, `_xN` N times nothing. Beyond it: words, wave(MEAN,AMPLITUDE,PERIOD,NOISE)xN and noise(MEAN,SPREAD)xN, N values each, the same ones
// at every run. See trial.h.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/trial.h"

struct writer {
    struct wf_pool *pool;
    struct wf_written *out;
    size_t count;
    int64_t every_ms;
    char *why;
    size_t why_size;
};

static bool fail(struct writer *w, const char *why, const char *word)
{
    snprintf(w->why, w->why_size, "%s: \"%.60s\"", why, word);
    return false;
}

static bool put(struct writer *w, struct wf_written v, const char *word)
{
    if (w->count == WF_TRIAL_VALUES)
        return fail(w, "too many values", word);
    w->out[w->count++] = v;
    return true;
}

// The N behind an x at the end of a word, which is cut off there. False: no number.
static bool take_times(char *word, unsigned long *ret, bool *ret_has)
{
    char *x = strrchr(word, 'x'), *end = NULL;

    *ret_has = x && x > word && isdigit((unsigned char)x[1]);
    *ret = 0;
    if (!*ret_has)
        return true;
    *ret = strtoul(x + 1, &end, 10);
    if (*end) {
        *ret_has = false;
        return true; // an x within a word
    }
    *x = '\0';
    return *ret <= WF_TRIAL_VALUES;
}

// In [-1, 1], the same for the same place.
static double jitter(size_t i)
{
    uint64_t h = wf_sum(0, &i, sizeof i);

    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    h ^= h >> 32;
    return (double)(h & 0xffffff) / 0x7fffff - 1;
}

// A number that ends with `end`. *at moves behind it.
static bool take_argument(const char **at, char end, double *ret)
{
    char *rest = NULL;

    *ret = strtod(*at, &rest);
    if (rest == *at || *rest != end || !isfinite(*ret))
        return false;
    *at = rest + 1;
    return true;
}

struct generator {
    double mean, amplitude, noise;
    int64_t period_ms;
};

static bool read_generator(const char *word, struct generator *ret)
{
    char period[32];
    bool wave = strncmp(word, "wave(", 5) == 0;
    const char *at = word + (wave ? 5 : 6);

    *ret = (struct generator){ .period_ms = 1 };
    if (!wave)
        return strncmp(word, "noise(", 6) == 0 && take_argument(&at, ',', &ret->mean) &&
               take_argument(&at, ')', &ret->noise);
    if (!take_argument(&at, ',', &ret->mean) || !take_argument(&at, ',', &ret->amplitude))
        return false;
    snprintf(period, sizeof period, "%.*s", (int)strcspn(at, ","), at);
    at += strcspn(at, ",") + (strchr(at, ',') != NULL);
    return !weft_conf_duration(period, &ret->period_ms) && ret->period_ms > 0 &&
           take_argument(&at, ')', &ret->noise);
}

static bool put_generated(struct writer *w, const char *word, unsigned long times)
{
    struct generator g;

    if (!read_generator(word, &g))
        return fail(w, "want wave(MEAN,AMPLITUDE,PERIOD,NOISE) or noise(MEAN,SPREAD)", word);
    for (unsigned long i = 0; i < times; i++) {
        double t = (double)w->count * (double)w->every_ms / (double)g.period_ms;
        double v =
            g.mean + g.amplitude * sin(2 * 3.14159265358979 * t) + g.noise * jitter(w->count);
        if (!put(w, (struct wf_written){ .number = v }, word))
            return false;
    }
    return true;
}

static bool put_numbers(struct writer *w, const char *word, unsigned long times)
{
    char *end = NULL;
    double v = strtod(word, &end), step = 0;

    if (*end == '+' || *end == '-')
        step = strtod(end, &end);
    if (*end || !isfinite(v) || !isfinite(step))
        return fail(w, "no number", word);
    // Added up as promtool does, roundings and all.
    for (unsigned long i = 0; i <= times; i++) {
        if (!put(w, (struct wf_written){ .number = v }, word))
            return false;
        v += step;
    }
    return true;
}

static bool put_word(struct writer *w, char *word)
{
    unsigned long times;
    bool has;

    if (!take_times(word, &times, &has))
        return fail(w, "too many values", word);
    if (strchr(word, '('))
        return put_generated(w, word, has ? times : 1);
    if (strcmp(word, "_") == 0) {
        for (unsigned long i = 0; i < (has ? times : 1); i++)
            if (!put(w, (struct wf_written){ .missing = true }, word))
                return false;
        return true;
    }
    if (isdigit((unsigned char)*word) || strchr("+-.", *word))
        return put_numbers(w, word, times);
    const char *text = wf_pool_text(w->pool, word, strlen(word));
    if (!text)
        return fail(w, "out of memory", word);
    for (unsigned long i = 0; i <= times; i++)
        if (!put(w, (struct wf_written){ .text = text }, word))
            return false;
    return true;
}

bool wf_written_read(const char *text, int64_t every_ms, struct wf_pool *pool,
    struct wf_written **ret, size_t *ret_count, char *ret_why, size_t size)
{
    struct writer w = { .pool = pool, .every_ms = every_ms, .why = ret_why, .why_size = size };
    const char *p = text;
    bool ok = true;

    w.out = malloc(WF_TRIAL_VALUES * sizeof *w.out);
    if (!w.out)
        return fail(&w, "out of memory", text);
    for (p += strspn(p, " \t\n"); *p && ok; p += strspn(p, " \t\n")) {
        char word[128];
        size_t len = strcspn(p, " \t\n");
        snprintf(word, sizeof word, "%.*s", (int)len, p);
        ok = len < sizeof word ? put_word(&w, word) : fail(&w, "a word too long", word);
        p += len;
    }
    if (ok && !w.count)
        ok = fail(&w, "want values", text);
    struct wf_written *kept = ok ? wf_pool_get(pool, w.count * sizeof *kept) : NULL;
    if (kept) {
        memcpy(kept, w.out, w.count * sizeof *kept);
        *ret = kept;
        *ret_count = w.count;
    }
    free(w.out);
    return kept != NULL || (ok && fail(&w, "out of memory", text));
}

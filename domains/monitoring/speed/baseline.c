// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/baseline.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000
#define MOST    (WF_BASE_HOURS * WF_BASE_SAMPLES)
#define EPOCH_AT                                                                                   \
    72 // 1970-01-01 00:00 was a Thursday: the 72nd hour of a week that begins on Monday

// Infinite samples would make the spread infinite, and then nothing deviates: an owner would be blind by a few large values.
static float narrow(double v)
{
    return (float)fmax(-FLT_MAX, fmin(v, FLT_MAX));
}

static unsigned hour_of(int64_t ms)
{
    int64_t h = ms >= 0 ? ms / HOUR_MS : -((-ms + HOUR_MS - 1) / HOUR_MS);

    return (unsigned)(((h + EPOCH_AT) % WF_BASE_HOURS + WF_BASE_HOURS) % WF_BASE_HOURS);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static double median(float *v, unsigned n)
{
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : ((double)v[n / 2 - 1] + v[n / 2]) / 2;
}

static unsigned gather(const struct wf_baseline *b, unsigned first, unsigned step, float *out)
{
    unsigned n = 0;

    for (unsigned h = first; h < WF_BASE_HOURS; h += step) {
        if (!b->hours[h])
            continue;
        memcpy(out + n, b->hours[h]->samples, b->hours[h]->count * sizeof *out);
        n += b->hours[h]->count;
    }
    return n;
}

void wf_baseline_view(
    const struct wf_baseline *b, int64_t ms, double value, struct wf_base_view *ret)
{
    float v[MOST];
    unsigned hour = hour_of(ms), n = gather(b, hour, WF_BASE_HOURS, v);
    struct wf_base_view out = { .of = WF_BASE_WEEK, .hour = hour };

    if (n < WF_BASE_WARM) {
        out.of = WF_BASE_DAY;
        n = gather(b, hour % 24, 24, v);
    }
    if (n < WF_BASE_WARM) {
        out.of = WF_BASE_ALL;
        n = gather(b, 0, 1, v);
    }
    if (n < WF_BASE_WARM || !isfinite(value)) {
        *ret = (struct wf_base_view){ .hour = hour, .samples = n };
        return;
    }
    out.samples = n;
    out.expected = median(v, n);
    for (unsigned i = 0; i < n; i++)
        v[i] = narrow(fabs(v[i] - out.expected));
    out.spread = fmax(1.4826 * median(v, n), fmax(fabs(out.expected) / 100, 1e-9));
    out.deviation = fmin(fabs(value - out.expected) / out.spread, DBL_MAX);
    *ret = out;
}

static bool add_sample(struct wf_baseline *b, unsigned hour, double value)
{
    struct wf_base_hour *h = b->hours[hour];

    if (!h) {
        h = calloc(1, sizeof *h);
        if (!h)
            return false;
        b->hours[hour] = h;
        b->bytes += sizeof *h;
    }
    h->samples[h->next] = narrow(value);
    h->next = (unsigned char)((h->next + 1) % WF_BASE_SAMPLES);
    h->count = (unsigned char)(h->count < WF_BASE_SAMPLES ? h->count + 1 : h->count);
    return true;
}

bool wf_baseline_learn(struct wf_baseline *b, int64_t ms, double value)
{
    int64_t slot = ms / WF_BASE_SLOT_MS;
    bool ok = true;

    if (!isfinite(value) || (b->summed && slot < b->slot))
        return true;
    if (b->summed && slot > b->slot) {
        ok = add_sample(b, hour_of(b->slot * WF_BASE_SLOT_MS), b->sum / b->summed);
        b->summed = 0;
        b->sum = 0;
    }
    b->slot = slot;
    b->sum += value;
    b->summed++;
    return ok;
}

void wf_base_explain(const struct wf_base_view *v, double value, char *out, size_t size)
{
    static const char *const days[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
        "Saturday", "Sunday" };
    char of[40];

    switch (v->of) {
    case WF_BASE_WEEK:
        snprintf(of, sizeof of, "%s %02uh UTC", days[v->hour / 24 % 7], v->hour % 24);
        break;
    case WF_BASE_DAY:
        snprintf(of, sizeof of, "%02uh UTC of all days", v->hour % 24);
        break;
    case WF_BASE_ALL:
        snprintf(of, sizeof of, "all hours");
        break;
    default:
        snprintf(
            out, size, "%.4g, and %u samples are too few to say what is usual", value, v->samples);
        return;
    }
    snprintf(out, size, "%.4g where %.4g is usual (spread %.2g, %u samples of %s)", value,
        v->expected, v->spread, v->samples, of);
}

void wf_baseline_fini(struct wf_baseline *b)
{
    for (unsigned h = 0; h < WF_BASE_HOURS; h++)
        free(b->hours[h]);
    memset(b, 0, sizeof *b);
}

// A block: version byte, then of each hour that is known its number, count, next and samples. The five minutes under way are not kept.
#define PACK_VERSION 1u
#define PACK_HOUR    (3 + WF_BASE_SAMPLES * sizeof(float))

bool wf_baseline_pack(const struct wf_baseline *b, void **ret, size_t *ret_len)
{
    unsigned char *out = malloc(1 + WF_BASE_HOURS * PACK_HOUR), *p = out;

    if (!out)
        return false;
    *p++ = PACK_VERSION;
    for (unsigned h = 0; h < WF_BASE_HOURS; h++) {
        const struct wf_base_hour *from = b->hours[h];
        if (!from)
            continue;
        *p++ = (unsigned char)h;
        *p++ = from->count;
        *p++ = from->next;
        memcpy(p, from->samples, sizeof from->samples);
        p += sizeof from->samples;
    }
    *ret = out;
    *ret_len = (size_t)(p - out);
    return true;
}

bool wf_baseline_unpack(const void *bytes, size_t len, struct wf_baseline *ret)
{
    struct wf_baseline out = { .slot = 0 };
    const unsigned char *p = bytes;

    if (len < 1 || *p++ != PACK_VERSION || (len - 1) % PACK_HOUR)
        return false;
    for (size_t n = (len - 1) / PACK_HOUR; n > 0; n--, p += PACK_HOUR) {
        struct wf_base_hour *h = NULL;
        if (p[0] < WF_BASE_HOURS && p[1] <= WF_BASE_SAMPLES && p[2] < WF_BASE_SAMPLES &&
            !out.hours[p[0]])
            h = calloc(1, sizeof *h);
        if (!h) {
            wf_baseline_fini(&out);
            return false;
        }
        h->count = p[1];
        h->next = p[2];
        memcpy(h->samples, p + 3, sizeof h->samples);
        for (unsigned i = 0; i < WF_BASE_SAMPLES; i++)
            if (!isfinite(h->samples[i]))
                h->samples[i] = 0;
        out.hours[p[0]] = h;
        out.bytes += sizeof *h;
    }
    *ret = out;
    return true;
}

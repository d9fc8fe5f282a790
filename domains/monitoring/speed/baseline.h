// SPDX-License-Identifier: Apache-2.0
// What is usual for a series at an hour of the week: median and spread of five-minute means. Owns its samples.
//
// A mean of five minutes is a sample of its hour (UTC, 168 in a week); an hour keeps its newest WF_BASE_SAMPLES: two weeks of a series that never
// stops. Spread is 1.4826 times the median absolute deviation (Rousseeuw and Croux 1993: the standard deviation, where values are normal),
// but at least a hundredth of the median's size: a series that never moved has no spread, and is not abnormal for moving a little.
// Until an hour has WF_BASE_WARM samples, the same hour of all days stands in for it, then all hours; before there are WF_BASE_WARM of
// them the answer is unknown. Invariant: memory is bounded by 168 hours. Thread rule: one owner; no clock.
#ifndef WF_MONITORING_BASELINE_H
#define WF_MONITORING_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WF_BASE_HOURS   168u
#define WF_BASE_SAMPLES 24u
#define WF_BASE_WARM    8u
#define WF_BASE_SLOT_MS 300000

struct wf_base_hour {
    unsigned char count, next;
    float samples[WF_BASE_SAMPLES];
};

struct wf_baseline {
    struct wf_base_hour *hours[WF_BASE_HOURS]; // made when first met
    int64_t slot;                              // number of the five minutes that are being summed
    double sum;
    unsigned summed;
    size_t bytes;
};

enum wf_base_of { WF_BASE_NOTHING = 0, WF_BASE_ALL, WF_BASE_DAY, WF_BASE_WEEK };

struct wf_base_view {
    enum wf_base_of of; // what it was compared with; NOTHING: too little is known yet
    double expected, spread;
    double deviation; // (value - expected) / spread, without sign
    unsigned samples;
    unsigned hour; // of the week, 0 = Monday 00:00 UTC
};

// What the past says of a value, before it becomes part of it.
void wf_baseline_view(
    const struct wf_baseline *b, int64_t ms, double value, struct wf_base_view *ret);
// Learns. False without memory: the sample is lost.
bool wf_baseline_learn(struct wf_baseline *b, int64_t ms, double value);
// "9.3 where 2.1 is usual (spread 0.4, 24 samples of Tuesday 14h UTC)"
void wf_base_explain(const struct wf_base_view *v, double value, char *out, size_t size);
void wf_baseline_fini(struct wf_baseline *b);

// For a store: what it knows in one block (malloc'd), and back. False: no memory; not such a block.
bool wf_baseline_pack(const struct wf_baseline *b, void **ret, size_t *ret_len);
bool wf_baseline_unpack(const void *bytes, size_t len, struct wf_baseline *ret);

#endif

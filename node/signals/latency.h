// SPDX-License-Identifier: Apache-2.0
// Times of many events in little memory: a log-linear histogram, four classes an octave from 1 us to 71 minutes, as HdrHistogram has it
// (Tene, https://hdrhistogram.org). A quantile is never too low and at most a quarter too high. Owns nothing but its counts; not
// synchronised, no clock.
#ifndef WF_NODE_SIGNALS_LATENCY_H
#define WF_NODE_SIGNALS_LATENCY_H

#include <stdint.h>

#define WF_LATENCY_CLASSES 124u

struct wf_latency {
    uint32_t of[WF_LATENCY_CLASSES]; // all zero: empty
    uint32_t count;
};

// us below 0 counts as 0, above 2^32-1 as that. Beyond 2^32-1 events nothing is counted.
void wf_latency_add(struct wf_latency *l, int64_t us);
// The time in us that a share q (0 to 1) of the events does not exceed; 0 when there are none.
uint64_t wf_latency_quantile(const struct wf_latency *l, double q);

#endif

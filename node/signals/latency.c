// SPDX-License-Identifier: Apache-2.0
#include "node/signals/latency.h"

#include <math.h>

// 0 to 3 have a class each; from there on an octave has four.
static unsigned class_of(uint32_t us)
{
    if (us < 4)
        return us;
    unsigned octave = 31u - (unsigned)__builtin_clz(us);
    return (octave - 1) * 4 + ((us >> (octave - 2)) & 3u);
}

static uint64_t end_of(unsigned class)
{
    if (class < 4)
        return class;
    return ((uint64_t)(4 + class % 4 + 1) << (class / 4 - 1)) - 1;
}

void wf_latency_add(struct wf_latency *l, int64_t us)
{
    uint32_t at = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;

    if (l->count == UINT32_MAX)
        return;
    l->of[class_of(at)]++;
    l->count++;
}

uint64_t wf_latency_quantile(const struct wf_latency *l, double q)
{
    uint64_t rank = (uint64_t)ceil(q * l->count), below = 0;

    if (!l->count)
        return 0;
    if (rank == 0)
        rank = 1;
    for (unsigned i = 0; i < WF_LATENCY_CLASSES; i++) {
        below += l->of[i];
        if (below >= rank)
            return end_of(i);
    }
    return end_of(WF_LATENCY_CLASSES - 1);
}

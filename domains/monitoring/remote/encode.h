// SPDX-License-Identifier: Apache-2.0
// prometheus.WriteRequest, written directly (ADR 7: the same choice for records). Field numbers from remote write 1.0's specification:
// WriteRequest{1: TimeSeries}, TimeSeries{1: Label, 2: Sample}, Label{1: name, 2: value}, Sample{1: double value, 2: int64 ms}.
// Thread rule: pure functions.
#ifndef WF_MONITORING_REMOTE_ENCODE_H
#define WF_MONITORING_REMOTE_ENCODE_H

#include "domains/monitoring/remote/bytes.h"

#define WF_REMOTE_STALE 0x7ff0000000000002u // the NaN that ends a series
#define WF_REMOTE_NAN   0x7ff8000000000001u // any other

struct wf_remote_series;
struct wf_remote_sample {
    struct wf_remote_series *series;
    int64_t time_ms;
    uint64_t bits;   // of the double
    uint64_t offset; // of its record; UINT64_MAX: a marker's, which has none
    uint32_t next;   // while it is gathered: the next one of its series, plus 1
};

// One label, as a TimeSeries has it; appended.
bool wf_remote_encode_label(
    struct wf_remote_bytes *out, const char *name, const char *value, size_t len);
// The request of samples in which those of a series stand together and in order of time; appended. False without memory.
bool wf_remote_encode(
    struct wf_remote_bytes *out, const struct wf_remote_sample *samples, size_t count);
// What a sample costs at most, and what a series costs besides its labels.
#define WF_REMOTE_SAMPLE_BYTES 22u
#define WF_REMOTE_SERIES_BYTES 12u

#endif

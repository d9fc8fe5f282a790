// SPDX-License-Identifier: Apache-2.0
// From records to samples of series: which fields of a product are labels, values and time; the series there are and where each one stands;
// the batch that is gathered. Owns series and plans. Invariant: samples of a series are handed on with rising times, whatever comes in, and
// what is not handed on is named as a drop. Bounds: series, bytes of labels. No I/O, no clock. Thread rule: one owner.
#ifndef WF_MONITORING_REMOTE_SERIES_H
#define WF_MONITORING_REMOTE_SERIES_H

#include "domains/monitoring/common/table.h"
#include "domains/monitoring/remote/encode.h"
#include "domains/monitoring/remote/name.h"

#define WF_REMOTE_MOST_SERIES 500000u
#define WF_REMOTE_MOST_BYTES  (128u * 1024 * 1024) // of labels of all series
#define WF_REMOTE_LABELS      8192u                // bytes of the labels of one
#define WF_REMOTE_AHEAD_MS                                                                         \
    600000 // a time so far ahead of its append would make a receiver refuse everybody else's
#define WF_REMOTE_FULL       5000u // samples after which a batch is sent
#define WF_REMOTE_FULL_BYTES (1024u * 1024)
#define WF_REMOTE_REASON     160u
#define WF_REMOTE_NEVER      INT64_MIN
#define WF_REMOTE_FORGET_MS  (24 * 3600000LL) // a series that ended is forgotten after this

// How records of one schema become samples: made when the schema changes.
struct wf_remote_plan;

struct wf_remote_product {
    struct wf_remote_product *next;
    char name[WF_MON_PRODUCT];
    int64_t freshness_ms; // 0: nothing was promised, so nothing is late
    int64_t busy_ms;      // monotonic: until when there was more to take
    struct wf_remote_plan *plan;
    // Since the ledger was written:
    uint64_t records, batches, ways[4], lost;
    int64_t last_time_us, last_append_ms;
};

struct wf_remote_series {
    struct wf_remote_series *next; // in its bucket
    struct wf_remote_product *product;
    uint64_t hash;
    int64_t id;      // in the ledger
    bool kept;       // it is there
    bool stale;      // its last sample was the marker
    int64_t last_ms; // of its last sample; WF_REMOTE_NEVER
    uint64_t last_bits;
    int64_t heard_ms; // monotonic
    uint32_t place;   // in the batch that is gathered, plus 1
    uint32_t len;
    uint8_t labels[]; // as a TimeSeries has them, in order of names
};

struct wf_remote_drop { // samples of a product that no receiver will have
    char product[WF_MON_PRODUCT], reason[WF_REMOTE_REASON];
    uint64_t from, to; // offsets of the records: some of [from, to)
    uint64_t samples;
};

struct wf_remote_batch {
    struct wf_remote_sample *samples;
    size_t count, room;
    struct wf_remote_head {
        struct wf_remote_series *series;
        uint32_t first, last; // samples, plus 1
    } * heads;                // series in order of their first sample
    size_t head_count, head_room;
    size_t bytes; // of the request, at most
    struct wf_remote_drop *drops;
    size_t drop_count;
};

struct wf_remote_table;
struct wf_remote_table *wf_remote_table_new(uint64_t seed); // NULL without memory
void wf_remote_table_free(struct wf_remote_table *t);
size_t wf_remote_table_count(const struct wf_remote_table *t);
// Known from now on; NULL without memory.
struct wf_remote_product *wf_remote_product(struct wf_remote_table *t, const char *name);
// Makes the plan of the schema in force when it is another one. NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_use(
    struct wf_remote_product *own, const struct weft_product *p);
// How many values a record has; what is left out although its role says that it is one, "" for nothing.
size_t wf_remote_values(const struct wf_remote_product *own);
const char *wf_remote_left_out(const struct wf_remote_product *own);
// The samples of a RECORDS event (p: its schema, which is in use). NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_take(struct wf_remote_table *t, struct wf_remote_product *own,
    const struct weft_product *p, const struct weft_event *e, int64_t now_ms,
    struct wf_remote_batch *batch);
// A series as the ledger has it; NULL: it is there already, is none, or there is no room.
struct wf_remote_series *wf_remote_restore(struct wf_remote_table *t, struct wf_remote_product *own,
    int64_t id, const void *labels, size_t len);
// Ends the series of which nothing was heard for three times what was promised, with a marker right behind their last sample, until the
// batch is full. `done` is told of each series that ended long ago, which is then forgotten; NULL: none is (a flight may hold it). NOMEM.
WEFT_MUST_USE enum weft_err wf_remote_sweep(struct wf_remote_table *t, int64_t now_ms,
    struct wf_remote_batch *batch, void (*done)(void *arg, const struct wf_remote_series *s),
    void *arg);

bool wf_remote_batch_full(const struct wf_remote_batch *b);
// Samples of a series stand together from now on, and no more come. False without memory.
bool wf_remote_batch_order(struct wf_remote_batch *b);
// Adds a sample behind those of its series, which stands there from now on. False without memory.
bool wf_remote_batch_add(struct wf_remote_batch *b, struct wf_remote_series *s, int64_t time_ms,
    uint64_t bits, uint64_t offset);
// Adds to what is named; false without memory.
bool wf_remote_batch_drop(
    struct wf_remote_batch *b, const char *product, uint64_t offset, const char *reason);
void wf_remote_batch_clear(struct wf_remote_batch *b); // keeps its room
void wf_remote_batch_fini(struct wf_remote_batch *b);

#endif

// SPDX-License-Identifier: Apache-2.0
// One product as the monitor follows it: its subscription, what its stream said last, and why it is blind. Owns the subscription.
// Invariant: an event taken from the subscription is in the open transaction, or the feed is reopened from its stored cursor.
// Thread rule: the thread of run.
#ifndef WF_MONITORING_FEED_H
#define WF_MONITORING_FEED_H

#include "domains/monitoring/scout.h"
#include "domains/monitoring/store.h"

#define WF_MON_CONNECT_MS 10000 // connecting for longer than that is blind

struct wf_mon_feed {
    char product[WF_MON_PRODUCT];
    enum weft_product_kind kind;
    int64_t freshness_ms;
    bool gone;    // the catalog says that its owner's node does not answer
    bool named;   // by --product
    bool foreign; // the owner said that nothing is granted
    bool granted; // was read from, now or in an earlier run
    struct weft_subscription *sub;
    struct wf_mon_table *table;
    enum weft_stream_state state;
    struct weft_problem problem; // of the state
    int64_t state_ms;            // since when (monotonic)
    int64_t again_ms;            // closed: not opened before (monotonic)
    char closed[320];            // closed: why; "" when open
    bool touched;                // has events in the open transaction
    bool shaped;                 // its table has the columns of the schema of its subscription
    bool drained;                // the last weft_next had nothing
    int64_t late_due_ms;         // monotonic
    struct wf_mon_late late;
    struct wf_mon_line told; // what the database has
};

// Subscribes from the stored cursor. On failure the feed stays closed with a reason until again_ms.
void wf_mon_feed_open(
    struct wf_mon_feed *f, struct weft_client *c, struct wf_mon_store *s, int64_t now_ms);
// Drops the subscription; opened again after wait_ms.
void wf_mon_feed_close(struct wf_mon_feed *f, const char *why, int64_t now_ms, int64_t wait_ms);
void wf_mon_feed_fini(struct wf_mon_feed *f);

// Takes at most `max` events into the open transaction. *ret_records counts records.
WEFT_MUST_USE enum weft_err wf_mon_feed_take(struct wf_mon_feed *f, struct wf_mon_store *s,
    unsigned max, int64_t now_ms, size_t *ret_records);
// Makes the table as soon as the schema is known, so that SQL finds it before its first record. Inside a transaction.
WEFT_MUST_USE enum weft_err wf_mon_feed_shape(struct wf_mon_feed *f, struct wf_mon_store *s);
bool wf_mon_feed_wants_shape(const struct wf_mon_feed *f);

// Nobody granted it and nobody asked for it by name: not blind, just another's.
bool wf_mon_feed_is_foreign(const struct wf_mon_feed *f);
const char *wf_mon_state_name(enum weft_stream_state state);
// Why the product is not seen, in the words of status; "" when it is. `connecting_ms`: how long the state holds.
void wf_mon_feed_cause(const struct wf_mon_feed *f, int64_t connecting_ms, char *out, size_t size);
// Origins whose last append is older than this are late; 0 = not to be judged.
int64_t wf_mon_feed_late_before(
    const struct wf_mon_feed *f, const struct weft_stats *stats, int64_t now_unix_ms);
// Everything status shows but the counts.
void wf_mon_feed_line(const struct wf_mon_feed *f, int64_t now_ms, struct wf_mon_line *ret);
// All there is was stored, or cannot come now.
bool wf_mon_feed_is_settled(const struct wf_mon_feed *f, int64_t now_ms);

#endif

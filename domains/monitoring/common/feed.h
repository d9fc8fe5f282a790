// SPDX-License-Identifier: Apache-2.0
// One product as a layer of the monitor follows it: its subscription, what its stream said last, and why it is blind. What becomes of its
// events is the layer's own: a sink takes them. Owns the subscription. Invariant: an event taken from the subscription was handed to the
// sink, or the feed is reopened from the sink's cursor. Thread rule: the thread of the watch.
#ifndef WF_MONITORING_FEED_H
#define WF_MONITORING_FEED_H

#include "domains/monitoring/common/scout.h"
#include "domains/monitoring/common/why.h"

#define WF_MON_CONNECT_MS  10000                       // connecting for longer than that is blind
#define WF_MON_NOT_GRANTED "not-granted"               // a state
#define WF_MON_ELSEWHERE   "another process stores it" // why a feed is closed

struct wf_mon_feed;

// What a layer does with a feed's events. All are called in the thread of the watch.
struct wf_mon_sink {
    void *arg;
    bool proofs;     // header, payload and chain come with records
    size_t own_size; // bytes of the layer's own beside each feed, zeroed: see wf_mon_feed.own
    bool reloads;    // SIGHUP is heard instead of ending the process: see wf_mon_watch.hup
    // Where to begin without a cursor; NULL: with what is kept.
    void (*from)(void *arg, const struct wf_mon_feed *f, struct weft_subscribe_options *options);
    // Where to go on: the rows in one block that free() releases; none: `from` says it. NULL: the layer has no cursors.
    enum weft_err (*cursor)(
        void *arg, const char *product, struct weft_cursor_row **ret, size_t *ret_count);
    // What a failure of cursor was, for people.
    const char *(*problem)(void *arg);
    // A catalog that came, whole; NULL: what the feeds have of it will do.
    void (*found)(void *arg, const struct wf_mon_found *found, size_t count);
    // Whether the product is this process's to read; NULL: all are.
    bool (*wants)(void *arg, const char *product);
    // A RECORDS event (p: the schema they have, never NULL) or a LOSS event (p: NULL).
    enum weft_err (*event)(void *arg, struct wf_mon_feed *f, const struct weft_product *p,
        const struct weft_event *e, int64_t now_unix_us);
};

// Hosts of a product that are late: whoever keeps their times fills it. Names with ", " between.
struct wf_mon_late {
    uint64_t hosts, late;
    int64_t newest_ms;          // append time of the product's newest batch
    char silent[160], cut[160]; // agent unknown or up; agent late or gone
};

struct wf_mon_feed {
    char product[WF_MON_PRODUCT];
    const struct wf_mon_sink *sink;
    void *own; // sink->own_size bytes
    enum weft_product_kind kind;
    int64_t freshness_ms;
    char schema[WF_MON_SCHEMA_ID]; // that its owner promises now; "": not known
    bool gone;                     // the catalog says that its owner's node does not answer
    bool named;                    // by --product
    bool foreign;                  // the owner said that nothing is granted
    bool granted;                  // was read from, now or in an earlier run
    bool ended;                    // refused, and its token had come to its end
    bool stopped;                  // its owner ended it, and nothing has come of it since
    struct weft_subscription *sub;
    enum weft_stream_state state;
    struct weft_problem problem; // of the state
    int64_t state_ms;            // since when (monotonic)
    int64_t again_ms;            // closed: not opened before (monotonic)
    char closed[320];            // closed: why; "" when open
    bool touched;                // gave events that the sink has not made durable yet
    bool drained;                // the last weft_next had nothing
    uint64_t lag;                // as wf_mon_feed_glance saw it last: records up to the head
    int64_t old_ms;              // and how old what was read last is; 0: not known
    struct wf_mon_late late;
};

// Subscribes from the sink's cursor. On failure the feed stays closed with a reason until again_ms.
void wf_mon_feed_open(struct wf_mon_feed *f, struct weft_client *c, int64_t now_ms);
// Drops the subscription; opened again after wait_ms.
void wf_mon_feed_close(struct wf_mon_feed *f, const char *why, int64_t now_ms, int64_t wait_ms);
void wf_mon_feed_fini(struct wf_mon_feed *f);

// Hands at most `max` events to the sink. *ret_records counts records. The sink's error ends it; SCHEMA: records came without one.
WEFT_MUST_USE enum weft_err wf_mon_feed_take(
    struct wf_mon_feed *f, unsigned max, int64_t now_ms, size_t *ret_records);

// Nobody granted it and nobody asked for it by name: not blind, just another's.
bool wf_mon_feed_is_foreign(const struct wf_mon_feed *f);
// "live"; "closed" and WF_MON_NOT_GRANTED besides the stream's own.
const char *wf_mon_feed_state(const struct wf_mon_feed *f);
// How far behind its reader is, for what follows. About every second.
void wf_mon_feed_glance(struct wf_mon_feed *f, int64_t unix_ms);
// Why the product is not seen, and the same in the words of status; "" when it is. `connecting_ms`: how long the state holds.
enum wf_mon_why wf_mon_feed_why(const struct wf_mon_feed *f, int64_t connecting_ms);
void wf_mon_feed_cause(const struct wf_mon_feed *f, int64_t connecting_ms, char *out, size_t size);
// Origins whose last append is older than this are late; 0 = not to be judged.
int64_t wf_mon_feed_late_before(
    const struct wf_mon_feed *f, const struct weft_stats *stats, int64_t now_unix_ms);
// Records between the reader and the head.
uint64_t wf_mon_feed_lag(const struct weft_stats *s);
// All there is was taken, or cannot come now.
bool wf_mon_feed_is_settled(const struct wf_mon_feed *f, int64_t now_ms);

#endif

// SPDX-License-Identifier: Apache-2.0
// The inside of `weft-monitor write`, shared by write.c (feeds, requests, the loop) and outbound.c (what the ledger is told). Invariant: what is
// gathered is in memory alone, and its cursors are not kept; what flies is in the ledger with its cursors. Thread rule: one thread.
#ifndef WF_MONITORING_REMOTE_WRITE_H
#define WF_MONITORING_REMOTE_WRITE_H

#include "domains/monitoring/batch/line.h"
#include "domains/monitoring/batch/refill.h"
#include "domains/monitoring/common/watch.h"
#include "domains/monitoring/remote/creds.h"
#include "domains/monitoring/remote/flight.h"
#include "domains/monitoring/remote/ledger.h"

// Beside each feed.
struct wf_written {
    struct wf_remote_product *own;
    struct wf_mon_line told;
    char schema[WF_MON_SCHEMA_ID]; // of the records that status knows of
    bool said;                     // what is left out
    uint64_t head;                 // offset behind what waited at the last sweep
};

struct wf_written_loss { // a LOSS event until the ledger has it
    struct wf_mon_feed *feed;
    struct weft_event e;
    char origin[WF_MON_PRODUCT], incarnation[80];
};

struct wf_staged { // a cursor's row until the ledger has it; key and value stand behind it
    uint32_t feed, key_len, value_len;
};

struct wf_writer {
    struct wf_mon_watch watch;
    struct wf_mon_sink sink;
    struct wf_ledger *ledger;
    struct wf_remote_table *table;
    struct wf_remote_batch gather;
    struct wf_remote_flight flight;
    struct wf_remote_bytes rows, raw, packed;
    struct wf_written_loss *losses;
    size_t loss_count;
    struct wf_post *post;
    struct wf_remote_creds creds;
    struct wf_mon_place place;
    int64_t gather_ms, stuck_until, status_due, sweep_due; // monotonic
    int64_t ok_ms, waits_ms;                               // unix
    bool posting,
        landed; // a request is under way; all of the flight is done and the ledger does not know
    struct wf_ledger_sum add;   // what it does not know of samples
    struct wf_ledger_sum total; // since it began
    char problem[320];
    enum weft_err end; // not WEFT_OK: the process ends
};

static inline struct wf_written *wf_written_of(const struct wf_mon_feed *f)
{
    return f->own;
}

// For status, and once on standard error; "": all is well.
void wf_write_note(struct wf_writer *w, const char *what);
// What an event leaves to be kept. NOMEM.
WEFT_MUST_USE enum weft_err wf_write_stage(
    struct wf_writer *w, struct wf_mon_feed *f, const struct weft_event *e);
bool wf_write_is_gathered(const struct wf_writer *w);
// What was gathered goes on its way: kept first, then ready to be sent. Nothing happens while the ledger takes nothing.
void wf_write_depart(struct wf_writer *w, int64_t now_ms);
// A line a product, the beat, and what arrived.
void wf_write_tell(struct wf_writer *w, const char *state, int64_t now_ms);

#endif

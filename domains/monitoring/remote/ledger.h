// SPDX-License-Identifier: Apache-2.0
// What `weft-monitor write` keeps: cursors, the batch that is on its way, the series and where each one stands, what was dropped. A store of
// the batch layer without rows of products, so that status, sql and its file's lock, mode and health are the same ones. Owns the store.
// Invariant: cursor, batch on its way and series change in one transaction. Thread rule: one thread.
#ifndef WF_MONITORING_REMOTE_LEDGER_H
#define WF_MONITORING_REMOTE_LEDGER_H

#include "domains/monitoring/batch/store.h"
#include "domains/monitoring/remote/series.h"

struct wf_ledger;
// See wf_mon_store_open for what can go wrong.
WEFT_MUST_USE enum weft_err wf_ledger_open(
    const char *path, struct wf_ledger **ret, struct weft_problem *problem);
void wf_ledger_close(struct wf_ledger *l); // NULL is permitted
// Transactions, status, losses, cursors, problems: see store.h.
struct wf_mon_store *wf_ledger_store(struct wf_ledger *l);

// At the start: every series with where it stands, then the samples that were on their way in their order.
typedef enum weft_err (*wf_ledger_series_fn)(void *arg, const char *product, int64_t id,
    const void *labels, size_t len, int64_t last_ms, bool stale);
typedef enum weft_err (*wf_ledger_sample_fn)(
    void *arg, int64_t series, int64_t time_ms, uint64_t bits, uint64_t offset);
WEFT_MUST_USE enum weft_err wf_ledger_series(
    struct wf_ledger *l, wf_ledger_series_fn fn, void *arg);
WEFT_MUST_USE enum weft_err wf_ledger_outbox(
    struct wf_ledger *l, wf_ledger_sample_fn fn, void *arg);

// restore.c: both of them into the table and the batch. now_ms: monotonic, when its series were heard of. NOMEM, and what the store says.
WEFT_MUST_USE enum weft_err wf_ledger_restore(
    struct wf_ledger *l, struct wf_remote_table *t, int64_t now_ms, struct wf_remote_batch *batch);

// Inside a transaction: -----------------------------------------------------------------------------------------------------

// A batch goes on its way: its samples (those of the one before are forgotten), its series, what it names as dropped.
WEFT_MUST_USE enum weft_err wf_ledger_send(
    struct wf_ledger *l, const struct wf_remote_batch *batch, int64_t at_ms);
// It arrived.
WEFT_MUST_USE enum weft_err wf_ledger_landed(struct wf_ledger *l);
WEFT_MUST_USE enum weft_err wf_ledger_drops(
    struct wf_ledger *l, const struct wf_remote_drop *drops, size_t count, int64_t at_ms);
WEFT_MUST_USE enum weft_err wf_ledger_forget(struct wf_ledger *l, int64_t series);
WEFT_MUST_USE enum weft_err wf_ledger_cursor_set(
    struct wf_ledger *l, const char *product, const struct weft_cursor_row *row);
// Adds what a product became since the last time; the caller clears it when that is committed.
WEFT_MUST_USE enum weft_err wf_ledger_counts(struct wf_ledger *l, struct wf_remote_product *own);

struct wf_ledger_sum { // of the writer as a whole
    const char *url, *problem;
    int64_t ok_ms,
        waits_ms; // unix: of the last acknowledgement; since when the request at hand is tried, 0: it is not
    uint64_t series, sent, already, lost; // samples: what is to be added
};
WEFT_MUST_USE enum weft_err wf_ledger_sum_set(struct wf_ledger *l, const struct wf_ledger_sum *sum);

#endif

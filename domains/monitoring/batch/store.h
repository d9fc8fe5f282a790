// SPDX-License-Identifier: Apache-2.0
// The monitor's database, as its one writer has it: a typed table a product, the proofs, the cursors and the status, changed in
// transactions that hold all of them, so that each record is stored once whatever happens between. Owns the connection, the lock that
// keeps a second writer out, and the tables' prepared statements. Invariant: what is not committed is forgotten as a whole.
// Thread rule: one thread. SQLite is spoken in *_sqlite.c alone, PostgreSQL in *_pq.c alone; store.c chooses.
#ifndef WF_MONITORING_STORE_H
#define WF_MONITORING_STORE_H

#include "domains/monitoring/common/feed.h"

struct wf_mon_store;
struct wf_mon_table; // one product; lives as long as the store

// `where`: a file, or what wf_mon_store_is_pq knows. Creates the file (0600) or checks it. IN_USE: another monitor runs on it; FILE_MODE; VERSION: another program's or a later
// format; DAMAGED: quick_check finds fault; IO, NOSPACE, PERMISSION, NOMEM.
WEFT_MUST_USE enum weft_err wf_mon_store_open(
    const char *where, struct wf_mon_store **ret, struct weft_problem *problem);
// Rolls back what is open. NULL is permitted.
void wf_mon_store_close(struct wf_mon_store *s);

// The database answers, or there was a moment's reason to ask it again: IO, BUSY.
WEFT_MUST_USE enum weft_err wf_mon_store_ready(struct wf_mon_store *s);
// Transactions. BUSY: another program holds the file; nothing happened. After a failed change or commit: rollback, then everything
// handed over since begin must be handed over again from the stored cursors.
WEFT_MUST_USE enum weft_err wf_mon_store_begin(struct wf_mon_store *s);
WEFT_MUST_USE enum weft_err wf_mon_store_commit(struct wf_mon_store *s);
void wf_mon_store_rollback(struct wf_mon_store *s);
bool wf_mon_store_is_open(const struct wf_mon_store *s);
// Whether a failure passes by itself or with somebody's help (busy, full, I/O, memory), so that the same change may be tried again.
bool wf_mon_store_may_retry(enum weft_err err);
// What failed last, for people.
const char *wf_mon_store_problem(const struct wf_mon_store *s);

// Inside a transaction: -------------------------------------------------------------------------------------------------------

// The product's row of _table and _status, made when it is new.
WEFT_MUST_USE enum weft_err wf_mon_store_table(
    struct wf_mon_store *s, const char *product, struct wf_mon_table **ret);
// Its table with a column for each field; new columns are added. TOO_BIG: too many fields.
WEFT_MUST_USE enum weft_err wf_mon_store_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p);
// Rows, batch, chain, origin and cursor of a RECORDS event; loss and cursor of a LOSS event.
WEFT_MUST_USE enum weft_err wf_mon_store_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us);
WEFT_MUST_USE enum weft_err wf_mon_store_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms);

// Outside of a transaction, every second: which of these products are this process's to store. Others may be another process's, and change
// hands. On SQLite all are.
WEFT_MUST_USE enum weft_err wf_mon_store_claim(
    struct wf_mon_store *s, const char *const *products, size_t count);
bool wf_mon_store_holds(struct wf_mon_store *s, const char *product);
// Outside of a transaction: lets go of the product's rows whose time is before `before_us`, and of the batches that have none left; at most
// so many at once that storing goes on. *ret_more: there are others. Verify knows from then on that they may be gone.
WEFT_MUST_USE enum weft_err wf_mon_store_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more);
// From now on this store only adds what is missing, beside the process that stores the products: it claims none and looks before it adds.
void wf_mon_store_be_guest(struct wf_mon_store *s);
// What the open transaction holds in memory.
size_t wf_mon_store_bytes(const struct wf_mon_store *s);
// Whether this names a PostgreSQL database: a postgresql:// address, or settings as in "service=weft" or "host=/run/postgresql dbname=m".
bool wf_mon_store_is_pq(const char *where);
// Whether such a text is one that may be used: USAGE, with the reason, where it does not parse or holds a password. Connects to nothing.
WEFT_MUST_USE enum weft_err wf_mon_store_check(const char *where, struct weft_problem *problem);

// Outside or inside: ------------------------------------------------------------------------------------------------------------

// The stored cursor, in one block; release with free().
WEFT_MUST_USE enum weft_err wf_mon_store_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count);
uint64_t wf_mon_table_records(const struct wf_mon_table *t); // stored so far
const char *wf_mon_table_of(const struct wf_mon_table *t);   // its name, "" before it is known

// What an earlier run told of the product, kept while nothing newer is known.
struct wf_mon_said {
    char cause[320], why[24], past[320];
    int64_t since_ms;
};
const struct wf_mon_said *wf_mon_table_said(const struct wf_mon_table *t);

// What status shows of one product. Counts and last times are kept by wf_mon_store_records; the rest is what the feed knows.
struct wf_mon_line {
    char product[WF_MON_PRODUCT], kind[16], state[16], cause[320], problem[320], late[344], why[24],
        past[320]; // no holes: lines are compared as bytes
    int64_t freshness_ms;
    uint64_t records, batches, live, repaired, pulled, history, lost; // counts, read only
    int64_t last_time_us, last_append_ms, last_received_ms;
    uint64_t head, next, lag, gaps, verify_failures, duplicates;
    int64_t token_expires_ms, lease_expires_ms;
    uint64_t hosts, hosts_late;
    int64_t since_ms; // unix: not seen since then; 0 when it is seen
};
WEFT_MUST_USE enum weft_err wf_mon_store_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms);

// What a process tells of itself every second.
struct wf_mon_beat {
    int64_t pid, started_ms, updated_ms; // unix
    char subject[160], state[16], problem[320];
};
WEFT_MUST_USE enum weft_err wf_mon_store_beat(
    struct wf_mon_store *s, const struct wf_mon_beat *beat);

// Origins of the product heard last before `before_ms` (append time), split by what DOMAIN/agents says of them.
WEFT_MUST_USE enum weft_err wf_mon_store_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret);

#endif

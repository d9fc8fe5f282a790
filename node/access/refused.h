// SPDX-License-Identifier: Apache-2.0
// Attempts that were refused, as `weft access list` shows them: who, what, why, when, how often. Owns data/refused.db. Loop thread only.
// Invariant: being refused fills no disk and hides nobody else. Places are shared out by domain and in it by subject; whoever has the most
// loses its least recent one, which is still counted.
#ifndef WF_NODE_ACCESS_REFUSED_H
#define WF_NODE_ACCESS_REFUSED_H

#include "proto/base/bytes.h"
#include "proto/base/limits.h"

#define WF_REFUSED_OF_SUBJECT 16u
#define WF_REFUSED_OF_DOMAIN  64u
#define WF_REFUSED_DOMAINS                                                                         \
    (WF_MAX_MEMBERS + 2u) // newcomers and local users are one; the last is for all the rest

struct wf_refused_row {
    char who[140];  // "domain/subject", "newcomer", "uid 1000"; "domain/*" for what is only counted
    char what[160]; // printable ASCII, as the others
    char from[64], audit_id[24];
    uint32_t code; // 0: only counted
    uint64_t count;
    int64_t first_ms, last_ms; // unix
};

// Is this refusal one of access: identity, capability, permission? What is busy, full or not found is none.
bool wf_refused_is_access(enum weft_err code);

struct wf_refused;
WF_MUST_USE enum weft_err wf_refused_open(
    const char *path, struct wf_refused **ret, struct wf_diag *diag);
void wf_refused_close(struct wf_refused *r); // saves; NULL is permitted
// One attempt at last_ms; count and first_ms are not read. Without memory it is forgotten: the trail has it.
void wf_refused_note(struct wf_refused *r, const struct wf_refused_row *attempt);
// What changed since, to the file.
WF_MUST_USE enum weft_err wf_refused_save(struct wf_refused *r);
// Forgets what was seen last before.
void wf_refused_prune(struct wf_refused *r, int64_t before_ms);
// The most recent ones first, at most max, borrowed until the next call; their number.
size_t wf_refused_recent(const struct wf_refused *r, const struct wf_refused_row **ret, size_t max);

// ---- refused_sqlite.c
struct wf_refused_db;
WF_MUST_USE enum weft_err wf_refused_db_open(
    const char *path, struct wf_refused_db **ret, struct wf_diag *diag);
void wf_refused_db_close(struct wf_refused_db *db);
typedef void (*wf_refused_fn)(void *arg, const struct wf_refused_row *row);
WF_MUST_USE enum weft_err wf_refused_db_load(struct wf_refused_db *db, wf_refused_fn fn, void *arg);
// These are a domain's rows from now on, and the one that only counts (NULL: none).
WF_MUST_USE enum weft_err wf_refused_db_put(struct wf_refused_db *db, const char *domain,
    const struct wf_refused_row *rows, size_t count, const struct wf_refused_row *rest);

#endif

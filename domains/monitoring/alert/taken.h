// SPDX-License-Identifier: Apache-2.0
// Rules that came with products and were taken: what each product brought, the last of it that was good, and all of them with the monitor's own
// as one set. Written by strangers: read within bounds (rules.h), one product's mistakes are its own. Owns texts and rules; knows no
// network, no store, no clock. Invariant: what is in the set last made lives until wf_taken_settle. Thread rule: one owner.
#ifndef WF_MONITORING_TAKEN_H
#define WF_MONITORING_TAKEN_H

#include "domains/monitoring/speed/take.h"

#define WF_TAKEN_PRODUCTS 256u
#define WF_TAKEN_RULES    WF_RULES_MOST // of all products
#define WF_TAKEN_GONE_MS                                                                           \
    (7 * 86400000LL) // a product that nobody knows any more takes its rules with it after that

struct wf_taken_item {
    char product[136];
    char hash[96];    // of text, printed
    char version[64]; // of the manifest that brought it
    char by[200];     // owner, product and version, for people
    char *text;       // the last that was good; NULL: none yet
    struct wf_rules *rules;
    int64_t taken_ms, seen_ms; // when it became what it is; when the catalog had the product last
    char problem[320];         // why something newer, or a part, is not taken; "" when all is
    bool used;
};

// What the catalog says of a product.
struct wf_taken_word {
    const char *product, *version, *owner;
    const char *hash;    // of its rules; "": it brings none
    const char *text;    // of them, when they were fetched now; NULL: not
    const char *problem; // why they could not be fetched; NULL: nothing was tried
};

struct wf_taken;
struct wf_taken *wf_taken_new(void); // NULL without memory
void wf_taken_free(struct wf_taken *t);

// True when the set of rules is another one now. take: what the monitor chose.
bool wf_taken_hear(struct wf_taken *t, const struct wf_take *take, const struct wf_taken_word *word,
    int64_t now_ms);
// Its owner ended the product, or nobody knows it any more. False: nothing of it was taken.
bool wf_taken_end(struct wf_taken *t, const char *product);
// Products that the catalog has not had for WF_TAKEN_GONE_MS. True when there was one.
bool wf_taken_expire(struct wf_taken *t, int64_t now_ms);
// The monitor chose anew: what was taken is read again from its text.
void wf_taken_choose(struct wf_taken *t, const struct wf_take *take, int64_t now_ms);
// From a store. FULL, NOMEM; a text that is not good any more is a problem of the item.
WEFT_MUST_USE enum weft_err wf_taken_restore(
    struct wf_taken *t, const struct wf_take *take, const struct wf_taken_item *item);

// The monitor's own and all that is taken; NULL without memory. Release with wf_rules_free; `own` must outlive it.
struct wf_rules *wf_taken_rules(const struct wf_taken *t, const struct wf_rules *own);
// Nothing uses a set made before any more.
void wf_taken_settle(struct wf_taken *t);

// Items by index, unused ones too; NULL beyond the last.
struct wf_taken_item *wf_taken_at(struct wf_taken *t, size_t index);
// The first problem, or "".
const char *wf_taken_problem(const struct wf_taken *t);
// Whether a store has to take all of it again; the store's owner clears it.
bool *wf_taken_changed(struct wf_taken *t);

#endif

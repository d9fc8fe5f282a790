// SPDX-License-Identifier: Apache-2.0
// Inside proto/trust only: one block of a token between its envelope and its struct, and the rule that a block only shrinks.
#ifndef WF_TRUST_TOKEN_BLOCK_H
#define WF_TRUST_TOKEN_BLOCK_H

#include "proto/trust/capability.h"
#include "proto/trust/doc.h"

// Verifies and decodes one block by itself. What it is made of lives in the arena. UNKNOWN_CAVEAT for a field, verb or
// comparison that this version does not know.
WF_MUST_USE enum weft_err wf_block_open(
    struct wf_bytes raw, struct wf_arena *arena, struct wf_block *ret);
// Block `index` continues `parent` and grants no more than it; diag says what does not hold.
WF_MUST_USE enum weft_err wf_block_check_within(const struct wf_block *parent,
    const struct wf_block *block, size_t index, struct wf_diag *diag);
// Signs fields as a block: signer from the key, mesh, domain, previous as they stand in fields.
WF_MUST_USE enum weft_err wf_block_seal(const struct wf_block *fields, const struct wf_secret *key,
    struct wf_arena *arena, struct wf_buf *ret_envelope);

bool wf_row_term_eq(const struct wf_row_term *a, const struct wf_row_term *b);
// A decimal number as JSON has them, at most WF_MAX_NUMBER_TEXT long.
bool wf_number_is_valid(struct wf_bytes text);
bool wf_strings_have(const char *const *list, size_t count, const char *s);

#endif

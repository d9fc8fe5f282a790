// SPDX-License-Identifier: Apache-2.0
// Sample token blocks: granted by servers' issuer to alice, delegated to bob. Fields are static values to vary.
#ifndef WF_TESTS_TRUST_TOKEN_H
#define WF_TESTS_TRUST_TOKEN_H

#include "proto/trust/capability.h"
#include "tests/support/trust_mesh.h"

struct wf_test_holders {
    struct wf_secret alice, bob, carol;
    struct wf_sign_pub alice_pub, bob_pub, carol_pub;
};
void wf_test_holders_init(struct wf_test_holders *h);
void wf_test_holders_fini(struct wf_test_holders *h);

// Room for the lists that a block's fields point to.
struct wf_test_block {
    struct wf_block fields;
    struct wf_pattern products[WF_MAX_CAVEAT_ITEMS + 1], methods[WF_MAX_CAVEAT_ITEMS + 1];
    const char *columns[WF_MAX_CAVEAT_ITEMS + 1], *regions[WF_MAX_CAVEAT_ITEMS + 1];
    struct wf_row_term rows[WF_MAX_CAVEAT_ITEMS + 1];
};
// products "hosts" and "disk-*", verbs subscribe query call:Get* delegate, valid a day from WF_TEST_NOW, otherwise without limits.
void wf_test_block_init(struct wf_test_block *b, const struct wf_hash *mesh_id, const char *domain,
    const struct wf_sign_pub *holder);
// "a,b*" into a list of patterns; the count.
size_t wf_test_patterns(const char *text, struct wf_pattern *out);
// Every limit set, so that each can be widened.
void wf_test_block_limit(struct wf_test_block *b);

// Packs blocks by hand (at most 16), as someone would who does not ask wf_token_delegate; and the reverse: the blocks of a token as
// views into the arena, their number.
struct wf_buf wf_test_token(const struct wf_bytes *blocks, size_t count, struct wf_bytes issuer);
size_t wf_test_token_blocks(const struct wf_buf *raw, struct wf_arena *arena, struct wf_bytes *out);

#endif

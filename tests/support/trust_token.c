// SPDX-License-Identifier: Apache-2.0
#include "tests/support/trust_token.h"

#include <stdio.h>

#include "proto/base/pb_v1.h"

void wf_test_holders_init(struct wf_test_holders *h)
{
    h->alice = wf_test_sign_key("alice", &h->alice_pub);
    h->bob = wf_test_sign_key("bob", &h->bob_pub);
    h->carol = wf_test_sign_key("carol", &h->carol_pub);
}

void wf_test_holders_fini(struct wf_test_holders *h)
{
    wf_secret_fini(&h->alice);
    wf_secret_fini(&h->bob);
    wf_secret_fini(&h->carol);
}

size_t wf_test_patterns(const char *text, struct wf_pattern *out)
{
    size_t count = 0;

    while (*text) {
        size_t len = strcspn(text, ",");
        snprintf(out[count++].s, sizeof out->s, "%.*s", (int)len, text);
        text += len + (text[len] == ',');
    }
    return count;
}

void wf_test_block_init(struct wf_test_block *b, const struct wf_hash *mesh_id, const char *domain,
    const struct wf_sign_pub *holder)
{
    struct wf_hash nonce = wf_test_hash("nonce");

    memset(b, 0, sizeof *b);
    b->fields = (struct wf_block){ .mesh_id = *mesh_id,
        .holder = *holder,
        .products = b->products,
        .methods = b->methods,
        .columns = b->columns,
        .regions = b->regions,
        .rows = b->rows,
        .verbs = WF_VERB_SUBSCRIBE | WF_VERB_QUERY | WF_VERB_CALL | WF_VERB_DELEGATE,
        .issued_ms = WF_TEST_NOW,
        .not_before_ms = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_DAY,
        .purpose = "" };
    snprintf(b->fields.domain.s, sizeof b->fields.domain.s, "%s", domain);
    b->fields.product_count = wf_test_patterns("hosts,disk-*", b->products);
    b->fields.method_count = wf_test_patterns("Get*", b->methods);
    memcpy(b->fields.nonce, nonce.b, sizeof b->fields.nonce);
}

void wf_test_block_limit(struct wf_test_block *b)
{
    struct wf_block *f = &b->fields;

    f->limits_columns = true;
    f->column_count = 2;
    b->columns[0] = "name";
    b->columns[1] = "host";
    f->row_count = 2;
    b->rows[0] = (struct wf_row_term){
        .column = "site", .comparison = WF_CMP_EQ, .literal = WF_LIT_TEXT, .text = "north"
    };
    b->rows[1] = (struct wf_row_term){
        .column = "used", .comparison = WF_CMP_GT, .literal = WF_LIT_NUMBER, .text = "0.5"
    };
    f->region_count = 2;
    b->regions[0] = "eu-west";
    b->regions[1] = "eu-north";
    f->purpose = "capacity planning";
    f->rate_per_minute = 60;
}

struct wf_buf wf_test_token(const struct wf_bytes *blocks, size_t count, struct wf_bytes issuer)
{
    Weft__V1__Token m = WEFT__V1__TOKEN__INIT;
    ProtobufCBinaryData items[16];
    struct wf_buf out = { 0 };

    for (size_t i = 0; i < count; i++)
        items[i] = wf_pb_bin(blocks[i]);
    m.n_blocks = count;
    m.blocks = items;
    m.issuer = wf_pb_bin(issuer);
    wf_test_must(wf_pb_pack(&m, &out));
    return out;
}

size_t wf_test_token_blocks(const struct wf_buf *raw, struct wf_arena *arena, struct wf_bytes *out)
{
    Weft__V1__Token *m = NULL;

    wf_test_must(
        wf_pb_unpack(&weft__v1__token__descriptor, wf_buf_view(raw), WF_PB_CANONICAL, arena, &m));
    for (size_t i = 0; i < m->n_blocks; i++)
        out[i] = wf_pb_view(m->blocks[i]);
    return m->n_blocks;
}

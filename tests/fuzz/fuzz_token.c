// SPDX-License-Identifier: Apache-2.0
// Tokens, as they come, and with the input as the body of a first block and of a second one under a narrow first. Nothing that
// a second block says may grant what the first does not.
#include <stdlib.h>

#include "tests/support/trust_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;
static struct wf_test_holders who;
static struct wf_revocations list;
static struct wf_token *narrow;    // disk-*: query of host, delegate; to alice
static struct wf_buf narrow_block; // its block

static void setup(void)
{
    struct wf_test_block b;
    struct wf_buf raw = { 0 };
    struct wf_bytes blocks[1];
    struct wf_arena arena;
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];

    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&who);
    list = (struct wf_revocations){
        .mesh_id = mesh.charter->mesh_id, .domain = { "servers" }, .issued_ms = WF_TEST_NOW
    };
    wf_test_block_init(&b, &mesh.charter->mesh_id, "servers", &who.alice_pub);
    b.fields.verbs = WF_VERB_QUERY | WF_VERB_DELEGATE;
    b.fields.method_count = 0;
    b.fields.product_count = wf_test_patterns("disk-*", b.products);
    b.fields.limits_columns = true;
    b.fields.column_count = 1;
    b.columns[0] = "host";
    wf_arena_init(&arena, 1u << 20);
    if (wf_token_grant(&b.fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw) ||
        wf_token_open(wf_buf_view(&raw), &narrow, NULL))
        abort();
    wf_test_token_blocks(&raw, &arena, blocks);
    if (wf_bytes_dup(blocks[0], &narrow_block))
        abort();
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}

static bool is_granted(const struct wf_token *t, const char *product, enum wf_verb verb,
    const char *column, int64_t now)
{
    struct wf_decision d;
    const char *columns[] = { column };
    struct wf_access a = { .mesh_id = &mesh.charter->mesh_id,
        .domain = "servers",
        .product = product,
        .verb = verb,
        .method = "Get",
        .who = wf_token_last(t)->holder,
        .region = "eu-west",
        .purpose = wf_token_last(t)->purpose,
        .columns = columns,
        .column_count = column ? 1 : 0 };

    list.issued_ms = now;
    enum weft_err err = wf_token_decide(t, &a, &list, now, &d);
    if (err != d.err || d.block >= t->block_count)
        abort();
    return err == WEFT_OK;
}

static void use(const struct wf_token *t)
{
    struct wf_arena arena;
    struct wf_buf text = { 0 };
    struct wf_token *again = NULL;
    bool limited = false;
    const char **columns;
    size_t count = 0;

    wf_arena_init(&arena, 1u << 20);
    if (wf_token_columns(t, &arena, &limited, &columns, &count) ||
        wf_token_print(wf_buf_view(&t->raw), &text) ||
        wf_token_parse(wf_buf_view(&text), &again, NULL) || again->block_count != t->block_count)
        abort();
    if ((limited || wf_token_last(t)->row_count) &&
        is_granted(t, "disk-io", WF_VERB_SUBSCRIBE, NULL, WF_TEST_NOW))
        abort();
    (void)wf_token_rate(t);
    (void)!wf_token_verify(t, mesh.charter, WF_TEST_NOW);
    wf_token_free(again);
    wf_buf_fini(&text);
    wf_arena_fini(&arena);
}

// Whatever the second block says, it does not grant what the first does not.
static void check_narrow(const struct wf_token *t)
{
    if (is_granted(t, "hosts", WF_VERB_QUERY, "host", WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_CALL, NULL, WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_SUBSCRIBE, NULL, WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_REPLAY, NULL, WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_MIRROR, NULL, WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_QUERY, "version", WF_TEST_NOW) ||
        is_granted(t, "disk-io", WF_VERB_QUERY, "host", WF_TEST_NOW + 2 * WF_TEST_DAY))
        abort();
}

static void open_one(struct wf_bytes raw, bool below_narrow)
{
    struct wf_token *t = NULL;
    enum weft_err err = wf_token_open(raw, &t, NULL);

    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    if (err)
        return;
    use(t);
    if (below_narrow)
        check_narrow(t);
    wf_token_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size), blocks[2];
    struct wf_buf block = { 0 };

    if (!narrow)
        setup();
    struct wf_bytes issuer = wf_buf_view(&mesh.d[WF_TEST_SERVERS].issuer_cert);
    open_one(in, false);
    if (size == 0 || size > WF_MAX_TOKEN)
        return 0;
    if (wf_envelope_seal(WF_DOC_TOKEN_BLOCK, in, &mesh.d[WF_TEST_SERVERS].issuer, &block))
        abort();
    blocks[0] = wf_buf_view(&block);
    struct wf_buf one = wf_test_token(blocks, 1, issuer);
    open_one(wf_buf_view(&one), false);
    wf_buf_fini(&one);
    block.len = 0;
    if (wf_envelope_seal(WF_DOC_TOKEN_BLOCK, in, &who.alice, &block))
        abort();
    blocks[0] = wf_buf_view(&narrow_block);
    blocks[1] = wf_buf_view(&block);
    struct wf_buf two = wf_test_token(blocks, 2, issuer);
    open_one(wf_buf_view(&two), true);
    wf_buf_fini(&two);
    wf_buf_fini(&block);
    return 0;
}

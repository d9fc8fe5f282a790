// SPDX-License-Identifier: Apache-2.0
// What a weftd that was taken over may ask of the signer's process: the first byte picks the question, the rest changes a good one's bytes ({place,
// place, length, bytes} again and again) or, with the highest bit set, is the question. What is signed is of the own domain, and never an issuer.
#include <stdlib.h>

#include "node/signer/child.h"
#include "proto/trust/product.h"
#include "tests/support/trust_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t ops[] = { WF_SIGNER_CERT, WF_SIGNER_HOME, WF_SIGNER_MOVE, WF_SIGNER_TOKEN,
    WF_SIGNER_REVOCATIONS, 'X' };
static struct wf_test_mesh mesh;
static struct wf_signer_child child;
static struct wf_buf good[WF_COUNT(ops)];

static void must(bool right)
{
    if (!right)
        abort();
}

static void put(size_t i, const void *bytes, size_t len)
{
    wf_test_must(wf_bytes_dup(wf_bytes(bytes, len), &good[i]));
}

static struct wf_name name(const char *text)
{
    struct wf_name n;

    wf_test_must(wf_name_from(wf_bytes_str(text), &n));
    return n;
}

static void make_good(void)
{
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];
    struct wf_test_holders holders;
    struct wf_test_block block;
    struct wf_cert cert = wf_test_cert("servers", WF_ID_AGENT, "web-1");
    struct wf_signer_home home = { .mesh_id = mesh.charter->mesh_id,
        .domain = name("servers"),
        .product = name("cpu"),
        .node = name("node-1"),
        .term = 1,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR };
    struct wf_move move = { .mesh_id = mesh.charter->mesh_id,
        .domain = name("servers"),
        .product = name("cpu"),
        .from = name("node-1"),
        .to = name("node-2"),
        .term = 2,
        .sequence = WF_TEST_NOW,
        .expires_ms = WF_TEST_NOW + WF_TEST_HOUR };
    struct wf_revocations list = { .mesh_id = mesh.charter->mesh_id,
        .domain = name("servers"),
        .version = 1,
        .issued_ms = WF_TEST_NOW,
        .issuer_raw = wf_buf_view(&servers->issuer_cert) };

    put(0, &cert, sizeof cert);
    put(1, &home, sizeof home);
    put(2, &move, sizeof move);
    wf_test_holders_init(&holders);
    wf_test_block_init(&block, &mesh.charter->mesh_id, "servers", &holders.alice_pub);
    wf_test_must(wf_token_grant(&block.fields, child.cert, &servers->issuer, &good[3]));
    wf_test_holders_fini(&holders);
    wf_test_must(wf_revocations_sign(&list, &servers->issuer, &good[4]));
}

static void start(void)
{
    wf_test_must(wf_crypto_init());
    wf_test_mesh_init(&mesh);
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];
    child = (struct wf_signer_child){ .cert = wf_buf_view(&servers->issuer_cert) };
    child.keys.sign = servers->issuer; // borrowed
    child.keys.sign_pub = servers->issuer_pub;
    wf_test_must(wf_cert_open(child.cert, &child.issuer));
    make_good();
}

static void change(struct wf_buf *body, const uint8_t *data, size_t size)
{
    while (size > 3) {
        size_t at = (size_t)data[0] << 8 | data[1], len = data[2], left = size - 3;
        len = len < left ? len : left;
        for (size_t i = 0; i < len && at + i < body->len; i++)
            body->ptr[at + i] = data[3 + i];
        data += 3 + len;
        size -= 3 + len;
    }
}

static bool is_own(const struct wf_name *domain)
{
    return wf_name_eq(domain, &child.issuer.domain);
}

static void check_signed(uint8_t op, struct wf_bytes raw)
{
    struct wf_cert cert;
    struct wf_entry_doc *doc = NULL;
    struct wf_move move;
    struct wf_token *token = NULL;
    struct wf_revocations *list = NULL;

    switch (op) {
    case WF_SIGNER_CERT:
        must(!wf_cert_open(raw, &cert) && is_own(&cert.domain) && cert.kind != WF_ID_ISSUER);
        break;
    case WF_SIGNER_HOME: // those who read it judge more of it
        if (!wf_entry_doc_open(raw, WF_ENTRY_HOME, mesh.charter, WF_TEST_NOW, &doc))
            must(is_own(&doc->domain));
        wf_entry_doc_free(doc);
        break;
    case WF_SIGNER_MOVE:
        must(!wf_move_open(raw, &move) && is_own(&move.domain));
        break;
    case WF_SIGNER_TOKEN:
        must(!wf_token_open(raw, &token, NULL) && token->block_count == 1 &&
             is_own(&token->blocks[0].domain));
        wf_token_free(token);
        break;
    case WF_SIGNER_REVOCATIONS:
        must(!wf_revocations_open(raw, &list) && is_own(&list->domain));
        wf_revocations_free(list);
        break;
    default:
        abort(); // nothing else is signed
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_buf body = { 0 }, out = { 0 };

    if (size < 1)
        return 0;
    if (!good[0].len)
        start();
    size_t i = (data[0] & 0x7f) % WF_COUNT(ops);
    if (data[0] & 0x80) {
        wf_test_must(wf_bytes_dup(wf_bytes(data + 1, size - 1), &body));
    } else {
        wf_test_must(wf_bytes_dup(wf_buf_view(&good[i]), &body));
        change(&body, data + 1, size - 1);
    }
    enum weft_err err = wf_signer_answer(&child, ops[i], wf_buf_view(&body), &out);
    must(err != WEFT_E_INTERNAL && err != WEFT_E_NOMEM);
    if (!err)
        check_signed(ops[i], wf_buf_view(&out));
    else if (size == 1 && !(data[0] & 0x80) && ops[i] != 'X')
        abort(); // a good one is signed
    wf_buf_fini(&body);
    wf_buf_fini(&out);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// bad_token KIND ISSUER READER MIDDLE: prints a token for a product depth that READER (an identity directory) would hold, signed by the issuer
// key in ISSUER (a node's data directory), with MIDDLE as a holder in between; wrong in the way KIND says. `good` and `delegated` are
// right, so that a refusal of the others is about what is wrong with them.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/trust/token_block.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/identity.h"
#include "tests/support/support.h"
#include "tests/support/trust_token.h"

#define HOUR_MS INT64_C(3600000)

static struct wf_keys issuer;
static struct wf_buf issuer_cert;
static struct wf_cert issuer_of;
static struct wf_identity_dir *reader, *middle;
static int64_t now_ms;

static void must(enum weft_err err, const char *what)
{
    if (!err)
        return;
    fprintf(stderr, "bad_token: %s: %s\n", what, weft_err_text(err));
    exit(1);
}

static void load_issuer(const char *data)
{
    char *path = NULL;

    must(wf_disk_join(data, "identity/issuer.key", &path), "path");
    struct wf_buf file = wf_test_file(path);
    must(wf_keys_unpack(wf_buf_view(&file), wf_bytes(NULL, 0), &issuer), path);
    wf_buf_fini(&file);
    free(path);
    must(wf_disk_join(data, "identity/issuer.cert", &path), "path");
    issuer_cert = wf_test_file(path);
    must(wf_cert_open(wf_buf_view(&issuer_cert), &issuer_of), path);
    free(path);
}

// Its fields point into it, so it is filled where it stays.
static void block_for(const struct wf_identity_dir *holder, struct wf_test_block *b)
{
    wf_test_block_init(b, &reader->mesh_id, issuer_of.domain.s, &holder->keys.sign_pub);
    b->fields.product_count = wf_test_patterns("depth", b->products);
    b->fields.products = b->products;
    b->fields.verbs = WF_VERB_SUBSCRIBE | WF_VERB_DELEGATE;
    b->fields.method_count = 0;
    b->fields.issued_ms = b->fields.not_before_ms = now_ms - HOUR_MS;
    b->fields.expires_ms = now_ms + HOUR_MS;
}

static struct wf_buf granted(const struct wf_block *fields)
{
    struct wf_buf raw = { 0 };

    must(wf_token_grant(fields, wf_buf_view(&issuer_cert), &issuer.sign, &raw), "grant");
    return raw;
}

// One more block by hand, as someone would who does not ask wf_token_delegate.
static void add_block(
    struct wf_buf *raw, struct wf_block *fields, const struct wf_secret *signer, bool swap)
{
    struct wf_arena arena;
    struct wf_token *t = NULL;
    struct wf_bytes blocks[16];
    struct wf_buf sealed = { 0 };

    wf_arena_init(&arena, 1u << 20);
    must(wf_token_open(wf_buf_view(raw), &t, NULL), "open");
    fields->previous = wf_token_last(t)->id;
    fields->signer = wf_token_last(t)->holder;
    must(wf_block_seal(fields, signer, &arena, &sealed), "seal");
    size_t count = wf_test_token_blocks(raw, &arena, blocks);
    blocks[count++] = wf_buf_view(&sealed);
    if (swap) {
        struct wf_bytes last = blocks[count - 1];
        blocks[count - 1] = blocks[count - 2];
        blocks[count - 2] = last;
    }
    struct wf_buf longer = wf_test_token(blocks, count, wf_buf_view(&issuer_cert));
    wf_buf_fini(raw);
    *raw = longer;
    wf_buf_fini(&sealed);
    wf_token_free(t);
    wf_arena_fini(&arena);
}

static struct wf_buf make(const char *kind)
{
    bool chained = strcmp(kind, "delegated") == 0 || strcmp(kind, "widened") == 0 ||
                   strcmp(kind, "reordered") == 0;
    struct wf_test_block first, next;

    block_for(chained ? middle : reader, &first);
    block_for(reader, &next);
    if (strcmp(kind, "expired") == 0) {
        first.fields.issued_ms = first.fields.not_before_ms = now_ms - 2 * HOUR_MS;
        first.fields.expires_ms = now_ms - HOUR_MS;
    }
    struct wf_buf raw = granted(&first.fields);
    if (strcmp(kind, "widened") == 0)
        next.fields.verbs |= WF_VERB_REPLAY;
    if (strcmp(kind, "reordered") == 0) {
        struct wf_test_block between;
        block_for(middle, &between);
        add_block(&raw, &between.fields, &middle->keys.sign, false);
    }
    if (chained)
        add_block(&raw, &next.fields, &middle->keys.sign, strcmp(kind, "reordered") == 0);
    if (strcmp(kind, "truncated") == 0)
        raw.len -= 10; // with a checksum that is right
    return raw;
}

int main(int argc, char **argv)
{
    struct wf_diag diag = { 0 };
    struct wf_buf text = { 0 };

    if (argc != 5)
        return 64;
    must(wf_crypto_init(), "crypto");
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    now_ms = (int64_t)ts.tv_sec * 1000;
    load_issuer(argv[2]);
    must(wf_identity_load(argv[3], now_ms, &reader, &diag), argv[3]);
    must(wf_identity_load(argv[4], now_ms, &middle, &diag), argv[4]);
    struct wf_buf raw = make(argv[1]);
    must(wf_token_print(wf_buf_view(&raw), &text), "print");
    printf("%.*s\n", (int)text.len, (const char *)text.ptr);
    wf_buf_fini(&text);
    wf_buf_fini(&raw);
    wf_buf_fini(&issuer_cert);
    wf_keys_fini(&issuer);
    wf_identity_free(reader);
    wf_identity_free(middle);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Proof of kept bytes, years later and without the mesh: the origin's signature, the payload's hash, the certificate's chain under the
// charters that this client knows, and the records themselves.
#include <stdlib.h>
#include <string.h>

#include "proto/base/print.h"
#include "proto/schema/record.h"
#include "proto/stream/batch.h"
#include "sdk/client_int.h"

#define LISTS_EVERY_MS 600000 // a verification asks for newer revocation lists, no more often
#define MAJORS         9999   // a version that is a year is one of them

struct verify_op {
    struct weft_client *c;
    struct wf_client_wait *wait;
    struct wf_bytes chain;
    struct wf_batch_header *h;
    struct wf_identity who;
    struct wf_hash mesh_id;
    bool revoked;
};

static void copy_text(char *to, size_t room, struct wf_bytes from)
{
    size_t n = from.len < room - 1 ? from.len : room - 1;

    if (n)
        memcpy(to, from.ptr, n);
    to[n] = '\0';
}

static void print_hash(const struct wf_hash *hash, char *to, size_t room)
{
    struct wf_buf text = { 0 };

    if (!wf_print(WF_PREFIX_HASH, wf_hash_view(hash), &text))
        copy_text(to, room, wf_buf_view(&text));
    wf_buf_fini(&text);
}

// The charters are the loop thread's. Records may be older than the certificate (an event that happened before), never a month newer.
static enum weft_err judge(const struct weft_client *c, struct verify_op *o)
{
    const struct wf_charter *charter = wf_client_charter(c);
    struct wf_bytes certs[WF_MAX_CHAIN];
    struct wf_cert cert;
    size_t count = 0;
    enum weft_err err = charter ? wf_chain_split(o->chain, certs, &count) : WEFT_E_NOT_FOUND;

    if (!err)
        err = wf_cert_open(certs[0], &cert);
    if (err)
        return err;
    o->mesh_id = charter->mesh_id;
    int64_t at = o->h->max_us / 1000;
    if (at < cert.not_before_ms)
        at = cert.not_before_ms;
    err = wf_chain_verify(o->chain, charter, at, WF_CHAIN_ALLOW_EXPIRED, &o->who);
    if (err)
        return err;
    bool signed_it = wf_hash_eq(&o->who.cert.id, &o->h->certificate) &&
                     memcmp(o->who.cert.sign_key.b, o->h->signer.b, WF_KEY_LEN) == 0;
    return !signed_it ? WEFT_E_CHAIN : o->who.cert.usages & WF_USE_BATCH ? WEFT_OK : WEFT_E_PURPOSE;
}

// The mesh may be out of reach: what this client knows then is what counts.
static void on_lists(void *arg, enum weft_err unreached, const struct weft_problem *problem)
{
    struct verify_op *o = arg;
    enum weft_err err = judge(o->c, o);

    (void)unreached, (void)problem;
    if (!err)
        o->revoked = wf_client_is_revoked(
            o->c, o->who.cert.domain.s, &o->who.cert.sign_key, o->h->max_us / 1000);
    wf_client_done(o->wait, err, NULL);
}

static void judge_command(struct weft_client *c, struct wf_client_wait *w, void *arg)
{
    struct verify_op *o = arg;
    int64_t now = wf_loop_now_ms(c->loop);

    o->c = c;
    o->wait = w;
    if (c->lists_asked_ms >= 0 && now - c->lists_asked_ms < LISTS_EVERY_MS) {
        on_lists(o, WEFT_OK, NULL);
        return;
    }
    c->lists_asked_ms = now;
    wf_client_refresh(c, false, on_lists, o);
}

struct owned { // what weft_verified_free releases, and what weft_verified_is_of asks
    struct wf_buf raw;
    struct weft_record *records;
    struct wf_hash mesh_id, product_id;
};

static void owned_free(struct owned *o)
{
    if (!o)
        return;
    wf_buf_fini(&o->raw);
    free(o->records);
    free(o);
}

static enum weft_err read_records(const struct wf_batch_header *h,
    const struct weft_product *product, struct owned *o, struct wf_diag *diag)
{
    struct wf_bytes in = wf_buf_view(&o->raw);
    enum weft_err err = WEFT_OK;

    if (h->kind != WF_BATCH_DATA)
        return WEFT_OK;
    err = wf_batch_check_records(h, in);
    if (err)
        return err;
    o->records = calloc(h->count, sizeof *o->records);
    if (!o->records)
        return WEFT_E_NOMEM;
    for (uint32_t i = 0; i < h->count && !err; i++) {
        struct wf_record_view v;
        err = wf_records_next(&in, h->base_us, &v);
        if (!err && product && (v.op == WF_OP_PUT || v.op == WF_OP_DELETE))
            err = wf_record_check(wf_product_message(product), v.data, diag);
        if (!err)
            o->records[i] = (struct weft_record){ .op = (enum weft_op)v.op,
                .time_us = v.time_us,
                .seq = h->first_seq + i,
                .data = v.data.ptr,
                .len = v.data.len };
    }
    return err;
}

static void fill(const struct verify_op *op, struct owned *o, struct weft_verified *ret)
{
    const struct wf_batch_header *h = op->h;
    struct weft_verified v = { .first_seq = h->first_seq,
        .count = h->count,
        .min_us = h->min_us,
        .max_us = h->max_us,
        .revoked = op->revoked,
        .records = o->records,
        .record_count = o->records ? h->count : 0,
        .owned = o };

    o->mesh_id = op->mesh_id;
    o->product_id = h->product_id;
    copy_text(v.domain, sizeof v.domain, wf_bytes_str(op->who.cert.domain.s));
    copy_text(v.origin, sizeof v.origin, wf_bytes_str(op->who.cert.subject.s));
    print_hash(&h->id, v.batch, sizeof v.batch);
    print_hash(&h->product_id, v.product_id, sizeof v.product_id);
    print_hash(&h->schema_hash, v.schema, sizeof v.schema);
    *ret = v;
}

// NOLINTNEXTLINE(readability-function-size): its parameters are the promise of weft.h
enum weft_err weft_verify(struct weft_client *c, const struct weft_product *product,
    const void *header, size_t header_len, const void *payload, size_t payload_len,
    const void *chain, size_t chain_len, struct weft_verified *ret, struct weft_problem *problem)
{
    struct wf_batch_header *h = calloc(1, sizeof *h);
    struct owned *o = calloc(1, sizeof *o);
    struct verify_op op = { .chain = wf_bytes(chain, chain_len), .h = h };
    struct wf_diag diag = { 0 };
    const char *what = "out of memory";
    enum weft_err err = h && o ? WEFT_OK : WEFT_E_NOMEM;

    if (!err) {
        what = "the header's signature";
        err = wf_batch_open_header(wf_bytes(header, header_len), h);
    }
    if (!err) {
        what = "the stored bytes";
        err = wf_batch_open_payload(h, wf_bytes(payload, payload_len), &o->raw);
    }
    if (!err) {
        what = "the origin's certificate";
        err = wf_client_run(c, judge_command, &op, NULL);
    }
    if (!err) {
        what = "the records";
        err = read_records(h, product, o, &diag);
    }
    if (err) {
        wf_problem_set(problem, err, "%s: %s%s%s", what, weft_err_text(err),
            diag.text[0] ? ": " : "", diag.text);
        owned_free(o);
    } else {
        fill(&op, o, ret);
    }
    free(h);
    return err;
}

void weft_verified_free(struct weft_verified *v)
{
    if (!v)
        return;
    owned_free(v->owned);
    *v = (struct weft_verified){ 0 };
}

bool weft_verified_is_of(const struct weft_verified *v, const char *product)
{
    const struct owned *o = v->owned;
    size_t len = strcspn(product, "/");
    char domain[WF_MAX_NAME + 1];
    bool is = false;

    if (!o || product[len] != '/' || len > WF_MAX_NAME || strlen(product + len + 1) > WF_MAX_NAME)
        return false;
    copy_text(domain, sizeof domain, wf_bytes(product, len));
    for (uint32_t major = 0; major <= MAJORS && !is; major++) {
        struct wf_hash id;
        wf_product_id(&o->mesh_id, domain, product + len + 1, major, &id);
        is = wf_hash_eq(&id, &o->product_id);
    }
    return is;
}

// SPDX-License-Identifier: Apache-2.0
// What lies in a monitor's database, given to weft_verify: {length, header}, {length, payload}, chain. The first byte says which of them
// are as they lie there and which are replaced: by a header that a real origin signed over the payload with fields of the input's choice,
// by real records, by the real chain; so that what lies behind signature, hash and chain is reached. What verifies must hang together.
#include <stdlib.h>

#include "sdk/client_int.h"
#include "sdk/loop/loop.h"
#include "tests/support/stream.h"
#include "tests/support/trust_mesh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIGNED = 1, RECORDS = 2, CHAIN = 4 };

static struct wf_test_mesh mesh;
static struct weft_client client;
static enum weft_err ended;

// The client has no loop thread here, and nobody to ask: what would run on it runs at once.
enum weft_err __wrap_wf_client_run(
    struct weft_client *c, wf_client_fn fn, void *arg, struct weft_problem *problem);
void __wrap_wf_client_done(
    struct wf_client_wait *w, enum weft_err err, const struct weft_problem *problem);

enum weft_err __wrap_wf_client_run(
    struct weft_client *c, wf_client_fn fn, void *arg, struct weft_problem *problem)
{
    (void)problem;
    fn(c, NULL, arg);
    return ended;
}

void __wrap_wf_client_done(
    struct wf_client_wait *w, enum weft_err err, const struct weft_problem *problem)
{
    (void)w;
    (void)problem;
    ended = err;
}

static struct wf_bytes take(struct wf_bytes *in, size_t len)
{
    struct wf_bytes part = wf_bytes(in->ptr, len < in->len ? len : in->len);

    *in = wf_bytes(in->ptr + part.len, in->len - part.len);
    return part;
}

static struct wf_bytes part_of(struct wf_bytes *in)
{
    struct wf_bytes len = take(in, 2);

    return take(in, len.len == 2 ? (size_t)len.ptr[0] << 8 | len.ptr[1] : 0);
}

// Each field is left as it would be, or takes up to eight bytes.
static uint64_t choose(struct wf_bytes *in, uint64_t usual)
{
    struct wf_bytes how = take(in, 1);

    if (how.len == 0 || how.ptr[0] > 8)
        return usual;
    struct wf_bytes word = take(in, how.ptr[0]);
    uint64_t v = 0;
    for (size_t i = 0; i < word.len; i++)
        v = v << 8 | word.ptr[i];
    return v;
}

static bool sign(
    struct wf_bytes in, const struct wf_records *three, struct wf_bytes payload, struct wf_buf *out)
{
    struct wf_bytes kind = take(&in, 1);
    struct wf_batch_header h = wf_test_batch(kind.len ? kind.ptr[0] % WF_TEST_BATCHES : 0, three);
    struct wf_cert cert;
    struct wf_hash id;

    wf_test_must(wf_cert_open(wf_buf_view(&mesh.d[WF_TEST_SERVERS].node_cert), &cert));
    h.certificate = cert.id;
    h.first_seq = choose(&in, h.first_seq);
    h.count = (uint32_t)choose(&in, h.count);
    h.base_us = (int64_t)choose(&in, (uint64_t)h.base_us);
    h.min_us = (int64_t)choose(&in, (uint64_t)h.min_us);
    h.max_us = (int64_t)choose(&in, (uint64_t)h.max_us);
    h.raw_len = (uint32_t)choose(&in, h.raw_len);
    h.compression = (enum wf_compression)choose(&in, h.compression);
    return wf_batch_sign(&h, payload, &mesh.d[WF_TEST_SERVERS].node, out, &id) == WEFT_OK;
}

static void check(const struct weft_verified *v)
{
    if (v->record_count && v->record_count != v->count)
        abort();
    for (size_t i = 0; i < v->record_count; i++)
        if (v->records[i].seq != v->first_seq + i || v->records[i].time_us < v->min_us ||
            v->records[i].time_us > v->max_us)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_records three = { 0 };
    struct wf_buf signed_header = { 0 };
    struct weft_verified v = { 0 };
    struct weft_problem problem = { 0 };

    if (!mesh.charter) {
        wf_test_must(wf_crypto_init());
        wf_test_mesh_init(&mesh);
        client.charter = mesh.charter;
        client.lists_asked_ms = -1;
        wf_test_must(wf_loop_new(NULL, &client.loop));
    }
    if (size == 0)
        return 0;
    uint8_t how = take(&in, 1).ptr[0];
    struct wf_bytes header = part_of(&in), payload = part_of(&in), chain = in;
    wf_test_three_records(&three);
    if (how & RECORDS)
        payload = wf_test_stored(WF_TEST_DATA, &three);
    if (how & CHAIN)
        chain = wf_buf_view(&mesh.d[WF_TEST_SERVERS].node_chain);
    if ((how & SIGNED) && sign(header, &three, payload, &signed_header))
        header = wf_buf_view(&signed_header);
    if (!weft_verify(&client, NULL, header.ptr, header.len, payload.ptr, payload.len, chain.ptr,
            chain.len, &v, &problem))
        check(&v);
    else if (problem.err == WEFT_OK || problem.text[0] == '\0')
        abort();
    weft_verified_free(&v);
    wf_buf_fini(&signed_header);
    wf_records_fini(&three);
    return 0;
}

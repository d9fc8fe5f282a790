// SPDX-License-Identifier: Apache-2.0
// What comes from outside when a product moves or a node is elsewhere: orders, checkpoint marks, entries of the old home, and what agents are told of
// nodes and homes. The first byte picks one; orders and documents come as they are and as a body under the right signature.
#include <stdlib.h>

#include "node/agent/places.h"
#include "node/core.h"
#include "node/stream/priv.h"
#include "node/stream/takeover.h"
#include "tests/support/trust_product.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_test_mesh mesh;
static struct wf_loop *loop; // for its clock

// ---- orders ----------------------------------------------------------------------------------------------------------

static void order(struct wf_bytes raw)
{
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];
    struct wf_move m, same;
    struct wf_buf again = { 0 };
    enum weft_err err = wf_move_open(raw, &m);

    if (err == WEFT_E_INTERNAL || err == WEFT_E_NOMEM)
        abort();
    if (err)
        return;
    // Two nodes by their names, a term that the time has reached.
    if (wf_name_eq(&m.from, &m.to) || !wf_name_is_valid(wf_bytes_str(m.product.s)) || m.term == 0 ||
        m.term > m.sequence)
        abort();
    if (wf_move_verify(&m, mesh.charter, WF_TEST_NOW))
        return;
    if (wf_move_sign(&m, wf_buf_view(&servers->issuer_cert), &servers->issuer, &again) ||
        wf_move_open(wf_buf_view(&again), &same) || m.term != same.term ||
        !wf_name_eq(&m.to, &same.to) || m.lost != same.lost)
        abort();
    wf_buf_fini(&again);
}

// ---- checkpoint marks ------------------------------------------------------------------------------------------------

static void fini(struct wf_home_product *p)
{
    free(p->origins);
    free(p->publishers);
    free(p->ended);
    free(p->logs);
}

// What is taken packs to what is taken again, to the same bytes from then on.
static void marks(struct wf_bytes bytes)
{
    struct wf_home_product p = { 0 }, q = { 0 };
    struct wf_buf first = { 0 }, second = { 0 };
    uint64_t head = 0, again = 0;

    if (wf_checkpoint_take(&p, bytes, &head) == WEFT_OK) {
        p.head = head;
        if (wf_checkpoint_pack(&p, &first) || wf_checkpoint_take(&q, wf_buf_view(&first), &again) ||
            again != head)
            abort();
        q.head = again;
        if (wf_checkpoint_pack(&q, &second) ||
            !wf_bytes_eq(wf_buf_view(&first), wf_buf_view(&second)))
            abort();
        for (size_t i = 1; i < p.origin_count; i++)
            if (memcmp(p.origins[i - 1].key.b, p.origins[i].key.b, WF_KEY_LEN) >= 0)
                abort();
    }
    fini(&p);
    fini(&q);
    wf_buf_fini(&first);
    wf_buf_fini(&second);
}

// ---- entries ---------------------------------------------------------------------------------------------------------

// The answer of an old home, whole: what it gives continues what is here, or lies behind what it names as lost.
static void entries(struct wf_bytes packed)
{
    struct wf_arena arena;
    Weft__V1__RangeReply *r = NULL;
    struct wf_core core = { .wall_floor_ms = WF_TEST_NOW };
    struct wf_node node = { .core = &core, .loop = loop };
    struct wf_stream_room room = { .node = &node };
    struct wf_collect collect = { .product = { .kind = WF_PRODUCT_EVENT } };
    struct wf_home_product p = { .room = &room, .collect = &collect };
    struct wf_copy_check *k = NULL;

    wf_arena_init(&arena, 4u * WF_MIB);
    if (wf_pb_unpack(&weft__v1__range_reply__descriptor, packed, WF_PB_STRICT, &arena, &r) ==
            WEFT_OK &&
        wf_copy_check_new(&p, r, &k) == WEFT_OK) {
        wf_copy_check_run(k);
        for (size_t i = 1; !k->err && i < k->count; i++)
            if (k->entries[i].entry.offset < k->entries[i - 1].entry.offset)
                abort();
    }
    wf_copy_check_free(k);
    wf_arena_fini(&arena);
}

// ---- places ----------------------------------------------------------------------------------------------------------

static void check_places(const struct wf_places *p)
{
    if (p->node_count > WF_PLACES_NODES || p->home_count > WF_PLACES_HOMES)
        abort();
    for (size_t i = 0; i < p->node_count; i++)
        if (strcmp(p->nodes[i].doc->domain.s, "servers") != 0 ||
            wf_places_by_name(p, p->nodes[i].doc->name.s) != &p->nodes[i])
            abort();
    for (size_t i = 0; i < p->home_count; i++)
        if (wf_places_home(p, p->homes[i]->name.s) != p->homes[i])
            abort();
}

static void told(struct wf_bytes raw)
{
    struct wf_places p = { .node_count = 0 };

    (void)!wf_places_take(&p, WF_ENTRY_NODE, raw, "servers", mesh.charter, WF_TEST_NOW);
    (void)!wf_places_take(&p, WF_ENTRY_HOME, raw, "servers", mesh.charter, WF_TEST_NOW);
    check_places(&p);
    wf_places_fini(&p);
}

// A file that an agent kept: what is believed of it is kept to be believed again.
static void kept(struct wf_bytes file)
{
    struct wf_places p = { .node_count = 0 }, q = { .node_count = 0 };
    struct wf_buf again = { 0 };

    if (wf_places_unpack(&p, file, "servers", mesh.charter, WF_TEST_NOW) == WEFT_OK) {
        check_places(&p);
        if (wf_places_pack(&p, &again) ||
            wf_places_unpack(&q, wf_buf_view(&again), "servers", mesh.charter, WF_TEST_NOW))
            abort();
        if (p.node_count != q.node_count || p.home_count != q.home_count)
            abort();
    }
    wf_buf_fini(&again);
    wf_places_fini(&p);
    wf_places_fini(&q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum wf_doc docs[] = { WF_DOC_MOVE, WF_DOC_NODE, WF_DOC_HOME };
    struct wf_buf envelope = { 0 };

    if (!mesh.charter)
        wf_test_mesh_init(&mesh);
    if (!loop && wf_loop_new(NULL, &loop))
        abort();
    if (size == 0)
        return 0;
    const struct wf_test_domain *servers = &mesh.d[WF_TEST_SERVERS];
    struct wf_bytes in = wf_bytes(data + 1, size - 1);
    unsigned what = data[0] % 6;
    if (what < WF_COUNT(docs)) {
        void (*open)(struct wf_bytes) = what == 0 ? order : told;
        open(in);
        if (wf_envelope_seal(docs[what], in, what == 1 ? &servers->node : &servers->issuer,
                &envelope) == WEFT_OK)
            open(wf_buf_view(&envelope));
    } else {
        void (*const all[])(struct wf_bytes) = { marks, entries, kept };
        all[what - 3](in);
    }
    wf_buf_fini(&envelope);
    return 0;
}

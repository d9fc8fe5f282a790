// SPDX-License-Identifier: Apache-2.0
// Bytes of a home's log that rot, as a subscriber sees it: flips and truncations of any file of the store and its meta files. The node starts,
// a lease and ranges give only records that were written, in their places and chained, and name every other offset as lost.
// WEFT_FAULT_DAMAGES: how many in all (default 500).
#include "node/call.h"
#include "tests/node/damage.h"
#include "tests/node/fault_home.h"

#define BATCHES 24
#define EACH    5 // records of a batch

static struct image image;
static const char *hurt_file;
static struct {
    uint64_t delivered, lost;
} sum;

// ---- a subscriber --------------------------------------------------------------------------------------------------------

struct reading {
    uint64_t at; // next offset
    uint64_t records, lost;
    bool linked; // the entry before is known
    struct wf_log_head head;
};

static void take_number(void *arg, uint64_t number)
{
    uint64_t *last = arg;

    ck_assert_uint_eq(number, ++*last); // the record of that offset
}

static void take_batch(const struct wf_entry *e, const struct wf_batch_header *h)
{
    uint64_t last = e->offset;

    each_number(h, e->payload, take_number, &last);
    ck_assert_uint_eq(last, e->offset + h->count);
}

static void take_entry(struct reading *g, struct wf_bytes packed)
{
    struct wf_entry e;
    struct wf_batch_header h;

    ck_assert_int_eq(wf_entry_parse(packed, &e), WEFT_OK);
    if (g->linked)
        ck_assert_msg(!wf_entry_follows(&g->head, &e), "%s: %s at %llu does not follow", hurt_file,
            e.is_reset ? "a reset" : "an entry", (unsigned long long)e.offset);
    g->head.log_id = e.log_id;
    g->head.next_offset = e.offset;
    if (!e.is_reset) {
        ck_assert_int_eq(wf_batch_open_header(e.header, &h), WEFT_OK);
        ck_assert(memcmp(h.signer.b, rig.node.keys.sign_pub.b, WF_KEY_LEN) == 0);
        ck_assert_uint_eq(e.offset, g->at);
        take_batch(&e, &h);
        g->at += h.count;
        g->records += h.count;
        g->head.next_offset += h.count;
    }
    wf_entry_hash(&e, &wf_home_descriptor(product)->id, e.is_reset ? NULL : &h.id, &g->head.hash);
    g->linked = true;
}

static void take_loss(struct reading *g, const Weft__V1__Loss *l)
{
    ck_assert_uint_eq(l->from, g->at);
    ck_assert_uint_gt(l->to, l->from);
    // Of a log with nothing left the home knows no more than where it was: to readers it begins there.
    if (l->from == 0 && l->to == wf_home_head(product))
        ck_assert(l->code == WEFT_E_DAMAGED || l->code == WEFT_E_RETENTION);
    else
        ck_assert_int_eq(l->code, WEFT_E_DAMAGED);
    g->lost += l->to - l->from;
    g->at = l->to;
    g->linked = false;
}

// A reset stands before what its log lost first.
static bool comes_first(const Weft__V1__Loss *l, struct wf_bytes packed)
{
    struct wf_entry e;

    ck_assert_int_eq(wf_entry_parse(packed, &e), WEFT_OK);
    return l->from < e.offset || (l->from == e.offset && !e.is_reset);
}

static void take_reply(struct reading *g, const Weft__V1__RangeReply *r)
{
    size_t i = 0, k = 0;

    while (i < r->n_entries || k < r->n_losses)
        if (k < r->n_losses &&
            (i == r->n_entries || comes_first(r->losses[k], wf_pb_view(r->entries[i]))))
            take_loss(g, r->losses[k++]);
        else
            take_entry(g, wf_pb_view(r->entries[i++]));
    ck_assert_uint_eq(r->next, g->at);
}

static struct streamrig_call *lease(void)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__LeaseRequest q = WEFT__V1__LEASE_REQUEST__INIT;

    q.domain = wf_pb_str("servers");
    q.product = wf_pb_str("rows");
    c->request.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    c->request.lease = &q;
    streamrig_send(&rig, c, wf_lease_handle);
    ck_assert(c->answered && !c->err);
    c->request.lease = NULL;
    return c;
}

// From the first offset to the head, in small ranges, as a reader that repairs.
static struct reading read_all(void)
{
    struct reading g = { 0 };
    struct streamrig_call *l = lease();

    for (int i = 0; i == 0 || g.at < wf_home_head(product); i++) {
        struct streamrig_call *c = streamrig_call(&rig);
        Weft__V1__RangeRequest q = WEFT__V1__RANGE_REQUEST__INIT;
        ck_assert_int_lt(i, 200);
        q.lease_id = l->reply->lease->lease_id;
        q.from = g.at;
        q.max_bytes = 4096;
        c->request.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
        c->request.range = &q;
        streamrig_send(&rig, c, wf_range_handle);
        TURN_UNTIL(c->answered);
        ck_assert(c->answered);
        ck_assert_msg(!c->err, "%s", weft_err_name(c->err));
        c->request.range = NULL;
        g.linked = g.linked && i > 0;
        take_reply(&g, c->reply->range);
        streamrig_call_free(c);
    }
    streamrig_call_free(l);
    return g;
}

// ---- damages -------------------------------------------------------------------------------------------------------------

static void make_image(bool closed)
{
    uint64_t seed = 5;

    begin_product();
    for (int i = 0; i < BATCHES; i++) {
        ck_assert_int_eq(publish(EACH), WEFT_OK);
        if (i == BATCHES / 2)
            ck_assert_int_eq(wf_home_checkpoint(product), WEFT_OK);
    }
    if (!closed)
        wf_memdisk_crash(disk, 0);
    streamrig_close(&rig);
    if (!closed)
        wf_memdisk_restart(disk, false, &seed);
    take_image(disk, &image);
    wf_memdisk_free(disk);
}

// One damaged copy: the node starts, is read, takes records and is read again.
static void one_damage(const struct damage_kind *k, uint64_t *seed)
{
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    hurt_file = put_hurt(disk, &image, k, seed);
    streamrig_open(&rig);
    find_product();
    ck_assert_ptr_nonnull(product);
    uint64_t head = wf_home_head(product), all = BATCHES * EACH;
    ck_assert_uint_le(head, all);
    struct reading g = read_all();
    ck_assert_uint_eq(g.records + g.lost, head);
    // What was cut off behind the last whole entry is gone with the head: the checkpoint, or a reader's own position, tells.
    sum.lost += g.lost + (all - head);
    sum.delivered += g.records;
    ledger.asked = wf_stream_publisher_mark(&rig.node, product, publisher);
    ck_assert_uint_le(ledger.asked, all);
    streamrig_close(&rig);
    wf_memdisk_free(disk);
}

START_TEST(a_subscriber_gets_nothing_wrong_and_is_told_what_is_lost)
{
    const struct damage_kind *k = &damage_kinds[_i];

    make_image(k->closed);
    damage_all(k, 2000 + (uint64_t)_i, one_damage);
    free_image(&image);
    printf("readers got %llu records and were told of %llu lost, 0 wrong\n",
        (unsigned long long)sum.delivered, (unsigned long long)sum.lost);
    ck_assert_uint_gt(sum.lost, 0);
}
END_TEST

int main(void)
{
    return wf_suite_main("node.stream_damage",
        a_subscriber_gets_nothing_wrong_and_is_told_what_is_lost, DAMAGE_KINDS, 1700);
}

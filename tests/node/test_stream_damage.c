// SPDX-License-Identifier: Apache-2.0
// Bytes of a home's log that rot, as a subscriber sees it: flips and truncations of any file of the store and its meta files. The node starts,
// a lease and ranges give only records that were written, in their places and chained, and name every other offset as lost.
// WEFT_FAULT_DAMAGES: how many in all (default 40).
#include "node/call.h"
#include "node/log/look.h"
#include "tests/node/damage.h"
#include "tests/node/fault_home.h"

#define BATCHES 24
#define EACH    5 // records of a batch

static const struct kind {
    const char *name;
    bool closed; // was the node stopped in order?
    bool truncate;
} kinds[] = {
    { "bit flips, closed log", true, false },
    { "truncations, closed log", true, true },
    { "bit flips, log after a crash", false, false },
    { "truncations, log after a crash", false, true },
};

static struct image image;
static const char *hurt_file;
static struct {
    uint64_t delivered, lost, named, silent;
} sum;

// ---- what a look says beforehand -----------------------------------------------------------------------------------------

static void count_flaw(void *arg, const struct wf_log_flaw *f)
{
    (void)f;
    ++*(size_t *)arg;
}

// Does the node's own code see that this file was changed?
static bool is_seen(const char *name)
{
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;
    size_t flaws = 0;
    char dir[300], base[64];
    const char *slash = strrchr(name, '/');

    snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    if (strcmp(name + strlen(name) - 5, ".meta") == 0 && !strstr(dir, "/log")) {
        struct wf_buf value = { 0 };
        snprintf(base, sizeof base, "%.*s", (int)strlen(slash + 1) - 5, slash + 1);
        enum weft_err err = wf_meta_get(&vfs, dir, base, &value);
        wf_buf_fini(&value);
        return err == WEFT_E_DAMAGED;
    }
    ck_assert_int_eq(wf_log_look_open(&vfs, dir, NULL, 0, &look), WEFT_OK);
    ck_assert_int_eq(wf_log_look_check(look, count_flaw, &flaws, &tally), WEFT_OK);
    wf_log_look_close(look);
    return flaws > 0;
}

// ---- a subscriber --------------------------------------------------------------------------------------------------------

struct reading {
    uint64_t at; // next offset
    uint64_t records, lost;
    bool linked; // the entry before is known
    struct wf_log_head head;
};

static void take_batch(const struct wf_entry *e, const struct wf_batch_header *h)
{
    struct wf_buf raw = { 0 };
    struct wf_record_view r;
    uint64_t number = e->offset;

    ck_assert_int_eq(wf_batch_open_payload(h, e->payload, &raw), WEFT_OK);
    for (struct wf_bytes rest = wf_buf_view(&raw); rest.len;) {
        uint64_t v = 0;
        ck_assert_int_eq(wf_records_next(&rest, h->base_us, &r), WEFT_OK);
        struct wf_bytes used = wf_bytes(r.data.ptr + 4, r.data.len - 4); // after host "h"
        ck_assert_int_eq(wf_varint_take(&used, &v), WEFT_OK);
        ck_assert_uint_eq(v, ++number); // the record of that offset
    }
    ck_assert_uint_eq(number, e->offset + h->count);
    wf_buf_fini(&raw);
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
static void one_damage(const struct kind *k, uint64_t *seed)
{
    disk = wf_memdisk_new();
    wf_memroom_use(disk);
    put_image(disk, &image);
    const char *name = hurt_file = hurt(disk, &image, k->truncate, seed);
    bool seen = is_seen(name);
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
    sum.named += seen;
    sum.silent += !seen;
    ck_assert_msg(seen || (k->truncate && !k->closed), "%s: %s was not noticed", k->name, name);
    ledger.asked = wf_stream_publisher_mark(&rig.node, product, publisher);
    ck_assert_uint_le(ledger.asked, all);
    streamrig_close(&rig);
    wf_memdisk_free(disk);
}

START_TEST(a_subscriber_gets_nothing_wrong_and_is_told_what_is_lost)
{
    const struct kind *k = &kinds[_i];
    uint64_t seed = 2000 + (uint64_t)_i;
    int count = damages_each(WF_COUNT(kinds), 40);

    make_image(k->closed);
    for (int i = 0; i < count; i++)
        one_damage(k, &seed);
    free_image(&image);
    printf(
        "%s: %d, %llu named by the store, %llu clean cuts; readers got %llu records and were told "
        "of %llu lost, 0 wrong\n",
        k->name, count, (unsigned long long)sum.named, (unsigned long long)sum.silent,
        (unsigned long long)sum.delivered, (unsigned long long)sum.lost);
    ck_assert_uint_gt(sum.lost, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.stream_damage");
    TCase *t = tcase_create("damage");

    tcase_set_timeout(t, 1700);
    tcase_add_loop_test(
        t, a_subscriber_gets_nothing_wrong_and_is_told_what_is_lost, 0, WF_COUNT(kinds));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

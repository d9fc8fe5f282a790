// SPDX-License-Identifier: Apache-2.0
// What a mirror believes of its home: each lie has its code and nothing of it is stored; what is stored outlives a restart.
#include "tests/node/mirror_rig.h"

// ---- what it believes ------------------------------------------------------------------------------------------------

enum change {
    NONE,
    SWAPPED,
    LEFT_OUT,
    LOST,
    SIGNATURE,
    PRODUCT,
    SHORT_BOX,
    NO_BOX,
    GARBAGE,
    TWICE
};

static const struct {
    const char *why;
    enum change change;
    enum weft_err want;
    size_t believed; // entries before the finding
} lies[] = {
    { "as the home has it", NONE, WEFT_OK, 4 },
    { "two entries exchanged", SWAPPED, WEFT_E_ORDER, 1 },
    { "an entry left out", LEFT_OUT, WEFT_E_ORDER, 1 },
    { "an entry told as lost", LOST, WEFT_OK, 3 },
    { "a header that nobody signed", SIGNATURE, WEFT_E_SIGNATURE, 1 },
    { "entries of another product", PRODUCT, WEFT_E_PRODUCT, 1 },
    { "a box of another length", SHORT_BOX, WEFT_E_TRUNCATED, 1 },
    { "data without a box", NO_BOX, WEFT_E_MISSING_FIELD, 1 },
    { "no entry at all", GARBAGE, WEFT_E_UNKNOWN_FIELD, 1 },
    { "an entry twice", TWICE, WEFT_E_ORDER, 2 },
};

// Entry 1 again, with a box of that many bytes less; 0 bytes: none.
static struct wf_buf other_box(const struct home *h, bool any)
{
    Weft__V1__SealedEntry pb = WEFT__V1__SEALED_ENTRY__INIT;
    struct wf_sealed_entry s;
    struct wf_buf out = { 0 };

    ck_assert_int_eq(wf_sealed_entry_parse(wf_buf_view(&h->sealed[1]), &s), WEFT_OK);
    pb.head = wf_pb_bin(s.head);
    if (any) {
        pb.epoch = s.epoch;
        pb.nonce = wf_pb_bin(wf_bytes(s.nonce, WF_XNONCE_LEN));
        pb.box = wf_pb_bin(wf_bytes(s.box.ptr, s.box.len - 1));
    }
    ck_assert_int_eq(wf_pb_pack(&pb, &out), WEFT_OK);
    return out;
}

START_TEST(what_a_home_sends_is_checked_without_a_key)
{
    struct home h;
    struct wf_hash another = wf_test_hash("another product");
    struct wf_buf changed = { 0 };
    const struct wf_buf *v[ENTRIES] = { NULL };
    Weft__V1__Loss loss = WEFT__V1__LOSS__INIT;
    size_t count = ENTRIES;

    make_home(&h, lies[_i].change == PRODUCT ? &another : &product_id, &owner->node);
    for (unsigned i = 0; i < ENTRIES; i++)
        v[i] = &h.sealed[i];
    switch (lies[_i].change) {
    case SWAPPED:
        v[1] = &h.sealed[2];
        v[2] = &h.sealed[1];
        break;
    case LEFT_OUT:
    case LOST:
        v[1] = &h.sealed[2];
        v[2] = &h.sealed[3];
        count = 3;
        loss.from = 0;
        loss.to = 3;
        break;
    case SIGNATURE:
        h.envelope[1].ptr[h.envelope[1].len - 1] ^= 1;
        changed = seal(&h.entry[1]);
        break;
    case SHORT_BOX:
    case NO_BOX:
        changed = other_box(&h, lies[_i].change == SHORT_BOX);
        break;
    case GARBAGE:
        ck_assert_int_eq(wf_buf_append_str(&changed, "rubbish"), WEFT_OK);
        break;
    case TWICE:
        v[2] = &h.sealed[1];
        break;
    default:
        break;
    }
    if (changed.len)
        v[1] = &changed;
    struct wf_mirror_check *k = check(v, count, lies[_i].change == LOST ? &loss : NULL);
    ck_assert_msg(k->err == lies[_i].want, "%s: %s", lies[_i].why, weft_err_name(k->err));
    size_t believed = 0;
    for (size_t i = 0; i < k->count; i++)
        believed += !wf_incarnation_is_none(&k->entries[i].after.log_id);
    ck_assert_msg(believed == lies[_i].believed, "%s: %zu", lies[_i].why, believed);
    wf_mirror_check_free(k);
    wf_buf_fini(&changed);
    home_fini(&h);
}
END_TEST

START_TEST(a_signature_counts_with_its_certificate_alone)
{
    struct home h;
    const struct wf_buf *v[] = { &h.sealed[0], &h.sealed[1] };

    make_home(&h, &product_id, &mesh.d[WF_TEST_SECURITY].node); // who cites the owner's certificate
    struct wf_mirror_check *k = check(v, 2, NULL);
    ck_assert_int_eq(k->err, WEFT_OK);
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[0]), WEFT_OK); // a reset
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[1]), WEFT_E_NOT_FOUND);
    struct wf_hash missing[4];
    ck_assert_uint_eq(wf_mirror_missing(m, k, missing, 4), 2);
    ck_assert(wf_hash_eq(&missing[0], &cert_id) && wf_hash_eq(&missing[1], &schema));
    ck_assert_int_eq(wf_mirror_take_document(m, wf_buf_view(&owner->node_chain)), WEFT_OK);
    ck_assert_int_eq(wf_mirror_take_document(m, WF_STR("a schema")), WEFT_OK);
    ck_assert_uint_eq(wf_mirror_missing(m, k, missing, 4), 0);
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[1]), WEFT_E_CHAIN);
    k->entries[1].signer = owner->node_pub;
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[1]), WEFT_OK);
    k->entries[1].append_ms -= 400 * WF_TEST_DAY;
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[1]), WEFT_E_NOT_YET);
    // The certificate of another domain's node.
    struct wf_cert cert;
    ck_assert_int_eq(
        wf_cert_open(wf_buf_view(&mesh.d[WF_TEST_SECURITY].node_cert), &cert), WEFT_OK);
    ck_assert_int_eq(
        wf_mirror_take_document(m, wf_buf_view(&mesh.d[WF_TEST_SECURITY].node_chain)), WEFT_OK);
    k->entries[1].certificate = cert.id;
    ck_assert_int_eq(wf_mirror_judge(m, &k->entries[1]), WEFT_E_WRONG_DOMAIN);
    // What nobody vouches for is not stored, and the chain goes on over it.
    uint64_t before = m->appended;
    ck_assert_int_eq(wf_mirror_append(m, k), WEFT_OK);
    ck_assert_uint_eq(m->appended, before + 1);
    ck_assert_uint_eq(m->count.refused, 1);
    ck_assert_uint_eq(m->head.next_offset, 3);
    wf_mirror_check_free(k);
    home_fini(&h);
}
END_TEST

START_TEST(the_homes_word_is_its_own_and_only_moves_on)
{
    struct home h;
    static const struct {
        const char *why;
        enum { GOOD, OTHER_KEY, OTHER_PRODUCT, OLDER, OTHER_HASH } what;
        enum weft_err want;
    } rows[] = {
        { "a later one", GOOD, WEFT_OK },
        { "of another key", OTHER_KEY, WEFT_E_SIGNATURE },
        { "of another product", OTHER_PRODUCT, WEFT_E_PRODUCT },
        { "an older one", OLDER, WEFT_E_STALE },
        { "of another last entry", OTHER_HASH, WEFT_E_ORDER },
    };

    fill(&h);
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct home other = h;
        struct wf_hash own = product_id;
        if (rows[i].what == OTHER_HASH)
            other.head.hash.b[0] ^= 1;
        if (rows[i].what == OTHER_PRODUCT)
            product_id = wf_test_hash("another product");
        struct wf_buf beat =
            word(&other, rows[i].what == OTHER_KEY ? &mesh.d[WF_TEST_SECURITY].node : &owner->node,
                now() + (rows[i].what == OLDER ? -60000 : 1000));
        product_id = own;
        enum weft_err err = wf_mirror_take_beat(m, wf_buf_view(&beat));
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&beat);
    }
    home_fini(&h);
}
END_TEST

START_TEST(what_is_stored_is_there_after_a_restart_and_another_product_takes_its_place)
{
    struct home h;
    struct wf_hash another = wf_test_hash("another major");

    fill(&h);
    wf_mirror_room.close(&n);
    open_room();
    ck_assert_uint_eq(m->head.next_offset, 9);
    ck_assert(m->linked && m->has_beat && wf_hash_eq(&m->head.hash, &h.head.hash));
    ck_assert_uint_eq(wf_mirror_floor(m), 0);
    ck_assert_int_eq(wf_mirror_begin_anew(m, "a test"), WEFT_OK);
    ck_assert(m->head.next_offset == 0 && !m->linked && !m->has_beat);
    ck_assert_int_eq(wf_mirror_store_is_of(m, &another), WEFT_OK);
    wf_mirror_room.close(&n);
    open_room(); // of the first product again: nothing of what was dropped
    ck_assert_uint_eq(m->head.next_offset, 0);
    home_fini(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("node.mirror");
    TCase *t = tcase_create("mirror");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_a_home_sends_is_checked_without_a_key, 0, WF_COUNT(lies));
    tcase_add_test(t, a_signature_counts_with_its_certificate_alone);
    tcase_add_test(t, the_homes_word_is_its_own_and_only_moves_on);
    tcase_add_test(t, what_is_stored_is_there_after_a_restart_and_another_product_takes_its_place);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

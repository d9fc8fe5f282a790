// SPDX-License-Identifier: Apache-2.0
// What a home gives to mirrors and to readers of mirrors: entries that prove their order and hide their records, and the keys to them.
#include <stdlib.h>

#include "proto/stream/sealed.h"
#include "tests/node/stream_reader.h"

static struct streamrig_call *lease_for(
    Weft__V1__LeaseRequest__Purpose purpose, bool with_keys, uint64_t keys_from)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__LeaseRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__lease_request__init(q);
    q->domain = wf_pb_str("servers");
    q->product = wf_pb_str("rows");
    q->purpose = purpose;
    q->with_kept_keys = with_keys;
    q->keys_from = keys_from;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_LEASE;
    c->request.lease = q;
    streamrig_send(&rig, c, wf_lease_handle);
    ck_assert(c->answered);
    ck_assert_msg(c->err == WEFT_OK, "%s", weft_err_name(c->err));
    return c;
}

#define MIRROR WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_MIRROR
#define READ   WEFT__V1__LEASE_REQUEST__PURPOSE__PURPOSE_READ

static struct streamrig_call *range(const struct streamrig_call *of, uint32_t max_bytes)
{
    struct streamrig_call *c = streamrig_call(&rig);
    Weft__V1__RangeRequest *q = wf_arena_alloc(&c->arena, sizeof *q);

    weft__v1__range_request__init(q);
    q->lease_id = of->reply->lease->lease_id;
    q->max_bytes = max_bytes;
    c->request.kind_case = WEFT__V1__REQUEST__KIND_RANGE;
    c->request.range = q;
    streamrig_send(&rig, c, wf_range_handle);
    STREAMRIG_UNTIL(&rig, c->answered);
    ck_assert_msg(c->err == WEFT_OK, "%s", weft_err_name(c->err));
    return c;
}

// The key of that epoch among those of a reader's lease.
static struct wf_bytes key_of(const struct streamrig_call *of, uint64_t epoch)
{
    const Weft__V1__LeaseReply *r = of->reply->lease;

    for (size_t i = 0; i < r->n_kept_keys; i++)
        if (r->kept_keys[i]->epoch == epoch)
            return wf_pb_view(r->kept_keys[i]->key);
    return wf_bytes(NULL, 0);
}

// Opens every entry with what the reader's lease brought; verifies order and content. Returns how many have records.
static size_t read_all(const struct streamrig_call *sealed, const struct streamrig_call *reader)
{
    const struct wf_hash *id = &wf_home_descriptor(product)->id;
    struct wf_log_head head = { 0 };
    size_t records = 0;

    for (size_t i = 0; i < sealed->reply->range->n_entries; i++) {
        struct wf_sealed_entry s;
        struct wf_batch_header h = { 0 };
        struct wf_buf packed = { 0 }, raw = { 0 };
        struct wf_secret key = { 0 };
        struct wf_entry e;
        ck_assert_int_eq(
            wf_sealed_entry_parse(wf_pb_view(sealed->reply->range->entries[i]), &s), WEFT_OK);
        ck_assert_int_eq(i ? wf_entry_follows(&head, &s.entry) : WEFT_OK, WEFT_OK);
        if (!s.entry.is_reset) {
            ck_assert_int_eq(wf_batch_open_header(s.entry.header, &h), WEFT_OK);
            ck_assert_int_eq(wf_sealed_entry_fits(&s, &h), WEFT_OK);
            struct wf_bytes k = key_of(reader, s.epoch);
            ck_assert_msg(k.len == WF_KEY_LEN, "no key of epoch %llu", (unsigned long long)s.epoch);
            ck_assert_int_eq(wf_secret_copy(k, &key), WEFT_OK);
        }
        ck_assert_int_eq(wf_sealed_entry_open(&s, id, &key, &packed), WEFT_OK);
        ck_assert_int_eq(wf_entry_parse(wf_buf_view(&packed), &e), WEFT_OK);
        if (!e.is_reset)
            ck_assert_int_eq(wf_batch_open_payload(&h, e.payload, &raw), WEFT_OK);
        records += raw.len != 0;
        head = (struct wf_log_head){ e.log_id, e.offset + h.count, { { 0 } } };
        wf_entry_hash(&e, id, &h.id, &head.hash);
        wf_secret_fini(&key);
        wf_buf_fini(&packed);
        wf_buf_fini(&raw);
    }
    return records;
}

START_TEST(a_mirror_gets_no_key_and_no_record_in_clear)
{
    struct streamrig_call *m = lease_for(MIRROR, true, 0);

    ck_assert_uint_eq(m->reply->lease->n_keys + m->reply->lease->n_kept_keys, 0);
    ck_assert_int_eq(m->reply->lease->endpoint[0], '\0');
    ck_assert(product->epoch.number != 0 && !product->pub); // no stream for it
    publish(7, 3);
    struct streamrig_call *got = range(m, 0);
    ck_assert_uint_eq(got->reply->range->n_entries, 2); // the reset and the batch
    struct wf_buf row = streamrig_row("h", 7);
    for (size_t i = 0; i < got->reply->range->n_entries; i++) {
        ProtobufCBinaryData b = got->reply->range->entries[i];
        ck_assert_ptr_null(memmem(b.data, b.len, row.ptr, row.len));
    }
    struct streamrig_call *reader = lease_for(READ, true, 0), *plain = range(reader, 0);
    ck_assert_uint_eq(read_all(got, reader), 1);
    ck_assert_ptr_nonnull(memmem(plain->reply->range->entries[1].data,
        plain->reply->range->entries[1].len, row.ptr, row.len)); // it was there to be found
    wf_buf_fini(&row);
    streamrig_call_free(plain);
    streamrig_call_free(reader);
    streamrig_call_free(got);
    streamrig_call_free(m);
}
END_TEST

START_TEST(what_went_out_under_no_epoch_is_sealed_under_the_present_one_which_is_then_kept)
{
    publish(0, 3); // nobody holds a lease
    struct streamrig_call *m = lease_for(MIRROR, false, 0), *got = range(m, 0);

    wf_stream_rotate(&rig.node, "rows"); // ends the rig's leases and with them the epoch
    ck_assert_uint_eq(product->mirror_count, 0);
    ck_assert_uint_eq(product->epoch.number, 0);
    struct streamrig_call *reader = lease_for(READ, true, 0);
    ck_assert_uint_eq(read_all(got, reader), 1);
    streamrig_call_free(reader);
    streamrig_call_free(got);
    streamrig_call_free(m);
}
END_TEST

START_TEST(a_reader_gets_the_keys_of_what_it_has_still_to_read)
{
    uint64_t epochs[3];
    static const struct {
        const char *why;
        bool asked;
        uint64_t from;
        size_t want;
    } rows[] = {
        { "from the start", true, 0, 4 }, // the fourth is in force and has no entry yet
        { "from within the second", true, 3, 3 },
        { "from the end", true, 6, 1 },
        { "it did not ask", false, 0, 0 },
    };

    for (size_t i = 0; i < 3; i++) {
        struct streamrig_call *l = lease();
        epochs[i] = product->epoch.number;
        publish((int64_t)i, 2);
        wf_stream_rotate(&rig.node, "rows");
        streamrig_call_free(l);
    }
    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        struct streamrig_call *l = lease_for(READ, rows[i].asked, rows[i].from);
        ck_assert_msg(l->reply->lease->n_kept_keys == rows[i].want, "%s: %zu", rows[i].why,
            l->reply->lease->n_kept_keys);
        if (rows[i].want == 4)
            ck_assert_uint_eq(l->reply->lease->kept_keys[0]->epoch, epochs[0]);
        streamrig_call_free(l);
    }
    struct streamrig_call *m = lease_for(MIRROR, false, 0), *got = range(m, 0);
    struct streamrig_call *reader = lease_for(READ, true, 0);
    ck_assert_uint_eq(read_all(got, reader), 3);
    streamrig_call_free(reader);
    streamrig_call_free(got);
    streamrig_call_free(m);
}
END_TEST

START_TEST(a_reply_to_a_mirror_is_small_enough_to_seal_on_the_loop)
{
    struct streamrig_call *m = lease_for(MIRROR, false, 0);

    for (int i = 0; i < 40; i++)
        publish(i * 1000, 1000);
    struct streamrig_call *got = range(m, 0);
    size_t bytes = 0;
    for (size_t i = 0; i < got->reply->range->n_entries; i++)
        bytes += got->reply->range->entries[i].len;
    ck_assert_uint_gt(bytes, WF_SEALED_SERVED / 2);
    ck_assert_uint_le(bytes, WF_SEALED_SERVED + 128 * got->reply->range->n_entries);
    ck_assert_uint_lt(got->reply->range->next, wf_home_head(product));
    streamrig_call_free(got);
    streamrig_call_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stream_mirrored");
    TCase *t = tcase_create("mirrored");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_mirror_gets_no_key_and_no_record_in_clear);
    tcase_add_test(
        t, what_went_out_under_no_epoch_is_sealed_under_the_present_one_which_is_then_kept);
    tcase_add_test(t, a_reader_gets_the_keys_of_what_it_has_still_to_read);
    tcase_add_test(t, a_reply_to_a_mirror_is_small_enough_to_seal_on_the_loop);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// Headers: what is signed opens to the same, and every rule has its refusal in both directions.
#include <check.h>

#include "proto/base/pb_v1.h"
#include "tests/support/stream.h"

static struct wf_secret origin, other;
static struct wf_sign_pub origin_pub, other_pub;
static struct wf_records three;

static void setup(void)
{
    origin = wf_test_sign_key("origin", &origin_pub);
    other = wf_test_sign_key("other", &other_pub);
    wf_test_three_records(&three);
}

static void teardown(void)
{
    wf_secret_fini(&origin);
    wf_secret_fini(&other);
    wf_records_fini(&three);
}

static struct wf_buf sign(enum wf_test_batch which, struct wf_hash *ret_id)
{
    struct wf_batch_header h = wf_test_batch(which, &three);
    struct wf_buf out = { 0 };

    ck_assert_int_eq(
        wf_batch_sign(&h, wf_test_stored(which, &three), &origin, &out, ret_id), WEFT_OK);
    return out;
}

static enum weft_err open_header(struct wf_bytes in, void *context)
{
    struct wf_batch_header h;
    enum weft_err err = wf_batch_open_header(in, &h);

    if (!err && context)
        *(struct wf_batch_header *)context = h;
    return err;
}

// ---- both ways -----------------------------------------------------------------------------------------------------------

static void compare_inputs(const struct wf_batch_header *a, const struct wf_batch_header *b)
{
    ck_assert_uint_eq(a->input_count, b->input_count);
    for (size_t i = 0; i < a->input_count; i++) {
        const struct wf_input *x = &a->inputs[i], *y = &b->inputs[i];
        ck_assert(wf_hash_eq(&x->product_id, &y->product_id));
        ck_assert(wf_hash_eq(&x->entry_hash, &y->entry_hash));
        ck_assert(wf_incarnation_eq(&x->log_id, &y->log_id));
        ck_assert(x->from == y->from && x->to == y->to);
    }
}

static void compare(const struct wf_batch_header *a, const struct wf_batch_header *b)
{
    ck_assert(wf_hash_eq(&a->product_id, &b->product_id));
    ck_assert(wf_hash_eq(&a->schema_hash, &b->schema_hash));
    ck_assert(wf_hash_eq(&a->certificate, &b->certificate));
    ck_assert(wf_hash_eq(&a->previous, &b->previous));
    ck_assert(wf_hash_eq(&a->recipe, &b->recipe));
    ck_assert(wf_incarnation_eq(&a->incarnation, &b->incarnation));
    ck_assert(a->first_seq == b->first_seq && a->count == b->count);
    ck_assert(a->base_us == b->base_us && a->min_us == b->min_us && a->max_us == b->max_us);
    ck_assert(a->compression == b->compression && a->kind == b->kind);
    ck_assert_str_eq(a->loss_reason, b->loss_reason);
    ck_assert_mem_eq(a->publisher, b->publisher, WF_PUBLISHER_LEN);
    ck_assert(a->publisher_seq == b->publisher_seq);
    compare_inputs(a, b);
}

static const char *const accepted[WF_TEST_BATCHES] = { "stream/201-header-data",
    "stream/202-header-later", "stream/203-header-loss", "stream/204-header-reset",
    "stream/205-header-reset-named", "stream/206-header-derived", "stream/207-header-published" };

START_TEST(what_is_signed_opens_to_the_same)
{
    enum wf_test_batch which = (enum wf_test_batch)_i;
    struct wf_batch_header want = wf_test_batch(which, &three), h;
    struct wf_bytes stored = wf_test_stored(which, &three);
    struct wf_hash id, payload = { { 0 } };
    struct wf_buf out = sign(which, &id);

    wf_test_same_vector(
        accepted[which], "accepted: key from seed BLAKE2b-256('origin')", wf_buf_view(&out));
    ck_assert_int_eq(wf_batch_open_header(wf_buf_view(&out), &h), WEFT_OK);
    compare(&want, &h);
    ck_assert(wf_hash_eq(&id, &h.id));
    ck_assert_mem_eq(h.signer.b, origin_pub.b, WF_KEY_LEN);
    ck_assert(h.stored_len == stored.len && h.raw_len == stored.len);
    if (h.kind == WF_BATCH_DATA)
        wf_blake2b(stored, &payload);
    ck_assert(wf_hash_eq(&payload, &h.payload_hash));
    wf_buf_fini(&out);
}
END_TEST

START_TEST(computed_fields_are_not_taken_from_the_caller)
{
    struct wf_batch_header fields = wf_test_batch(WF_TEST_DATA, &three), h;
    struct wf_buf out = { 0 }, plain = sign(WF_TEST_DATA, &fields.id);
    struct wf_hash id;

    fields.signer = other_pub;
    fields.stored_len = fields.raw_len = 1;
    fields.payload_hash = wf_test_hash("some other payload");
    memset(&fields.id, 7, sizeof fields.id);
    ck_assert_int_eq(
        wf_batch_sign(&fields, wf_test_stored(WF_TEST_DATA, &three), &origin, &out, &id), WEFT_OK);
    ck_assert(wf_bytes_eq(wf_buf_view(&out), wf_buf_view(&plain)));
    ck_assert_int_eq(wf_batch_open_header(wf_buf_view(&out), &h), WEFT_OK);
    ck_assert(wf_hash_eq(&h.id, &id));
    wf_buf_fini(&out);
    wf_buf_fini(&plain);
}
END_TEST

START_TEST(the_largest_header_is_within_its_limit)
{
    struct wf_batch_header h = wf_test_batch(WF_TEST_DERIVED, &three);
    struct wf_buf out = { 0 };
    struct wf_hash id;

    h.first_seq = h.publisher_seq = UINT64_MAX - WF_MAX_BATCH_RECORDS;
    h.previous = wf_test_hash("previous");
    memset(h.publisher, 0xff, WF_PUBLISHER_LEN);
    for (size_t i = 0; i < WF_MAX_INPUTS; i++)
        h.inputs[i].from = h.inputs[i].to = UINT64_MAX;
    h.base_us = h.min_us = h.max_us = WF_MIN_TIME_US;
    ck_assert_int_eq(
        wf_batch_sign(&h, wf_test_stored(WF_TEST_DERIVED, &three), &origin, &out, &id), WEFT_OK);
    ck_assert_uint_le(out.len, WF_MAX_BATCH_HEADER);
    ck_assert_int_eq(open_header(wf_buf_view(&out), NULL), WEFT_OK);
    wf_buf_fini(&out);
}
END_TEST

// ---- refusals: a good header's message, changed, and signed all the same ---------------------------------------------------

typedef Weft__V1__BatchHeader M;
static uint8_t zeros[WF_HASH_LEN], ones[64];

static ProtobufCBinaryData bin(const uint8_t *p, size_t len)
{
    return wf_pb_bin(wf_bytes(p, len));
}

#define CHANGE(name, statement)                                                                    \
    static void name(M *m)                                                                         \
    {                                                                                              \
        statement;                                                                                 \
    }
CHANGE(no_product, m->product_id.len = 0)
CHANGE(short_product, m->product_id.len = 31)
CHANGE(zero_product, m->product_id = bin(zeros, 32))
CHANGE(no_schema, m->schema_hash.len = 0)
CHANGE(no_certificate, m->certificate.len = 0)
CHANGE(no_incarnation, m->incarnation = NULL)
CHANGE(zero_incarnation, m->incarnation->counter = m->incarnation->random = 0)
CHANGE(no_count, m->count = 0)
CHANGE(count_over, m->count = WF_MAX_BATCH_RECORDS + 1)
CHANGE(loss_over, m->count = WF_MAX_LOSS_RECORDS + 1)
CHANGE(count_beyond_bytes, m->count = m->raw_len / 2 + 1)
CHANGE(seq_wraps, m->first_seq = UINT64_MAX - 1)
CHANGE(previous_at_start, m->previous = bin(ones, 32))
CHANGE(no_previous_later, m->first_seq = 1)
CHANGE(short_previous, m->previous = bin(ones, 31))
CHANGE(base_too_early, m->base_us = WF_MIN_TIME_US - 1)
CHANGE(max_too_late, m->max_us = WF_MAX_TIME_US + 1)
CHANGE(min_after_max, m->min_us = m->max_us + 1)
CHANGE(no_stored, m->stored_len = 0)
CHANGE(no_raw, m->raw_len = 0)
CHANGE(raw_over, m->raw_len = WF_MAX_BATCH_RAW + 1; m->compression = 1)
CHANGE(stored_over, m->stored_len = m->raw_len = WF_MAX_BATCH_STORED + 1)
CHANGE(none_with_two_lengths, m->raw_len++)
CHANGE(ratio_over, m->compression = 1; m->raw_len = m->stored_len * 100 + 1)
CHANGE(grown, m->compression = 2; m->stored_len = m->raw_len + 1)
CHANGE(unknown_compression, m->compression = 3)
CHANGE(negative_compression, m->compression = (Weft__V1__Compression)-1)
CHANGE(unknown_kind, m->kind = 3)
CHANGE(no_payload_hash, m->payload_hash.len = 0)
CHANGE(long_payload_hash, m->payload_hash = bin(ones, 33))
CHANGE(reason_on_data, m->loss_reason = wf_pb_str("why"))
CHANGE(no_reason, m->loss_reason = wf_pb_str(""))
CHANGE(
    reason_over, m->loss_reason = wf_pb_str("0123456789012345678901234567890123456789012345678901"
                                            "234567890123"))
CHANGE(reason_in_lines, m->loss_reason = wf_pb_str("two\nlines"))
CHANGE(reason_escapes, m->loss_reason = wf_pb_str("\x1b[2J"))
CHANGE(reason_not_utf8, m->loss_reason = wf_pb_str("\xc0\xaf"))
CHANGE(lengths_without_payload, m->stored_len = m->raw_len = 3)
CHANGE(hash_without_payload, m->payload_hash = bin(ones, 32))
CHANGE(compression_without_payload, m->compression = 1)
CHANGE(recipe_without_payload, m->recipe = bin(ones, 32))
CHANGE(reset_later, m->first_seq = 1)
CHANGE(reset_of_two, m->count = 2)
CHANGE(no_recipe, m->recipe.len = 0)
CHANGE(no_inputs, m->n_inputs = 0)
CHANGE(input_backwards, m->inputs[1]->from = m->inputs[1]->to + 1)
CHANGE(input_without_product, m->inputs[2]->product_id.len = 0)
CHANGE(input_without_entry, m->inputs[3]->entry_hash.len = 0)
CHANGE(input_without_log, m->inputs[4]->log_id = NULL)
CHANGE(input_short_entry, m->inputs[5]->entry_hash.len = 5)
CHANGE(publisher_without_id, m->publisher->id.len = 0)
CHANGE(publisher_short, m->publisher->id.len = 15)
CHANGE(publisher_zero, m->publisher->id = bin(zeros, WF_PUBLISHER_LEN))
CHANGE(another_signer, m->signer = bin(other_pub.b, 32))
CHANGE(no_signer, m->signer.len = 0)

static void inputs_over(M *m)
{
    static Weft__V1__Input *list[WF_MAX_INPUTS + 1];

    for (size_t i = 0; i <= WF_MAX_INPUTS; i++)
        list[i] = m->inputs[0];
    m->inputs = list;
    m->n_inputs = WF_MAX_INPUTS + 1;
}

static const struct refusal {
    const char *stem, *why;
    enum wf_test_batch of;
    void (*change)(M *m);
    enum weft_err want;
} refusals[] = {
    { "210-header", "no product id", WF_TEST_DATA, no_product, WEFT_E_MISSING_FIELD },
    { "211-header", "a product id of 31 bytes", WF_TEST_DATA, short_product, WEFT_E_SYNTAX },
    { "212-header", "a product id of zeros", WF_TEST_DATA, zero_product, WEFT_E_NOT_CANONICAL },
    { "213-header", "no schema hash", WF_TEST_DATA, no_schema, WEFT_E_MISSING_FIELD },
    { "214-header", "no certificate", WF_TEST_DATA, no_certificate, WEFT_E_MISSING_FIELD },
    { "215-header", "no incarnation", WF_TEST_DATA, no_incarnation, WEFT_E_MISSING_FIELD },
    { "216-header", "an incarnation of 0", WF_TEST_DATA, zero_incarnation, WEFT_E_MISSING_FIELD },
    { "217-header", "a count of 0", WF_TEST_DATA, no_count, WEFT_E_MISSING_FIELD },
    { "218-header", "more records than the limit", WF_TEST_DATA, count_over, WEFT_E_TOO_BIG },
    { "219-header", "more losses than the limit", WF_TEST_LOSS, loss_over, WEFT_E_TOO_BIG },
    { "220-header", "more records than bytes could hold", WF_TEST_DATA, count_beyond_bytes,
        WEFT_E_RANGE },
    { "221-header", "seqs beyond 2^64", WF_TEST_LATER, seq_wraps, WEFT_E_RANGE },
    { "222-header", "a previous header at seq 0", WF_TEST_DATA, previous_at_start, WEFT_E_ORDER },
    { "223-header", "no previous header after seq 0", WF_TEST_DATA, no_previous_later,
        WEFT_E_ORDER },
    { "224-header", "a previous id of 31 bytes", WF_TEST_DATA, short_previous, WEFT_E_SYNTAX },
    { "225-header", "a base before year 1", WF_TEST_DATA, base_too_early, WEFT_E_RANGE },
    { "226-header", "a time after year 9999", WF_TEST_DATA, max_too_late, WEFT_E_RANGE },
    { "227-header", "the earliest time after the latest", WF_TEST_DATA, min_after_max,
        WEFT_E_RANGE },
    { "228-header", "data without stored bytes", WF_TEST_DATA, no_stored, WEFT_E_MISSING_FIELD },
    { "229-header", "data without raw bytes", WF_TEST_DATA, no_raw, WEFT_E_MISSING_FIELD },
    { "230-header", "a raw length over the limit", WF_TEST_DATA, raw_over, WEFT_E_TOO_BIG },
    { "231-header", "a stored length over the limit", WF_TEST_DATA, stored_over, WEFT_E_TOO_BIG },
    { "232-header", "uncompressed with two lengths", WF_TEST_DATA, none_with_two_lengths,
        WEFT_E_COMPRESSION },
    { "233-header", "more than 100 times smaller", WF_TEST_DATA, ratio_over, WEFT_E_COMPRESSION },
    { "234-header", "compressed to more than before", WF_TEST_DATA, grown, WEFT_E_COMPRESSION },
    { "235-header", "an unknown compression", WF_TEST_DATA, unknown_compression,
        WEFT_E_COMPRESSION },
    { "236-header", "a negative compression", WF_TEST_DATA, negative_compression,
        WEFT_E_COMPRESSION },
    { "237-header", "an unknown kind", WF_TEST_DATA, unknown_kind, WEFT_E_TYPE },
    { "238-header", "no payload hash", WF_TEST_DATA, no_payload_hash, WEFT_E_MISSING_FIELD },
    { "239-header", "a payload hash of 33 bytes", WF_TEST_DATA, long_payload_hash, WEFT_E_SYNTAX },
    { "240-header", "a loss reason on data", WF_TEST_DATA, reason_on_data, WEFT_E_UNKNOWN_FIELD },
    { "241-header", "a loss without a reason", WF_TEST_LOSS, no_reason, WEFT_E_MISSING_FIELD },
    { "242-header", "a reason of 64 bytes", WF_TEST_LOSS, reason_over, WEFT_E_TOO_BIG },
    { "243-header", "a reason in two lines", WF_TEST_LOSS, reason_in_lines, WEFT_E_SYNTAX },
    { "244-header", "a reason that clears the screen", WF_TEST_LOSS, reason_escapes,
        WEFT_E_SYNTAX },
    { "245-header", "a reason that is not UTF-8", WF_TEST_LOSS, reason_not_utf8, WEFT_E_BAD_UTF8 },
    { "246-header", "a loss with payload lengths", WF_TEST_LOSS, lengths_without_payload,
        WEFT_E_UNKNOWN_FIELD },
    { "247-header", "a loss with a payload hash", WF_TEST_LOSS, hash_without_payload,
        WEFT_E_UNKNOWN_FIELD },
    { "248-header", "a loss with a compression", WF_TEST_LOSS, compression_without_payload,
        WEFT_E_UNKNOWN_FIELD },
    { "249-header", "a loss with a recipe", WF_TEST_LOSS, recipe_without_payload,
        WEFT_E_UNKNOWN_FIELD },
    { "250-header", "a reset after seq 0", WF_TEST_RESET, reset_later, WEFT_E_ORDER },
    { "251-header", "a reset of two seqs", WF_TEST_RESET, reset_of_two, WEFT_E_ORDER },
    { "252-header", "a reset with a loss reason", WF_TEST_RESET, reason_on_data,
        WEFT_E_UNKNOWN_FIELD },
    { "253-header", "a reset with a payload hash", WF_TEST_RESET, hash_without_payload,
        WEFT_E_UNKNOWN_FIELD },
    { "254-header", "inputs without a recipe", WF_TEST_DERIVED, no_recipe, WEFT_E_MISSING_FIELD },
    { "255-header", "a recipe without inputs", WF_TEST_DERIVED, no_inputs, WEFT_E_MISSING_FIELD },
    { "256-header", "17 inputs", WF_TEST_DERIVED, inputs_over, WEFT_E_TOO_BIG },
    { "257-header", "an input that ends before it begins", WF_TEST_DERIVED, input_backwards,
        WEFT_E_RANGE },
    { "258-header", "an input of no product", WF_TEST_DERIVED, input_without_product,
        WEFT_E_MISSING_FIELD },
    { "259-header", "an input without entry hash", WF_TEST_DERIVED, input_without_entry,
        WEFT_E_MISSING_FIELD },
    { "260-header", "an input of no log", WF_TEST_DERIVED, input_without_log,
        WEFT_E_MISSING_FIELD },
    { "261-header", "an input's entry hash of 5 bytes", WF_TEST_DERIVED, input_short_entry,
        WEFT_E_SYNTAX },
    { "262-header", "a publisher without id", WF_TEST_PUBLISHED, publisher_without_id,
        WEFT_E_SYNTAX },
    { "263-header", "a publisher's id of 15 bytes", WF_TEST_PUBLISHED, publisher_short,
        WEFT_E_SYNTAX },
    { "264-header", "a publisher's id of zeros", WF_TEST_PUBLISHED, publisher_zero,
        WEFT_E_NOT_CANONICAL },
    { "265-header", "a body that names another signer", WF_TEST_DATA, another_signer,
        WEFT_E_SIGNATURE },
    { "266-header", "a body that names no signer", WF_TEST_DATA, no_signer, WEFT_E_MISSING_FIELD },
};

// The sample's message, changed and sealed by the origin.
static struct wf_buf sealed_change(enum wf_test_batch of, void (*change)(M *m))
{
    struct wf_hash id;
    struct wf_buf good = sign(of, &id), body = { 0 }, out = { 0 };
    struct wf_arena a;
    struct wf_sealed sealed;
    M *m = NULL;

    wf_arena_init(&a, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_BATCH, &a, &sealed), WEFT_OK);
    ck_assert_int_eq(
        wf_pb_unpack(&weft__v1__batch_header__descriptor, sealed.body, WF_PB_CANONICAL, &a, &m),
        WEFT_OK);
    change(m);
    ck_assert_int_eq(wf_pb_pack(m, &body), WEFT_OK);
    ck_assert_int_eq(wf_envelope_seal(WF_DOC_BATCH, wf_buf_view(&body), &origin, &out), WEFT_OK);
    wf_arena_fini(&a);
    wf_buf_fini(&good);
    wf_buf_fini(&body);
    return out;
}

START_TEST(each_rule_of_a_header_has_its_refusal)
{
    const struct refusal *r = &refusals[_i];
    char stem[64];

    memset(ones, 1, sizeof ones);
    struct wf_buf in = sealed_change(r->of, r->change);
    snprintf(stem, sizeof stem, "stream/%s", r->stem);
    wf_test_refused_vector(stem, r->want, r->why, wf_buf_view(&in));
    enum weft_err err = open_header(wf_buf_view(&in), NULL);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    wf_buf_fini(&in);
}
END_TEST

static void leave(M *m)
{
    (void)m;
}

START_TEST(the_unchanged_message_is_accepted)
{
    struct wf_buf in = sealed_change((enum wf_test_batch)_i, leave);

    ck_assert_int_eq(open_header(wf_buf_view(&in), NULL), WEFT_OK);
    wf_buf_fini(&in);
}
END_TEST

// A body that is not what packing it again would give is refused although its signature is good.
static const struct form {
    const char *stem, *why, *suffix_hex;
    enum weft_err want;
} forms[] = {
    { "270-header", "an unknown field 21", "a80101", WEFT_E_UNKNOWN_FIELD },
    { "271-header", "a field out of order", "3001", WEFT_E_NOT_CANONICAL },
    { "272-header", "a count over 32 bits", "308380808010", WEFT_E_NOT_CANONICAL },
    { "273-header", "an empty kind written out", "7800", WEFT_E_NOT_CANONICAL },
};

START_TEST(a_body_in_another_form_is_refused)
{
    const struct form *f = &forms[_i];
    struct wf_hash id;
    struct wf_buf good = sign(WF_TEST_DATA, &id), suffix = wf_test_hex(f->suffix_hex), body = { 0 },
                  out = { 0 };
    struct wf_arena a;
    struct wf_sealed sealed;
    char stem[64];

    wf_arena_init(&a, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_BATCH, &a, &sealed), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&body, sealed.body), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&body, wf_buf_view(&suffix)), WEFT_OK);
    ck_assert_int_eq(wf_envelope_seal(WF_DOC_BATCH, wf_buf_view(&body), &origin, &out), WEFT_OK);
    snprintf(stem, sizeof stem, "stream/%s", f->stem);
    wf_test_refused_vector(stem, f->want, f->why, wf_buf_view(&out));
    enum weft_err err = open_header(wf_buf_view(&out), NULL);
    ck_assert_msg(err == f->want, "%s: %s", f->why, weft_err_name(err));
    wf_arena_fini(&a);
    wf_buf_fini(&good);
    wf_buf_fini(&suffix);
    wf_buf_fini(&body);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_header_is_a_batch_document_and_of_its_size)
{
    struct wf_hash id;
    struct wf_buf good = sign(WF_TEST_DATA, &id);
    struct wf_arena a;
    struct wf_sealed sealed;
    static uint8_t huge[WF_MAX_BATCH_HEADER + 1];

    wf_arena_init(&a, 1u << 20);
    ck_assert_int_eq(wf_envelope_read(wf_buf_view(&good), WF_DOC_BATCH, &a, &sealed), WEFT_OK);
    wf_test_purposes(sealed.body, WF_DOC_BATCH, &origin, open_header, NULL);
    ck_assert_int_eq(open_header(WF_BYTES(huge), NULL), WEFT_E_TOO_BIG);
    wf_arena_fini(&a);
    wf_buf_fini(&good);
}
END_TEST

START_TEST(every_truncation_and_flipped_bit_of_a_header_is_refused)
{
    struct wf_hash id;
    struct wf_buf out = sign((enum wf_test_batch)_i, &id);

    wf_test_truncations(wf_buf_view(&out), open_header, NULL);
    wf_test_bit_flips(wf_buf_view(&out), _i == WF_TEST_DATA ? 1 : 7, open_header, NULL);
    wf_buf_fini(&out);
}
END_TEST

// ---- what we would not sign ----------------------------------------------------------------------------------------------

static void set_loss_with_inputs(struct wf_batch_header *h)
{
    h->input_count = 1;
}
static void set_many_inputs(struct wf_batch_header *h)
{
    h->input_count = WF_MAX_INPUTS + 1;
}
static void set_wild_kind(struct wf_batch_header *h)
{
    h->kind = (enum wf_batch_kind)9;
}
static void set_endless_reason(struct wf_batch_header *h)
{
    memset(h->loss_reason, 'x', sizeof h->loss_reason);
}
static void set_seq_without_publisher(struct wf_batch_header *h)
{
    h->publisher_seq = 1;
}
static void set_wrong_raw_len(struct wf_batch_header *h)
{
    h->compression = WF_COMPRESS_LZ4;
    h->raw_len = h->raw_len * 200;
}
static void set_zero_count(struct wf_batch_header *h)
{
    h->count = 0;
}

static void set_reason_with_del(struct wf_batch_header *h)
{
    snprintf(h->loss_reason, sizeof h->loss_reason, "a\x7f");
}
static void set_reason_of_no_text(struct wf_batch_header *h)
{
    snprintf(h->loss_reason, sizeof h->loss_reason, "a\xff");
}
static void set_time_before_all(struct wf_batch_header *h)
{
    h->min_us = WF_MIN_TIME_US - 1;
}

static const struct unsigned_row {
    const char *why;
    enum wf_test_batch of;
    void (*change)(struct wf_batch_header *h);
    enum weft_err want;
} unsigned_rows[] = {
    { "a loss with inputs", WF_TEST_LOSS, set_loss_with_inputs, WEFT_E_UNKNOWN_FIELD },
    { "more inputs than there is room for", WF_TEST_DERIVED, set_many_inputs, WEFT_E_TOO_BIG },
    { "a kind that is none", WF_TEST_DATA, set_wild_kind, WEFT_E_TYPE },
    { "a reason without end", WF_TEST_LOSS, set_endless_reason, WEFT_E_TOO_BIG },
    { "a reason that a terminal obeys", WF_TEST_LOSS, set_reason_with_del, WEFT_E_SYNTAX },
    { "a reason that is no text", WF_TEST_LOSS, set_reason_of_no_text, WEFT_E_BAD_UTF8 },
    { "a time before year 1", WF_TEST_LOSS, set_time_before_all, WEFT_E_RANGE },
    { "a sequence of no publisher", WF_TEST_DATA, set_seq_without_publisher, WEFT_E_MISSING_FIELD },
    { "a raw length beyond the ratio", WF_TEST_DATA, set_wrong_raw_len, WEFT_E_COMPRESSION },
    { "no records", WF_TEST_DATA, set_zero_count, WEFT_E_MISSING_FIELD },
};

START_TEST(what_would_be_refused_is_not_signed)
{
    const struct unsigned_row *r = &unsigned_rows[_i];
    struct wf_batch_header h = wf_test_batch(r->of, &three);
    struct wf_buf out = { 0 };
    struct wf_hash id;

    r->change(&h);
    enum weft_err err = wf_batch_sign(&h, wf_test_stored(r->of, &three), &origin, &out, &id);
    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
    ck_assert_uint_eq(out.len, 0);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_loss_is_not_signed_over_a_payload)
{
    struct wf_batch_header h = wf_test_batch(WF_TEST_LOSS, &three);
    static uint8_t huge[WF_MAX_BATCH_STORED + 1];
    struct wf_buf out = { 0 };
    struct wf_hash id;

    ck_assert_int_eq(wf_batch_sign(&h, WF_STR("bytes"), &origin, &out, &id), WEFT_E_UNKNOWN_FIELD);
    ck_assert_int_eq(wf_batch_sign(&h, WF_BYTES(huge), &origin, &out, &id), WEFT_E_TOO_BIG);
    wf_buf_fini(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batch_header");
    TCase *t = tcase_create("batch_header");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, what_is_signed_opens_to_the_same, 0, WF_TEST_BATCHES);
    tcase_add_test(t, computed_fields_are_not_taken_from_the_caller);
    tcase_add_test(t, the_largest_header_is_within_its_limit);
    tcase_add_loop_test(t, each_rule_of_a_header_has_its_refusal, 0, WF_COUNT(refusals));
    tcase_add_loop_test(t, the_unchanged_message_is_accepted, 0, WF_TEST_BATCHES);
    tcase_add_loop_test(t, a_body_in_another_form_is_refused, 0, WF_COUNT(forms));
    tcase_add_test(t, a_header_is_a_batch_document_and_of_its_size);
    tcase_add_loop_test(
        t, every_truncation_and_flipped_bit_of_a_header_is_refused, 0, WF_TEST_BATCHES);
    tcase_add_loop_test(t, what_would_be_refused_is_not_signed, 0, WF_COUNT(unsigned_rows));
    tcase_add_test(t, a_loss_is_not_signed_over_a_payload);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

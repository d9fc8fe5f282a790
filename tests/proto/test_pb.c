// SPDX-License-Identifier: Apache-2.0
// The door to protobuf-c, exercised with descriptor.proto: it has strings, bytes, packed numbers, repeated messages and
// recursion, which is all that the scan before protobuf-c has to hold off.
#include <check.h>
#include <google/protobuf/descriptor.pb-c.h>

#include "proto/base/limits.h"
#include "proto/base/pb_large.h"
#include "proto/base/pb_v1.h"
#include "tests/support/support.h"

#define FILE_TYPE    (&google__protobuf__file_descriptor_proto__descriptor)
#define MESSAGE_TYPE (&google__protobuf__descriptor_proto__descriptor)
#define OPTION_TYPE  (&google__protobuf__uninterpreted_option__descriptor)
#define LOC_TYPE     (&google__protobuf__source_code_info__location__descriptor)

static enum weft_err unpack_hex(
    const ProtobufCMessageDescriptor *type, const char *hex, enum wf_pb_rule rule)
{
    struct wf_buf in = wf_test_hex(hex);
    struct wf_arena a;
    ProtobufCMessage *m = NULL;

    wf_arena_init(&a, wf_pb_budget(in.len));
    enum weft_err err = wf_pb_unpack(type, wf_buf_view(&in), rule, &a, &m);
    ck_assert((err == WEFT_OK) == (m != NULL));
    wf_arena_fini(&a);
    wf_buf_fini(&in);
    return err;
}

static const struct row {
    const char *why;
    const ProtobufCMessageDescriptor *type;
    const char *hex;
    enum wf_pb_rule rule;
    enum weft_err want;
} rows[] = {
    { "an empty message", FILE_TYPE, "", WF_PB_CANONICAL, WEFT_OK },
    { "name = a, package = b", FILE_TYPE, "0a0161 120162", WF_PB_CANONICAL, WEFT_OK },
    { "fields out of order", FILE_TYPE, "120162 0a0161", WF_PB_CANONICAL, WEFT_E_NOT_CANONICAL },
    { "fields out of order are fine unsigned", FILE_TYPE, "120162 0a0161", WF_PB_STRICT, WEFT_OK },
    { "a singular field twice", FILE_TYPE, "0a0161 0a0161", WF_PB_CANONICAL, WEFT_E_NOT_CANONICAL },
    { "a tag in two bytes where one does", FILE_TYPE, "8a000161", WF_PB_CANONICAL,
        WEFT_E_NOT_CANONICAL },
    { "a length in two bytes where one does", FILE_TYPE, "0a810061", WF_PB_CANONICAL,
        WEFT_E_NOT_CANONICAL },
    { "a length in two bytes, unsigned", FILE_TYPE, "0a810061", WF_PB_STRICT, WEFT_OK },
    { "unknown field 100", FILE_TYPE, "a20600", WF_PB_CANONICAL, WEFT_E_UNKNOWN_FIELD },
    { "unknown field 100, strict", FILE_TYPE, "a20600", WF_PB_STRICT, WEFT_E_UNKNOWN_FIELD },
    { "unknown field 100, lenient", FILE_TYPE, "a20600", WF_PB_LENIENT, WEFT_OK },
    { "an unknown field inside a submessage", FILE_TYPE, "2203a20600", WF_PB_STRICT,
        WEFT_E_UNKNOWN_FIELD },
    { "unknown fixed fields are skipped", FILE_TYPE, "a1060000000000000000 a50600000000",
        WF_PB_LENIENT, WEFT_OK },
    { "an unknown group", FILE_TYPE, "a306a406", WF_PB_LENIENT, WEFT_E_SYNTAX },
    { "field number 0", FILE_TYPE, "0200", WF_PB_LENIENT, WEFT_E_SYNTAX },
    { "a field number beyond 2^29 - 1", FILE_TYPE, "82808080 1000", WF_PB_LENIENT, WEFT_E_SYNTAX },
    { "wire type 7", FILE_TYPE, "0f", WF_PB_LENIENT, WEFT_E_SYNTAX },
    { "a string that is not UTF-8", FILE_TYPE, "0a02c0af", WF_PB_STRICT, WEFT_E_BAD_UTF8 },
    { "a string with NUL", FILE_TYPE, "0a03610062", WF_PB_STRICT, WEFT_E_BAD_UTF8 },
    { "bytes may be anything", OPTION_TYPE, "3a02c0af", WF_PB_STRICT, WEFT_OK },
    { "a varint where a string belongs", FILE_TYPE, "0801", WF_PB_STRICT, WEFT_E_SYNTAX },
    { "a length past the end", FILE_TYPE, "0a05616263", WF_PB_STRICT, WEFT_E_TRUNCATED },
    { "a length of 2^64 - 1", FILE_TYPE, "0affffffffffffffffff01", WF_PB_STRICT, WEFT_E_TRUNCATED },
    { "a submessage longer than its parent says", FILE_TYPE, "2203 0a0561", WF_PB_STRICT,
        WEFT_E_TRUNCATED },
    { "an eleven byte varint", FILE_TYPE, "50 8080808080808080808001", WF_PB_LENIENT,
        WEFT_E_SYNTAX },
    { "a delimited value for a singular number", OPTION_TYPE, "220100", WF_PB_STRICT,
        WEFT_E_SYNTAX },
    { "packed numbers", LOC_TYPE, "0a03010203", WF_PB_STRICT, WEFT_OK },
    { "packed numbers cut inside a varint", LOC_TYPE, "0a0180", WF_PB_STRICT, WEFT_E_SYNTAX },
};

START_TEST(each_form_has_its_verdict)
{
    const struct row *r = &rows[_i];
    enum weft_err err = unpack_hex(r->type, r->hex, r->rule);

    ck_assert_msg(err == r->want, "%s: %s", r->why, weft_err_name(err));
}
END_TEST

// Encodes depth nested messages: nested_type is field 3 of DescriptorProto.
static void nest(struct wf_buf *out, unsigned depth)
{
    struct wf_buf inner = { 0 };
    uint8_t len[WF_VARINT_MAX];

    out->len = 0;
    for (unsigned i = 1; i < depth; i++) {
        size_t n = wf_varint_put(len, out->len);
        inner.len = 0;
        ck_assert_int_eq(wf_buf_append_byte(&inner, 0x1a), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&inner, wf_bytes(len, n)), WEFT_OK);
        ck_assert_int_eq(wf_buf_append(&inner, wf_buf_view(out)), WEFT_OK);
        struct wf_buf swap = *out;
        *out = inner;
        inner = swap;
    }
    wf_buf_fini(&inner);
}

static enum weft_err unpack_nested(unsigned depth, enum wf_pb_rule rule)
{
    struct wf_buf in = { 0 };
    struct wf_arena a;
    ProtobufCMessage *m = NULL;

    nest(&in, depth);
    wf_arena_init(&a, WF_MAX_UNPACK);
    enum weft_err err = wf_pb_unpack(MESSAGE_TYPE, wf_buf_view(&in), rule, &a, &m);
    wf_arena_fini(&a);
    wf_buf_fini(&in);
    return err;
}

START_TEST(nesting_is_bounded_before_protobuf_c_recurses)
{
    ck_assert_int_eq(unpack_nested(WF_MAX_PB_DEPTH, WF_PB_CANONICAL), WEFT_OK);
    ck_assert_int_eq(unpack_nested(WF_MAX_PB_DEPTH + 1, WF_PB_CANONICAL), WEFT_E_TOO_DEEP);
    ck_assert_int_eq(unpack_nested(WF_MAX_PB_DEPTH + 1, WF_PB_STRICT), WEFT_E_TOO_DEEP);
    ck_assert_int_eq(unpack_nested(WF_MAX_PB_TREE_DEPTH, WF_PB_LENIENT), WEFT_OK);
    ck_assert_int_eq(unpack_nested(WF_MAX_PB_TREE_DEPTH + 1, WF_PB_LENIENT), WEFT_E_TOO_DEEP);
    ck_assert_int_eq(unpack_nested(5000, WF_PB_LENIENT), WEFT_E_TOO_DEEP);
}
END_TEST

// len bytes made of empty submessages "22 00" (message_type of FileDescriptorProto), the worst expansion protobuf-c has.
static enum weft_err unpack_empties(size_t count, size_t cap)
{
    struct wf_buf in = { 0 };
    struct wf_arena a;
    ProtobufCMessage *m = NULL;

    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(wf_buf_append(&in, wf_bytes("\x22\x00", 2)), WEFT_OK);
    wf_arena_init(&a, cap ? cap : wf_pb_budget(in.len));
    enum weft_err err = wf_pb_unpack(FILE_TYPE, wf_buf_view(&in), WF_PB_STRICT, &a, &m);
    ck_assert_uint_le(a.used, a.cap);
    wf_arena_fini(&a);
    wf_buf_fini(&in);
    return err;
}

START_TEST(memory_is_bounded_by_the_budget)
{
    ck_assert_int_eq(unpack_empties(10, 0), WEFT_OK);
    ck_assert_int_eq(unpack_empties(1000, 0), WEFT_E_BUDGET);
    ck_assert_int_eq(unpack_empties(1000, WF_MAX_UNPACK), WEFT_OK);
    // Elements are bounded whatever room there is.
    ck_assert_int_eq(
        unpack_empties(WF_MAX_RECORD_ELEMENTS * 4u + 1, 64u * WF_MAX_UNPACK), WEFT_E_BUDGET);
}
END_TEST

START_TEST(packed_numbers_count_as_elements)
{
    struct wf_buf in = { 0 };
    struct wf_arena a;
    ProtobufCMessage *m = NULL;
    uint8_t len[WF_VARINT_MAX];
    size_t count = WF_MAX_RECORD_ELEMENTS * 4u + 1;

    ck_assert_int_eq(wf_buf_append_byte(&in, 0x0a), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&in, wf_bytes(len, wf_varint_put(len, count))), WEFT_OK);
    ck_assert_int_eq(wf_buf_reserve(&in, count), WEFT_OK);
    memset(in.ptr + in.len, 1, count);
    in.len += count;
    wf_arena_init(&a, WF_MAX_UNPACK);
    ck_assert_int_eq(wf_pb_unpack(LOC_TYPE, wf_buf_view(&in), WF_PB_STRICT, &a, &m), WEFT_E_BUDGET);
    ck_assert_uint_eq(a.used, 0);
    wf_arena_fini(&a);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(the_budget_grows_with_the_document_within_its_bounds)
{
    ck_assert_uint_eq(wf_pb_budget(0), 16384);
    ck_assert_uint_eq(wf_pb_budget(256), 16384);
    ck_assert_uint_eq(wf_pb_budget(1000), 64000);
    ck_assert_uint_eq(wf_pb_budget(WF_MAX_UNPACK / WF_MAX_UNPACK_FACTOR), WF_MAX_UNPACK);
    ck_assert_uint_eq(wf_pb_budget(SIZE_MAX), WF_MAX_UNPACK);
}
END_TEST

START_TEST(what_is_packed_unpacks_to_the_same)
{
    Google__Protobuf__FileDescriptorProto f = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__FileDescriptorProto *back = NULL;
    struct wf_buf out = { 0 };
    struct wf_bytes again = { 0 };
    struct wf_arena a;

    f.name = wf_pb_str("a.proto");
    f.package = wf_pb_str("weft");
    wf_arena_init(&a, 65536);
    ck_assert_int_eq(wf_buf_append_str(&out, "head"), WEFT_OK);
    ck_assert_int_eq(wf_pb_pack(&f, &out), WEFT_OK);
    ck_assert(wf_bytes_has_prefix(wf_buf_view(&out), WF_STR("head")));
    struct wf_bytes body = wf_bytes(out.ptr + 4, out.len - 4);
    ck_assert_int_eq(wf_pb_unpack(FILE_TYPE, body, WF_PB_CANONICAL, &a, &back), WEFT_OK);
    ck_assert_str_eq(back->name, "a.proto");
    ck_assert_str_eq(back->package, "weft");
    ck_assert_int_eq(wf_pb_pack_arena(back, &a, &again), WEFT_OK);
    ck_assert(wf_bytes_eq(body, again));
    wf_arena_fini(&a);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_truncated_message_is_never_accepted_as_the_whole)
{
    struct wf_buf in = wf_test_hex("0a07612e70726f746f 120477656674 2203 0a0161");
    struct wf_arena a;

    wf_arena_init(&a, 65536);
    for (size_t n = 0; n < in.len; n++) {
        Google__Protobuf__FileDescriptorProto *m = NULL;
        uint8_t *exact = malloc(n ? n : 1); // an over-read traps under ASan
        memcpy(exact, in.ptr, n);
        enum weft_err err = wf_pb_unpack(FILE_TYPE, wf_bytes(exact, n), WF_PB_CANONICAL, &a, &m);
        // A cut between two fields is a shorter message, which the signature refuses; every other cut is refused here.
        bool boundary = n == 0 || n == 9 || n == 15;
        ck_assert_msg(err == (boundary ? WEFT_OK : WEFT_E_TRUNCATED), "cut at %zu: %s", n,
            weft_err_name(err));
        free(exact);
        wf_arena_reset(&a);
    }
    wf_arena_fini(&a);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(a_malformed_message_is_not_packed)
{
    Google__Protobuf__FileDescriptorProto f = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    struct wf_buf out = { 0 };
    struct wf_bytes bytes = { 0 };
    struct wf_arena a;

    f.n_message_type = 1; // and no array
    wf_arena_init(&a, 4096);
    ck_assert_int_eq(wf_pb_pack(&f, &out), WEFT_E_INTERNAL);
    ck_assert_int_eq(wf_pb_pack_arena(&f, &a, &bytes), WEFT_E_INTERNAL);
    ck_assert_uint_eq(out.len, 0);
    f.n_message_type = 0;
    f.name = wf_pb_str("a name longer than the arena's cap");
    wf_arena_fini(&a);
    wf_arena_init(&a, 8);
    ck_assert_int_eq(wf_pb_pack_arena(&f, &a, &bytes), WEFT_E_BUDGET);
    wf_arena_fini(&a);
    wf_buf_fini(&out);
}
END_TEST

// ---- large contents --------------------------------------------------------------------------------------------------

#define LARGE 5000u

// A PUBLISH as libweft packs it, or what somebody else might make of it.
static const struct large {
    const char *why;
    const char *before, *behind; // hex, within the request around the records
    size_t len;
    bool view;
} larges[] = {
    { "records among other fields", "0a0163 18 05", "2808 3003", LARGE, true },
    { "records alone", "", "", LARGE, true },
    { "a small one", "0a0163", "2808", WF_PB_LARGE - 1, false },
    { "the smallest that is large", "0a0163", "2808", WF_PB_LARGE, true },
    { "fields out of order", "2808", "0a0163", LARGE, false },
    { "records twice, the last counts", "", "220161", LARGE, false },
    { "records twice, the large ones last", "220161", "", LARGE, false },
};

static struct wf_buf publish_bytes(const struct large *row, const char *behind_request)
{
    struct wf_buf in = { 0 }, inner = wf_test_hex(row->before), rest = wf_test_hex(row->behind);
    struct wf_buf more = wf_test_hex(behind_request);
    uint8_t number[WF_VARINT_MAX];

    ck_assert(!wf_buf_append_byte(&inner, 0x22));
    ck_assert(!wf_buf_append(&inner, wf_bytes(number, wf_varint_put(number, row->len))));
    for (size_t i = 0; i < row->len; i++)
        ck_assert(!wf_buf_append_byte(&inner, (uint8_t)i));
    ck_assert(!wf_buf_append(&inner, wf_buf_view(&rest)));
    ck_assert(!wf_buf_append(&in, WF_STR("\x10\x07\xc2\x02"))); // deadline_ms, publish
    ck_assert(!wf_buf_append(&in, wf_bytes(number, wf_varint_put(number, inner.len))));
    ck_assert(!wf_buf_append(&in, wf_buf_view(&inner)));
    ck_assert(!wf_buf_append(&in, wf_buf_view(&more)));
    wf_buf_fini(&inner);
    wf_buf_fini(&rest);
    wf_buf_fini(&more);
    return in;
}

static bool is_within(struct wf_bytes all, const uint8_t *p)
{
    return p >= all.ptr && p < all.ptr + all.len;
}

// However it was read, it packs to the same bytes.
static void read_alike(struct wf_bytes in, struct wf_bytes *ret_records)
{
    struct wf_arena a, b;
    Weft__V1__Request *copied = NULL, *viewed = NULL;
    struct wf_buf x = { 0 }, y = { 0 };

    wf_arena_init(&a, wf_pb_budget(in.len));
    wf_arena_init(&b, wf_pb_budget(in.len));
    enum weft_err err = wf_pb_unpack(&weft__v1__request__descriptor, in, WF_PB_STRICT, &a, &copied);
    ck_assert_int_eq(wf_pb_unpack_view(&weft__v1__request__descriptor, in, &b, &viewed), err);
    ck_assert_int_eq(viewed != NULL, copied != NULL);
    *ret_records = wf_bytes(NULL, 0);
    if (!err) {
        ck_assert(!wf_pb_pack(copied, &x) && !wf_pb_pack(viewed, &y));
        ck_assert(wf_bytes_eq(wf_buf_view(&x), wf_buf_view(&y)));
        if (viewed->kind_case == WEFT__V1__REQUEST__KIND_PUBLISH)
            *ret_records = wf_pb_view(viewed->publish->records);
    }
    wf_buf_fini(&x);
    wf_buf_fini(&y);
    wf_arena_fini(&a);
    wf_arena_fini(&b);
}

START_TEST(a_large_content_is_a_view_and_all_else_as_ever)
{
    struct wf_buf in = publish_bytes(&larges[_i], "");
    struct wf_bytes records;

    read_alike(wf_buf_view(&in), &records);
    ck_assert_msg(
        is_within(wf_buf_view(&in), records.ptr) == larges[_i].view, "%s", larges[_i].why);
    wf_buf_fini(&in);
}
END_TEST

// Another member of the oneof takes the place of the one that had the content; its memory is not to be written to.
START_TEST(a_member_that_was_replaced_has_no_content)
{
    struct wf_buf in = publish_bytes(&larges[0], "ca0200"); // apply
    struct wf_bytes records;

    read_alike(wf_buf_view(&in), &records);
    ck_assert_ptr_null(records.ptr);
    wf_buf_fini(&in);
}
END_TEST

// Whatever byte of the frame around it is another one: both ways of reading agree.
START_TEST(both_ways_of_reading_refuse_the_same)
{
    struct wf_buf in = publish_bytes(&larges[0], "");
    struct wf_bytes records;
    const size_t heads[] = { 0, in.len - 6 }; // before the records, and behind them

    for (size_t h = 0; h < WF_COUNT(heads); h++)
        for (size_t i = heads[h]; i < heads[h] + (h ? 6 : 16); i++)
            for (unsigned byte = 0; byte < 256; byte++) {
                uint8_t was = in.ptr[i];
                in.ptr[i] = (uint8_t)byte;
                read_alike(wf_buf_view(&in), &records);
                in.ptr[i] = was;
            }
    for (size_t len = 0; len < 32; len++) {
        read_alike(wf_bytes(in.ptr, len), &records);
        read_alike(wf_bytes(in.ptr, in.len - len), &records);
    }
    wf_buf_fini(&in);
}
END_TEST

START_TEST(what_is_packed_around_a_content_becomes_whole_with_it)
{
    struct wf_buf in = publish_bytes(&larges[0], ""), around = { 0 }, whole = { 0 };
    struct wf_arena a;
    Weft__V1__Request *q = NULL;
    size_t at = 0;

    wf_arena_init(&a, wf_pb_budget(in.len));
    ck_assert(!wf_pb_unpack_view(&weft__v1__request__descriptor, wf_buf_view(&in), &a, &q));
    struct wf_bytes records = wf_pb_view(q->publish->records);
    ck_assert(!wf_buf_append_str(&around, "before"));
    ck_assert_int_eq(wf_pb_pack_around(q, records, &around, &at), WEFT_OK);
    ck_assert(!wf_buf_append(&whole, wf_bytes(around.ptr + 6, at)));
    ck_assert(!wf_buf_append(&whole, records));
    ck_assert(!wf_buf_append(&whole, wf_bytes(around.ptr + 6 + at, around.len - 6 - at)));
    ck_assert(wf_bytes_eq(wf_buf_view(&whole), wf_buf_view(&in)));
    size_t len = around.len; // what is no content of the message has no place in it
    ck_assert_int_eq(wf_pb_pack_around(q, wf_bytes(records.ptr, records.len - 1), &around, &at),
        WEFT_E_INTERNAL);
    ck_assert_uint_eq(around.len, len);
    wf_arena_fini(&a);
    wf_buf_fini(&in);
    wf_buf_fini(&around);
    wf_buf_fini(&whole);
}
END_TEST

// ---- our own messages ------------------------------------------------------------------------------------------------

// The longest way down from a type, beyond any limit when it contains itself.
static unsigned depth_of(const ProtobufCMessageDescriptor *type, unsigned above)
{
    unsigned deepest = above;

    if (above > WF_MAX_PB_DEPTH)
        return above;
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            unsigned d = depth_of(type->fields[i].descriptor, above + 1);
            deepest = d > deepest ? d : deepest;
        }
    return deepest;
}

static const struct own {
    const ProtobufCMessageDescriptor *type;
    bool is_signed;
} own[] = {
    { &weft__v1__request__descriptor, false },
    { &weft__v1__reply__descriptor, false },
    { &weft__v1__entry__descriptor, false },
    { &weft__v1__frame_content__descriptor, false },
    { &weft__v1__cursor__descriptor, false },
    { &weft__v1__records__descriptor, false },
    { &weft__v1__ticket__descriptor, false },
    { &weft__v1__domain_public__descriptor, false },
    { &weft__v1__batch__descriptor, false },
    { &weft__v1__envelope__descriptor, false },
    { &weft__v1__certificate__descriptor, true },
    { &weft__v1__certificate_chain__descriptor, true },
    { &weft__v1__revocation_list__descriptor, true },
    { &weft__v1__charter__descriptor, true },
    { &weft__v1__token__descriptor, true },
    { &weft__v1__token_block__descriptor, true },
    { &weft__v1__manifest__descriptor, true },
    { &weft__v1__node_advert__descriptor, true },
    { &weft__v1__product_advert__descriptor, true },
    { &weft__v1__home__descriptor, true },
    { &weft__v1__equivocation_proof__descriptor, true },
    { &weft__v1__batch_header__descriptor, true },
    { &weft__v1__heartbeat__descriptor, true },
};

static bool has_float(const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        if (f->type == PROTOBUF_C_TYPE_FLOAT || f->type == PROTOBUF_C_TYPE_DOUBLE ||
            (f->type == PROTOBUF_C_TYPE_MESSAGE && has_float(f->descriptor)))
            return true;
    }
    return false;
}

START_TEST(no_message_of_ours_contains_itself_and_no_signed_one_a_float)
{
    ck_assert_msg(depth_of(&google__protobuf__descriptor_proto__descriptor, 0) > WF_MAX_PB_DEPTH,
        "a recursive type is found");
    ck_assert_msg(depth_of(own[_i].type, 0) < WF_MAX_PB_DEPTH, "%s", own[_i].type->name);
    ck_assert_msg(!own[_i].is_signed || !has_float(own[_i].type), "%s", own[_i].type->name);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pb");
    TCase *t = tcase_create("pb");

    tcase_add_loop_test(t, each_form_has_its_verdict, 0, WF_COUNT(rows));
    tcase_add_test(t, nesting_is_bounded_before_protobuf_c_recurses);
    tcase_add_test(t, memory_is_bounded_by_the_budget);
    tcase_add_test(t, packed_numbers_count_as_elements);
    tcase_add_test(t, the_budget_grows_with_the_document_within_its_bounds);
    tcase_add_test(t, what_is_packed_unpacks_to_the_same);
    tcase_add_test(t, a_truncated_message_is_never_accepted_as_the_whole);
    tcase_add_test(t, a_malformed_message_is_not_packed);
    tcase_add_loop_test(
        t, a_large_content_is_a_view_and_all_else_as_ever, 0, (int)WF_COUNT(larges));
    tcase_add_test(t, a_member_that_was_replaced_has_no_content);
    tcase_add_test(t, both_ways_of_reading_refuse_the_same);
    tcase_add_test(t, what_is_packed_around_a_content_becomes_whole_with_it);
    tcase_add_loop_test(t, no_message_of_ours_contains_itself_and_no_signed_one_a_float, 0,
        (int)(sizeof own / sizeof *own));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

// SPDX-License-Identifier: Apache-2.0
// The reader against weft.test.Host and weft.legacy.Old (tests/proto/schema). Events are compared as one line of text.
#include "proto/schema/record.h"

#include "proto/base/limits.h"
#include "proto/schema/record_reader.h"
#include "tests/proto/schema_fixture.h"

static struct wf_schema *rich, *legacy;
static const struct wf_schema_message *host, *old;

static void setup(void)
{
    rich = fixture_schema("rich");
    legacy = fixture_schema("legacy");
    host = fixture_message(rich, "weft.test.Host");
    old = fixture_message(legacy, "weft.legacy.Old");
}

static void teardown(void)
{
    wf_schema_free(rich);
    wf_schema_free(legacy);
}

static const struct wf_schema_message *type_of(const char *name)
{
    return strcmp(name, "old") == 0 ? old : host;
}

static enum weft_err print_scalar(struct wf_buf *out, const struct wf_value *v)
{
    switch (v->kind) {
    case WF_VALUE_BOOL:
        return wf_buf_printf(out, "%s", v->b ? "true" : "false");
    case WF_VALUE_INT:
        return wf_buf_printf(out, "%lld", (long long)v->i);
    case WF_VALUE_UINT:
        return wf_buf_printf(out, "%lluu", (unsigned long long)v->u);
    case WF_VALUE_FLOAT:
        return wf_buf_printf(out, "%gf", (double)v->f);
    case WF_VALUE_DOUBLE:
        return wf_buf_printf(out, "%g", v->d);
    case WF_VALUE_ENUM:
        return wf_buf_printf(out, "#%d", v->number);
    case WF_VALUE_STRING:
    case WF_VALUE_BYTES:
        return wf_buf_printf(out, "'%.*s'", (int)v->bytes.len, (const char *)v->bytes.ptr);
    default:
        return WEFT_E_INTERNAL;
    }
}

// name=value, name{ … }, name[ … ], name<key:value …>
static enum weft_err print_event(void *ctx, const struct wf_record_event *e, bool *skip)
{
    struct wf_buf *out = ctx;
    bool element =
        e->field && e->field->repeated && e->what != WF_RECORD_LIST && e->what != WF_RECORD_MAP;
    const char *name = e->field && !element ? e->field->name : "";
    enum weft_err err = WEFT_OK;

    (void)skip;
    if (e->what == WF_RECORD_MESSAGE_END)
        return wf_buf_append_str(out, "} ");
    if (e->what == WF_RECORD_LIST_END)
        return wf_buf_append_str(out, "] ");
    if (e->what == WF_RECORD_MAP_END)
        return wf_buf_append_str(out, "> ");
    if (e->key) {
        err = print_scalar(out, e->key);
        if (!err)
            err = wf_buf_append_byte(out, ':');
    }
    if (!err)
        err = wf_buf_append_str(out, name);
    if (err)
        return err;
    if (e->what == WF_RECORD_MESSAGE)
        return wf_buf_append_str(out, "{ ");
    if (e->what == WF_RECORD_LIST)
        return wf_buf_append_str(out, "[ ");
    if (e->what == WF_RECORD_MAP)
        return wf_buf_append_str(out, "< ");
    if (name[0])
        err = wf_buf_append_byte(out, '=');
    if (!err)
        err = print_scalar(out, &e->value);
    return err ? err : wf_buf_append_byte(out, ' ');
}

static const struct meaning {
    const char *why, *type, *hex, *want;
    size_t unknown;
} meanings[] = {
    { "nothing", "host", "", "{ } ", 0 },
    { "one string", "host", "0a0161", "{ name='a' } ", 0 },
    { "an implicit zero is absent", "host", "0a00 b00100 a1010000000000000000", "{ } ", 0 },
    { "minus zero is not zero", "host", "a1010000000000000080", "{ f_double=-0 } ", 0 },
    { "an optional zero is present", "host", "4000", "{ maybe=0 } ", 0 },
    { "a oneof's zero is present", "host", "5800", "{ number=0 } ", 0 },
    { "the last of two wins", "host", "0a0161 0a0162", "{ name='b' } ", 0 },
    { "the last of two wins even if zero", "host", "0a0161 0a00", "{ } ", 0 },
    { "fields out of order come in order", "host", "8001010a0161", "{ name='a' kind=#1 } ", 0 },
    { "the other oneof member clears the first", "host", "4a0178 5805", "{ number=5 } ", 0 },
    { "and the first comes back", "host", "4a0178 5805 4a0179", "{ text='y' } ", 0 },
    { "pieces of one oneof message merge", "host", "52030a0161 52021005",
        "{ disk{ mount='a' used_bytes=5u } } ", 0 },
    { "unless another member stood between", "host", "52030a0161 5805 52021005",
        "{ disk{ used_bytes=5u } } ", 0 },
    { "pieces of a message merge", "host", "9201030a0161 0a017a 9201 03 8001 02",
        "{ name='z' parent{ name='a' kind=#2 } } ", 0 },
    { "pieces merge all the way down", "host", "920106 9201030a0161 920106 9201 03 8001 02",
        "{ parent{ parent{ name='a' kind=#2 } } } ", 0 },
    { "list elements do not merge", "host", "1a030a0161 1a021005",
        "{ disks[ { mount='a' } { used_bytes=5u } ] } ", 0 },
    { "a packed list", "host", "6a03 01 ac02", "{ packed[ 1 300 ] } ", 0 },
    { "a list packed in two runs and single", "host", "6a0101 6802 6a020304",
        "{ packed[ 1 2 3 4 ] } ", 0 },
    { "an empty packed run is no list", "host", "6a00", "{ } ", 0 },
    { "an unpacked list given packed", "host", "72020102", "{ unpacked[ -1 1 ] } ", 0 },
    { "zeros in a list stay", "host", "6a020000 7a00", "{ packed[ 0 0 ] names[ '' ] } ", 0 },
    { "map keys in order, the last of two", "host",
        "2a05 0805 1201 61 2a05 0803 1201 62 2a05 0805 1201 63", "{ ports< 3:'b' 5:'c' > } ", 0 },
    { "a map entry without key and value", "host", "2a00", "{ ports< 0:'' > } ", 0 },
    { "a map entry with its key last", "host", "2a05 120161 0807", "{ ports< 7:'a' > } ", 0 },
    { "a map entry's message in pieces", "host", "220d 0a016b 1203 0a0161 1203 0a0162",
        "{ mounts< 'k':{ mount='b' } > } ", 0 },
    { "a map entry without its message", "host", "2203 0a016b", "{ mounts< 'k':{ } > } ", 0 },
    { "a map of booleans, false first", "host", "3202 0801 3200", "{ flags< false:0 true:0 > } ",
        0 },
    { "keys of 64 bits", "host", "3a0d 08ffffffffffffffffff01 1002 3a02 0801",
        "{ kinds_by_id< 1u:#0 18446744073709551615u:#2 > } ", 0 },
    { "unknown fields of every wire type", "host",
        "a00601 a1060102030405060708 a2060161 a50601020304", "{ } ", 4 },
    { "an unknown number of an open enum", "host", "800163", "{ kind=#99 } ", 0 },
    { "ten bytes of a negative int32", "host", "b001ffffffffffffffffff01", "{ f_int32=-1 } ", 0 },
    { "an int32 beyond 32 bits is cut, as everywhere", "host", "b0018180808010", "{ f_int32=1 } ",
        0 },
    { "any varint but 0 is true", "host", "80028001 800202", "{ f_bool=true } ", 0 },
    { "a required field", "old", "0a0161", "{ id='a' } ", 0 },
    { "proto2 zeros are present", "old", "0a00 1000", "{ id='' count=0 } ", 0 },
    { "a closed enum's unknown number is unknown", "old", "0a0161 2807", "{ id='a' } ", 1 },
    { "and does not replace a known one", "old", "0a0161 2803 2807", "{ id='a' color=#3 } ", 1 },
    { "nor clear a oneof", "old", "0a0161 a2010178 a80107", "{ id='a' a='x' } ", 1 },
    { "unknown numbers leave a packed list", "old", "0a0161 5203030704",
        "{ id='a' colors[ #3 #4 ] } ", 1 },
    { "a list of unknown numbers only is no list", "old", "0a0161 520107", "{ id='a' } ", 1 },
    { "a map entry with an unknown number is unknown", "old",
        "0a0161 6205 0a016b 1007 6205 0a016c 1002", "{ id='a' named< 'l':#2 > } ", 1 },
};

START_TEST(a_record_means_what_protobuf_means)
{
    const struct meaning *row = &meanings[_i];
    struct wf_buf in = wf_test_hex(row->hex), out = { 0 };
    struct wf_diag diag = { 0 };
    size_t unknown = 99;

    enum weft_err err = wf_record_read(
        type_of(row->type), wf_buf_view(&in), NULL, print_event, &out, &unknown, &diag);
    ck_assert_msg(err == WEFT_OK, "%s: %s", row->why, diag.text);
    ck_assert(wf_buf_append_byte(&out, 0) == WEFT_OK);
    ck_assert_msg(strcmp((char *)out.ptr, row->want) == 0, "%s: %s", row->why, (char *)out.ptr);
    ck_assert_msg(unknown == row->unknown, "%s: %zu unknown", row->why, unknown);
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

static const struct refusal {
    const char *why, *type, *hex;
    enum weft_err want;
    const char *says;
} refusals[] = {
    { "a tag without a value", "host", "0a", WEFT_E_TRUNCATED, "truncated" },
    { "a length beyond the end", "host", "0a0561", WEFT_E_TRUNCATED, "truncated" },
    { "a length of almost 2^64", "host", "0affffffffffffffffff01", WEFT_E_TRUNCATED, "truncated" },
    { "half a fixed64", "host", "a10101020304", WEFT_E_TRUNCATED, "truncated" },
    { "field number 0", "host", "0001", WEFT_E_SYNTAX, "bad syntax" },
    { "a tag beyond 32 bits", "host", "808080801001", WEFT_E_SYNTAX, "bad syntax" },
    { "a group", "host", "a306a406", WEFT_E_SYNTAX, "bad syntax" },
    { "wire type 6", "host", "0e", WEFT_E_SYNTAX, "bad syntax" },
    { "a varint of eleven bytes", "host", "b001ffffffffffffffffffff01", WEFT_E_SYNTAX,
        "bad syntax" },
    { "a string as a number", "host", "0801", WEFT_E_TYPE, "name: wire type 0" },
    { "a number as a string", "host", "b2010161", WEFT_E_TYPE, "f_int32: wire type 2" },
    { "a list element of another type, and where", "host", "1a00 1a00 1a00 1a03120161", WEFT_E_TYPE,
        "disks[3].used_bytes: wire type 2" },
    { "bad UTF-8", "host", "0a02c0af", WEFT_E_BAD_UTF8, "name: not valid UTF-8" },
    { "bad UTF-8 in a list", "host", "7a0161 7a01ff", WEFT_E_BAD_UTF8, "names[1]: not" },
    { "bad UTF-8 in a map's message", "host", "2208 0a016b 12030a01ff", WEFT_E_BAD_UTF8,
        "mounts[\"k\"].mount: not" },
    { "bad UTF-8 as a map's key", "host", "22030a01ff", WEFT_E_BAD_UTF8, "mounts: not" },
    { "pieces that only fit joined are no pieces", "host", "9201030a0361 92010262 63",
        WEFT_E_TRUNCATED, "parent" },
    { "a replaced string must be valid", "host", "0a01ff 0a0161", WEFT_E_BAD_UTF8, "name: not" },
    { "a replaced oneof member must be valid", "host", "52021201 5805", WEFT_E_TRUNCATED, "disk" },
    { "a replaced oneof text must be valid", "host", "4a01ff 5805", WEFT_E_BAD_UTF8, "text: not" },
    { "a replaced map entry must be valid", "host", "2208 0a016b 12030a01ff 22030a016b",
        WEFT_E_BAD_UTF8, "mounts[\"k\"].mount: not" },
    { "a replaced map key must be valid", "host", "2206 0a01ff 0a0161", WEFT_E_BAD_UTF8,
        "mounts: not" },
    { "a packed list that ends within", "host", "6a0180", WEFT_E_TRUNCATED, "packed" },
    { "a required field is absent", "old", "1005", WEFT_E_MISSING_FIELD, "id: required" },
    { "and inside", "old", "0a0161 6a00", WEFT_E_MISSING_FIELD, "inner.x: required" },
    { "a Timestamp before the year 1", "host", "120b 08ff919aa68dfeffffff01", WEFT_E_RANGE,
        "time:" },
    { "a Timestamp with a whole second of nanos", "host", "1206 108094ebdc03", WEFT_E_RANGE,
        "time:" },
    { "a Timestamp with negative nanos", "host", "120b 10ffffffffffffffffff01", WEFT_E_RANGE,
        "time:" },
    { "a Duration of two signs", "host", "c2020d 0801 10ffffffffffffffffff01", WEFT_E_RANGE,
        "uptime:" },
    { "a Value that is not a number", "host", "da0209 11000000000000f87f", WEFT_E_RANGE,
        "value.number_value:" },
    { "a FieldMask path without JSON form", "host", "ca0204 0a024141", WEFT_E_RANGE,
        "mask.paths[0]:" },
};

START_TEST(a_record_that_does_not_fit_is_refused_with_its_place)
{
    const struct refusal *row = &refusals[_i];
    struct wf_buf in = wf_test_hex(row->hex);
    struct wf_diag diag = { 0 };

    enum weft_err err = wf_record_check(type_of(row->type), wf_buf_view(&in), &diag);
    ck_assert_msg(err == row->want, "%s: %s (%s)", row->why, weft_err_name(err), diag.text);
    ck_assert_msg(strstr(diag.text, row->says) != NULL, "%s: \"%s\"", row->why, diag.text);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(a_record_cut_anywhere_never_reads_past_its_end)
{
    struct wf_buf record = wf_test_vector("record/001-rich.hex");

    ck_assert_int_eq(wf_record_check(host, wf_buf_view(&record), NULL), WEFT_OK);
    for (size_t len = 0; len < record.len; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, record.ptr, len);
        enum weft_err err = wf_record_check(host, wf_bytes(exact, len), NULL);
        ck_assert_msg(
            err == WEFT_OK || err == WEFT_E_TRUNCATED, "%zu: %s", len, weft_err_name(err));
        free(exact);
    }
    wf_buf_fini(&record);
}
END_TEST

START_TEST(a_record_with_any_bit_turned_is_read_or_refused)
{
    struct wf_buf record = wf_test_vector("record/001-rich.hex");

    for (size_t i = 0; i < record.len * 8; i++) {
        struct wf_diag diag = { 0 };
        record.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
        enum weft_err err = wf_record_check(host, wf_buf_view(&record), &diag);
        ck_assert_int_eq(err, wf_record_check_whole(host, wf_buf_view(&record), NULL));
        ck_assert_msg((err != WEFT_OK) == (diag.text[0] != '\0'), "bit %zu", i);
        ck_assert_int_ne(err, WEFT_E_INTERNAL);
        record.ptr[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    wf_buf_fini(&record);
}
END_TEST

// parent { parent { … } }, as deep as asked.
static struct wf_buf nest(unsigned levels)
{
    struct wf_buf b = { 0 };

    for (unsigned i = 1; i < levels; i++) {
        uint8_t head[2 + WF_VARINT_MAX] = { 0x92, 0x01 };
        size_t n = 2 + wf_varint_put(head + 2, b.len);
        ck_assert(wf_buf_reserve(&b, n) == WEFT_OK);
        memmove(b.ptr + n, b.ptr, b.len);
        memcpy(b.ptr, head, n);
        b.len += n;
    }
    return b;
}

START_TEST(messages_may_nest_to_the_limit_and_no_deeper)
{
    struct wf_buf fits = nest(WF_MAX_RECORD_DEPTH), deep = nest(WF_MAX_RECORD_DEPTH + 1);
    struct wf_buf bomb = nest(20000);
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(wf_record_check(host, wf_buf_view(&fits), &diag), WEFT_OK);
    ck_assert_int_eq(wf_record_check(host, wf_buf_view(&deep), &diag), WEFT_E_TOO_DEEP);
    ck_assert_int_eq(wf_record_check(host, wf_buf_view(&bomb), &diag), WEFT_E_TOO_DEEP);
    ck_assert_ptr_nonnull(strstr(diag.text, "parent.parent.parent"));
    wf_buf_fini(&fits);
    wf_buf_fini(&deep);
    wf_buf_fini(&bomb);
}
END_TEST

static struct wf_buf repeat(const char *hex, size_t times)
{
    struct wf_buf one = wf_test_hex(hex), all = { 0 };

    for (size_t i = 0; i < times; i++)
        ck_assert(wf_buf_append(&all, wf_buf_view(&one)) == WEFT_OK);
    wf_buf_fini(&one);
    return all;
}

// One packed field of so many zeros.
static struct wf_buf packed(size_t count)
{
    uint8_t head[1 + WF_VARINT_MAX] = { 0x6a };
    struct wf_buf b = { 0 };
    size_t n = 1 + wf_varint_put(head + 1, count);

    ck_assert(wf_buf_reserve(&b, n + count) == WEFT_OK);
    memcpy(b.ptr, head, n);
    memset(b.ptr + n, 0, count);
    b.len = n + count;
    return b;
}

START_TEST(elements_are_counted_however_they_are_encoded)
{
    struct {
        const char *why;
        struct wf_buf record;
        enum weft_err want;
    } rows[] = {
        { "packed, to the limit", packed(WF_MAX_RECORD_ELEMENTS - 1), WEFT_OK },
        { "packed, beyond", packed(WF_MAX_RECORD_ELEMENTS), WEFT_E_BUDGET },
        { "packed bomb", packed(250000), WEFT_E_BUDGET },
        { "empty messages, to the limit", repeat("1a00", WF_MAX_RECORD_ELEMENTS), WEFT_OK },
        { "empty messages, beyond", repeat("1a00", WF_MAX_RECORD_ELEMENTS + 1), WEFT_E_BUDGET },
        { "unknown fields, beyond", repeat("a00600", WF_MAX_RECORD_ELEMENTS + 1), WEFT_E_BUDGET },
        { "map entries, to the limit", repeat("2a00", WF_MAX_RECORD_ELEMENTS), WEFT_OK },
        { "a record beyond its length", repeat("0a00", WF_MAX_RECORD / 2 + 1), WEFT_E_TOO_BIG },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++) {
        enum weft_err err = wf_record_check(host, wf_buf_view(&rows[i].record), NULL);
        ck_assert_msg(err == rows[i].want, "%s: %s", rows[i].why, weft_err_name(err));
        wf_buf_fini(&rows[i].record);
    }
}
END_TEST

// Every level comes in two pieces, so every level is merged anew: the scratch budget ends it.
START_TEST(merging_at_every_level_is_bounded)
{
    struct wf_buf b = { 0 };

    for (int i = 0; i < 60; i++) {
        uint8_t head[2 + WF_VARINT_MAX] = { 0x92, 0x01 };
        size_t n = 2 + wf_varint_put(head + 2, b.len);
        ck_assert(wf_buf_reserve(&b, n + 3) == WEFT_OK);
        memmove(b.ptr + n, b.ptr, b.len);
        memcpy(b.ptr, head, n);
        memcpy(b.ptr + n + b.len, "\x92\x01\x00", 3);
        b.len += n + 3;
    }
    ck_assert_int_eq(wf_record_check(host, wf_buf_view(&b), NULL), WEFT_OK);
    struct wf_record_budget budget = wf_record_default_budget;
    budget.max_depth = 1000; // no caller can lift the limit
    struct wf_buf deep = nest(WF_MAX_RECORD_DEPTH + 1), out = { 0 };
    ck_assert_int_eq(
        wf_record_read(host, wf_buf_view(&deep), &budget, print_event, &out, NULL, NULL),
        WEFT_E_TOO_DEEP);
    wf_buf_fini(&b);
    wf_buf_fini(&deep);
    wf_buf_fini(&out);
}
END_TEST

START_TEST(a_smaller_budget_is_kept)
{
    struct wf_buf in = wf_test_hex("0a03616263 7a0178"), out = { 0 };
    struct wf_diag diag = { 0 };
    struct {
        struct wf_record_budget budget;
        enum weft_err want;
    } rows[] = {
        { { .max_len = 8, .max_elements = 2, .max_string = 3, .max_depth = 1 }, WEFT_OK },
        { { .max_len = 7, .max_elements = 2, .max_string = 3, .max_depth = 1 }, WEFT_E_TOO_BIG },
        { { .max_len = 8, .max_elements = 1, .max_string = 3, .max_depth = 1 }, WEFT_E_BUDGET },
        { { .max_len = 8, .max_elements = 2, .max_string = 2, .max_depth = 1 }, WEFT_E_TOO_BIG },
        { { .max_len = 8, .max_elements = 2, .max_string = 3, .max_depth = 0 }, WEFT_E_TOO_DEEP },
    };

    for (size_t i = 0; i < WF_COUNT(rows); i++)
        ck_assert_int_eq(
            wf_record_read(host, wf_buf_view(&in), &rows[i].budget, print_event, &out, NULL, &diag),
            rows[i].want);
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

static enum weft_err refuse_number(void *ctx, const struct wf_record_event *e, bool *skip)
{
    (void)ctx;
    if (e->what == WF_RECORD_MESSAGE && e->field && strcmp(e->field->name, "time") == 0)
        *skip = true;
    if (e->what != WF_RECORD_VALUE)
        return WEFT_OK;
    if (e->value.kind == WF_VALUE_UINT)
        return wf_record_refuse(e, WEFT_E_RANGE, "no %s here", "numbers");
    return e->value.kind == WF_VALUE_INT ? WEFT_E_CANCELLED : WEFT_OK;
}

START_TEST(a_visitor_can_skip_refuse_and_stop)
{
    struct wf_buf skipped = wf_test_hex("1202 ffff"), refused = wf_test_hex("1a021005"),
                  stopped = wf_test_hex("4001");
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_record_read(host, wf_buf_view(&skipped), NULL, refuse_number, NULL, NULL, &diag),
        WEFT_OK);
    ck_assert_int_eq(
        wf_record_read(host, wf_buf_view(&refused), NULL, refuse_number, NULL, NULL, &diag),
        WEFT_E_RANGE);
    ck_assert_str_eq(diag.text, "disks[0].used_bytes: no numbers here");
    ck_assert_int_eq(
        wf_record_read(host, wf_buf_view(&stopped), NULL, refuse_number, NULL, NULL, &diag),
        WEFT_E_CANCELLED);
    ck_assert_str_eq(diag.text, "maybe: cancelled");
    wf_buf_fini(&skipped);
    wf_buf_fini(&refused);
    wf_buf_fini(&stopped);
}
END_TEST

static const struct get_row {
    const char *why, *path, *hex, *want;
    bool present;
} get_rows[] = {
    { "a field", "name", "0a0161", "'a'", true },
    { "the last of two", "name", "0a0161 0a0162", "'b'", true },
    { "absent: the default", "name", "", "''", false },
    { "an implicit zero is absent", "f_int32", "b00100", "0", false },
    { "an optional zero is present", "maybe", "4000", "0", true },
    { "through a message", "parent.kind", "92010380 0102", "#2", true },
    { "through pieces of a message", "parent.name", "9201030a0161 92010380 0102", "'a'", true },
    { "a oneof member", "disk.mount", "52030a0161", "'a'", true },
    { "cleared by another member", "disk.mount", "52030a0161 5805", "''", false },
    { "cleared and set again", "disk.used_bytes", "52021005 5805 52030a0161", "0u", false },
};

START_TEST(a_path_gets_what_a_merge_would_give)
{
    const struct get_row *row = &get_rows[_i];
    struct wf_buf in = wf_test_hex(row->hex), out = { 0 };
    struct wf_record_path path;
    struct wf_value v;
    bool present = !row->present;

    ck_assert(wf_record_path_compile(host, wf_bytes_str(row->path), &path, NULL) == WEFT_OK);
    ck_assert(wf_record_get(&path, wf_buf_view(&in), &v, &present) == WEFT_OK);
    ck_assert(print_scalar(&out, &v) == WEFT_OK);
    ck_assert_msg(strcmp((char *)out.ptr, row->want) == 0, "%s: %s", row->why, (char *)out.ptr);
    ck_assert_msg(present == row->present, "%s", row->why);
    wf_buf_fini(&in);
    wf_buf_fini(&out);
}
END_TEST

static const struct path_row {
    const char *path;
    enum weft_err want;
    const char *says;
} path_rows[] = {
    { "nam", WEFT_E_NOT_FOUND, "no field \"nam\"" },
    { "", WEFT_E_NOT_FOUND, "no field \"\"" },
    { "parent.", WEFT_E_NOT_FOUND, "no field \"\"" },
    { "disks", WEFT_E_TYPE, "list or map" },
    { "mounts", WEFT_E_TYPE, "list or map" },
    { "name.x", WEFT_E_TYPE, "no message" },
    { "parent.parent.parent.parent.parent.parent.parent.parent.parent.parent.parent.parent.parent."
      "parent.parent.parent.name",
        WEFT_E_TOO_DEEP, "" },
};

START_TEST(a_path_that_leads_nowhere_is_refused)
{
    const struct path_row *row = &path_rows[_i];
    struct wf_record_path path;
    struct wf_diag diag = { 0 };

    ck_assert_int_eq(
        wf_record_path_compile(host, wf_bytes_str(row->path), &path, &diag), row->want);
    ck_assert_msg(strstr(diag.text, row->says) != NULL, "%s", diag.text);
}
END_TEST

START_TEST(a_path_refuses_what_it_can_not_read)
{
    struct wf_buf utf8 = wf_test_hex("0a01ff"), cut = wf_test_hex("0a05"),
                  type = wf_test_hex("0801"), pieces = wf_test_hex("9201030a0161 92010380 0102");
    struct wf_record_path name, parent;
    struct wf_value v;

    ck_assert(wf_record_path_compile(host, WF_STR("name"), &name, NULL) == WEFT_OK);
    ck_assert(wf_record_path_compile(host, WF_STR("parent"), &parent, NULL) == WEFT_OK);
    ck_assert_int_eq(wf_record_get(&name, wf_buf_view(&utf8), &v, NULL), WEFT_E_BAD_UTF8);
    ck_assert_int_eq(wf_record_get(&name, wf_buf_view(&cut), &v, NULL), WEFT_E_TRUNCATED);
    ck_assert_int_eq(wf_record_get(&name, wf_buf_view(&type), &v, NULL), WEFT_E_TYPE);
    ck_assert_int_eq(wf_record_get(&parent, wf_buf_view(&pieces), &v, NULL), WEFT_E_UNSUPPORTED);
    wf_buf_fini(&utf8);
    wf_buf_fini(&cut);
    wf_buf_fini(&type);
    wf_buf_fini(&pieces);
}
END_TEST

static const struct time_row {
    const char *why, *type, *hex;
    enum weft_err want;
    int64_t unix_us;
} time_rows[] = {
    { "a Timestamp", "weft.test.Host", "1208 0801 10c0843d 1800", WEFT_OK, 1001000 },
    { "one in pieces", "weft.test.Host", "12020801 1204 10c0843d", WEFT_OK, 1001000 },
    { "before 1970", "weft.test.Host", "120f 08ffffffffffffffffff01 10c0843d", WEFT_OK, -999000 },
    { "the epoch itself", "weft.test.Host", "1200", WEFT_OK, 0 },
    { "none", "weft.test.Host", "0a0161", WEFT_E_NOT_FOUND, 0 },
    { "out of range", "weft.test.Host", "120a 0880808080808080807f", WEFT_E_RANGE, 0 },
    { "milliseconds", "weft.test.Host.Nested.Deeper", "18e807", WEFT_OK, 1000000 },
    { "milliseconds out of range", "weft.test.Host.Nested.Deeper", "18ffffffffffffffff7f",
        WEFT_E_RANGE, 0 },
    { "a message without a time field", "weft.test.Disk", "0a0161", WEFT_E_NOT_FOUND, 0 },
};

START_TEST(the_time_of_a_record_comes_from_its_field)
{
    const struct time_row *row = &time_rows[_i];
    struct wf_buf in = wf_test_hex(row->hex);
    int64_t us = -7;

    enum weft_err err = wf_record_time(fixture_message(rich, row->type), wf_buf_view(&in), &us);
    ck_assert_msg(err == row->want, "%s: %s", row->why, weft_err_name(err));
    ck_assert_msg(us == (err ? -7 : row->unix_us), "%s: %lld", row->why, (long long)us);
    wf_buf_fini(&in);
}
END_TEST

START_TEST(running_out_of_memory_at_any_allocation_is_reported)
{
    // 200 map entries and a message in pieces: the stack grows, entries and the merge take scratch.
    struct wf_buf in = repeat("2a020801", 200), more = wf_test_hex("9201030a0161 92010380 0102");
    enum weft_err err = WEFT_E_NOMEM;
    long n = 1;

    ck_assert(wf_buf_append(&in, wf_buf_view(&more)) == WEFT_OK);
    for (; err == WEFT_E_NOMEM && n < 100; n++) {
        wf_test_fail_alloc(n);
        err = wf_record_check(host, wf_buf_view(&in), NULL);
        wf_test_fail_alloc(-1);
    }
    ck_assert_int_eq(err, WEFT_OK);
    ck_assert_int_gt(n, 2);
    wf_buf_fini(&in);
    wf_buf_fini(&more);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("record");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_record_means_what_protobuf_means, 0, (int)WF_COUNT(meanings));
    tcase_add_loop_test(
        t, a_record_that_does_not_fit_is_refused_with_its_place, 0, (int)WF_COUNT(refusals));
    tcase_add_test(t, a_record_cut_anywhere_never_reads_past_its_end);
    tcase_add_test(t, a_record_with_any_bit_turned_is_read_or_refused);
    tcase_add_test(t, messages_may_nest_to_the_limit_and_no_deeper);
    tcase_add_test(t, elements_are_counted_however_they_are_encoded);
    tcase_add_test(t, merging_at_every_level_is_bounded);
    tcase_add_test(t, a_smaller_budget_is_kept);
    tcase_add_test(t, a_visitor_can_skip_refuse_and_stop);
    tcase_add_loop_test(t, a_path_gets_what_a_merge_would_give, 0, (int)WF_COUNT(get_rows));
    tcase_add_loop_test(t, a_path_that_leads_nowhere_is_refused, 0, (int)WF_COUNT(path_rows));
    tcase_add_test(t, a_path_refuses_what_it_can_not_read);
    tcase_add_loop_test(t, the_time_of_a_record_comes_from_its_field, 0, (int)WF_COUNT(time_rows));
    tcase_add_test(t, running_out_of_memory_at_any_allocation_is_reported);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}

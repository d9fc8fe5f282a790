// SPDX-License-Identifier: Apache-2.0
// One block of a token: what each field may hold, and that the next one grants no more.
#include <check.h>
#include <stdio.h>

#include "proto/trust/token_block.h"
#include "tests/support/trust_token.h"

static struct wf_test_mesh mesh;
static struct wf_test_domain *servers;
static struct wf_test_holders who;

static void setup(void)
{
    wf_test_mesh_init(&mesh);
    wf_test_holders_init(&who);
    servers = &mesh.d[WF_TEST_SERVERS];
}

static void teardown(void)
{
    wf_test_holders_fini(&who);
    wf_test_mesh_fini(&mesh);
}

static void block_init(struct wf_test_block *b, const struct wf_sign_pub *holder)
{
    wf_test_block_init(b, &mesh.charter->mesh_id, "servers", holder);
}

static struct wf_buf grant(const struct wf_test_block *b)
{
    struct wf_buf raw = { 0 };
    enum weft_err err =
        wf_token_grant(&b->fields, wf_buf_view(&servers->issuer_cert), &servers->issuer, &raw);

    ck_assert_msg(err == WEFT_OK, "%s", weft_err_name(err));
    return raw;
}

static struct wf_token *open_token(const struct wf_buf *raw)
{
    struct wf_token *t = NULL;

    ck_assert_int_eq(wf_token_open(wf_buf_view(raw), &t, NULL), WEFT_OK);
    return t;
}

// ---- fields

#define MUTATION(name, code)                                                                       \
    static void name(Weft__V1__TokenBlock *m)                                                      \
    {                                                                                              \
        code;                                                                                      \
    }
static char long_text[WF_MAX_TEXT + 2], *many[WF_MAX_CAVEAT_ITEMS + 1], *one[1];
static Weft__V1__RowTerm term, *terms[WF_MAX_CAVEAT_ITEMS + 1];
static uint8_t zeros[32];
static struct wf_hash some_hash;

static void set(char ***list, size_t *count, char *value)
{
    one[0] = value;
    *list = one;
    *count = 1;
}

static void row(Weft__V1__TokenBlock *m, const char *column, int comparison, const char *number)
{
    weft__v1__row_term__init(&term);
    term.column = wf_pb_str(column);
    term.comparison = (Weft__V1__Comparison)comparison;
    if (number) {
        term.literal_case = WEFT__V1__ROW_TERM__LITERAL_NUMBER;
        term.number = wf_pb_str(number);
    }
    terms[0] = &term;
    m->n_rows = 1;
    m->rows = terms;
}

static void flag(Weft__V1__TokenBlock *m, int comparison)
{
    row(m, "up", comparison, NULL);
    term.literal_case = WEFT__V1__ROW_TERM__LITERAL_FLAG;
    term.flag = false;
}

static void many_rows(Weft__V1__TokenBlock *m)
{
    row(m, "a", 1, "1");
    for (size_t i = 0; i < WF_COUNT(terms); i++)
        terms[i] = &term;
    m->n_rows = WF_COUNT(terms);
}

MUTATION(as_it_is, (void)m)
MUTATION(no_mesh, m->mesh_id.len = 0)
MUTATION(short_mesh, m->mesh_id.len = 5)
MUTATION(no_domain, m->domain = wf_pb_str(""))
MUTATION(bad_domain, m->domain = wf_pb_str("*"))
MUTATION(other_domain, m->domain = wf_pb_str("network"))
MUTATION(short_previous, m->previous = wf_pb_bin(wf_bytes(some_hash.b, 31)))
MUTATION(with_previous, m->previous = wf_pb_bin(wf_hash_view(&some_hash)))
MUTATION(no_signer, m->signer.len = 0)
MUTATION(other_signer, m->signer = wf_pb_bin(WF_BYTES(who.bob_pub.b)))
MUTATION(no_holder, m->holder.len = 0)
MUTATION(short_holder, m->holder.len = 31)
MUTATION(zero_holder, m->holder = wf_pb_bin(WF_BYTES(zeros)))
MUTATION(no_products, m->n_products = 0)
MUTATION(bad_product, set(&m->products, &m->n_products, wf_pb_str("a*b")))
MUTATION(many_products, (m->products = many, m->n_products = WF_COUNT(many)))
MUTATION(no_verbs, m->n_verbs = 0)
MUTATION(unknown_verb, set(&m->verbs, &m->n_verbs, wf_pb_str("administer")))
MUTATION(call_alone, set(&m->verbs, &m->n_verbs, wf_pb_str("call")))
MUTATION(call_nothing, set(&m->verbs, &m->n_verbs, wf_pb_str("call:")))
MUTATION(call_bad, set(&m->verbs, &m->n_verbs, wf_pb_str("call:a-b")))
MUTATION(call_digit, set(&m->verbs, &m->n_verbs, wf_pb_str("call:1a")))
MUTATION(many_verbs, (m->verbs = many, m->n_verbs = WF_COUNT(many)))
MUTATION(no_issue, m->issued_ms = 0)
MUTATION(negative_issue, m->issued_ms = -1)
MUTATION(never_valid, m->expires_ms = m->not_before_ms)
MUTATION(far, m->expires_ms = WF_MAX_TIME_MS + 1)
MUTATION(too_long, m->expires_ms = m->not_before_ms + WF_MAX_TOKEN_LIFE_MS + 1)
MUTATION(longest, m->expires_ms = m->not_before_ms + WF_MAX_TOKEN_LIFE_MS)
MUTATION(unflagged_columns, set(&m->columns, &m->n_columns, wf_pb_str("host")))
MUTATION(bad_column, (m->limits_columns = 1, set(&m->columns, &m->n_columns, wf_pb_str("a b"))))
MUTATION(empty_column, (m->limits_columns = 1, set(&m->columns, &m->n_columns, wf_pb_str(""))))
MUTATION(many_columns, (m->limits_columns = 1, m->columns = many, m->n_columns = WF_COUNT(many)))
MUTATION(row_no_column, row(m, "", 1, "1"))
MUTATION(row_sql, row(m, "1=1 or a", 1, "1"))
MUTATION(row_no_comparison, row(m, "a", 0, "1"))
MUTATION(row_unknown, row(m, "a", 7, "1"))
MUTATION(row_negative, row(m, "a", -1, "1"))
MUTATION(row_no_literal, row(m, "a", 1, NULL))
MUTATION(row_no_number, row(m, "a", 1, "x"))
MUTATION(row_hex, row(m, "a", 1, "0x10"))
MUTATION(row_nan, row(m, "a", 1, "nan"))
MUTATION(row_flag, flag(m, 2))
MUTATION(row_flag_less, flag(m, 3))
MUTATION(rows_many, many_rows(m))
MUTATION(bad_region, set(&m->regions, &m->n_regions, wf_pb_str("EU")))
MUTATION(many_regions, (m->regions = many, m->n_regions = WF_COUNT(many)))
MUTATION(long_purpose, m->purpose = long_text)
MUTATION(no_nonce, m->nonce.len = 0)
MUTATION(short_nonce, m->nonce.len = 15)

static const struct {
    const char *why;
    void (*mutate)(Weft__V1__TokenBlock *);
    enum weft_err want;
} fields[] = {
    { "unchanged", as_it_is, WEFT_OK },
    { "no mesh", no_mesh, WEFT_E_MISSING_FIELD },
    { "a mesh id of 5 bytes", short_mesh, WEFT_E_SYNTAX },
    { "no domain", no_domain, WEFT_E_MISSING_FIELD },
    { "a pattern for a domain", bad_domain, WEFT_E_NAME },
    { "a domain that is not the issuer's", other_domain, WEFT_E_WRONG_DOMAIN },
    { "a predecessor of 31 bytes", short_previous, WEFT_E_SYNTAX },
    { "a first block with a predecessor", with_previous, WEFT_E_ORDER },
    { "no signer", no_signer, WEFT_E_MISSING_FIELD },
    { "another signer", other_signer, WEFT_E_SIGNATURE },
    { "no holder", no_holder, WEFT_E_MISSING_FIELD },
    { "a holder of 31 bytes", short_holder, WEFT_E_KEY },
    { "a holder of zeros", zero_holder, WEFT_E_KEY },
    { "no product", no_products, WEFT_E_MISSING_FIELD },
    { "a pattern with a star inside", bad_product, WEFT_E_NAME },
    { "65 patterns", many_products, WEFT_E_TOO_BIG },
    { "no verb", no_verbs, WEFT_E_MISSING_FIELD },
    { "an unknown verb", unknown_verb, WEFT_E_UNKNOWN_CAVEAT },
    { "a call without a method", call_alone, WEFT_E_UNKNOWN_CAVEAT },
    { "a call of nothing", call_nothing, WEFT_E_UNKNOWN_CAVEAT },
    { "a call of no identifier", call_bad, WEFT_E_UNKNOWN_CAVEAT },
    { "a call that begins with a digit", call_digit, WEFT_E_UNKNOWN_CAVEAT },
    { "65 verbs", many_verbs, WEFT_E_TOO_BIG },
    { "no time of issue", no_issue, WEFT_E_RANGE },
    { "issued before 1970", negative_issue, WEFT_E_RANGE },
    { "never valid", never_valid, WEFT_E_RANGE },
    { "valid beyond the year 9999", far, WEFT_E_RANGE },
    { "valid over 366 days", too_long, WEFT_E_RANGE },
    { "valid 366 days", longest, WEFT_OK },
    { "columns that do not limit", unflagged_columns, WEFT_E_SYNTAX },
    { "a column that is no identifier", bad_column, WEFT_E_SYNTAX },
    { "an empty column", empty_column, WEFT_E_MISSING_FIELD },
    { "65 columns", many_columns, WEFT_E_TOO_BIG },
    { "a term over no column", row_no_column, WEFT_E_MISSING_FIELD },
    { "a term that smuggles SQL", row_sql, WEFT_E_SYNTAX },
    { "a term without comparison", row_no_comparison, WEFT_E_UNKNOWN_CAVEAT },
    { "an unknown comparison", row_unknown, WEFT_E_UNKNOWN_CAVEAT },
    { "a negative comparison", row_negative, WEFT_E_UNKNOWN_CAVEAT },
    { "a term without a literal", row_no_literal, WEFT_E_MISSING_FIELD },
    { "a number that is none", row_no_number, WEFT_E_SYNTAX },
    { "a number in hex", row_hex, WEFT_E_SYNTAX },
    { "not a number", row_nan, WEFT_E_SYNTAX },
    { "a flag that differs", row_flag, WEFT_OK },
    { "less than a flag", row_flag_less, WEFT_E_SYNTAX },
    { "65 terms", rows_many, WEFT_E_TOO_BIG },
    { "a region in capitals", bad_region, WEFT_E_NAME },
    { "65 regions", many_regions, WEFT_E_TOO_BIG },
    { "a purpose over the limit", long_purpose, WEFT_E_TOO_BIG },
    { "no nonce", no_nonce, WEFT_E_MISSING_FIELD },
    { "a nonce of 15 bytes", short_nonce, WEFT_E_SYNTAX },
};

// A granted block as a message to vary, sealed again under the issuer's key.
static struct wf_buf mutated(void (*mutate)(Weft__V1__TokenBlock *))
{
    struct wf_test_block b;
    struct wf_buf raw, block = { 0 };
    struct wf_arena arena;
    struct wf_sealed s;
    struct wf_bytes blocks[1];
    Weft__V1__TokenBlock *m = NULL;

    memset(long_text, 'x', sizeof long_text - 1);
    some_hash = wf_test_hash("some hash");
    for (size_t i = 0; i < WF_COUNT(many); i++)
        many[i] = wf_pb_str("query");
    block_init(&b, &who.alice_pub);
    raw = grant(&b);
    wf_arena_init(&arena, 1u << 20);
    wf_test_token_blocks(&raw, &arena, blocks);
    ck_assert_int_eq(wf_envelope_read(blocks[0], WF_DOC_TOKEN_BLOCK, &arena, &s), WEFT_OK);
    ck_assert_int_eq(
        wf_pb_unpack(&weft__v1__token_block__descriptor, s.body, WF_PB_CANONICAL, &arena, &m),
        WEFT_OK);
    mutate(m);
    ck_assert_int_eq(wf_doc_seal(WF_DOC_TOKEN_BLOCK, m, &servers->issuer, &block), WEFT_OK);
    blocks[0] = wf_buf_view(&block);
    wf_buf_fini(&raw);
    raw = wf_test_token(blocks, 1, wf_buf_view(&servers->issuer_cert));
    wf_arena_fini(&arena);
    wf_buf_fini(&block);
    return raw;
}

static enum weft_err open_raw(struct wf_bytes raw)
{
    struct wf_token *t = NULL;
    enum weft_err err = wf_token_open(raw, &t, NULL);

    wf_token_free(t);
    return err;
}

START_TEST(each_bad_field_has_its_reason)
{
    struct wf_buf raw = mutated(fields[_i].mutate);
    enum weft_err err = open_raw(wf_buf_view(&raw));

    ck_assert_msg(err == fields[_i].want, "%s: %s", fields[_i].why, weft_err_name(err));
    if (err)
        wf_test_trust_refused(
            (unsigned)(900 + _i), "token", err, fields[_i].why, wf_buf_view(&raw));
    wf_buf_fini(&raw);
}
END_TEST

// A caveat of a later version: the signature is right, the field is new. It must not be passed over.
START_TEST(unknown_caveat_refuses)
{
    struct wf_buf raw = mutated(as_it_is), body = { 0 }, block = { 0 };
    struct wf_arena arena;
    struct wf_sealed s;
    struct wf_bytes blocks[1];

    wf_arena_init(&arena, 1u << 20);
    wf_test_token_blocks(&raw, &arena, blocks);
    ck_assert_int_eq(wf_envelope_read(blocks[0], WF_DOC_TOKEN_BLOCK, &arena, &s), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&body, s.body), WEFT_OK);
    ck_assert_int_eq(wf_buf_append(&body, wf_bytes("\xa0\x06\x01", 3)), WEFT_OK); // field 100
    ck_assert_int_eq(
        wf_envelope_seal(WF_DOC_TOKEN_BLOCK, wf_buf_view(&body), &servers->issuer, &block),
        WEFT_OK);
    blocks[0] = wf_buf_view(&block);
    wf_buf_fini(&raw);
    raw = wf_test_token(blocks, 1, wf_buf_view(&servers->issuer_cert));
    ck_assert_int_eq(open_raw(wf_buf_view(&raw)), WEFT_E_UNKNOWN_CAVEAT);
    wf_test_trust_refused(
        960, "token", WEFT_E_UNKNOWN_CAVEAT, "a caveat of a later version", wf_buf_view(&raw));
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
    wf_buf_fini(&body);
    wf_buf_fini(&block);
}
END_TEST

static enum weft_err open_block(struct wf_bytes raw, void *context)
{
    struct wf_arena arena;
    struct wf_block b;

    (void)context;
    wf_arena_init(&arena, 1u << 20);
    enum weft_err err = wf_block_open(raw, &arena, &b);
    wf_arena_fini(&arena);
    return err;
}

START_TEST(block_opens_as_nothing_else)
{
    struct wf_buf raw = mutated(as_it_is);
    struct wf_arena arena;
    struct wf_sealed s;
    struct wf_bytes blocks[1];

    wf_arena_init(&arena, 1u << 20);
    wf_test_token_blocks(&raw, &arena, blocks);
    ck_assert_int_eq(wf_envelope_read(blocks[0], WF_DOC_TOKEN_BLOCK, &arena, &s), WEFT_OK);
    wf_test_purposes(s.body, WF_DOC_TOKEN_BLOCK, &servers->issuer, open_block, NULL);
    wf_test_truncations(blocks[0], open_block, NULL);
    wf_test_bit_flips(blocks[0], 1, open_block, NULL);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(numbers_are_those_of_json)
{
    static const char *const good[] = { "0", "-0", "1", "-12", "0.5", "12.25", "1e9", "1E-9",
        "1.5e+3", "123456789012345678901234567890" };
    static const char *const bad[] = { "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1 ", " 1",
        "0x1", "1,5", "nan", "inf", "--1", "1.2.3",
        "11111111111111111111111111111111111111111111111111111111111111111" };

    for (size_t i = 0; i < WF_COUNT(good); i++)
        ck_assert_msg(wf_number_is_valid(wf_bytes_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < WF_COUNT(bad); i++)
        ck_assert_msg(!wf_number_is_valid(wf_bytes_str(bad[i])), "%s", bad[i]);
}
END_TEST

// ---- shrinking: the second block of a chain, one field changed at a time

#define CHANGE(name, code)                                                                         \
    static void name(struct wf_test_block *b)                                                      \
    {                                                                                              \
        struct wf_block *f = &b->fields;                                                           \
        (void)f;                                                                                   \
        code;                                                                                      \
    }
static void products(struct wf_test_block *b, const char *text)
{
    b->fields.product_count = wf_test_patterns(text, b->products);
}
static void methods(struct wf_test_block *b, const char *text)
{
    b->fields.method_count = wf_test_patterns(text, b->methods);
}
CHANGE(nothing, (void)b)
CHANGE(one_product, products(b, "disk-io"))
CHANGE(narrower_pattern, products(b, "disk-io-*"))
CHANGE(more_products, products(b, "hosts,disk-*,users"))
CHANGE(wider_pattern, products(b, "disk*"))
CHANGE(all_products, products(b, "*"))
CHANGE(fewer_verbs, (f->verbs = WF_VERB_QUERY, f->method_count = 0))
CHANGE(replay_too, f->verbs |= WF_VERB_REPLAY)
CHANGE(mirror_too, f->verbs |= WF_VERB_MIRROR)
CHANGE(one_method, methods(b, "GetPort"))
CHANGE(narrower_method, methods(b, "GetP*"))
CHANGE(more_methods, methods(b, "Get*,SetNote"))
CHANGE(all_methods, methods(b, "*"))
CHANGE(issued_before, f->issued_ms--)
CHANGE(earlier, f->not_before_ms--)
CHANGE(later_start, f->not_before_ms++)
CHANGE(longer, f->expires_ms++)
CHANGE(shorter, f->expires_ms--)
CHANGE(all_columns, (f->limits_columns = false, f->column_count = 0))
CHANGE(another_column, (b->columns[2] = "version", f->column_count = 3))
CHANGE(one_column, f->column_count = 1)
CHANGE(no_column, f->column_count = 0)
CHANGE(one_row, f->row_count = 1)
CHANGE(no_rows, f->row_count = 0)
CHANGE(rows_reversed, (b->rows[2] = b->rows[0], b->rows[0] = b->rows[1], b->rows[1] = b->rows[2]))
CHANGE(other_comparison, b->rows[1].comparison = WF_CMP_GE)
CHANGE(other_literal, b->rows[1].text = "0.4")
CHANGE(other_type, b->rows[1].literal = WF_LIT_TEXT)
CHANGE(other_row_column, b->rows[0].column = "place")
CHANGE(another_row, (b->rows[2] = b->rows[1], b->rows[2].text = "0.7", f->row_count = 3))
CHANGE(any_region, f->region_count = 0)
CHANGE(another_region, b->regions[1] = "us-east")
CHANGE(one_region, f->region_count = 1)
CHANGE(any_purpose, f->purpose = "")
CHANGE(other_purpose, f->purpose = "curiosity")
CHANGE(no_rate, f->rate_per_minute = 0)
CHANGE(higher_rate, f->rate_per_minute = 61)
CHANGE(lower_rate, f->rate_per_minute = 1)

static const struct {
    const char *why;
    void (*change)(struct wf_test_block *);
    enum weft_err want;
    const char *says; // part of the diagnostic
} shrinking[] = {
    { "the same again", nothing, WEFT_OK, "" },
    { "one of the products", one_product, WEFT_OK, "" },
    { "a longer prefix", narrower_pattern, WEFT_OK, "" },
    { "a product more", more_products, WEFT_E_SCOPE, "block 1: 'products'" },
    { "a shorter prefix", wider_pattern, WEFT_E_SCOPE, "'products'" },
    { "all products", all_products, WEFT_E_SCOPE, "'products'" },
    { "one of the verbs", fewer_verbs, WEFT_OK, "" },
    { "replay beside subscribe", replay_too, WEFT_E_SCOPE, "'verbs'" },
    { "mirror", mirror_too, WEFT_E_SCOPE, "'verbs'" },
    { "one of the methods", one_method, WEFT_OK, "" },
    { "fewer methods", narrower_method, WEFT_OK, "" },
    { "a method more", more_methods, WEFT_E_SCOPE, "'verbs'" },
    { "all methods", all_methods, WEFT_E_SCOPE, "'verbs'" },
    { "issued before its parent", issued_before, WEFT_E_SCOPE, "'issued'" },
    { "valid from a millisecond earlier", earlier, WEFT_E_SCOPE, "'not-before'" },
    { "valid from later", later_start, WEFT_OK, "" },
    { "valid a millisecond longer", longer, WEFT_E_SCOPE, "'expires'" },
    { "valid for less", shorter, WEFT_OK, "" },
    { "all columns", all_columns, WEFT_E_SCOPE, "'columns'" },
    { "a column more", another_column, WEFT_E_SCOPE, "'columns'" },
    { "one of the columns", one_column, WEFT_OK, "" },
    { "no column", no_column, WEFT_OK, "" },
    { "one of the terms dropped", one_row, WEFT_E_SCOPE, "'rows'" },
    { "all terms dropped", no_rows, WEFT_E_SCOPE, "'rows'" },
    { "the terms in another order", rows_reversed, WEFT_OK, "" },
    { "a term with another comparison", other_comparison, WEFT_E_SCOPE, "'rows'" },
    { "a term with another number", other_literal, WEFT_E_SCOPE, "'rows'" },
    { "a term with a text for a number", other_type, WEFT_E_SCOPE, "'rows'" },
    { "a term over another column", other_row_column, WEFT_E_SCOPE, "'rows'" },
    { "a term more", another_row, WEFT_OK, "" },
    { "any region", any_region, WEFT_E_SCOPE, "'regions'" },
    { "another region", another_region, WEFT_E_SCOPE, "'regions'" },
    { "one of the regions", one_region, WEFT_OK, "" },
    { "any purpose", any_purpose, WEFT_E_SCOPE, "'purpose'" },
    { "another purpose", other_purpose, WEFT_E_SCOPE, "'purpose'" },
    { "no rate limit", no_rate, WEFT_E_SCOPE, "'rate'" },
    { "a higher rate", higher_rate, WEFT_E_SCOPE, "'rate'" },
    { "a lower rate", lower_rate, WEFT_OK, "" },
};

START_TEST(block_may_only_shrink)
{
    struct wf_test_block first, second;
    struct wf_buf raw, sealed = { 0 };
    struct wf_arena arena;
    struct wf_bytes blocks[2];
    struct wf_token *u = NULL;
    struct wf_diag diag;

    wf_arena_init(&arena, 1u << 20);
    block_init(&first, &who.alice_pub);
    block_init(&second, &who.bob_pub);
    wf_test_block_limit(&first);
    wf_test_block_limit(&second);
    shrinking[_i].change(&second);
    raw = grant(&first);
    struct wf_token *t = open_token(&raw);
    second.fields.previous = *wf_token_id(t);
    ck_assert_int_eq(wf_block_seal(&second.fields, &who.alice, &arena, &sealed), WEFT_OK);
    wf_test_token_blocks(&raw, &arena, blocks);
    blocks[1] = wf_buf_view(&sealed);
    struct wf_buf forged = wf_test_token(blocks, 2, wf_buf_view(&servers->issuer_cert));
    enum weft_err err = wf_token_open(wf_buf_view(&forged), &u, &diag);
    ck_assert_msg(err == shrinking[_i].want, "%s: %s", shrinking[_i].why, weft_err_name(err));
    ck_assert_msg(strstr(diag.text, shrinking[_i].says), "%s: %s", shrinking[_i].why, diag.text);
    if (err)
        wf_test_trust_refused(
            (unsigned)(410 + _i), "token", err, shrinking[_i].why, wf_buf_view(&forged));
    wf_token_free(u);
    // And the builder refuses the same.
    struct wf_buf built = { 0 };
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.alice, &built), shrinking[_i].want);
    wf_token_free(t);
    wf_arena_fini(&arena);
    wf_buf_fini(&raw);
    wf_buf_fini(&sealed);
    wf_buf_fini(&forged);
    wf_buf_fini(&built);
}
END_TEST

START_TEST(block_stays_in_its_mesh_and_domain)
{
    struct wf_test_block first;
    struct wf_diag diag;

    block_init(&first, &who.alice_pub);
    struct wf_buf raw = grant(&first);
    struct wf_token *t = open_token(&raw);
    const struct wf_block *parent = wf_token_last(t);
    struct wf_block child = *parent;
    child.previous = parent->id;
    child.signer = parent->holder;
    ck_assert_int_eq(wf_block_check_within(parent, &child, 1, &diag), WEFT_OK);
    child.mesh_id.b[0]++;
    ck_assert_int_eq(wf_block_check_within(parent, &child, 1, &diag), WEFT_E_WRONG_MESH);
    child.mesh_id = parent->mesh_id;
    child.domain.s[0] = 'n';
    ck_assert_int_eq(wf_block_check_within(parent, &child, 1, &diag), WEFT_E_WRONG_DOMAIN);
    wf_token_free(t);
    wf_buf_fini(&raw);
}
END_TEST

START_TEST(unlimited_parent_lets_a_child_limit_itself)
{
    struct wf_test_block first, second;
    struct wf_buf raw, longer = { 0 };

    block_init(&first, &who.alice_pub);
    block_init(&second, &who.bob_pub);
    wf_test_block_limit(&second);
    raw = grant(&first);
    struct wf_token *t = open_token(&raw);
    ck_assert_int_eq(wf_token_delegate(t, &second.fields, &who.alice, &longer), WEFT_OK);
    wf_token_free(t);
    wf_buf_fini(&raw);
    wf_buf_fini(&longer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_block");
    TCase *t = tcase_create("token_block");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_bad_field_has_its_reason, 0, (int)WF_COUNT(fields));
    tcase_add_test(t, unknown_caveat_refuses);
    tcase_add_test(t, block_opens_as_nothing_else);
    tcase_add_test(t, numbers_are_those_of_json);
    tcase_add_loop_test(t, block_may_only_shrink, 0, (int)WF_COUNT(shrinking));
    tcase_add_test(t, unlimited_parent_lets_a_child_limit_itself);
    tcase_add_test(t, block_stays_in_its_mesh_and_domain);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

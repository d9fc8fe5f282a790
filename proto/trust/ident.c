// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/ident.h"

#include "proto/trust/charter.h"
#include "proto/trust/doc.h"

// ---- names, patterns, addresses

enum weft_err wf_name_from(struct wf_bytes text, struct wf_name *ret)
{
    if (!wf_name_is_valid(text))
        return WEFT_E_NAME;
    memcpy(ret->s, text.ptr, text.len);
    ret->s[text.len] = '\0';
    return WEFT_OK;
}

// Can a name begin like this? The empty prefix begins every name; a prefix may end in '-'.
static bool is_name_prefix(struct wf_bytes text)
{
    uint8_t name[WF_MAX_NAME + 1];

    if (text.len == 0)
        return true;
    if (text.len > WF_MAX_NAME)
        return false;
    memcpy(name, text.ptr, text.len);
    if (text.len < WF_MAX_NAME)
        name[text.len] = '0';
    return wf_name_is_valid(wf_bytes(name, text.len < WF_MAX_NAME ? text.len + 1 : text.len));
}

enum weft_err wf_pattern_from(struct wf_bytes text, struct wf_pattern *ret)
{
    bool star = text.len && text.ptr[text.len - 1] == '*';
    bool good = star ? is_name_prefix(wf_bytes(text.ptr, text.len - 1)) : wf_name_is_valid(text);

    if (!good)
        return WEFT_E_NAME;
    memcpy(ret->s, text.ptr, text.len);
    ret->s[text.len] = '\0';
    return WEFT_OK;
}

// The length of the prefix of a pattern with a star, or -1.
static int star_at(const struct wf_pattern *p)
{
    size_t len = strlen(p->s);

    return len && p->s[len - 1] == '*' ? (int)len - 1 : -1;
}

bool wf_pattern_match(const struct wf_pattern *p, const char *name)
{
    int prefix = star_at(p);

    return prefix < 0 ? strcmp(p->s, name) == 0 : strncmp(p->s, name, (size_t)prefix) == 0;
}

bool wf_pattern_covers(const struct wf_pattern *wide, const struct wf_pattern *narrow)
{
    int prefix = star_at(wide);

    // With a star at the end of `narrow`, its text matches a prefix no longer than its own and nothing else.
    return prefix < 0 ? strcmp(wide->s, narrow->s) == 0
                      : strncmp(wide->s, narrow->s, (size_t)prefix) == 0;
}

static bool is_host_char(uint8_t c, bool bracketed)
{
    bool digit = c >= '0' && c <= '9';

    if (bracketed)
        return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
    return digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
}

enum weft_err wf_address_check(struct wf_bytes address)
{
    bool bracketed = address.len && address.ptr[0] == '[';
    size_t first = bracketed ? 1 : 0, at = first;
    uint16_t port = 0;

    if (address.len >= WF_MAX_ADDR)
        return WEFT_E_TOO_BIG;
    while (at < address.len && is_host_char(address.ptr[at], bracketed))
        at++;
    if (at == first)
        return WEFT_E_SYNTAX;
    if (bracketed && (at == address.len || address.ptr[at++] != ']'))
        return WEFT_E_SYNTAX;
    if (at == address.len || address.ptr[at] != ':')
        return WEFT_E_SYNTAX;
    return wf_port_parse(wf_bytes(address.ptr + at + 1, address.len - at - 1), &port)
               ? WEFT_E_SYNTAX
               : WEFT_OK;
}

// ---- kinds and what they may sign

static const struct kind {
    const char *name;
    uint32_t usages;
} kinds[] = {
    [WF_ID_ISSUER] = { "issuer",
        WF_USE_CERTIFICATE | WF_USE_TOKEN | WF_USE_HOME | WF_USE_REVOCATIONS },
    [WF_ID_NODE] = { "node", WF_USE_NODE | WF_USE_PRODUCT | WF_USE_MANIFEST | WF_USE_HEARTBEAT |
                                 WF_USE_BATCH | WF_USE_DELEGATE },
    [WF_ID_AGENT] = { "agent", WF_USE_BATCH },
    [WF_ID_SERVICE] = { "service", WF_USE_BATCH | WF_USE_DELEGATE },
    [WF_ID_USER] = { "user", WF_USE_DELEGATE },
};

static bool is_kind(int kind)
{
    return kind >= WF_ID_ISSUER && kind <= WF_ID_USER;
}

const char *wf_identity_kind_name(enum wf_identity_kind kind)
{
    return is_kind((int)kind) ? kinds[kind].name : "unknown";
}

enum weft_err wf_identity_kind_parse(struct wf_bytes text, enum wf_identity_kind *ret)
{
    for (int k = WF_ID_ISSUER; k <= WF_ID_USER; k++)
        if (wf_bytes_is(text, kinds[k].name)) {
            *ret = (enum wf_identity_kind)k;
            return WEFT_OK;
        }
    return WEFT_E_KIND;
}

uint32_t wf_usages_of(enum wf_identity_kind kind)
{
    return is_kind((int)kind) ? kinds[kind].usages : 0;
}

// ---- certificates

static enum weft_err take_patterns(const Weft__V1__Certificate *m, struct wf_cert *c)
{
    if (m->n_products > WF_MAX_CERT_PATTERNS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < m->n_products; i++) {
        enum weft_err err = wf_pattern_from(wf_bytes_str(m->products[i]), &c->patterns[i]);
        if (err)
            return err;
    }
    c->pattern_count = m->n_products;
    return WEFT_OK;
}

// An issuer only signs, so it has no key for Noise; everybody else has both.
static enum weft_err take_keys(const Weft__V1__Certificate *m, struct wf_cert *c)
{
    enum weft_err err = wf_take_sign_key(m->sign_key, &c->sign_key);

    if (err)
        return err;
    if (memcmp(c->sign_key.b, c->signer.b, WF_KEY_LEN) == 0)
        return WEFT_E_KEY; // a key does not certify itself
    if (c->kind == WF_ID_ISSUER)
        return m->dh_key.len ? WEFT_E_KEY : WEFT_OK;
    return wf_take_dh_key(m->dh_key, &c->dh_key);
}

static enum weft_err take_rights(const Weft__V1__Certificate *m, struct wf_cert *c)
{
    enum weft_err err;

    if (!is_kind((int)m->kind))
        return WEFT_E_KIND;
    c->kind = (enum wf_identity_kind)m->kind;
    c->usages = m->usages;
    if (c->usages & ~wf_usages_of(c->kind))
        return WEFT_E_PURPOSE;
    err = take_patterns(m, c);
    if (err)
        return err;
    return c->pattern_count && !(c->usages & WF_USE_BATCH) ? WEFT_E_PURPOSE : WEFT_OK;
}

static enum weft_err take_validity(const Weft__V1__Certificate *m, struct wf_cert *c)
{
    enum weft_err err = wf_take_time(m->not_before_ms, &c->not_before_ms);

    if (!err)
        err = wf_take_time(m->not_after_ms, &c->not_after_ms);
    if (err)
        return err;
    c->serial = m->serial;
    return c->not_before_ms >= c->not_after_ms || c->serial == 0 || c->serial > WF_MAX_TIME_MS
               ? WEFT_E_RANGE
               : WEFT_OK;
}

static enum weft_err take_cert(
    const Weft__V1__Certificate *m, const struct wf_opened *opened, struct wf_cert *c)
{
    enum weft_err err = wf_doc_signer(m->signer, opened);

    c->id = opened->id;
    c->signer = opened->signer;
    if (!err)
        err = wf_take_name(m->domain, &c->domain);
    if (!err)
        err = wf_take_name(m->subject, &c->subject);
    if (!err)
        err = take_rights(m, c);
    if (!err)
        err = take_keys(m, c);
    if (!err)
        err = take_validity(m, c);
    return err;
}

enum weft_err wf_cert_open(struct wf_bytes raw, struct wf_cert *ret)
{
    struct wf_cert c = { 0 };
    struct wf_opened opened;
    struct wf_arena arena;
    Weft__V1__Certificate *m = NULL;

    if (raw.len > WF_MAX_CERT)
        return WEFT_E_TOO_BIG;
    wf_arena_init(&arena, wf_doc_budget(raw.len));
    enum weft_err err = wf_doc_open(
        raw, WF_DOC_CERTIFICATE, &weft__v1__certificate__descriptor, &arena, &opened, &m);
    if (!err)
        err = take_cert(m, &opened, &c);
    wf_arena_fini(&arena);
    if (err)
        return err;
    *ret = c;
    return WEFT_OK;
}

enum weft_err wf_cert_issue(
    const struct wf_cert *fields, const struct wf_secret *signer, struct wf_buf *out)
{
    Weft__V1__Certificate m = WEFT__V1__CERTIFICATE__INIT;
    char *patterns[WF_MAX_CERT_PATTERNS];
    struct wf_sign_pub signer_pub;
    struct wf_buf envelope = { 0 };
    struct wf_cert check;

    if (fields->pattern_count > WF_MAX_CERT_PATTERNS)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < fields->pattern_count; i++)
        patterns[i] = wf_pb_str(fields->patterns[i].s);
    wf_sign_public(signer, &signer_pub);
    m.domain = wf_pb_str(fields->domain.s);
    m.subject = wf_pb_str(fields->subject.s);
    m.kind = (Weft__V1__IdentityKind)fields->kind;
    m.sign_key = wf_pb_bin(WF_BYTES(fields->sign_key.b));
    if (fields->kind != WF_ID_ISSUER)
        m.dh_key = wf_pb_bin(WF_BYTES(fields->dh_key.b));
    m.serial = fields->serial;
    m.n_products = fields->pattern_count;
    m.products = patterns;
    m.not_before_ms = fields->not_before_ms;
    m.not_after_ms = fields->not_after_ms;
    m.signer = wf_pb_bin(WF_BYTES(signer_pub.b));
    m.usages = fields->usages;
    enum weft_err err = wf_doc_seal(WF_DOC_CERTIFICATE, &m, signer, &envelope);
    if (!err)
        err = wf_cert_open(wf_buf_view(&envelope), &check);
    if (!err)
        err = wf_buf_append(out, wf_buf_view(&envelope));
    wf_buf_fini(&envelope);
    return err;
}

bool wf_cert_may_publish(const struct wf_cert *c, const char *product)
{
    if (!(c->usages & WF_USE_BATCH))
        return false;
    for (size_t i = 0; i < c->pattern_count; i++)
        if (wf_pattern_match(&c->patterns[i], product))
            return true;
    return false;
}

// ---- chains

enum weft_err wf_chain_pack(const struct wf_bytes *certs, size_t count, struct wf_buf *out)
{
    Weft__V1__CertificateChain m = WEFT__V1__CERTIFICATE_CHAIN__INIT;
    ProtobufCBinaryData items[WF_MAX_CHAIN];

    if (count == 0)
        return WEFT_E_MISSING_FIELD;
    if (count > WF_MAX_CHAIN)
        return WEFT_E_TOO_BIG;
    for (size_t i = 0; i < count; i++)
        items[i] = wf_pb_bin(certs[i]);
    m.n_certificates = count;
    m.certificates = items;
    return wf_pb_pack(&m, out);
}

// A chain is read by hand because its parts are wanted as views of the caller's bytes.
enum weft_err wf_chain_split(
    struct wf_bytes chain, struct wf_bytes certs[WF_MAX_CHAIN], size_t *ret_count)
{
    static const uint8_t tag = 1 << 3 | 2; // certificates, length-prefixed
    size_t count = 0;

    if (chain.len == 0)
        return WEFT_E_MISSING_FIELD;
    while (chain.len) {
        uint64_t len = 0;
        if (chain.ptr[0] != tag)
            return WEFT_E_UNKNOWN_FIELD;
        if (count == WF_MAX_CHAIN)
            return WEFT_E_TOO_BIG;
        chain = wf_bytes(chain.ptr + 1, chain.len - 1);
        size_t before = chain.len;
        enum weft_err err = wf_varint_take(&chain, &len);
        if (err)
            return err;
        if (before - chain.len != wf_varint_len(len))
            return WEFT_E_NOT_CANONICAL;
        if (len > WF_MAX_CERT)
            return WEFT_E_TOO_BIG;
        if (len > chain.len)
            return WEFT_E_TRUNCATED;
        certs[count++] = wf_bytes(chain.ptr, (size_t)len);
        chain = wf_bytes(chain.ptr + len, chain.len - (size_t)len);
    }
    *ret_count = count;
    return WEFT_OK;
}

// Does the subject's certificate stand on the issuer's, and is each of the right kind for its place?
static enum weft_err check_links(const struct wf_identity *id, size_t count)
{
    if (id->issuer.kind != WF_ID_ISSUER)
        return WEFT_E_CHAIN;
    if (count == 1)
        return WEFT_OK;
    if (id->cert.kind == WF_ID_ISSUER)
        return WEFT_E_CHAIN; // issuers stand on the root alone
    if (!wf_name_eq(&id->cert.domain, &id->issuer.domain))
        return WEFT_E_WRONG_DOMAIN;
    if (memcmp(id->cert.signer.b, id->issuer.sign_key.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    return id->issuer.usages & WF_USE_CERTIFICATE ? WEFT_OK : WEFT_E_PURPOSE;
}

static enum weft_err check_period(
    const struct wf_cert *c, int64_t now_unix_ms, unsigned flags, bool *expired)
{
    enum weft_err err = wf_check_period(c->not_before_ms, c->not_after_ms, now_unix_ms);

    if (err != WEFT_E_EXPIRED || !(flags & WF_CHAIN_ALLOW_EXPIRED) ||
        now_unix_ms >= c->not_after_ms + WF_RENEW_GRACE_MS)
        return err;
    *expired = true;
    return WEFT_OK;
}

static enum weft_err check_root(
    const struct wf_cert *issuer, const struct wf_charter *charter, struct wf_hash *ret_root)
{
    const struct wf_member *member = wf_charter_member(charter, issuer->domain.s);

    if (!member || issuer->kind != WF_ID_ISSUER ||
        memcmp(member->root_key.b, issuer->signer.b, WF_KEY_LEN) != 0)
        return WEFT_E_CHAIN;
    memcpy(ret_root->b, member->root_key.b, WF_KEY_LEN);
    return WEFT_OK;
}

enum weft_err wf_issuer_verify(const struct wf_cert *issuer, const struct wf_charter *charter,
    enum wf_usage usage, int64_t at_unix_ms)
{
    struct wf_hash root;
    enum weft_err err = check_root(issuer, charter, &root);

    if (err)
        return err;
    if (!(issuer->usages & usage))
        return WEFT_E_PURPOSE;
    return wf_check_period(issuer->not_before_ms, issuer->not_after_ms, at_unix_ms);
}

enum weft_err wf_chain_verify(struct wf_bytes chain, const struct wf_charter *charter,
    int64_t now_unix_ms, unsigned flags, struct wf_identity *ret)
{
    struct wf_identity id = { 0 };
    struct wf_bytes certs[WF_MAX_CHAIN];
    size_t count = 0;
    enum weft_err err = wf_chain_split(chain, certs, &count);

    if (!err)
        err = wf_cert_open(certs[0], &id.cert);
    if (!err && count == 2)
        err = wf_cert_open(certs[1], &id.issuer);
    if (err)
        return err;
    if (count == 1)
        id.issuer = id.cert;
    err = check_links(&id, count);
    if (!err)
        err = check_root(&id.issuer, charter, &id.root);
    if (!err)
        err = check_period(&id.issuer, now_unix_ms, flags, &id.expired);
    if (!err)
        err = check_period(&id.cert, now_unix_ms, flags, &id.expired);
    if (err)
        return err;
    *ret = id;
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "tests/proto/noise_patterns.h"

#include <stdio.h>
#include <stdlib.h>

// Noise revision 34, sections 7.4, 7.5 and appendix 18.1: pre-messages of each side, then messages in turn.
static const struct np_pattern patterns[] = {
    { "N", "", "s", "e es" },
    { "K", "s", "s", "e es ss" },
    { "X", "", "s", "e es s ss" },
    { "NN", "", "", "e|e ee" },
    { "NK", "", "s", "e es|e ee" },
    { "NX", "", "", "e|e ee s es" },
    { "XN", "", "", "e|e ee|s se" },
    { "XK", "", "s", "e es|e ee|s se" },
    { "XX", "", "", "e|e ee s es|s se" },
    { "KN", "s", "", "e|e ee se" },
    { "KK", "s", "s", "e es ss|e ee se" },
    { "KX", "s", "", "e|e ee se s es" },
    { "IN", "", "", "e s|e ee se" },
    { "IK", "", "s", "e es s ss|e ee se" },
    { "IX", "", "", "e s|e ee se s es" },
    { "NK1", "", "s", "e|e ee es" },
    { "NX1", "", "", "e|e ee s|es" },
    { "X1N", "", "", "e|e ee|s|se" },
    { "X1K", "", "s", "e es|e ee|s|se" },
    { "XK1", "", "s", "e|e ee es|s se" },
    { "X1K1", "", "s", "e|e ee es|s|se" },
    { "X1X", "", "", "e|e ee s es|s|se" },
    { "XX1", "", "", "e|e ee s|es s se" },
    { "X1X1", "", "", "e|e ee s|es s|se" },
    { "K1N", "s", "", "e|e ee|se" },
    { "K1K", "s", "s", "e es|e ee|se" },
    { "KK1", "s", "s", "e|e ee se es" },
    { "K1K1", "s", "s", "e|e ee es|se" },
    { "K1X", "s", "", "e|e ee s es|se" },
    { "KX1", "s", "", "e|e ee se s|es" },
    { "K1X1", "s", "", "e|e ee s|se es" },
    { "I1N", "", "", "e s|e ee|se" },
    { "I1K", "", "s", "e es s|e ee|se" },
    { "IK1", "", "s", "e s|e ee se es" },
    { "I1K1", "", "s", "e s|e ee es|se" },
    { "I1X", "", "", "e s|e ee s es|se" },
    { "IX1", "", "", "e s|e ee se s|es" },
    { "I1X1", "", "", "e s|e ee s|se es" },
};

bool np_pattern_of(const char *protocol_name, struct np_pattern *ret)
{
    char body[128];
    const char *tail = strstr(protocol_name, "_25519_ChaChaPoly_BLAKE2b");

    if (strncmp(protocol_name, "Noise_", 6) != 0 || !tail || strlen(tail) != 25 ||
        tail - protocol_name > 100)
        return false;
    snprintf(body, sizeof body, "%.*s", (int)(tail - protocol_name - 6), protocol_name + 6);
    char *modifiers = strstr(body, "psk");
    size_t base_len = modifiers ? (size_t)(modifiers - body) : strlen(body);
    for (size_t i = 0; i < WF_COUNT(patterns); i++) {
        if (!wf_bytes_is(wf_bytes(body, base_len), patterns[i].name))
            continue;
        *ret = patterns[i];
        for (const char *m = modifiers; m; m = strstr(m + 1, "psk"))
            ret->psk[(m[3] - '0') & 7] = true;
        return true;
    }
    return false;
}

unsigned np_message_count(const struct np_pattern *p)
{
    unsigned n = 1;

    for (const char *c = p->messages; *c; c++)
        n += *c == '|';
    return n;
}

bool np_is_one_way(const struct np_pattern *p)
{
    return np_message_count(p) == 1;
}

// The tokens of message i with its psk modifiers, space separated (section 9.4: psk0 before the first message's tokens,
// pskN at the end of message N).
static void tokens_of(const struct np_pattern *p, unsigned i, char out[64])
{
    const char *at = p->messages;

    for (unsigned k = 0; k < i; k++)
        at = strchr(at, '|') + 1;
    snprintf(out, 64, "%s%.*s%s", i == 0 && p->psk[0] ? "psk " : "", (int)strcspn(at, "|"), at,
        p->psk[i + 1] ? " psk" : "");
}

static void mix_key(struct np_party *p, struct wf_bytes ikm)
{
    wf_noise_mix_key(&p->state, ikm);
    p->keyed = true;
}

// MixKeyAndHash (section 5.2).
static void mix_psk(struct np_party *p)
{
    struct wf_buf psk = wf_test_hex(json_string_value(json_array_get(p->psks, p->psk_next++)));
    uint8_t out[3][WF_NOISE_HASH_LEN];

    wf_noise_hkdf(p->state.ck, wf_buf_view(&psk), 3, out);
    memcpy(p->state.ck, out[0], WF_NOISE_HASH_LEN);
    wf_noise_mix_hash(&p->state, WF_BYTES(out[1]));
    memcpy(p->state.k, out[2], WF_KEY_LEN);
    p->state.n = 0;
    p->keyed = true;
    wf_buf_fini(&psk);
}

// A token of two letters: the initiator's key, then the responder's.
static enum weft_err mix_dh(struct np_party *p, const char *token)
{
    char mine = p->initiator ? token[0] : token[1], theirs = p->initiator ? token[1] : token[0];
    uint8_t shared[WF_KEY_LEN];
    enum weft_err err = wf_dh(mine == 'e' ? &p->e : &p->s, theirs == 'e' ? &p->re : &p->rs, shared);

    if (!err)
        mix_key(p, WF_BYTES(shared));
    return err;
}

static void load_secret(
    const json_t *vector, bool initiator, const char *what, struct wf_secret *ret)
{
    char key[32];

    snprintf(key, sizeof key, "%s_%s", initiator ? "init" : "resp", what);
    struct wf_buf b = wf_test_json_hex(vector, key);
    if (b.len && wf_secret_copy(wf_buf_view(&b), ret))
        abort();
    wf_buf_fini(&b);
}

static void pre_message(struct np_party *p, const char *what, bool by_initiator)
{
    if (*what)
        wf_noise_mix_hash(
            &p->state, by_initiator == p->initiator ? WF_BYTES(p->s_pub.b) : WF_BYTES(p->rs.b));
}

void np_init(
    struct np_party *p, const struct np_pattern *pattern, const json_t *vector, bool initiator)
{
    const char *name = json_string_value(json_object_get(vector, "protocol_name"));
    struct wf_buf prologue =
        wf_test_json_hex(vector, initiator ? "init_prologue" : "resp_prologue");
    struct wf_buf rs =
        wf_test_json_hex(vector, initiator ? "init_remote_static" : "resp_remote_static");

    *p = (struct np_party){ .initiator = initiator };
    p->psks = json_object_get(vector, initiator ? "init_psks" : "resp_psks");
    p->has_psk = strstr(name, "psk") != NULL;
    load_secret(vector, initiator, "static", &p->s);
    load_secret(vector, initiator, "ephemeral", &p->e);
    if (p->s.ptr)
        wf_dh_public(&p->s, &p->s_pub);
    if (rs.len)
        memcpy(p->rs.b, rs.ptr, WF_KEY_LEN);
    wf_noise_init(&p->state, wf_bytes_str(name), wf_buf_view(&prologue));
    pre_message(p, pattern->pre_initiator, true);
    pre_message(p, pattern->pre_responder, false);
    wf_buf_fini(&prologue);
    wf_buf_fini(&rs);
}

void np_fini(struct np_party *p)
{
    wf_secret_fini(&p->s);
    wf_secret_fini(&p->e);
}

static void append(struct wf_buf *out, struct wf_bytes b)
{
    if (wf_buf_append(out, b))
        abort();
}

// EncryptAndHash, which before any key only hashes.
static void write_sealed(struct np_party *p, struct wf_bytes in, struct wf_buf *out)
{
    if (!p->keyed) {
        append(out, in);
        wf_noise_mix_hash(&p->state, in);
        return;
    }
    if (wf_buf_reserve(out, in.len + WF_TAG_LEN))
        abort();
    wf_noise_seal(&p->state, in, out->ptr + out->len);
    out->len += in.len + WF_TAG_LEN;
}

static enum weft_err read_sealed(struct np_party *p, struct wf_bytes in, struct wf_buf *out)
{
    enum weft_err err = WEFT_OK;

    if (wf_buf_reserve(out, in.len + 1))
        abort();
    if (!p->keyed) {
        append(out, in);
        wf_noise_mix_hash(&p->state, in);
        return WEFT_OK;
    }
    err = wf_noise_open(&p->state, in, out->ptr + out->len);
    if (!err)
        out->len += in.len - WF_TAG_LEN;
    return err;
}

static void mix_ephemeral(struct np_party *p, const struct wf_dh_pub *pub)
{
    wf_noise_mix_hash(&p->state, WF_BYTES(pub->b));
    if (p->has_psk) // section 9.2
        mix_key(p, WF_BYTES(pub->b));
}

void np_write(struct np_party *p, const struct np_pattern *pattern, unsigned i,
    struct wf_bytes payload, struct wf_buf *out)
{
    char tokens[64], *save = NULL;

    tokens_of(pattern, i, tokens);
    for (char *t = strtok_r(tokens, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        struct wf_dh_pub e;
        if (!strcmp(t, "e")) {
            wf_dh_public(&p->e, &e);
            append(out, WF_BYTES(e.b));
            mix_ephemeral(p, &e);
        } else if (!strcmp(t, "s")) {
            write_sealed(p, WF_BYTES(p->s_pub.b), out);
        } else if (!strcmp(t, "psk")) {
            mix_psk(p);
        } else if (mix_dh(p, t)) {
            abort();
        }
    }
    write_sealed(p, payload, out);
}

static enum weft_err read_static(struct np_party *p, struct wf_bytes *in)
{
    size_t len = WF_KEY_LEN + (p->keyed ? WF_TAG_LEN : 0);
    struct wf_buf rs = { 0 };
    enum weft_err err =
        in->len < len ? WEFT_E_TRUNCATED : read_sealed(p, wf_bytes(in->ptr, len), &rs);

    if (!err) {
        memcpy(p->rs.b, rs.ptr, WF_KEY_LEN);
        *in = wf_bytes(in->ptr + len, in->len - len);
    }
    wf_buf_fini(&rs);
    return err;
}

static enum weft_err read_token(struct np_party *p, const char *token, struct wf_bytes *in)
{
    if (!strcmp(token, "s"))
        return read_static(p, in);
    if (!strcmp(token, "psk")) {
        mix_psk(p);
        return WEFT_OK;
    }
    if (strcmp(token, "e") != 0)
        return mix_dh(p, token);
    if (in->len < WF_KEY_LEN)
        return WEFT_E_TRUNCATED;
    memcpy(p->re.b, in->ptr, WF_KEY_LEN);
    *in = wf_bytes(in->ptr + WF_KEY_LEN, in->len - WF_KEY_LEN);
    mix_ephemeral(p, &p->re);
    return WEFT_OK;
}

enum weft_err np_read(struct np_party *p, const struct np_pattern *pattern, unsigned i,
    struct wf_bytes in, struct wf_buf *payload)
{
    char tokens[64], *save = NULL;

    tokens_of(pattern, i, tokens);
    for (char *t = strtok_r(tokens, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        enum weft_err err = read_token(p, t, &in);
        if (err)
            return err;
    }
    return read_sealed(p, in, payload);
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/session/session.h"

#include <assert.h>

#define RENEW_MESSAGES  ((uint64_t)1 << 60)
#define REJECT_MESSAGES (UINT64_MAX - ((uint64_t)1 << 13)) // 2^64 - 2^13 - 1

#define ROLES           "client/node"
#define MAC1_LABEL      "weft/mac1/v1"
#define STAMP_LEN       8u
#define ID_LEN          8u
#define REQUEST_AD      WF_SESSION_HEAD_LEN
#define REPLY_AD        (WF_SESSION_HEAD_LEN + 8u)
#define MAC1_OFFSET     (WF_SESSION_INIT_LEN - WF_SESSION_MAC1_LEN)

// ---- what both sides agree on before the first byte ----

static uint8_t *put(uint8_t *at, struct wf_bytes b)
{
    memcpy(at, b.ptr, b.len);
    return at + b.len;
}

static void start_noise(
    const struct wf_session_conf *conf, const struct wf_dh_pub *responder, struct wf_noise_ik *ik)
{
    uint8_t prologue[64], *end = prologue;

    assert(!wf_hash_is_zero(&conf->mesh_id));
    end = put(end, WF_STR("weft/1"));
    end = put(end, wf_hash_view(&conf->mesh_id));
    end = put(end, WF_STR(ROLES));
    wf_noise_ik_init(ik, wf_bytes(prologue, (size_t)(end - prologue)), responder);
}

static void mac1(const struct wf_dh_pub *responder, const uint8_t init[WF_SESSION_INIT_LEN],
    uint8_t out[WF_SESSION_MAC1_LEN])
{
    struct wf_hasher h;
    uint8_t key[WF_HASH_LEN];

    wf_hasher_init(&h, wf_bytes(NULL, 0), WF_HASH_LEN);
    wf_hasher_add(&h, WF_STR(MAC1_LABEL));
    wf_hasher_add(&h, WF_BYTES(responder->b));
    wf_hasher_done(&h, key, sizeof key);
    wf_blake2b_keyed(WF_BYTES(key), wf_bytes(init, MAC1_OFFSET), out, WF_SESSION_MAC1_LEN);
}

static enum weft_err fixed_len(size_t len, size_t want)
{
    if (len == want)
        return WEFT_OK;
    return len < want ? WEFT_E_TRUNCATED : WEFT_E_TRAILING;
}

static enum weft_err transport_len(size_t len)
{
    if (len > WF_MAX_CONTROL)
        return WEFT_E_TOO_BIG;
    return len < WF_SESSION_OVERHEAD ? WEFT_E_TRUNCATED : WEFT_OK;
}

static enum weft_err check_len(uint8_t type, size_t len)
{
    switch (type) {
    case WF_SESSION_INIT:
        return fixed_len(len, WF_SESSION_INIT_LEN);
    case WF_SESSION_RESPONSE:
        return fixed_len(len, WF_SESSION_RESPONSE_LEN);
    case WF_SESSION_REFUSAL:
        return fixed_len(len, WF_SESSION_REFUSAL_LEN);
    case WF_SESSION_REQUEST:
    case WF_SESSION_REPLY:
        return transport_len(len);
    default:
        return WEFT_E_PROTOCOL;
    }
}

enum weft_err wf_session_peek(struct wf_bytes message, struct wf_session_head *ret)
{
    if (message.len == 0)
        return WEFT_E_TRUNCATED;
    enum weft_err err = check_len(message.ptr[0], message.len);
    if (err)
        return err;
    *ret = (struct wf_session_head){ .type = (enum wf_session_type)message.ptr[0] };
    if (ret->type == WF_SESSION_REQUEST || ret->type == WF_SESSION_REPLY) {
        ret->session_id = wf_load_be64(message.ptr + 1);
        ret->nonce = wf_load_be64(message.ptr + 9);
    }
    return WEFT_OK;
}

// Sizes, and the one type that is expected here.
static enum weft_err expect(
    struct wf_bytes message, enum wf_session_type type, struct wf_session_head *ret)
{
    enum weft_err err = wf_session_peek(message, ret);

    if (err)
        return err;
    return ret->type == type ? WEFT_OK : WEFT_E_PROTOCOL;
}

// A handshake message that does not decrypt says nothing about why: mesh, roles, keys or bits.
static enum weft_err handshake_err(enum weft_err err)
{
    return err == WEFT_E_AEAD ? WEFT_E_HANDSHAKE : err;
}

// What both roles do after the last handshake message.
static enum weft_err establish(const struct wf_noise_ik *noise, bool initiator, uint64_t id,
    int64_t now_ms, struct wf_session *ret)
{
    struct wf_session s = { .peer = noise->rs,
        .id = id,
        .created_ms = now_ms,
        .initiator = initiator,
        .confirmed = initiator };
    enum weft_err err = wf_secret_new((size_t)2 * WF_KEY_LEN, &s.keys);

    if (err)
        return err;
    uint8_t *own = s.keys.ptr, *peer = s.keys.ptr + WF_KEY_LEN;
    wf_noise_split(&noise->state, initiator ? own : peer, initiator ? peer : own);
    memcpy(s.handshake_hash, noise->state.h, WF_NOISE_HASH_LEN);
    *ret = s;
    return WEFT_OK;
}

// ---- initiator ----

enum weft_err wf_session_dial(const struct wf_session_conf *conf, const struct wf_dh_pub *peer,
    const struct wf_session_fresh *fresh, struct wf_session_dialing *ret,
    uint8_t ret_init[WF_SESSION_INIT_LEN])
{
    struct wf_session_dialing d = { .ephemeral = { 0 } };
    uint8_t init[WF_SESSION_INIT_LEN] = { WF_SESSION_INIT, WF_SESSION_VERSION };
    uint8_t stamp[STAMP_LEN];

    enum weft_err err = wf_secret_copy(WF_BYTES(fresh->ephemeral), &d.ephemeral);
    if (err)
        return err;
    struct wf_noise_keys own = { .s = conf->dh_secret, .e = &d.ephemeral, .s_pub = &conf->dh_pub };
    assert(fresh->now_unix_ms >= 0);
    wf_store_be64(stamp, (uint64_t)fresh->now_unix_ms);
    start_noise(conf, peer, &d.noise);
    err = wf_noise_ik_write_first(&d.noise, &own, WF_BYTES(stamp), init + 2);
    if (err)
        goto out;
    mac1(peer, init, init + MAC1_OFFSET);
    memcpy(ret_init, init, sizeof init);
    *ret = d;
    d = (struct wf_session_dialing){ .ephemeral = { 0 } };
out:
    wf_session_dialing_fini(&d);
    return err;
}

enum weft_err wf_session_finish(const struct wf_session_conf *conf,
    const struct wf_session_dialing *dialing, struct wf_bytes response, int64_t now_ms,
    struct wf_session *ret)
{
    struct wf_noise_keys own = {
        .s = conf->dh_secret, .e = &dialing->ephemeral, .s_pub = &conf->dh_pub
    };
    struct wf_session_head head;
    uint8_t id[ID_LEN];

    enum weft_err err = expect(response, WF_SESSION_RESPONSE, &head);
    if (err)
        return err;
    struct wf_noise_ik noise = dialing->noise; // a forged response spoils the copy only
    err = handshake_err(
        wf_noise_ik_read_second(&noise, &own, wf_bytes(response.ptr + 1, response.len - 1), id));
    if (!err)
        err = establish(&noise, true, wf_load_be64(id), now_ms, ret);
    wf_wipe(&noise, sizeof noise);
    return err;
}

void wf_session_dialing_fini(struct wf_session_dialing *d)
{
    wf_secret_fini(&d->ephemeral);
    wf_wipe(d, sizeof *d);
}

// ---- responder ----

enum weft_err wf_session_check_mac1(
    const struct wf_session_conf *conf, struct wf_bytes message, struct wf_session_init *ret)
{
    struct wf_session_head head;
    uint8_t want[WF_SESSION_MAC1_LEN];

    enum weft_err err = expect(message, WF_SESSION_INIT, &head);
    if (err)
        return err;
    if (message.ptr[1] != WF_SESSION_VERSION)
        return WEFT_E_UNSUPPORTED;
    mac1(&conf->dh_pub, message.ptr, want);
    if (!wf_equal_ct(WF_BYTES(want), wf_bytes(message.ptr + MAC1_OFFSET, WF_SESSION_MAC1_LEN)))
        return WEFT_E_MAC1;
    ret->noise = wf_bytes(message.ptr + 2, MAC1_OFFSET - 2);
    return WEFT_OK;
}

enum weft_err wf_session_identify(const struct wf_session_conf *conf,
    const struct wf_session_init *init, struct wf_session_caller *ret)
{
    struct wf_noise_ik noise;
    uint8_t payload[STAMP_LEN];

    assert(init->noise.len == WF_NOISE_FIRST_LEN + STAMP_LEN);
    start_noise(conf, &conf->dh_pub, &noise);
    enum weft_err err =
        handshake_err(wf_noise_ik_read_first(&noise, conf->dh_secret, init->noise, payload));
    uint64_t stamp = err ? 0 : wf_load_be64(payload);
    if (stamp > INT64_MAX)
        err = WEFT_E_RANGE;
    if (!err)
        *ret = (struct wf_session_caller){
            .peer = noise.rs, .stamp_unix_ms = (int64_t)stamp, .noise = noise
        };
    wf_wipe(&noise, sizeof noise);
    return err;
}

void wf_session_caller_fini(struct wf_session_caller *c)
{
    wf_wipe(c, sizeof *c);
}

enum weft_err wf_session_accept(const struct wf_session_caller *caller,
    const struct wf_session_fresh *fresh, struct wf_session *ret,
    uint8_t ret_response[WF_SESSION_RESPONSE_LEN])
{
    struct wf_secret ephemeral = { 0 };
    struct wf_noise_ik noise = caller->noise;
    uint8_t response[WF_SESSION_RESPONSE_LEN] = { WF_SESSION_RESPONSE }, id[ID_LEN];

    wf_store_be64(id, fresh->session_id);
    enum weft_err err = wf_secret_copy(WF_BYTES(fresh->ephemeral), &ephemeral);
    if (!err)
        err = wf_noise_ik_write_second(&noise, &ephemeral, WF_BYTES(id), response + 1);
    if (!err)
        err = establish(&noise, false, fresh->session_id, fresh->now_ms, ret);
    if (!err)
        memcpy(ret_response, response, sizeof response);
    wf_secret_fini(&ephemeral);
    wf_wipe(&noise, sizeof noise);
    return err;
}

// ---- both ----

void wf_session_fini(struct wf_session *s)
{
    wf_secret_fini(&s->keys);
    wf_wipe(s, sizeof *s);
}

enum wf_session_age wf_session_age(const struct wf_session *s, int64_t now_ms)
{
    int64_t age_ms = now_ms - s->created_ms;

    if (!s->keys.ptr || age_ms >= WF_SESSION_WIPE_MS || s->next_nonce >= REJECT_MESSAGES)
        return WF_SESSION_OVER;
    if (age_ms >= WF_SESSION_RENEW_MS || s->next_nonce >= RENEW_MESSAGES)
        return WF_SESSION_RENEW;
    return WF_SESSION_FRESH;
}

struct wf_bytes wf_session_handshake_hash(const struct wf_session *s)
{
    return WF_BYTES(s->handshake_hash);
}

static enum weft_err check_age(struct wf_session *s, int64_t now_ms)
{
    if (wf_session_age(s, now_ms) != WF_SESSION_OVER)
        return WEFT_OK;
    wf_secret_fini(&s->keys);
    return WEFT_E_SESSION_OLD;
}

// The associated data: the head as sent, and for a reply the nonce of its request, which both sides know.
static struct wf_bytes associated(
    const uint8_t *head, const uint64_t *request_nonce, uint8_t out[REPLY_AD])
{
    memcpy(out, head, WF_SESSION_HEAD_LEN);
    if (!request_nonce)
        return wf_bytes(out, REQUEST_AD);
    wf_store_be64(out + WF_SESSION_HEAD_LEN, *request_nonce);
    return wf_bytes(out, REPLY_AD);
}

// What seals one message: a nonce that was taken for it, and a key.
struct sealer {
    const uint8_t *key;
    uint64_t id, nonce;
    const uint64_t *request_nonce; // NULL: a request
};

static enum weft_err seal_with(const struct sealer *s, struct wf_bytes plain, struct wf_buf *out)
{
    uint8_t ad[REPLY_AD], nonce[WF_NONCE_LEN];

    enum weft_err err = wf_buf_reserve(out, plain.len + WF_SESSION_OVERHEAD);
    if (err)
        return err;
    uint8_t *message = out->ptr + out->len;
    message[0] = s->request_nonce ? WF_SESSION_REPLY : WF_SESSION_REQUEST;
    wf_store_be64(message + 1, s->id);
    wf_store_be64(message + 9, s->nonce);
    wf_noise_nonce(s->nonce, nonce);
    wf_chacha_seal(s->key, nonce, associated(message, s->request_nonce, ad), plain,
        message + WF_SESSION_HEAD_LEN);
    out->len += plain.len + WF_SESSION_OVERHEAD;
    return WEFT_OK;
}

static enum weft_err seal_message(
    struct wf_session *s, const uint64_t *request_nonce, struct wf_bytes plain, struct wf_buf *out)
{
    // The nonce is burned from here on.
    struct sealer with = { s->keys.ptr, s->id, s->next_nonce++, request_nonce };

    return seal_with(&with, plain, out);
}

static enum weft_err open_message(struct wf_session *s, const uint64_t *request_nonce,
    struct wf_bytes message, int64_t now_ms, struct wf_buf *out)
{
    uint8_t ad[REPLY_AD], nonce[WF_NONCE_LEN];
    struct wf_session_head head;

    enum weft_err err =
        expect(message, request_nonce ? WF_SESSION_REPLY : WF_SESSION_REQUEST, &head);
    if (err)
        return err;
    if (head.session_id != s->id)
        return WEFT_E_SESSION;
    err = check_age(s, now_ms);
    if (err)
        return err;
    if (head.nonce >= REJECT_MESSAGES)
        return WEFT_E_RANGE;
    err = wf_window_check(&s->window, head.nonce);
    if (err)
        return err;
    err = wf_buf_reserve(out, message.len - WF_SESSION_OVERHEAD + 1);
    if (err)
        return err;
    struct wf_bytes sealed =
        wf_bytes(message.ptr + WF_SESSION_HEAD_LEN, message.len - WF_SESSION_HEAD_LEN);
    wf_noise_nonce(head.nonce, nonce);
    err = wf_chacha_open(s->keys.ptr + WF_KEY_LEN, nonce,
        associated(message.ptr, request_nonce, ad), sealed, out->ptr + out->len);
    if (err)
        return err;
    wf_window_mark(&s->window, head.nonce);
    s->confirmed = true;
    out->len += message.len - WF_SESSION_OVERHEAD;
    return WEFT_OK;
}

static enum weft_err check_seal(struct wf_session *s, int64_t now_ms, struct wf_bytes plain)
{
    enum weft_err err = check_age(s, now_ms);

    if (err)
        return err;
    return plain.len > WF_SESSION_MAX_PLAIN ? WEFT_E_TOO_BIG : WEFT_OK;
}

enum weft_err wf_session_seal_request(struct wf_session *s, int64_t now_ms, struct wf_bytes plain,
    struct wf_buf *out, uint64_t *ret_nonce)
{
    assert(s->initiator);
    enum weft_err err = check_seal(s, now_ms, plain);
    if (err)
        return err;
    uint64_t nonce = s->next_nonce;
    err = seal_message(s, NULL, plain, out);
    if (!err)
        *ret_nonce = nonce;
    return err;
}

enum weft_err wf_session_open_request(struct wf_session *s, struct wf_bytes message, int64_t now_ms,
    struct wf_buf *out, uint64_t *ret_nonce)
{
    assert(!s->initiator);
    enum weft_err err = open_message(s, NULL, message, now_ms, out);
    if (!err)
        *ret_nonce = wf_load_be64(message.ptr + 9);
    return err;
}

enum weft_err wf_session_seal_reply(struct wf_session *s, uint64_t request_nonce, int64_t now_ms,
    struct wf_bytes plain, struct wf_buf *out)
{
    assert(!s->initiator);
    if (!s->confirmed)
        return WEFT_E_STATE;
    enum weft_err err = check_seal(s, now_ms, plain);
    return err ? err : seal_message(s, &request_nonce, plain, out);
}

enum weft_err wf_session_reply_begin(
    struct wf_session *s, uint64_t request_nonce, int64_t now_ms, struct wf_session_reply *ret)
{
    struct wf_session_reply r = { .id = s->id, .request_nonce = request_nonce };

    assert(!s->initiator);
    if (!s->confirmed)
        return WEFT_E_STATE;
    enum weft_err err = check_age(s, now_ms);
    if (err)
        return err;
    r.nonce = s->next_nonce++;
    err = wf_secret_copy(wf_bytes(s->keys.ptr, WF_KEY_LEN), &r.key);
    if (!err)
        *ret = r;
    return err;
}

enum weft_err wf_session_reply_seal(
    struct wf_session_reply *r, struct wf_bytes plain, struct wf_buf *out)
{
    struct sealer with = { r->key.ptr, r->id, r->nonce, &r->request_nonce };

    if (!r->key.ptr)
        return WEFT_E_STATE;
    enum weft_err err =
        plain.len > WF_SESSION_MAX_PLAIN ? WEFT_E_TOO_BIG : seal_with(&with, plain, out);
    wf_secret_fini(&r->key); // a nonce seals once
    return err;
}

void wf_session_reply_fini(struct wf_session_reply *r)
{
    wf_secret_fini(&r->key);
}

enum weft_err wf_session_open_reply(struct wf_session *s, uint64_t request_nonce,
    struct wf_bytes message, int64_t now_ms, struct wf_buf *out)
{
    assert(s->initiator);
    return open_message(s, &request_nonce, message, now_ms, out);
}

// ---- refusals ----

static enum weft_err public_code(enum weft_err cause)
{
    switch (cause) {
    case WEFT_E_BUSY:
    case WEFT_E_FLOOD:
    case WEFT_E_UNSUPPORTED:
        return cause;
    case WEFT_E_SESSION:
    case WEFT_E_SESSION_OLD:
    case WEFT_E_REPLAY:
    case WEFT_E_AEAD:
        return WEFT_E_SESSION;
    default:
        return WEFT_E_REFUSED;
    }
}

void wf_session_refuse(enum weft_err cause, uint8_t out[WF_SESSION_REFUSAL_LEN])
{
    unsigned code = (unsigned)public_code(cause);

    out[0] = WF_SESSION_REFUSAL;
    out[1] = WF_SESSION_VERSION;
    out[2] = (uint8_t)(code >> 8);
    out[3] = (uint8_t)code;
}

enum weft_err wf_session_refusal_read(struct wf_bytes message, struct wf_session_refusal *ret)
{
    struct wf_session_head head;

    if (expect(message, WF_SESSION_REFUSAL, &head))
        return WEFT_E_PROTOCOL;
    unsigned code = (unsigned)message.ptr[2] << 8 | message.ptr[3];
    *ret = (struct wf_session_refusal){ .code = public_code((enum weft_err)code),
        .version = message.ptr[1] };
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "node/backup/format.h"

#include <stdio.h>

#define VERSION    1u
#define LAST       0x80000000u // of a chunk's length
#define KIND_ABOUT 1u
#define KIND_FILE  2u
#define KIND_END   3u
#define ABOUT_LEN  (1u + 8 + WF_KEY_LEN + 1 + 3 * (WF_MAX_NAME + 1))
#define FILE_LEN   (1u + 2 + 8) // and the path
#define END_LEN    (1u + 4 + 8)
#define PATH_NAMES 8u

// ---- header ----------------------------------------------------------------------------------------------------------

static const uint8_t magic[8] = { 'W', 'E', 'F', 'T', 'B', 'A', 'K', '1' };

void wf_backup_head_put(const struct wf_backup_head *h, uint8_t out[WF_BACKUP_HEAD_LEN])
{
    struct wf_hash hash;

    memset(out, 0, WF_BACKUP_HEAD_LEN);
    memcpy(out, magic, sizeof magic);
    wf_store_be32(out + 8, VERSION);
    wf_store_be32(out + 12, WF_BACKUP_HEAD_LEN);
    wf_store_be64(out + 16, (uint64_t)h->created_ms);
    wf_store_be32(out + 24, h->sealed);
    wf_store_be32(out + 28, WF_BACKUP_CHUNK);
    memcpy(out + 32, h->salt, sizeof h->salt);
    memcpy(out + 48, h->nonce, sizeof h->nonce);
    wf_blake2b(wf_bytes(out, 64), &hash);
    memcpy(out + 64, hash.b, sizeof hash.b);
}

enum weft_err wf_backup_head_take(struct wf_bytes in, struct wf_backup_head *ret)
{
    struct wf_backup_head h = { 0 };
    struct wf_hash hash;

    if (in.len != WF_BACKUP_HEAD_LEN || memcmp(in.ptr, magic, sizeof magic) != 0)
        return WEFT_E_SYNTAX;
    if (wf_load_be32(in.ptr + 8) != VERSION)
        return WEFT_E_VERSION;
    wf_blake2b(wf_bytes(in.ptr, 64), &hash);
    if (memcmp(in.ptr + 64, hash.b, sizeof hash.b) != 0)
        return WEFT_E_HASH;
    h.created_ms = (int64_t)wf_load_be64(in.ptr + 16);
    if (wf_load_be32(in.ptr + 12) != WF_BACKUP_HEAD_LEN || wf_load_be32(in.ptr + 24) > 1 ||
        wf_load_be32(in.ptr + 28) != WF_BACKUP_CHUNK || h.created_ms < 0)
        return WEFT_E_RANGE;
    h.sealed = wf_load_be32(in.ptr + 24) == 1;
    memcpy(h.salt, in.ptr + 32, sizeof h.salt);
    memcpy(h.nonce, in.ptr + 48, sizeof h.nonce);
    *ret = h;
    return WEFT_OK;
}

// ---- chunks ----------------------------------------------------------------------------------------------------------

enum weft_err wf_backup_key(
    const struct wf_backup_head *h, struct wf_bytes passphrase, struct wf_secret *ret)
{
    struct wf_hash open;

    if (h->sealed)
        return passphrase.len ? wf_argon2id(passphrase, h->salt, ret) : WEFT_E_PASSPHRASE;
    // One way to read and write: this key hides nothing, it finds what was changed.
    wf_blake2b_keyed(WF_BYTES(h->salt), WF_STR("weft/backup/open/v1"), open.b, sizeof open.b);
    return wf_secret_copy(wf_hash_view(&open), ret);
}

enum weft_err wf_backup_seal_init(
    const uint8_t head[WF_BACKUP_HEAD_LEN], const struct wf_secret *key, struct wf_backup_seal *ret)
{
    struct wf_backup_seal s = { 0 };
    struct wf_backup_head h;
    enum weft_err err = wf_backup_head_take(wf_bytes(head, WF_BACKUP_HEAD_LEN), &h);

    if (err)
        return err;
    memcpy(s.nonce, h.nonce, sizeof s.nonce);
    wf_blake2b(wf_bytes(head, WF_BACKUP_HEAD_LEN), &s.head);
    err = wf_secret_copy(wf_secret_view(key), &s.key);
    if (!err)
        *ret = s;
    return err;
}

void wf_backup_seal_fini(struct wf_backup_seal *s)
{
    wf_secret_fini(&s->key);
}

static void place(const struct wf_backup_seal *s, const uint8_t *length,
    uint8_t nonce[WF_XNONCE_LEN], uint8_t ad[WF_HASH_LEN + WF_BACKUP_CHUNK_HEAD])
{
    memcpy(nonce, s->nonce, sizeof s->nonce);
    wf_store_be64(nonce + sizeof s->nonce, s->index);
    memcpy(ad, s->head.b, WF_HASH_LEN);
    memcpy(ad + WF_HASH_LEN, length, WF_BACKUP_CHUNK_HEAD);
}

size_t wf_backup_seal_chunk(
    struct wf_backup_seal *s, struct wf_bytes plain, bool last, uint8_t *out)
{
    uint8_t nonce[WF_XNONCE_LEN], ad[WF_HASH_LEN + WF_BACKUP_CHUNK_HEAD];
    uint32_t len = (uint32_t)(plain.len + WF_TAG_LEN);

    wf_store_be32(out, last ? len | LAST : len);
    place(s, out, nonce, ad);
    wf_xchacha_seal(s->key.ptr, nonce, WF_BYTES(ad), plain, out + WF_BACKUP_CHUNK_HEAD);
    s->index++;
    s->ended = last;
    return WF_BACKUP_CHUNK_HEAD + len;
}

enum weft_err wf_backup_chunk_len(
    const struct wf_backup_seal *s, const uint8_t head[WF_BACKUP_CHUNK_HEAD], size_t *ret)
{
    uint32_t word = wf_load_be32(head), len = word & ~LAST;
    bool whole = len == WF_BACKUP_CHUNK + WF_TAG_LEN;

    if (s->ended)
        return WEFT_E_TRAILING;
    if (len < WF_TAG_LEN || len > WF_BACKUP_CHUNK + WF_TAG_LEN || (!whole && !(word & LAST)))
        return WEFT_E_SYNTAX;
    *ret = WF_BACKUP_CHUNK_HEAD + len;
    return WEFT_OK;
}

enum weft_err wf_backup_open_chunk(
    struct wf_backup_seal *s, struct wf_bytes chunk, uint8_t *out, size_t *ret_len)
{
    uint8_t nonce[WF_XNONCE_LEN], ad[WF_HASH_LEN + WF_BACKUP_CHUNK_HEAD];
    size_t len = 0;

    if (chunk.len < WF_BACKUP_CHUNK_HEAD)
        return WEFT_E_TRUNCATED;
    enum weft_err err = wf_backup_chunk_len(s, chunk.ptr, &len);
    if (!err && len != chunk.len)
        err = WEFT_E_TRUNCATED;
    if (err)
        return err;
    place(s, chunk.ptr, nonce, ad);
    err = wf_xchacha_open(s->key.ptr, nonce, WF_BYTES(ad),
        wf_bytes(chunk.ptr + WF_BACKUP_CHUNK_HEAD, len - WF_BACKUP_CHUNK_HEAD), out);
    if (err)
        return err;
    s->index++;
    s->ended = (wf_load_be32(chunk.ptr) & LAST) != 0;
    *ret_len = len - WF_BACKUP_CHUNK_HEAD - WF_TAG_LEN;
    return WEFT_OK;
}

// ---- records ---------------------------------------------------------------------------------------------------------

static bool name_is_valid(const char *name, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    for (size_t i = 0; i < len; i++)
        if (!strchr(letters, name[i]))
            return false;
    return len > 0 && name[0] != '.';
}

bool wf_backup_path_is_valid(const char *path)
{
    size_t names = 0;

    if (strlen(path) > WF_MAX_BACKUP_PATH)
        return false;
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (!name_is_valid(at, len) || ++names > PATH_NAMES)
            return false;
        at += len;
        if (!*at)
            break;
    }
    return (names == 1 && strcmp(path, "weftd.yaml") == 0) ||
           (names == 2 && strncmp(path, "products.d/", 11) == 0) ||
           (names >= 2 && strncmp(path, "data/", 5) == 0);
}

enum weft_err wf_backup_put_about(const struct wf_backup_about *a, struct wf_buf *out)
{
    uint8_t b[ABOUT_LEN] = { KIND_ABOUT }, *at = b + 42;

    wf_store_be64(b + 1, (uint64_t)a->created_ms);
    memcpy(b + 9, a->key.b, WF_KEY_LEN);
    b[41] = a->logs;
    memcpy(at, a->domain, strlen(a->domain));
    memcpy(at + WF_MAX_NAME + 1, a->node, strlen(a->node));
    memcpy(at + 2 * (size_t)(WF_MAX_NAME + 1), a->version, strlen(a->version));
    return wf_buf_append(out, WF_BYTES(b));
}

enum weft_err wf_backup_put_file(const struct wf_backup_file *f, struct wf_buf *out)
{
    uint8_t b[FILE_LEN] = { KIND_FILE };
    size_t len = strlen(f->path);

    if (!wf_backup_path_is_valid(f->path))
        return WEFT_E_NAME;
    b[1] = (uint8_t)(len >> 8);
    b[2] = (uint8_t)len;
    wf_store_be64(b + 3, f->size);
    enum weft_err err = wf_buf_append(out, WF_BYTES(b));
    return err ? err : wf_buf_append(out, wf_bytes(f->path, len));
}

enum weft_err wf_backup_put_end(uint32_t files, uint64_t bytes, struct wf_buf *out)
{
    uint8_t b[END_LEN] = { KIND_END };

    wf_store_be32(b + 1, files);
    wf_store_be64(b + 5, bytes);
    return wf_buf_append(out, WF_BYTES(b));
}

// ---- reading records -------------------------------------------------------------------------------------------------

// A text in a field of fixed length, zeros behind it.
static bool take_text(const uint8_t *at, char out[WF_MAX_NAME + 1])
{
    size_t len = strnlen((const char *)at, WF_MAX_NAME + 1);

    if (len == 0 || len > WF_MAX_NAME)
        return false;
    for (size_t i = 0; i <= WF_MAX_NAME; i++)
        if (i < len ? at[i] < ' ' || at[i] > '~' : at[i] != 0)
            return false;
    memcpy(out, at, WF_MAX_NAME + 1);
    return true;
}

static enum weft_err take_about(struct wf_backup_parser *p, const uint8_t *b)
{
    struct wf_backup_about a = { .created_ms = (int64_t)wf_load_be64(b + 1), .logs = b[41] == 1 };

    if (p->about)
        return WEFT_E_ORDER;
    memcpy(a.key.b, b + 9, WF_KEY_LEN);
    if (a.created_ms < 0 || b[41] > 1 || !take_text(b + 42, a.domain) ||
        !take_text(b + 42 + WF_MAX_NAME + 1, a.node) ||
        !take_text(b + 42 + 2 * (size_t)(WF_MAX_NAME + 1), a.version) ||
        !wf_name_is_valid(wf_bytes_str(a.domain)) || !wf_name_is_valid(wf_bytes_str(a.node)))
        return WEFT_E_RANGE;
    p->about = true;
    return p->sink->about(p->sink->arg, &a);
}

static enum weft_err end_file(struct wf_backup_parser *p)
{
    p->in_file = false;
    return p->sink->end(p->sink->arg);
}

static enum weft_err take_file(struct wf_backup_parser *p, const uint8_t *b, size_t path_len)
{
    struct wf_backup_file f = { .size = wf_load_be64(b + 3) };

    memcpy(f.path, b + FILE_LEN, path_len);
    if (strlen(f.path) != path_len || !wf_backup_path_is_valid(f.path))
        return WEFT_E_NAME;
    if (f.size > WF_MAX_BACKUP_FILE || p->files == WF_MAX_BACKUP_FILES)
        return WEFT_E_TOO_BIG;
    p->files++;
    p->bytes += f.size;
    p->left = f.size;
    p->in_file = true;
    enum weft_err err = p->sink->begin(p->sink->arg, &f);
    return !err && f.size == 0 ? end_file(p) : err;
}

static enum weft_err take_end(struct wf_backup_parser *p, const uint8_t *b)
{
    p->ended = true;
    return wf_load_be32(b + 1) == p->files && wf_load_be64(b + 5) == p->bytes ? WEFT_OK
                                                                              : WEFT_E_RANGE;
}

// How long the record is whose beginning is pending; 0: that can't be told yet.
static enum weft_err record_len(const struct wf_backup_parser *p, size_t *ret)
{
    const uint8_t *b = p->pending.ptr;
    size_t path = p->pending.len < 3 ? 0 : (size_t)b[1] << 8 | b[2];

    *ret = 0;
    if (p->pending.len == 0)
        return WEFT_OK;
    if (b[0] != KIND_ABOUT && !p->about)
        return WEFT_E_ORDER;
    switch (b[0]) {
    case KIND_ABOUT:
        *ret = ABOUT_LEN;
        return WEFT_OK;
    case KIND_FILE:
        if (p->pending.len >= 3)
            *ret = FILE_LEN + path;
        return path > WF_MAX_BACKUP_PATH ? WEFT_E_TOO_BIG : WEFT_OK;
    case KIND_END:
        *ret = END_LEN;
        return WEFT_OK;
    default:
        return WEFT_E_TYPE;
    }
}

static enum weft_err take_record(struct wf_backup_parser *p)
{
    const uint8_t *b = p->pending.ptr;
    size_t len = p->pending.len;

    p->pending.len = 0;
    switch (b[0]) {
    case KIND_ABOUT:
        return take_about(p, b);
    case KIND_FILE:
        return take_file(p, b, len - FILE_LEN);
    default:
        return take_end(p, b);
    }
}

// Moves bytes to the pending record until it is whole; *in is what is left.
static enum weft_err gather(struct wf_backup_parser *p, struct wf_bytes *in)
{
    size_t want = 0;
    enum weft_err err = WEFT_OK;

    while (!err && in->len) {
        err = wf_buf_append(&p->pending, wf_bytes(in->ptr, 1));
        *in = wf_bytes(in->ptr + 1, in->len - 1);
        if (!err)
            err = record_len(p, &want);
        if (!err && want && p->pending.len == want)
            return take_record(p);
    }
    return err;
}

enum weft_err wf_backup_parse(struct wf_backup_parser *p, struct wf_bytes plain)
{
    enum weft_err err = WEFT_OK;

    while (!err && plain.len) {
        if (p->ended)
            return WEFT_E_TRAILING;
        if (!p->in_file) {
            err = gather(p, &plain);
            continue;
        }
        size_t len = plain.len < p->left ? plain.len : (size_t)p->left;
        err = p->sink->bytes(p->sink->arg, wf_bytes(plain.ptr, len));
        p->left -= len;
        plain = wf_bytes(plain.ptr + len, plain.len - len);
        if (!err && p->left == 0)
            err = end_file(p);
    }
    return err;
}

enum weft_err wf_backup_parse_end(const struct wf_backup_parser *p)
{
    return p->ended ? WEFT_OK : WEFT_E_TRUNCATED;
}

void wf_backup_parser_fini(struct wf_backup_parser *p)
{
    wf_wipe(p->pending.ptr, p->pending.len);
    wf_buf_fini(&p->pending);
}

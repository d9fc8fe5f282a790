// SPDX-License-Identifier: Apache-2.0
// The backup of a node as bytes (docs/protocol/backup.md): a header, then sealed chunks of one stream of files. Pure: no disk, no clock.
// Whoever reads gives the bytes in order and takes files out; nothing of a chunk is looked at before it opened.
// Invariant: a stream that ended without its last chunk or its end record was never whole. Not thread-safe.
#ifndef WF_NODE_BACKUP_FORMAT_H
#define WF_NODE_BACKUP_FORMAT_H

#include "proto/base/crypto.h"
#include "proto/base/limits.h"

#define WF_BACKUP_HEAD_LEN   96u
#define WF_BACKUP_CHUNK      (256u * WF_KIB) // plain bytes of a chunk; only the last one has fewer
#define WF_BACKUP_CHUNK_HEAD 4u
#define WF_BACKUP_CHUNK_MAX  (WF_BACKUP_CHUNK_HEAD + WF_BACKUP_CHUNK + WF_TAG_LEN)
#define WF_BACKUP_NONCE_LEN  16u

// ---- header and chunks -----------------------------------------------------------------------------------------------

struct wf_backup_head {
    int64_t created_ms;
    bool
        sealed; // under a passphrase; else the key follows from the header, and whoever has the file has all that is in it
    uint8_t salt[WF_SALT_LEN], nonce[WF_BACKUP_NONCE_LEN];
};

// The state of the one key and the place in the stream; wf_backup_seal_fini wipes it.
struct wf_backup_seal {
    struct wf_secret key;
    uint8_t nonce[WF_BACKUP_NONCE_LEN];
    struct wf_hash head; // of the header, associated with each chunk
    uint64_t index;      // of the next chunk
    bool ended;          // the last one was sealed or opened
};

void wf_backup_head_put(const struct wf_backup_head *h, uint8_t out[WF_BACKUP_HEAD_LEN]);
// SYNTAX (no backup), VERSION, RANGE, HASH.
WF_MUST_USE enum weft_err wf_backup_head_take(struct wf_bytes in, struct wf_backup_head *ret);
// The one key. It costs half a second where the header says sealed, which alone looks at the passphrase: PASSPHRASE when it is empty. NOMEM.
WF_MUST_USE enum weft_err wf_backup_key(
    const struct wf_backup_head *h, struct wf_bytes passphrase, struct wf_secret *ret);
// Copies the key.
WF_MUST_USE enum weft_err wf_backup_seal_init(const uint8_t head[WF_BACKUP_HEAD_LEN],
    const struct wf_secret *key, struct wf_backup_seal *ret);
void wf_backup_seal_fini(struct wf_backup_seal *s);
// Seals up to WF_BACKUP_CHUNK bytes into out (WF_BACKUP_CHUNK_MAX); returns the length there.
size_t wf_backup_seal_chunk(
    struct wf_backup_seal *s, struct wf_bytes plain, bool last, uint8_t *out);
// The length of the whole chunk whose first four bytes these are. SYNTAX (no chunk is so long), TRAILING (after the last).
WF_MUST_USE enum weft_err wf_backup_chunk_len(
    const struct wf_backup_seal *s, const uint8_t head[WF_BACKUP_CHUNK_HEAD], size_t *ret);
// Opens a whole chunk into out (WF_BACKUP_CHUNK). AEAD: a wrong passphrase, or changed, moved or left out.
WF_MUST_USE enum weft_err wf_backup_open_chunk(
    struct wf_backup_seal *s, struct wf_bytes chunk, uint8_t *out, size_t *ret_len);

// ---- the stream ------------------------------------------------------------------------------------------------------

// What a backup is of; its first record.
struct wf_backup_about {
    int64_t created_ms;
    struct wf_sign_pub key; // the node's
    bool logs;              // records are in it, too
    char domain[WF_MAX_NAME + 1], node[WF_MAX_NAME + 1], version[WF_MAX_NAME + 1];
};

struct wf_backup_file {
    char path[WF_MAX_BACKUP_PATH +
              1]; // below the node's directory, judged: "data/identity/node.key"
    uint64_t size;
};

// Each appends one record's beginning; a file's bytes follow it, exactly as many as it says.
WF_MUST_USE enum weft_err wf_backup_put_about(const struct wf_backup_about *a, struct wf_buf *out);
// NAME: a path that no backup may have.
WF_MUST_USE enum weft_err wf_backup_put_file(const struct wf_backup_file *f, struct wf_buf *out);
WF_MUST_USE enum weft_err wf_backup_put_end(uint32_t files, uint64_t bytes, struct wf_buf *out);
// weftd.yaml, products.d/NAME, data/NAME[/NAME ...]: at most eight names of [A-Za-z0-9._-], none beginning with a dot.
bool wf_backup_path_is_valid(const char *path);

struct wf_backup_sink {
    void *arg;
    // In this order: about once; for each file begin, its bytes in pieces, end. An error ends the reading and is returned.
    enum weft_err (*about)(void *arg, const struct wf_backup_about *a);
    enum weft_err (*begin)(void *arg, const struct wf_backup_file *f);
    enum weft_err (*bytes)(void *arg, struct wf_bytes piece);
    enum weft_err (*end)(void *arg);
};

struct wf_backup_parser {
    const struct wf_backup_sink *sink;
    struct wf_buf pending; // of a record's beginning; never more than one of the longest
    uint64_t left;         // bytes of the file still to come
    uint64_t bytes;
    uint32_t files;
    bool about, in_file, ended;
};
void wf_backup_parser_fini(struct wf_backup_parser *p);
// Takes the next bytes of the stream. TYPE, NAME, TOO_BIG, ORDER (about is not first), RANGE (counts that are not those of the files), TRAILING.
WF_MUST_USE enum weft_err wf_backup_parse(struct wf_backup_parser *p, struct wf_bytes plain);
// The stream is over: TRUNCATED unless the end record was met.
WF_MUST_USE enum weft_err wf_backup_parse_end(const struct wf_backup_parser *p);

#endif

// SPDX-License-Identifier: Apache-2.0
// The store format of one segment file: headers, items, and a scanner that survives damage (docs/protocol/log.md).
// Owns no files; a window borrows one. Nothing is believed before its check: each byte of a segment is covered by one.
// Thread rule: values and windows belong to one thread at a time.
#ifndef WF_NODE_LOG_SEGMENT_H
#define WF_NODE_LOG_SEGMENT_H

#include "node/log/vfs.h"
#include "proto/base/crypto.h"

#define WF_SEG_VERSION   1u
#define WF_SEG_HEAD_LEN  272u
#define WF_SEG_COPY_AT   4096u // the header's second copy, in another page
#define WF_SEG_DATA      (WF_SEG_COPY_AT + WF_SEG_HEAD_LEN) // where items begin
#define WF_SEG_SALT_LEN  16u
#define WF_SEG_CLASS     64u         // room for the class name with NUL
#define WF_SEG_MAX       0x7fffffffu // bytes of one file

#define WF_ITEM_HEAD_LEN 96u
#define WF_ITEM_CHECK    16u
#define WF_ITEM_MAX      (5u * 1024u * 1024u)         // stored body bytes of an owner's item
#define WF_ITEM_SEAL_LEN (WF_XNONCE_LEN + WF_TAG_LEN) // what sealing adds to a body

enum { // item kinds of ours; owners use 0 to 0xef
    WF_ITEM_HEADS =
        0xf1, // body: {product, be64 head, be64 floor} of every product; the first item of a segment
    WF_ITEM_FLOOR = 0xf2, // no body: first is the product's new floor
};
enum {                  // item flags
    WF_ITEM_SEALED = 1, // the body is nonce, ciphertext, tag under the segment's data key
    WF_ITEM_JUMP = 2,   // offsets between the product's head and first were never used
    WF_ITEM_SYNCED = 4, // everything before it in the segment was on the disk when it was written
};

struct wf_seg_head {
    struct wf_hash store_id;
    uint64_t number;
    uint64_t prev_number, prev_end; // the segment before and how much of it counts; 0, 0 for none
    int64_t created_ms;
    char class_name[WF_SEG_CLASS];
    uint8_t salt[WF_SEG_SALT_LEN]; // random; binds items to this file
    bool has_key;                  // key_nonce and key_box hold the wrapped data key
    uint8_t key_nonce[WF_XNONCE_LEN];
    uint8_t key_box[WF_KEY_LEN + WF_TAG_LEN];
};

struct wf_seg_item {
    struct wf_hash product;
    uint64_t first;
    uint32_t count;
    uint32_t body_len; // as stored
    int64_t time_ms;
    uint8_t kind, flags;
    uint8_t body_check[WF_ITEM_CHECK]; // of the stored body at its place: wf_seg_body_check
};

void wf_seg_head_put(const struct wf_seg_head *h, uint8_t out[WF_SEG_HEAD_LEN]);
// DAMAGED when it fails its hash; UNSUPPORTED for an intact header of another version.
WF_MUST_USE enum weft_err wf_seg_head_take(
    const uint8_t in[WF_SEG_HEAD_LEN], struct wf_seg_head *ret);
// Of an intact header, whatever its version.
uint32_t wf_seg_head_version(const uint8_t in[WF_SEG_HEAD_LEN]);

// Fills h's salt and, when a storage key (32 bytes) is given, wraps data_key (32 bytes, made here) under it.
void wf_seg_head_secure(
    struct wf_seg_head *h, const struct wf_secret *storage_key, uint8_t data_key[WF_KEY_LEN]);
// The data key of a header. KEY when there is none or the storage key is not the one. Wipe it after use.
WF_MUST_USE enum weft_err wf_seg_key(
    const struct wf_seg_head *h, const struct wf_secret *storage_key, uint8_t ret_key[WF_KEY_LEN]);

void wf_seg_item_put(const struct wf_seg_item *item, const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, uint8_t out[WF_ITEM_HEAD_LEN]);
// False unless this is an item header written at this position of this segment, with lengths in their limits.
bool wf_seg_item_take(const uint8_t in[WF_ITEM_HEAD_LEN], const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, struct wf_seg_item *ret);
// What a stored body of the item at this position of the segment is checked by. Whatever a disk does to it is noticed but for a
// chance below 2^-82; it is no proof against somebody who can write the file.
void wf_seg_body_check(const uint8_t salt[WF_SEG_SALT_LEN], uint64_t at, struct wf_bytes body,
    uint8_t ret[WF_ITEM_CHECK]);
bool wf_seg_body_is_intact(const struct wf_seg_item *item, const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, struct wf_bytes body);

// Seals plain_len bytes at body + WF_XNONCE_LEN in place; body has room for plain_len + WF_ITEM_SEAL_LEN. The item's
// product, first, count, time and kind, and the segment, are bound to it.
void wf_seg_body_seal(const uint8_t key[WF_KEY_LEN], const struct wf_seg_item *item,
    const uint8_t salt[WF_SEG_SALT_LEN], uint8_t *body, size_t plain_len);
// Opens in place; *ret_plain points into body. AEAD.
WF_MUST_USE enum weft_err wf_seg_body_open(const uint8_t key[WF_KEY_LEN],
    const struct wf_seg_item *item, const uint8_t salt[WF_SEG_SALT_LEN], uint8_t *body,
    struct wf_bytes *ret_plain);

// A sliding view of a file, so that a scan costs few reads and one buffer.
struct wf_seg_window {
    const struct wf_vfs *vfs;
    int file;
    uint64_t limit;     // bytes from here on are not there
    struct wf_buf *buf; // lent by the caller; grows to the largest piece asked for
    uint64_t base;      // file position of buf->ptr[0]
};
void wf_seg_window_init(struct wf_seg_window *w, const struct wf_vfs *vfs, int file, uint64_t limit,
    struct wf_buf *buf);
// len bytes at a position; valid until the next call. TRUNCATED beyond the limit or the end of the file; IO, NOMEM.
WF_MUST_USE enum weft_err wf_seg_window_get(
    struct wf_seg_window *w, uint64_t at, size_t len, uint8_t **ret);

// One step of a scan at position at.
enum wf_seg_step {
    WF_SEG_ITEM, // intact as far as asked; next is the position after it
    WF_SEG_ROTTEN, // the item's header is intact, its body fails the hash or ends early; next is after it
    WF_SEG_HOLE, // no item header here; the next intact one is at next, or there is none and it is the limit
    WF_SEG_END, // at is the limit
};
struct wf_seg_found {
    enum wf_seg_step step;
    struct wf_seg_item item;
    uint8_t *body; // of an item, when asked for; in the window
    uint64_t next;
};
// With check_body the body is read and hashed too.
WF_MUST_USE enum weft_err wf_seg_scan(struct wf_seg_window *w, const uint8_t salt[WF_SEG_SALT_LEN],
    uint64_t at, bool check_body, struct wf_seg_found *ret);

#endif

// SPDX-License-Identifier: Apache-2.0
// Epoch keys of entries that are still kept, sealed under the node's storage key: meta "e-HEX" of a product. A key is on the disk before an
// entry is appended under it and goes with the last such entry. Nothing here opens a stream: leases hand out only keys in force.
#include <stdlib.h>

#include "node/stream/priv.h"

#define EPOCHS_VERSION 1u
#define PLACE_LEN      24u // be64 number, first offset, end offset
#define ROW_LEN        (PLACE_LEN + WF_EPOCH_BOX_LEN)

static void meta_name(const struct wf_home_product *p, char out[40])
{
    out[0] = 'e';
    out[1] = '-';
    wf_hex_put(wf_bytes(p->collect->product.id.b, 16), out + 2);
}

// What a box is bound to.
static struct wf_bytes context(
    const struct wf_home_product *p, uint64_t number, uint8_t out[WF_HASH_LEN + 8])
{
    memcpy(out, p->collect->product.id.b, WF_HASH_LEN);
    wf_store_be64(out + WF_HASH_LEN, number);
    return wf_bytes(out, WF_HASH_LEN + 8);
}

// ---- the file --------------------------------------------------------------------------------------------------------

static enum weft_err pack(const struct wf_home_product *p, struct wf_buf *out)
{
    enum weft_err err = wf_buf_append_byte(out, EPOCHS_VERSION);

    for (size_t i = 0; i < p->kept_count && !err; i++) {
        const struct wf_kept_epoch *k = &p->kept[i];
        uint8_t place[PLACE_LEN];
        wf_store_be64(place, k->number);
        wf_store_be64(place + 8, k->first);
        wf_store_be64(place + 16, k->end);
        err = wf_buf_append(out, WF_BYTES(place));
        if (!err)
            err = wf_buf_append(out, WF_BYTES(k->box));
    }
    return err;
}

static enum weft_err save(struct wf_home_product *p)
{
    struct wf_buf b = { 0 };
    char name[40];
    enum weft_err err = pack(p, &b);

    meta_name(p, name);
    if (!err)
        err = wf_meta_put(&p->room->vfs, p->room->meta_dir, name, wf_buf_view(&b));
    wf_buf_fini(&b);
    p->kept_dirty = err != WEFT_OK;
    return err;
}

static enum weft_err reserve(struct wf_home_product *p, size_t count)
{
    struct wf_kept_epoch *v = NULL;

    if (count <= p->kept_cap)
        return WEFT_OK;
    v = realloc(p->kept, (count + 16) * sizeof *v);
    if (!v)
        return WEFT_E_NOMEM;
    p->kept = v;
    p->kept_cap = count + 16;
    return WEFT_OK;
}

static enum weft_err take_rows(struct wf_home_product *p, struct wf_bytes in)
{
    if (in.len < 1 || in.ptr[0] != EPOCHS_VERSION || (in.len - 1) % ROW_LEN != 0 ||
        (in.len - 1) / ROW_LEN > WF_EPOCHS_KEPT_MAX)
        return WEFT_E_DAMAGED;
    size_t count = (in.len - 1) / ROW_LEN;
    enum weft_err err = reserve(p, count);

    for (size_t i = 0; i < count && !err; i++) {
        const uint8_t *row = in.ptr + 1 + i * ROW_LEN;
        struct wf_kept_epoch *k = &p->kept[i];
        *k = (struct wf_kept_epoch){ wf_load_be64(row), wf_load_be64(row + 8),
            wf_load_be64(row + 16), { 0 } };
        memcpy(k->box, row + PLACE_LEN, sizeof k->box);
        if (k->end > p->tail)
            k->end = p->tail; // it was in force when the process ended, and no more entry follows
        p->kept_count = i + 1;
    }
    return err;
}

enum weft_err wf_epochs_load(struct wf_home_product *p)
{
    struct wf_buf b = { 0 };
    char name[40];

    meta_name(p, name);
    enum weft_err err = wf_meta_get(&p->room->vfs, p->room->meta_dir, name, &b);
    if (!err)
        err = take_rows(p, wf_buf_view(&b));
    wf_buf_fini(&b);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// ---- keeping and forgetting ------------------------------------------------------------------------------------------

static void drop_first(struct wf_home_product *p, size_t count)
{
    memmove(p->kept, p->kept + count, (p->kept_count - count) * sizeof *p->kept);
    p->kept_count -= count;
    p->kept_dirty = true;
}

void wf_epochs_end(struct wf_home_product *p)
{
    struct wf_kept_epoch *last = p->kept_count ? &p->kept[p->kept_count - 1] : NULL;

    if (!last || last->end != WF_NONE)
        return;
    last->end = p->tail;
    p->kept_dirty = true;
    if (last->end == last->first)
        p->kept_count--; // nothing was appended under it
}

enum weft_err wf_epochs_begin(struct wf_home_product *p, const struct wf_epoch *e)
{
    uint8_t bound[WF_HASH_LEN + 8];

    wf_epochs_end(p);
    enum weft_err err = reserve(p, p->kept_count + 1);
    if (err)
        return err;
    struct wf_kept_epoch *k = &p->kept[p->kept_count++];
    *k = (struct wf_kept_epoch){ .number = e->number, .first = p->tail, .end = WF_NONE };
    wf_random(k->box, WF_XNONCE_LEN);
    wf_xchacha_seal(p->room->storage_key.ptr, k->box, context(p, e->number, bound),
        wf_secret_view(&e->key), k->box + WF_XNONCE_LEN);
    if (p->kept_count > WF_EPOCHS_KEPT_MAX)
        drop_first(p, 1);
    return save(p);
}

static void forget(struct wf_home_product *p)
{
    uint64_t floor = wf_home_floor(p);
    size_t gone = 0;

    while (gone < p->kept_count && p->kept[gone].end <= floor)
        gone++;
    if (gone)
        drop_first(p, gone);
}

static void saved(void *arg, void *tag, enum weft_err err)
{
    struct wf_home_product *p = tag;

    (void)arg;
    p->kept_dirty = err != WEFT_OK;
    if (err)
        wf_say(p->room->node, WF_LOG_WARN, "stream", "sealed epoch keys could not be written",
            "product", p->collect->product.name, NULL);
}

static void save_with(struct wf_meta_group *g, struct wf_home_product *p)
{
    struct wf_buf b = { 0 };
    char name[40];
    enum weft_err err = pack(p, &b);

    meta_name(p, name);
    if (err)
        saved(NULL, p, err);
    else
        wf_meta_add(g, name, wf_buf_view(&b), p);
    wf_buf_fini(&b);
}

void wf_epochs_forget(struct wf_stream_room *r)
{
    struct wf_meta_group g;

    wf_meta_group_init(&g, &r->vfs, r->meta_dir, saved, NULL);
    for (struct wf_home_product *p = r->products; p; p = p->next) {
        forget(p);
        if (p->kept_dirty)
            save_with(&g, p);
    }
    wf_meta_commit(&g);
}

void wf_epochs_cover(struct wf_home_product *p, uint64_t offset)
{
    struct wf_kept_epoch *last = p->kept_count ? &p->kept[p->kept_count - 1] : NULL;

    if (!last || last->number != p->epoch.number || last->first <= offset)
        return;
    last->first = offset;
    p->kept_dirty = true;
}

enum weft_err wf_epochs_open_at(const struct wf_home_product *p, size_t i, uint8_t out[WF_KEY_LEN])
{
    uint8_t bound[WF_HASH_LEN + 8];
    const struct wf_kept_epoch *k = &p->kept[i];

    return wf_xchacha_open(p->room->storage_key.ptr, k->box, context(p, k->number, bound),
        wf_bytes(k->box + WF_XNONCE_LEN, WF_EPOCH_BOX_LEN - WF_XNONCE_LEN), out);
}

enum weft_err wf_epochs_open(
    const struct wf_home_product *p, uint64_t number, struct wf_secret *ret)
{
    struct wf_secret key = { 0 };
    size_t i = 0;

    while (i < p->kept_count && p->kept[i].number != number)
        i++;
    if (i == p->kept_count)
        return WEFT_E_EPOCH;
    enum weft_err err = wf_secret_new(WF_KEY_LEN, &key);
    if (err)
        return err;
    err = wf_epochs_open_at(p, i, key.ptr);
    if (err) {
        wf_secret_fini(&key);
        return err;
    }
    *ret = key;
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Every byte of a store that counts, once. Damage has a place; what it took has offsets: they follow from the whole items around it,
// from the tables of heads and from where the log's recovery says that each product ends.
#include <stdlib.h>

#include "node/log/look_priv.h"

struct trail { // of one product: what whole items have shown so far
    struct wf_hash product;
    uint64_t expected, segment; // the next offset, and where the last item was
    size_t flaws;               // places told before it
};

struct place {
    uint64_t segment, at, len;
};

struct check {
    struct wf_log_look *look;
    struct wf_log *log;
    wf_log_flaw_fn fn;
    void *arg;
    struct wf_log_tally *tally;
    struct wf_buf places; // struct place each: damage that may have taken offsets
    struct wf_buf window;
    struct trail *trails; // ascending
    size_t trail_count, trail_cap;
    bool gone; // a segment was dropped while it was looked at: what is missing there says nothing
    // of the segment at hand
    struct wf_segment *s;
    uint8_t key[WF_KEY_LEN];
    enum weft_err key_err;
    struct wf_index shadow; // what a scan finds, to compare with the index file
    struct wf_segment shadow_segment;
    uint64_t damages_before;
};

static size_t place_count(const struct check *c)
{
    return c->places.len / sizeof(struct place);
}

static void tell(struct check *c, const struct wf_log_flaw *flaw)
{
    if (wf_log_flaw_is_damage(flaw->kind))
        c->tally->damages++;
    else
        c->tally->others++;
    c->fn(c->arg, flaw);
}

// Damage that may have taken offsets is remembered, so that these can name it.
static enum weft_err tell_place(struct check *c, const struct wf_log_flaw *flaw)
{
    struct place p = { flaw->segment, flaw->at, flaw->len };

    tell(c, flaw);
    return wf_buf_append(&c->places, wf_bytes(&p, sizeof p));
}

// ---- what the open found ---------------------------------------------------------------------------------------------

static bool has_index_file(const struct check *c, uint64_t number)
{
    const struct wf_vfs *vfs = c->log->vfs;
    char path[WF_LOG_PATH];
    int file = -1;

    wf_log_path(c->log, number, ".idx", path);
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);
    if (!err)
        vfs->close(vfs->ctx, file);
    return err != WEFT_E_NOT_FOUND;
}

// Notes of damaged items are left out: the scan tells them with what they held. False for nothing to tell.
static bool from_note(const struct check *c, const struct wf_log_note *n, struct wf_log_flaw *ret)
{
    *ret = (struct wf_log_flaw){ .err = n->err, .segment = n->segment, .at = n->at, .len = n->len };
    switch (n->kind) {
    case WF_LOG_NOTE_TORN:
        ret->kind = WF_FLAW_TORN;
        return !c->look->view.in_use; // of a store at work it is what is being written
    case WF_LOG_NOTE_INDEX:
        ret->kind = has_index_file(c, n->segment) ? WF_FLAW_INDEX : WF_FLAW_NO_INDEX;
        return true;
    case WF_LOG_NOTE_STORE:
        ret->kind = WF_FLAW_STORE;
        return true;
    case WF_LOG_NOTE_TRUNCATED:
        ret->kind = WF_FLAW_TRUNCATED;
        return true;
    case WF_LOG_NOTE_DAMAGED:
        ret->kind = WF_FLAW_HEADER;
        return n->at + n->len <= WF_SEG_DATA;
    default:
        return false;
    }
}

static void tell_notes(struct check *c, uint64_t segment)
{
    struct wf_log_flaw flaw;
    struct wf_log_note n;

    for (size_t i = 0; i < c->look->notes.len / sizeof n; i++) {
        memcpy(&n, c->look->notes.ptr + i * sizeof n, sizeof n);
        if (n.segment == segment && n.kind != WF_LOG_NOTE_TRUNCATED && from_note(c, &n, &flaw))
            tell(c, &flaw);
    }
}

// After the segment's items: what is cut off comes behind them.
static enum weft_err tell_truncated(struct check *c, uint64_t segment)
{
    struct wf_log_flaw flaw;
    struct wf_log_note n;
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < c->look->notes.len / sizeof n && !err; i++) {
        memcpy(&n, c->look->notes.ptr + i * sizeof n, sizeof n);
        if (n.segment == segment && n.kind == WF_LOG_NOTE_TRUNCATED && from_note(c, &n, &flaw))
            err = tell_place(c, &flaw);
    }
    return err;
}

// ---- offsets ---------------------------------------------------------------------------------------------------------

// Where the product's trail is or belongs.
static size_t trail_at(const struct check *c, const struct wf_hash *product)
{
    size_t low = 0, high = c->trail_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (memcmp(c->trails[mid].product.b, product->b, WF_HASH_LEN) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct trail *trail_find(const struct check *c, const struct wf_hash *product)
{
    size_t i = trail_at(c, product);

    return i < c->trail_count && wf_hash_eq(&c->trails[i].product, product) ? &c->trails[i] : NULL;
}

static enum weft_err trail_new(
    struct check *c, const struct wf_hash *product, uint64_t expected, struct trail **ret)
{
    size_t i = trail_at(c, product);

    if (c->trail_count == c->trail_cap) {
        size_t cap = c->trail_cap ? 2 * c->trail_cap : 32;
        struct trail *more = realloc(c->trails, cap * sizeof *more);
        if (!more)
            return WEFT_E_NOMEM;
        c->trails = more;
        c->trail_cap = cap;
    }
    memmove(c->trails + i + 1, c->trails + i, (c->trail_count - i) * sizeof *c->trails);
    c->trail_count++;
    c->trails[i] = (struct trail){ .product = *product, .expected = expected };
    *ret = &c->trails[i];
    return WEFT_OK;
}

static uint64_t floor_of(const struct check *c, const struct wf_hash *product)
{
    const struct wf_product *p = wf_index_find(&c->log->index, product);

    return p && !p->fresh ? p->floor : 0;
}

// Offsets from the trail's end to `end` are not there; those below the floor went by retention or release.
static void tell_lost(struct check *c, const struct trail *t, uint64_t end)
{
    uint64_t floor = floor_of(c, &t->product);
    uint64_t first = t->expected > floor ? t->expected : floor;
    struct place p = { c->s ? c->s->head.number : 0, 0, 0 };

    if (first >= end || c->gone)
        return;
    if (t->flaws < place_count(c))
        memcpy(&p, c->places.ptr + t->flaws * sizeof p, sizeof p);
    struct wf_log_flaw flaw = { .kind = WF_FLAW_LOST,
        .segment = p.segment,
        .at = p.at,
        .len = p.len,
        .has_product = true,
        .product = t->product,
        .first = first,
        .end = end };
    tell(c, &flaw);
}

static enum weft_err take_offsets(struct check *c, const struct wf_seg_item *item, uint64_t at)
{
    struct trail *t = trail_find(c, &item->product);
    uint64_t number = c->s->head.number;

    if (!t) {
        enum weft_err err =
            trail_new(c, &item->product, c->gone ? item->first : floor_of(c, &item->product), &t);
        if (err)
            return err;
    }
    if (item->first < t->expected && t->segment == number) {
        struct wf_log_flaw flaw = { .kind = WF_FLAW_ORDER,
            .segment = number,
            .at = at,
            .len = WF_ITEM_HEAD_LEN + item->body_len,
            .has_product = true,
            .product = item->product,
            .first = item->first,
            .end = item->first + item->count };
        tell(c, &flaw);
        return WEFT_OK;
    }
    // What a jump leaves out was never used, unless damage lies between: then nobody can tell.
    bool jumped = (item->flags & WF_ITEM_JUMP) && t->flaws == place_count(c);
    if (item->first > t->expected && !jumped)
        tell_lost(c, t, item->first);
    t->expected = item->first + item->count;
    t->segment = number;
    t->flaws = place_count(c);
    return WEFT_OK;
}

// A table of heads: how far each product was when this segment began.
static enum weft_err take_heads(struct check *c, const uint8_t *row, size_t len)
{
    struct wf_hash id;

    for (; len >= WF_LOG_HEADS_ROW; row += WF_LOG_HEADS_ROW, len -= WF_LOG_HEADS_ROW) {
        uint64_t head = wf_load_be64(row + WF_HASH_LEN);
        memcpy(id.b, row, WF_HASH_LEN);
        struct trail *t = trail_find(c, &id);
        bool oldest = c->s == c->log->segments[0];
        if (!t) {
            enum weft_err err = trail_new(c, &id, oldest || c->gone ? head : floor_of(c, &id), &t);
            if (err)
                return err;
        }
        if (t->expected < head)
            tell_lost(c, t, head);
        t->expected = head;
        t->flaws = place_count(c);
    }
    return WEFT_OK;
}

static void tell_end(void *arg, const struct wf_hash *product, const struct wf_log_range *range)
{
    struct check *c = arg;
    struct trail *t = trail_find(c, product), none = { .product = *product };

    tell_lost(c, t ? t : &none, range->head);
}

// ---- items -----------------------------------------------------------------------------------------------------------

static enum weft_err shadow_item(struct check *c, const struct wf_seg_item *item, uint64_t at)
{
    struct wf_product *p = NULL;
    struct wf_part *part = NULL;
    enum weft_err err = wf_index_add(&c->shadow, &item->product, &p);

    if (!err)
        err = wf_part_reserve(p, &c->shadow_segment, 1, &part);
    if (err)
        return err;
    wf_part_add(part, item, at);
    c->shadow_segment.items++;
    return WEFT_OK;
}

static void check_seal(struct check *c, const struct wf_seg_found *f, uint64_t at)
{
    struct wf_bytes plain;

    if (!(f->item.flags & WF_ITEM_SEALED) || c->key_err)
        return;
    enum weft_err err = wf_seg_body_open(c->key, &f->item, c->s->head.salt, f->body, &plain);
    if (!err)
        return;
    struct wf_log_flaw flaw = { .kind = WF_FLAW_SEALED,
        .err = err,
        .segment = c->s->head.number,
        .at = at,
        .len = f->next - at,
        .has_product = true,
        .product = f->item.product,
        .first = f->item.first,
        .end = f->item.first + f->item.count };
    tell(c, &flaw);
}

static enum weft_err take_item(struct check *c, const struct wf_seg_found *f, uint64_t at)
{
    c->tally->items++;
    if (f->item.kind == WF_ITEM_HEADS)
        return take_heads(c, f->body, f->item.body_len);
    if (f->item.kind > WF_LOG_KIND_MAX)
        return WEFT_OK;
    check_seal(c, f, at);
    enum weft_err err = take_offsets(c, &f->item, at);
    return err ? err : shadow_item(c, &f->item, at);
}

static enum weft_err take_bad(struct check *c, const struct wf_seg_found *f, uint64_t at)
{
    bool is_item = f->step == WF_SEG_ROTTEN;
    struct wf_log_flaw flaw = { .kind = is_item ? WF_FLAW_ITEM : WF_FLAW_BYTES,
        .segment = c->s->head.number,
        .at = at,
        .len = f->next - at };

    if (is_item && f->item.kind <= WF_LOG_KIND_MAX) {
        flaw.has_product = true;
        flaw.product = f->item.product;
        flaw.first = f->item.first;
        flaw.end = f->item.first + f->item.count;
    }
    return tell_place(c, &flaw);
}

static enum weft_err unreadable(struct check *c, enum weft_err why, uint64_t at)
{
    struct wf_log_flaw flaw = { .kind = WF_FLAW_SEGMENT,
        .err = why,
        .segment = c->s->head.number,
        .at = at,
        .len = c->s->end > at ? c->s->end - at : 0 };

    return tell_place(c, &flaw);
}

static enum weft_err scan(struct check *c, int file)
{
    struct wf_seg_window w;
    struct wf_seg_found f = { 0 };

    wf_seg_window_init(&w, c->log->vfs, file, c->s->end, &c->window);
    for (uint64_t at = WF_SEG_DATA;; at = f.next) {
        enum weft_err err = wf_seg_scan(&w, c->s->head.salt, at, true, &f);
        if (err == WEFT_E_NOMEM)
            return err;
        if (err)
            return unreadable(c, err, at);
        if (f.step == WF_SEG_END)
            return WEFT_OK;
        err = f.step == WF_SEG_ITEM ? take_item(c, &f, at) : take_bad(c, &f, at);
        if (err)
            return err;
    }
}

// ---- index files -----------------------------------------------------------------------------------------------------

static enum weft_err read_all(const struct check *c, const char *path, struct wf_buf *out)
{
    const struct wf_vfs *vfs = c->log->vfs;
    uint64_t size = 0;
    int file = -1;
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);

    if (err)
        return err;
    err = vfs->size(vfs->ctx, file, &size);
    if (!err && size > WF_SEG_MAX)
        err = WEFT_E_TOO_BIG;
    if (!err)
        err = wf_buf_reserve(out, (size_t)size + 1);
    if (!err)
        err = vfs->read(vfs->ctx, file, 0, out->ptr, (size_t)size, &out->len);
    vfs->close(vfs->ctx, file);
    return err;
}

// Does the index file of this whole segment say what the scan found? A bad or missing one was told by the open.
static enum weft_err check_index(struct check *c)
{
    struct wf_buf have = { 0 }, want = { 0 };
    struct wf_sidecar side, scanned;
    char path[WF_LOG_PATH];

    wf_log_path(c->log, c->s->head.number, ".idx", path);
    enum weft_err err = read_all(c, path, &have);
    if (!err)
        err = wf_sidecar_take(wf_buf_view(&have), c->s, &side);
    if (err || side.end != c->s->end)
        goto out;
    c->shadow_segment.head = c->s->head;
    c->shadow_segment.readable = true;
    c->shadow_segment.end = c->s->end;
    err = wf_index_save(&c->shadow_segment, &want);
    if (!err)
        err = wf_sidecar_take(wf_buf_view(&want), &c->shadow_segment, &scanned);
    if (!err && (side.items != scanned.items || !wf_bytes_eq(side.parts, scanned.parts)))
        tell(c, &(struct wf_log_flaw){
                    .kind = WF_FLAW_INDEX, .err = WEFT_E_ORDER, .segment = c->s->head.number });
out:
    wf_buf_fini(&have);
    wf_buf_fini(&want);
    return err == WEFT_E_NOMEM ? err : WEFT_OK;
}

// ---- segments --------------------------------------------------------------------------------------------------------

static enum weft_err check_open(struct check *c, int file)
{
    c->key_err = wf_seg_key(&c->s->head, c->look->key, c->key);
    enum weft_err err = scan(c, file);

    wf_wipe(c->key, sizeof c->key);
    if (!err && c->tally->damages == c->damages_before)
        err = check_index(c);
    wf_index_fini(&c->shadow);
    c->shadow_segment = (struct wf_segment){ .file = -1 };
    return err;
}

static enum weft_err check_file(struct check *c)
{
    const struct wf_vfs *vfs = c->log->vfs;
    char path[WF_LOG_PATH];
    int file = -1;

    wf_log_path(c->log, c->s->head.number, ".seg", path);
    enum weft_err err = vfs->open(vfs->ctx, path, WF_VFS_READ, &file);
    if (err == WEFT_E_NOT_FOUND && c->look->view.in_use) { // its owner dropped it
        c->gone = true;
        c->trail_count = 0;
        return WEFT_OK;
    }
    if (err == WEFT_E_NOMEM)
        return err;
    if (err)
        return unreadable(c, err, 0);
    c->tally->segments++;
    c->tally->bytes += c->s->end;
    err = check_open(c, file);
    vfs->close(vfs->ctx, file);
    return err;
}

static enum weft_err check_segment(struct check *c)
{
    c->damages_before = c->tally->damages;
    tell_notes(c, c->s->head.number);
    enum weft_err err = c->s->readable ? check_file(c) : unreadable(c, WEFT_E_DAMAGED, 0);
    return err ? err : tell_truncated(c, c->s->head.number);
}

// The last segment when it was blank: the open left it out.
static void tell_removed(struct check *c)
{
    struct wf_log_note n;

    for (size_t i = 0; i < c->look->notes.len / sizeof n; i++) {
        memcpy(&n, c->look->notes.ptr + i * sizeof n, sizeof n);
        if (n.segment > wf_log_last_number(c->log))
            tell_notes(c, n.segment);
    }
}

enum weft_err wf_log_look_check(
    struct wf_log_look *l, wf_log_flaw_fn fn, void *arg, struct wf_log_tally *ret)
{
    struct check c = { .look = l, .log = l->log, .fn = fn, .arg = arg, .tally = ret };

    *ret = (struct wf_log_tally){ 0 };
    c.shadow_segment.file = -1;
    enum weft_err err = WEFT_OK;
    tell_notes(&c, 0);
    for (size_t i = 0; i < l->log->segment_count && !err; i++) {
        c.s = l->log->segments[i];
        err = check_segment(&c);
    }
    tell_removed(&c);
    if (!err)
        wf_log_products(l->log, tell_end, &c);
    wf_buf_fini(&c.places);
    wf_buf_fini(&c.window);
    free(c.trails);
    return err;
}

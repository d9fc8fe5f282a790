// SPDX-License-Identifier: Apache-2.0
// Products of this home as objects: made, found, kept on disk (products/NAME.MAJOR/manifest; the descriptor set is a document), loaded
// again. A product lives until the room closes: other rooms hold pointers to it, so removal is a flag.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/source/room.h"
#include "node/stream/ends.h"
#include "node/stream/priv.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

struct wf_earlier {
    struct wf_hash hash;
    struct wf_schema *schema;
    const struct wf_schema_message *message;
    struct wf_earlier *next;
};

// What was in force before: other rooms may still hold views of it.
struct wf_retired {
    struct wf_schema *schema;
    struct wf_collect *collect;
    struct wf_retired *next;
};

enum weft_err wf_home_new(
    struct wf_stream_room *r, const struct wf_hash *id, struct wf_home_product **ret)
{
    struct wf_home_product *p = calloc(1, sizeof *p);

    if (!p)
        return WEFT_E_NOMEM;
    p->room = r;
    p->log_key = *id;
    p->pending_end = &p->pending;
    p->ready_end = &p->ready;
    p->beat_every_ms = WF_BEAT_MS;
    p->beat_due_ms = INT64_MAX;
    struct wf_log_range range;
    // What the log says stands even before recovery has read it.
    if (wf_log_range(r->node->log, id, &range) == WEFT_OK)
        p->head = p->tail = range.head;
    *ret = p;
    return WEFT_OK;
}

static void free_earlier(struct wf_home_product *p)
{
    while (p->earlier) {
        struct wf_earlier *e = p->earlier;
        p->earlier = e->next;
        wf_schema_free(e->schema);
        free(e);
    }
}

static void free_retired(struct wf_home_product *p)
{
    while (p->retired) {
        struct wf_retired *old = p->retired;
        p->retired = old->next;
        wf_schema_free(old->schema);
        wf_collect_free(old->collect);
        free(old);
    }
}

static void free_pending(struct wf_pending *e)
{
    while (e) {
        struct wf_pending *next = e->next;
        wf_buf_fini(&e->packed);
        wf_buf_fini(&e->raw);
        free(e);
        e = next;
    }
}

void wf_home_free(struct wf_home_product *p)
{
    if (!p)
        return;
    wf_timer_cancel(p->room->node->loop, &p->linger);
    wf_epoch_end(p);
    free_pending(p->pending);
    free_pending(p->ready);
    wf_records_fini(&p->open);
    wf_buf_fini(&p->schema_set);
    wf_buf_fini(&p->beat);
    free_earlier(p);
    free_retired(p);
    free(p->spare);
    wf_schema_free(p->schema);
    wf_collect_free(p->collect);
    free(p->origins);
    free(p->publishers);
    free(p->ended);
    free(p->missing);
    free(p->logs);
    free(p->kept);
    free(p);
}

enum weft_err wf_home_make_room(struct wf_home_product *p)
{
    if (!p->spare)
        p->spare = calloc(1, sizeof *p->spare);
    return p->spare ? WEFT_OK : WEFT_E_NOMEM;
}

void wf_home_take(struct wf_home_product *p, struct wf_collect *c, struct wf_schema *schema)
{
    if (p->collect) {
        struct wf_retired *old = p->spare;
        *old = (struct wf_retired){ p->schema, p->collect, p->retired };
        p->spare = NULL;
        p->retired = old;
    }
    p->collect = c;
    p->schema = schema;
    p->message = c->product.message[0]
                     ? wf_schema_find_message(schema, wf_bytes_str(c->product.message))
                     : NULL;
    p->beat_stale = true;
}

bool wf_home_has_stream(const struct wf_home_product *p)
{
    return p->collect->product.kind != WF_PRODUCT_API;
}

bool wf_home_folds(const struct wf_home_product *p)
{
    return p->collect->product.kind == WF_PRODUCT_INVENTORY;
}

// ---- lookup ----------------------------------------------------------------------------------------------------------

struct wf_home_product *wf_stream_find(struct wf_node *n, const char *name, uint32_t major)
{
    struct wf_home_product *found = NULL;

    for (struct wf_home_product *p = n->stream ? n->stream->products : NULL; p; p = p->next) {
        const struct wf_product *d = &p->collect->product;
        if (!wf_home_is_here(p) || strcmp(d->name, name) != 0 || (major && d->major != major))
            continue;
        if (!found || d->major > found->collect->product.major)
            found = p;
    }
    return found;
}

struct wf_home_product *wf_stream_find_id(struct wf_node *n, const struct wf_hash *product_id)
{
    for (struct wf_home_product *p = n->stream ? n->stream->products : NULL; p; p = p->next)
        if (wf_home_is_here(p) && wf_hash_eq(&p->collect->product.id, product_id))
            return p;
    return NULL;
}

struct wf_home_product *wf_stream_next(struct wf_node *n, struct wf_home_product *after)
{
    struct wf_home_product *p = after ? after->next : n->stream ? n->stream->products : NULL;

    while (p && !wf_home_is_here(p))
        p = p->next;
    return p;
}

const struct wf_product *wf_home_descriptor(const struct wf_home_product *p)
{
    return &p->collect->product;
}

const struct wf_collect *wf_home_collect(const struct wf_home_product *p)
{
    return p->collect;
}

const struct wf_schema_message *wf_home_message(const struct wf_home_product *p)
{
    return p->message;
}

const struct wf_schema *wf_home_schema(const struct wf_home_product *p)
{
    return p->schema;
}

uint64_t wf_home_head(const struct wf_home_product *p)
{
    return p->head;
}

uint64_t wf_home_floor(const struct wf_home_product *p)
{
    struct wf_log_range range;

    // At the very end the log is closed before its products.
    if (!p->room->node->log || wf_log_range(p->room->node->log, &p->log_key, &range))
        return p->head;
    return range.floor < p->head ? range.floor : p->head;
}

struct wf_incarnation wf_home_log_id(const struct wf_home_product *p)
{
    return p->log_id;
}

unsigned wf_home_generation(const struct wf_home_product *p)
{
    return p->generation;
}

const struct wf_schema_message *wf_home_message_of(
    struct wf_home_product *p, const struct wf_hash *schema_hash)
{
    const struct wf_product *d = &p->collect->product;
    bool known = false;

    if (wf_hash_eq(&d->schema_hash, schema_hash))
        return p->message;
    for (size_t i = 0; i < d->earlier_count; i++)
        known = known || wf_hash_eq(&d->earlier[i], schema_hash);
    for (struct wf_earlier *e = p->earlier; e && known; e = e->next)
        if (wf_hash_eq(&e->hash, schema_hash))
            return e->message;
    if (!known)
        return NULL;
    struct wf_arena arena;
    struct wf_bytes set;
    struct wf_earlier *e = calloc(1, sizeof *e);
    wf_arena_init(&arena, WF_MAX_ENVELOPE + 64);
    if (e && !wf_documents_get(p->room->node, schema_hash, &arena, &set) &&
        !wf_schema_compile(set, &e->schema, NULL)) {
        e->hash = *schema_hash;
        e->message = wf_schema_find_message(e->schema, wf_bytes_str(d->message));
        e->next = p->earlier;
        p->earlier = e;
    } else {
        free(e);
        e = NULL;
    }
    wf_arena_fini(&arena);
    return e ? e->message : NULL;
}

// ---- on disk ---------------------------------------------------------------------------------------------------------

static enum weft_err home_dir(struct wf_stream_room *r, const struct wf_product *d, char **ret)
{
    char name[WF_MAX_NAME + 16];

    snprintf(name, sizeof name, "%s.%u", d->name, d->major);
    return wf_disk_join(r->product_dir, name, ret);
}

// Replaces DIR/name.
static enum weft_err keep(
    const char *dir, const char *name, struct wf_bytes content, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_disk_replace(path, content, diag);
    free(path);
    return err;
}

enum weft_err wf_home_save(
    struct wf_home_product *p, const struct wf_collect *c, struct wf_diag *diag)
{
    char *dir = NULL, *removed = NULL;
    enum weft_err err = home_dir(p->room, &c->product, &dir);

    if (!err)
        err = wf_disk_join(dir, "removed",
            &removed); // memory first: what lies in the manifest's place is in force at the next start
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err)
        err = keep(dir, "manifest", wf_buf_view(&c->raw), diag);
    if (!err)
        err = wf_disk_remove(removed, diag);
    if (!err)
        p->removed = false;
    free(removed);
    free(dir);
    return err;
}

enum weft_err wf_home_remove(struct wf_home_product *p, struct wf_diag *diag)
{
    struct wf_stream_room *r = p->room;
    char *dir = NULL, text[32];
    int64_t now = wf_node_now_unix_ms(r->node);
    int len = snprintf(text, sizeof text, "%lld\n", (long long)now);
    enum weft_err err = home_dir(r, &p->collect->product, &dir);

    if (!err)
        err = keep(dir, "removed", wf_bytes(text, (size_t)len), diag);
    free(dir);
    if (err)
        return err;
    if (r->node->source)
        wf_source_remove(r->node, p->collect->product.name);
    wf_intake_flush(p);
    p->removed = true;
    p->removed_ms = now;
    p->advert_due_ms = 0;
    wf_beat_now(p); // says `stopped`
    wf_parked_end(&r->pulls, p);
    wf_leases_end_of(r, p);
    wf_publish_close(p);
    return WEFT_OK;
}

// A time that can't be read is now: the end of the product is told for longer, instead of to nobody.
static enum weft_err load_removed(struct wf_home_product *p, const char *dir)
{
    char *path = NULL;
    struct wf_buf text = { 0 };
    uint64_t ms = 0;
    enum weft_err err = wf_disk_join(dir, "removed", &path);

    if (!err)
        err = wf_file_read(path, 32, WF_FILE_OWNED, &text, NULL);
    if (!err) {
        bool read = !wf_moved_number(wf_buf_view(&text), &ms) && ms <= INT64_MAX;
        p->removed = true;
        p->removed_ms = read ? (int64_t)ms : wf_node_now_unix_ms(p->room->node);
    }
    wf_buf_fini(&text);
    free(path);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

static enum weft_err load_schema(struct wf_home_product *p, const struct wf_product *d,
    struct wf_schema **ret, struct wf_diag *diag)
{
    struct wf_arena arena;
    struct wf_bytes set;

    wf_arena_init(&arena, WF_MAX_ENVELOPE + 64);
    enum weft_err err = wf_documents_get(p->room->node, &d->schema_hash, &arena, &set);
    struct wf_hash hash;
    if (!err) {
        wf_blake2b(set, &hash);
        err = wf_hash_eq(&hash, &d->schema_hash) ? WEFT_OK : WEFT_E_HASH;
    }
    if (!err)
        err = wf_buf_append(&p->schema_set, set);
    if (!err)
        err = wf_schema_compile(set, ret, diag);
    wf_arena_fini(&arena);
    return err;
}

static enum weft_err open_manifest(
    struct wf_stream_room *r, const char *dir, struct wf_collect **ret, struct wf_diag *diag)
{
    struct wf_buf raw = { 0 };
    struct wf_collect *c = NULL;
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, "manifest", &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &raw, diag);
    if (!err)
        err = wf_collect_open(wf_buf_view(&raw), &c);
    if (!err && memcmp(c->signer.b, r->node->keys.sign_pub.b, WF_KEY_LEN) != 0)
        err = WEFT_E_SIGNATURE;
    if (!err && (c->removed || !wf_hash_eq(&c->mesh_id, &r->node->mesh_id)))
        err = WEFT_E_WRONG_MESH;
    if (err)
        wf_collect_free(c);
    else
        *ret = c;
    wf_buf_fini(&raw);
    free(path);
    return err;
}

// Without them readers are not told what was lost, which holds up nobody.
static enum weft_err recall_ends(struct wf_home_product *p)
{
    enum weft_err err = wf_ends_recall(p);

    if (err && err != WEFT_E_NOMEM) {
        wf_say(p->room->node, WF_LOG_WARN, "stream",
            "what mirrors knew to be lost could not be read", "product", p->collect->product.name,
            "why", weft_err_text(err), NULL);
        err = WEFT_OK;
    }
    return err;
}

static enum weft_err load_one(struct wf_stream_room *r, const char *dir, struct wf_diag *diag)
{
    struct wf_collect *c = NULL;
    struct wf_home_product *p = NULL;
    struct wf_schema *schema = NULL;
    enum weft_err err = open_manifest(r, dir, &c, diag);

    if (err)
        return err;
    err = wf_home_new(r, &c->product.id, &p);
    if (!err)
        err = load_schema(p, &c->product, &schema, diag);
    if (err) {
        wf_collect_free(c);
        wf_home_free(p);
        return err;
    }
    wf_home_take(p, c, schema);
    err = wf_moved_load(p, dir, diag);
    if (!err)
        err = wf_home_recover(p, diag);
    if (!err)
        err = recall_ends(p);
    if (!err)
        err = load_removed(p, dir);
    if (err) {
        wf_home_free(p);
        return err;
    }
    p->next = r->products;
    r->products = p;
    return WEFT_OK;
}

static void load_dir(struct wf_stream_room *r, const char *name)
{
    struct wf_diag diag = { 0 };
    char *dir = NULL, alarm[16 + WF_MAX_NAME], text[512];
    enum weft_err err = wf_disk_join(r->product_dir, name, &dir);

    if (!err)
        err = load_one(r, dir, &diag);
    if (err) {
        snprintf(alarm, sizeof alarm, "product-%.*s", (int)WF_MAX_NAME, name);
        snprintf(text, sizeof text, "not loaded: %s%s%s%s", weft_err_text(err),
            diag.text[0] ? ": " : "", diag.text,
            err == WEFT_E_DAMAGED && diag.text[0] ? "" : "; apply its manifest again");
        wf_alarm(r->node, alarm, text);
    }
    free(dir);
}

enum weft_err wf_home_load_all(struct wf_stream_room *r, struct wf_diag *diag)
{
    DIR *d = opendir(r->product_dir);
    const char *name = NULL;

    if (!d) {
        wf_diag_set(diag, 0, 0, "%s: %s", r->product_dir, strerror(errno));
        return WEFT_E_IO;
    }
    enum weft_err err = wf_disk_next(d, &name);
    while (!err && name) {
        load_dir(r, name);
        err = wf_disk_next(d, &name);
    }
    closedir(d);
    if (err) // a node without some of its products would say that they are nobody's
        wf_diag_set(diag, 0, 0, "%s: %s", r->product_dir, weft_err_text(err));
    return err;
}

// SPDX-License-Identifier: Apache-2.0
// A mirror's store: DATA/mirror/DOMAIN.PRODUCT/{log/, state.meta}. The log is a module of its own (node/log) with one product in it, named
// by product id and generation, so that beginning anew is a new name and the old one's segments go. state.meta: version (1 byte, 1),
// product id, be64 generation, the home's newest heartbeat. Acknowledgements come on the log's thread and wait in a box.
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/log/meta.h"
#include "node/mirror/priv.h"
#include "node/say.h"
#include "sdk/disk.h"

#define STATE_VERSION 1u
#define STATE_HEAD    (1u + WF_HASH_LEN + 8u)
#define SEGMENT_MAX   (16u * WF_MIB)

// ---- acknowledgements ------------------------------------------------------------------------------------------------

static void box_open(struct wf_mail *mail)
{
    struct wf_mirror_box *b = (struct wf_mirror_box *)(void *)mail;
    struct wf_mirror *m = b->m;

    if (!m) {
        pthread_mutex_destroy(&b->lock);
        free(b);
        return;
    }
    pthread_mutex_lock(&b->lock);
    uint64_t acked = b->acked;
    enum weft_err err = b->err;
    b->posted = false;
    if (acked == m->appended)
        b->err = WEFT_OK;
    pthread_mutex_unlock(&b->lock);
    if (acked != m->appended || acked == m->woken)
        return; // more of this round is on its way
    m->woken = acked;
    wf_mirror_stored(m, err);
}

static void on_acks(void *arg, const struct wf_log_ack *acks, size_t count)
{
    struct wf_mirror_box *b = arg;

    pthread_mutex_lock(&b->lock);
    b->acked += count;
    for (size_t i = 0; i < count; i++)
        if (acks[i].err && !b->err)
            b->err = acks[i].err;
    if (!b->posted)
        b->posted = wf_loop_post(b->loop, &b->mail) == WEFT_OK;
    pthread_mutex_unlock(&b->lock);
}

static enum weft_err box_new(struct wf_mirror *m)
{
    struct wf_mirror_box *b = calloc(1, sizeof *b);

    if (!b)
        return WEFT_E_NOMEM;
    b->mail = (struct wf_mail){
        .open = box_open, .drop = box_open, .class = WF_MAIL_CONTROL, .must = true
    };
    pthread_mutex_init(&b->lock, NULL);
    b->m = m;
    b->loop = m->room->node->loop;
    m->box = b;
    return WEFT_OK;
}

// The log is closed: nobody fills the box any more.
static void box_close(struct wf_mirror *m)
{
    struct wf_mirror_box *b = m->box;

    m->box = NULL;
    if (!b)
        return;
    b->m = NULL;
    if (!b->posted)
        box_open(&b->mail);
}

// ---- what it holds ---------------------------------------------------------------------------------------------------

static void name_log(struct wf_mirror *m)
{
    uint8_t in[WF_HASH_LEN + 8];

    memcpy(in, m->stored_id.b, WF_HASH_LEN);
    wf_store_be64(in + WF_HASH_LEN, m->generation);
    wf_blake2b(WF_BYTES(in), &m->log_key);
}

void wf_mirror_save(struct wf_mirror *m)
{
    struct wf_buf b = { 0 };
    uint8_t head[STATE_HEAD] = { STATE_VERSION };

    memcpy(head + 1, m->stored_id.b, WF_HASH_LEN);
    wf_store_be64(head + 1 + WF_HASH_LEN, m->generation);
    enum weft_err err = wf_buf_append(&b, WF_BYTES(head));
    if (!err && m->has_beat)
        err = wf_buf_append(&b, wf_buf_view(&m->beat));
    if (!err)
        err = wf_meta_put(&m->room->vfs, m->dir, "state", wf_buf_view(&b));
    wf_buf_fini(&b);
    m->saved_ms = wf_node_now_ms(m->room->node);
    m->beat_dirty = err != WEFT_OK;
    if (err)
        wf_say(m->room->node, WF_LOG_WARN, "mirror", "the state of a mirror could not be written",
            "product", m->name, "why", weft_err_text(err), NULL);
}

// Nothing, or nothing to be trusted: it begins anew when the product is known. What can't be read now may be whole.
enum weft_err wf_mirror_load(struct wf_mirror *m)
{
    struct wf_buf b = { 0 };
    enum weft_err err = wf_meta_get(&m->room->vfs, m->dir, "state", &b);

    if (err == WEFT_E_NOT_FOUND || err == WEFT_E_DAMAGED)
        return WEFT_OK;
    if (err || b.len < STATE_HEAD || b.ptr[0] != STATE_VERSION)
        goto out;
    memcpy(m->stored_id.b, b.ptr + 1, WF_HASH_LEN);
    m->generation = wf_load_be64(b.ptr + 1 + WF_HASH_LEN);
    struct wf_bytes beat = wf_bytes(b.ptr + STATE_HEAD, b.len - STATE_HEAD);
    enum weft_err bad = beat.len ? wf_heartbeat_open(beat, &m->said) : WEFT_E_NOT_FOUND;
    if (!bad && wf_hash_eq(&m->said.product_id, &m->stored_id)) {
        err = wf_bytes_dup(beat, &m->beat);
        m->has_beat = !err;
    }
    if (bad == WEFT_E_NOMEM)
        err = bad;
out:
    wf_buf_fini(&b);
    return err;
}

struct last {
    struct wf_mirror *m;
    bool any, whole;
};

static bool on_last(void *arg, const struct wf_log_view *v)
{
    struct last *l = arg;
    struct wf_mirror *m = l->m;
    struct wf_sealed_entry s;
    struct wf_batch_header h = { 0 };

    l->any = true;
    l->whole = false;
    if (v->status || wf_sealed_entry_parse(v->body, &s))
        return true;
    if (!s.entry.is_reset && wf_batch_open_header(s.entry.header, &h))
        return true;
    wf_entry_hash(&s.entry, &m->stored_id, s.entry.is_reset ? NULL : &h.id, &m->head.hash);
    m->head.log_id = s.entry.log_id;
    l->whole = true;
    return true;
}

// Where the log ends: its last entry's place and hash.
enum weft_err wf_mirror_recall(struct wf_mirror *m)
{
    struct last last = { .m = m };
    struct wf_log_range range = { 0 };
    uint64_t at = 0, next = 0;
    enum weft_err err = wf_log_range(m->log, &m->log_key, &range);

    m->head = (struct wf_log_head){ .next_offset = range.head };
    m->linked = false;
    if (err == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    if (!err)
        err = wf_log_tail(m->log, &m->log_key, 1, &at);
    for (bool first = true; !err && (first || at < range.head); first = false) {
        struct wf_log_reader reader = { .product = m->log_key,
            .from = at,
            .max_bytes = WF_MIB,
            .visit = on_last,
            .arg = &last,
            .scratch = &m->room->scratch,
            .pass_unread = true };
        err = wf_log_read(m->log, &reader, &next);
        if (next == at)
            break;
        at = next;
    }
    m->linked = last.whole;
    return err;
}

uint64_t wf_mirror_floor(const struct wf_mirror *m)
{
    struct wf_log_range range = { 0 };

    return wf_log_range(m->log, &m->log_key, &range) ? 0 : range.floor;
}

uint64_t wf_mirror_bytes(const struct wf_mirror *m)
{
    struct wf_log_stats stats = { 0 };

    if (m->log)
        wf_log_stats(m->log, &stats);
    return stats.bytes;
}

// ---- beginning -------------------------------------------------------------------------------------------------------

// The new name stands on the disk before anything is under it; until then the old one holds.
static enum weft_err begin(struct wf_mirror *m, const struct wf_hash *id)
{
    struct wf_hash old_id = m->stored_id, old_key = m->log_key;
    bool had_beat = m->has_beat;

    m->stored_id = *id;
    m->generation++;
    m->has_beat = false;
    name_log(m);
    wf_mirror_save(m);
    if (m->beat_dirty) {
        m->stored_id = old_id;
        m->log_key = old_key;
        m->generation--;
        m->has_beat = had_beat;
        return WEFT_E_IO;
    }
    m->beat.len = 0;
    if (!wf_hash_is_zero(&old_id) && wf_log_release(m->log, &old_key, UINT64_MAX))
        wf_say(m->room->node, WF_LOG_WARN, "mirror", "what was dropped stays until it is too old",
            "product", m->name, NULL);
    return wf_mirror_recall(m);
}

enum weft_err wf_mirror_store_is_of(struct wf_mirror *m, const struct wf_hash *id)
{
    return wf_hash_eq(&m->stored_id, id) ? WEFT_OK : begin(m, id);
}

enum weft_err wf_mirror_begin_anew(struct wf_mirror *m, const char *why)
{
    struct wf_hash id = m->stored_id;

    m->count.anew++;
    wf_say(m->room->node, WF_LOG_WARN, "mirror", "what was held is dropped and fetched anew",
        "product", m->name, "why", why, NULL);
    return begin(m, &id);
}

static void on_note(void *arg, const struct wf_log_note *note)
{
    char text[200];

    (void)arg;
    if (note->kind == WF_LOG_NOTE_DROPPED)
        return; // retention at work
    wf_log_note_text(note, text, sizeof text);
    wf_say_line(WF_LOG_WARN, "mirror", text, NULL);
}

static enum weft_err open_log(struct wf_mirror *m, const char *dir, struct wf_diag *diag)
{
    struct wf_node *n = m->room->node;
    struct wf_log_conf conf = { .dir = dir,
        .class_name = "mirror",
        .done = on_acks,
        .done_arg = m->box,
        .note = on_note,
        .diag = diag,
        .segment_bytes = m->max_bytes / 8,
        .retain_ms = (int64_t)m->age_ms,
        .retain_bytes = m->max_bytes,
        .stop_free_permille = n->conf->min_free_percent ? 10 * n->conf->min_free_percent : 1 };

    if (conf.segment_bytes > SEGMENT_MAX)
        conf.segment_bytes = SEGMENT_MAX;
    if (conf.segment_bytes < WF_MIB)
        conf.segment_bytes = WF_MIB;
    wf_blake2b(WF_BYTES(n->keys.sign_pub.b), &conf.store_id);
    enum weft_err err = wf_log_open(m->room->worker, &conf, wf_node_now_unix_ms(n), &m->log);
    if (err && !diag->text[0])
        wf_diag_set(diag, 0, 0, "%s: %s", dir, weft_err_text(err));
    return err;
}

enum weft_err wf_mirror_store_open(struct wf_mirror *m, struct wf_diag *diag)
{
    char leaf[2 * WF_MAX_NAME + 16], *dir = NULL;

    snprintf(leaf, sizeof leaf, "mirror/%s.%s", m->domain.s, m->product.s);
    enum weft_err err = wf_disk_join(m->room->node->conf->data, leaf, &m->dir);
    if (!err)
        err = wf_disk_mkdir(m->dir, diag);
    if (!err)
        err = wf_disk_join(m->dir, "log", &dir);
    if (!err)
        err = box_new(m);
    if (!err)
        err = open_log(m, dir, diag);
    free(dir);
    if (err)
        return err;
    err = wf_mirror_load(m);
    name_log(m);
    return err || wf_hash_is_zero(&m->stored_id) ? err : wf_mirror_recall(m);
}

void wf_mirror_store_close(struct wf_mirror *m)
{
    if (m->log && m->beat_dirty)
        wf_mirror_save(m);
    wf_log_close(m->log); // acknowledges what was handed over
    m->log = NULL;
    box_close(m);
    wf_buf_fini(&m->beat);
    free(m->dir);
    m->dir = NULL;
}

// ---- entries ---------------------------------------------------------------------------------------------------------

static enum weft_err append_one(struct wf_mirror *m, const struct wf_mirror_entry *e, bool jump)
{
    struct wf_log_item item = { .product = m->log_key,
        .first = e->offset,
        .count = (uint32_t)(e->end - e->offset),
        .time_ms = e->append_ms,
        .jump = jump,
        .durability = WF_LOG_DISK,
        .body = e->sealed };
    enum weft_err err = wf_log_append(m->log, &item, 0);

    if (err)
        return err;
    m->appended++;
    m->head = e->after;
    m->linked = true;
    m->count.entries++;
    m->count.bytes += e->sealed.len;
    return WEFT_OK;
}

// The log refuses what does not continue in numbers, and so all that is behind an entry that it could not write. A reset has no numbers, and
// what the home lost, or nobody can vouch for, leaves a gap: behind those an entry waits until all before it is on the disk.
enum weft_err wf_mirror_append(struct wf_mirror *m, struct wf_mirror_check *k)
{
    uint64_t before = m->appended;
    bool was_reset = false;

    for (; k->next < k->count; k->next++) {
        const struct wf_mirror_entry *e = &k->entries[k->next];
        bool jump = e->offset != m->head.next_offset;
        if (wf_mirror_judge(m, e)) {
            m->count.refused++;
            continue;
        }
        if (m->appended != before && (jump || was_reset))
            return WEFT_OK;
        enum weft_err err = append_one(m, e, jump);
        if (err)
            return err;
        was_reset = e->is_reset;
    }
    m->head = k->given.head;
    m->linked = k->given.linked;
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Where a product lives: here, on another node, or on its way. Owns DATA/moves/PRODUCT (the issuer's order, of the old home from the moment it
// takes nothing more, of the new one until it is home) and what a product's directory says of it: away (term), log (its name in the log), lost (ms).
// Invariant: the old home appends nothing once its file is there, the new one nothing before a home document names it; so never both.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/agent/room.h"
#include "node/gossip/room.h"
#include "node/source/room.h"
#include "node/stream/ends.h"
#include "node/stream/priv.h"
#include "proto/schema/number.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

bool wf_home_moves(const struct wf_home_product *p)
{
    return p->incoming || p->frozen || p->away;
}

bool wf_home_is_here(const struct wf_home_product *p)
{
    return !p->removed && !p->incoming && !p->away;
}

// ---- files of a product ----------------------------------------------------------------------------------------------

static enum weft_err path_of(const struct wf_home_product *p, const char *file, char **ret)
{
    char name[WF_MAX_NAME + 32];

    snprintf(
        name, sizeof name, "%s.%u/%s", p->collect->product.name, p->collect->product.major, file);
    return wf_disk_join(p->room->product_dir, name, ret);
}

static enum weft_err keep(
    const struct wf_home_product *p, const char *file, struct wf_bytes content)
{
    struct wf_diag diag = { 0 };
    char *path = NULL;
    enum weft_err err = path_of(p, file, &path);

    if (!err)
        err = content.len ? wf_disk_replace(path, content, &diag) : wf_disk_remove(path, &diag);
    free(path);
    return err;
}

static enum weft_err keep_number(const struct wf_home_product *p, const char *file, uint64_t v)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu\n", (unsigned long long)v);

    return keep(p, file, v ? wf_bytes(text, (size_t)len) : wf_bytes(NULL, 0));
}

// NOT_FOUND is nothing: *ret_content stays empty.
static enum weft_err read_file(const char *dir, const char *file, struct wf_buf *ret_content)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, file, &path);

    if (!err)
        err = wf_file_read(path, 64, WF_FILE_OWNED, ret_content, NULL);
    free(path);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

enum weft_err wf_moved_number(struct wf_bytes line, uint64_t *ret)
{
    if (!line.len || line.ptr[line.len - 1] != '\n' ||
        wf_number_uint(wf_bytes(line.ptr, line.len - 1), ret))
        return WEFT_E_DAMAGED;
    return WEFT_OK;
}

// What is no number as keep_number writes it must not pass for 0: "never away" would make two homes.
static enum weft_err read_number(
    const char *dir, const char *file, uint64_t *ret, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    enum weft_err err = read_file(dir, file, &text);

    if (!err && text.len && (wf_moved_number(wf_buf_view(&text), ret) || !*ret))
        err = WEFT_E_DAMAGED;
    if (err == WEFT_E_DAMAGED)
        wf_diag_set(diag, 0, 0,
            "%s/%s is no number: remove it and start again, then the registry says where the "
            "product lives",
            dir, file);
    wf_buf_fini(&text);
    return err;
}

static void apply_order(struct wf_home_product *p)
{
    const struct wf_moving *m = wf_moving_find(p->room, p->collect->product.name);

    p->frozen = m && !m->taking;
    p->incoming = m && m->taking;
}

enum weft_err wf_moved_load(struct wf_home_product *p, const char *dir, struct wf_diag *diag)
{
    struct wf_buf key = { 0 };
    uint64_t lost_ms = 0;
    enum weft_err err = read_number(dir, "away", &p->away_term, diag);

    if (!err)
        err = read_number(dir, "lost", &lost_ms, diag);
    if (!err)
        err = read_file(dir, "log", &key);
    if (!err && key.len)
        err = wf_hash_from(wf_buf_view(&key), &p->log_key);
    wf_buf_fini(&key);
    struct wf_log_range range = { 0 }; // of nothing yet
    if (!err && wf_log_range(p->room->node->log, &p->log_key, &range) == WEFT_E_NOT_FOUND)
        range.head = 0;
    p->head = p->tail = range.head;
    p->lost_ms = (int64_t)lost_ms;
    p->away = p->away_term > 0;
    apply_order(p);
    return err;
}

enum weft_err wf_moved_set_log(struct wf_home_product *p, const struct wf_hash *key)
{
    struct wf_log_range range;
    struct wf_hash before = p->log_key;
    enum weft_err err = keep(p, "log", wf_hash_view(key));

    if (err)
        return err;
    p->log_key = *key;
    p->generation++;
    // What lies there goes with its segments; a reader of the new log never sees it.
    if (wf_log_range(p->room->node->log, &before, &range) == WEFT_OK &&
        wf_log_release(p->room->node->log, &before, range.head) == WEFT_E_NOT_FOUND)
        return WEFT_OK;
    return WEFT_OK;
}

enum weft_err wf_moved_set_lost(struct wf_home_product *p, int64_t unix_ms)
{
    enum weft_err err = keep_number(p, "lost", (uint64_t)unix_ms);

    if (!err)
        p->lost_ms = unix_ms;
    return err;
}

// ---- orders ----------------------------------------------------------------------------------------------------------

struct wf_moving *wf_moving_find(struct wf_stream_room *r, const char *product)
{
    struct wf_moving *m = r->moves;

    while (m && strcmp(m->order.product.s, product) != 0)
        m = m->next;
    return m;
}

static void moving_free(struct wf_moving *m)
{
    if (!m)
        return;
    wf_takeover_free(m->taking);
    wf_buf_fini(&m->raw);
    free(m);
}

static void unlist(struct wf_moving *m)
{
    struct wf_moving **at = &m->room->moves;

    while (*at && *at != m)
        at = &(*at)->next;
    if (*at)
        *at = m->next;
}

static enum weft_err add(struct wf_stream_room *r, const struct wf_move *order, struct wf_bytes raw,
    struct wf_moving **ret)
{
    struct wf_moving *m = calloc(1, sizeof *m);
    enum weft_err err = m ? wf_bytes_dup(raw, &m->raw) : WEFT_E_NOMEM;

    if (m) {
        m->room = r;
        m->order = *order;
    }
    if (!err && strcmp(order->to.s, r->node->identity.cert.subject.s) == 0) {
        m->taking = wf_takeover_new(m);
        err = m->taking ? WEFT_OK : WEFT_E_NOMEM;
    }
    if (err) {
        moving_free(m);
        return err;
    }
    m->next = r->moves;
    r->moves = m;
    *ret = m;
    return WEFT_OK;
}

static void apply_orders(struct wf_stream_room *r, const char *product)
{
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (strcmp(p->collect->product.name, product) == 0)
            apply_order(p);
}

enum weft_err wf_moving_keep(struct wf_stream_room *r, const struct wf_move *order,
    struct wf_bytes raw, struct wf_moving **ret)
{
    struct wf_moving *before = wf_moving_find(r, order->product.s), *m = NULL;
    struct wf_diag diag = { 0 };
    char *path = NULL;

    if (before && wf_hash_eq(&before->order.id, &order->id)) {
        *ret = before;
        return WEFT_OK;
    }
    enum weft_err err = wf_disk_join(r->moves_dir, order->product.s, &path);
    if (!err)
        err = add(r, order, raw, &m);
    if (!err)
        err = wf_disk_replace(path, raw, &diag);
    free(path);
    if (err) {
        if (m)
            unlist(m);
        moving_free(m);
        return err;
    }
    if (before) {
        unlist(before);
        moving_free(before);
    }
    apply_orders(r, order->product.s);
    *ret = m;
    return WEFT_OK;
}

void wf_moving_end(struct wf_moving *m)
{
    struct wf_stream_room *r = m->room;
    struct wf_name product = m->order.product;
    struct wf_diag diag = { 0 };
    char *path = NULL;
    enum weft_err err = wf_disk_join(r->moves_dir, product.s, &path);

    if (!err)
        err = wf_disk_remove(path, &diag);
    free(path);
    if (err) { // the next tick tries again: what it says holds until then
        wf_alarm(r->node, "moves", diag.text);
        return;
    }
    unlist(m);
    moving_free(m);
    apply_orders(r, product.s);
}

static void load_order(struct wf_stream_room *r, const char *name)
{
    const char *self = r->node->identity.cert.subject.s;
    struct wf_buf raw = { 0 };
    struct wf_moving *m = NULL;
    struct wf_move order;
    char *path = NULL;
    enum weft_err err = wf_disk_join(r->moves_dir, name, &path);

    if (!err)
        err = wf_file_read(path, WF_MAX_ENVELOPE, WF_FILE_OWNED, &raw, NULL);
    if (!err)
        err = wf_move_open(wf_buf_view(&raw), &order);
    if (!err && (strcmp(order.product.s, name) != 0 ||
                    (strcmp(order.from.s, self) != 0 && strcmp(order.to.s, self) != 0)))
        err = WEFT_E_NOT_OWNER;
    if (!err)
        err = add(r, &order, wf_buf_view(&raw), &m);
    wf_buf_fini(&raw);
    free(path);
    if (err)
        wf_say(r->node, WF_LOG_ERROR, "stream", "an order to move a product was passed over",
            "product", name, "why", weft_err_text(err), NULL);
}

enum weft_err wf_moves_load(struct wf_stream_room *r, struct wf_diag *diag)
{
    DIR *d = opendir(r->moves_dir);
    const char *name = NULL;
    enum weft_err err = d ? wf_disk_next(d, &name) : errno == ENOENT ? WEFT_OK : WEFT_E_IO;

    while (!err && name) {
        if (wf_name_is_valid(wf_bytes_str(name)))
            load_order(r, name);
        err = wf_disk_next(d, &name);
    }
    if (d)
        closedir(d);
    if (err) // without its order a product that is on its way would be a home's again
        wf_diag_set(diag, 0, 0, "%s: %s", r->moves_dir, weft_err_text(err));
    return err;
}

void wf_moves_close(struct wf_stream_room *r)
{
    while (r->moves) {
        struct wf_moving *m = r->moves;
        r->moves = m->next;
        moving_free(m);
    }
}

// ---- what the registry says ------------------------------------------------------------------------------------------

static void leave(struct wf_home_product *p, const struct wf_known *home)
{
    struct wf_stream_room *r = p->room;
    struct wf_node *n = r->node;
    const char *name = p->collect->product.name;
    char alarm[16 + WF_MAX_NAME];

    wf_intake_flush(p);
    p->away = true;
    wf_beat_now(p); // says that it stops here
    if (n->source && !wf_stream_find(n, name, 0))
        wf_source_remove(n, name);
    wf_parked_end(&r->pulls, p);
    wf_leases_end_of(r, p);
    wf_publish_close(p);
    if (n->agents)
        wf_agents_manifests_changed(n);
    snprintf(alarm, sizeof alarm, "advert-%s", name);
    wf_alarm(n, alarm, NULL);
    wf_say(n, WF_LOG_INFO, "stream", "another node is home of the product now", "product", name,
        "node", home->doc->home.node.s, NULL);
}

static void come_back(struct wf_home_product *p)
{
    if (keep_number(p, "away", 0))
        return; // the next tick
    p->away = false;
    p->away_term = 0;
}

static void judge_place(struct wf_home_product *p, const struct wf_known *home, bool ours)
{
    if (ours && p->away && home->term > p->away_term && !p->incoming)
        come_back(p);
    if (ours || (p->away && p->away_term >= home->term))
        return;
    // On the disk before anything is told; a disk that refuses holds nothing up, for the registry says it again.
    if (!keep_number(p, "away", home->term))
        p->away_term = home->term;
    if (!p->away)
        leave(p, home);
}

void wf_home_judge(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    const struct wf_product *d = &p->collect->product;
    const struct wf_known *home =
        n->gossip && n->has_certificate && !p->removed
            ? wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME, d->domain, d->name)
            : NULL;

    if (home && home->doc)
        judge_place(p, home, strcmp(home->doc->home.node.s, n->identity.cert.subject.s) == 0);
}

static void forget_ends(const struct wf_moving *m)
{
    for (struct wf_home_product *p = m->room->products; p; p = p->next)
        if (p->incoming && strcmp(p->collect->product.name, m->order.product.s) == 0)
            wf_ends_forget(p);
}

// A home document of the order's term or a later one decides it.
static void judge_order(struct wf_moving *m)
{
    struct wf_node *n = m->room->node;
    const struct wf_known *home = n->gossip && n->has_certificate
                                      ? wf_catalog_find(wf_gossip_catalog(n), WF_ENTRY_HOME,
                                            m->order.domain.s, m->order.product.s)
                                      : NULL;

    if (!home || !home->doc || home->term < m->order.term)
        return;
    if (m->taking && strcmp(home->doc->home.node.s, n->identity.cert.subject.s) == 0) {
        wf_takeover_named(m);
        return;
    }
    if (m->taking) {
        wf_say(n, WF_LOG_WARN, "stream", "a product's move to this node was called off", "product",
            m->order.product.s, "home", home->doc->home.node.s, NULL);
        forget_ends(m);
    }
    wf_moving_end(m);
}

void wf_moves_soon(struct wf_stream_room *r, int64_t wait_ms)
{
    int64_t at = wf_node_now_ms(r->node) + wait_ms;

    if (!r->closed && (!r->moving.index || r->moving.due_us > 1000 * at) &&
        wf_timer_set(r->node->loop, &r->moving, at))
        return; // the room's tick does the same, within a second
}

void wf_moves_timer(struct wf_timer *t)
{
    wf_moves_tick(
        (struct wf_stream_room *)(void *)((char *)t - offsetof(struct wf_stream_room, moving)));
}

void wf_stream_homes_changed(struct wf_node *n)
{
    if (n->stream)
        wf_moves_soon(n->stream, 0);
}

void wf_moves_tick(struct wf_stream_room *r)
{
    if (r->closed || r->node->draining)
        return;

    for (struct wf_home_product *p = r->products; p; p = p->next)
        wf_home_judge(p);
    for (struct wf_moving *m = r->moves, *next; m; m = next) {
        next = m->next;
        judge_order(m);
    }
    for (struct wf_moving *m = r->moves, *next; m; m = next) {
        next = m->next;
        if (m->taking)
            wf_takeover_tick(m);
    }
}

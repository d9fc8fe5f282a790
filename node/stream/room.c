// SPDX-License-Identifier: Apache-2.0
// The stream room's life: the log and its storage key, products kept on disk, one timer a second. Opening is blocking and quiet; traffic
// begins with start. Closing settles everything that was handed to the log before memory goes.
#include <stdio.h>
#include <stdlib.h>

#include "node/call.h"
#include "node/log/log.h"
#include "node/say.h"
#include "node/source/room.h"
#include "node/storage.h"
#include "node/stream/priv.h"
#include "sdk/disk.h"
#include "sdk/loop/standin.h"

#define RETAIN_MS   30000
#define STAND_IN_US 2000 // a log's sync that takes longer keeps nobody else waiting

// ---- opening ---------------------------------------------------------------------------------------------------------

static enum weft_err make_dir(
    struct wf_stream_room *r, const char *name, char **ret, struct wf_diag *diag)
{
    enum weft_err err = wf_disk_join(r->node->conf->data, name, ret);

    return err ? err : wf_disk_mkdir(*ret, diag);
}

// On the log's thread, or on ours while it opens: one line, no state.
static void on_note(void *arg, const struct wf_log_note *note)
{
    char text[200];

    (void)arg;
    if (note->kind == WF_LOG_NOTE_DROPPED)
        return; // retention at work; readers learn it as a loss
    wf_log_note_text(note, text, sizeof text);
    wf_say_line(WF_LOG_WARN, "log", text, NULL);
}

static enum weft_err open_log(struct wf_stream_room *r, struct wf_diag *diag)
{
    struct wf_node *n = r->node;
    const struct wf_conf_class *class = wf_conf_class_of(n->conf, "default");
    char *dir = NULL, *store = NULL;
    struct wf_log_conf conf = { .class_name = "default",
        .storage_key = &r->storage_key,
        .done = wf_box_on_acks,
        .done_arg = r->box,
        .note = on_note,
        .diag = diag,
        .stop_free_permille = 10 * n->conf->min_free_percent };
    enum weft_err err = make_dir(r, "log", &dir, diag);

    if (!err)
        err = wf_disk_join(dir, "default", &store);
    if (class) {
        conf.retain_ms = (int64_t) class->age_ms;
        conf.retain_bytes = class->bytes;
    }
    if (conf.stop_free_permille == 0)
        conf.stop_free_permille = 1; // 0 would mean the log's own default
    wf_blake2b(WF_BYTES(n->keys.sign_pub.b), &conf.store_id);
    if (!err)
        err = wf_log_worker_new(&r->vfs, true, &r->worker);
    if (!err) {
        conf.dir = store;
        err = wf_log_open(r->worker, &conf, wf_node_now_unix_ms(n), &n->log);
        if (err && !diag->text[0])
            wf_diag_set(diag, 0, 0, "%s: %s", store, weft_err_text(err));
    }
    free(store);
    free(dir);
    return err;
}

static enum weft_err load_counter(struct wf_stream_room *r, struct wf_diag *diag)
{
    struct wf_buf kept = { 0 };
    enum weft_err err = wf_meta_get(&r->vfs, r->meta_dir, "incarnation", &kept);

    // Lost or damaged: the clock alone is above every counter that was used before, give or take its tolerance.
    if (!err && kept.len == 8)
        r->last_counter = wf_load_be64(kept.ptr);
    wf_buf_fini(&kept);
    if (err == WEFT_E_NOMEM)
        return err;
    err = wf_stream_incarnation(r, &r->log_id);
    if (err)
        wf_diag_set(diag, 0, 0, "%s: %s", r->meta_dir, weft_err_text(err));
    return err;
}

static enum weft_err stream_open(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_stream_room *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    n->stream = r;
    r->node = n;
    wf_pulls_init(r);
    wf_turns_init(&r->turns);
    r->vfs = wf_vfs_posix;
    r->beat.fire = wf_beat_timer;
    r->moving.fire = wf_moves_timer;
    enum weft_err err = wf_storage_key_load(n->conf->data, &r->storage_key, diag);
    if (!err)
        err = make_dir(r, "meta", &r->meta_dir, diag);
    if (!err)
        err = make_dir(r, "products", &r->product_dir, diag);
    if (!err)
        err = make_dir(r, "moves", &r->moves_dir, diag);
    if (!err)
        err = load_counter(r, diag);
    if (!err)
        wf_adopt_load(r);
    if (!err)
        err = wf_homes_new(r, &r->homes);
    if (!err)
        err = wf_box_new(r, &r->box);
    if (!err)
        err = open_log(r, diag);
    if (!err)
        err = wf_moves_load(r, diag);
    if (!err)
        err = wf_home_load_all(r, diag);
    return err;
}

// ---- the loop's thread writes the log when nobody needs it ------------------------------------------------------------

static void leave_loop(void *arg)
{
    struct wf_stream_room *r = arg;

    wf_standin_leave(r->standin);
}

static void back_to_loop(void *arg)
{
    struct wf_stream_room *r = arg;

    wf_standin_back(r->standin);
}

static void after_turn(void *arg, bool idle)
{
    struct wf_stream_room *r = arg;
    const struct wf_log_host host = { leave_loop, back_to_loop, r };

    wf_log_worker_serve(r->worker, &host, idle);
}

static void host_log(struct wf_stream_room *r)
{
    if (!wf_standin_new(r->node->loop, STAND_IN_US, &r->standin))
        wf_loop_after(r->node->loop, after_turn, r);
}

static void unhost_log(struct wf_stream_room *r)
{
    if (!r->standin)
        return;
    wf_loop_after(r->node->loop, NULL, NULL);
    wf_log_worker_unhost(r->worker);
    wf_standin_free(r->standin);
    r->standin = NULL;
}

// ---- running ---------------------------------------------------------------------------------------------------------

static enum weft_err stream_start(struct wf_node *n, struct wf_diag *diag)
{
    struct wf_stream_room *r = n->stream;
    enum weft_err err = n->conf->streams.gate ? wf_net_gate_new(&r->gate) : WEFT_OK;

    if (err)
        wf_diag_set(diag, 0, 0, "streams: %s", weft_err_text(err));
    wf_adverts_hold(r);
    for (struct wf_home_product *p = r->products; p && !err; p = p->next)
        if (wf_home_is_here(p))
            wf_home_started(p);
    wf_adverts_release(r);
    if (!err) {
        wf_moves_soon(r, 0);
        host_log(r);
    }
    return err;
}

// A log id is above that of the log before it, which another node may have begun, later than this one started.
static enum weft_err name_log(struct wf_home_product *p)
{
    struct wf_stream_room *r = p->room;

    if (wf_incarnation_cmp(&r->log_id, &p->last_log) > 0 ||
        (wf_incarnation_cmp(&p->begins, &p->last_log) > 0))
        return WEFT_OK;
    if (p->last_log.counter > r->last_counter)
        r->last_counter = p->last_log.counter;
    return wf_stream_incarnation(r, &p->begins);
}

static void begin_log(struct wf_home_product *p)
{
    char alarm[16 + WF_MAX_NAME], text[160];

    if (p->removed || wf_home_moves(p) || p->beginning || p->failing ||
        !wf_incarnation_is_none(&p->log_id) || !wf_home_has_stream(p))
        return;
    enum weft_err err = name_log(p);
    if (!err)
        err = wf_append_reset(p);
    snprintf(alarm, sizeof alarm, "begin-%s", p->collect->product.name);
    snprintf(text, sizeof text, "%s takes no records: its log could not be begun: %s",
        p->collect->product.name, weft_err_text(err));
    wf_alarm(p->room->node, alarm, err ? text : NULL);
}

// Sources that the manifest gives to the node itself run here; those of agents on their hosts.
static void set_source(struct wf_home_product *p)
{
    struct wf_node *n = p->room->node;
    const struct wf_collect *c = p->collect;
    struct wf_source_spec spec = { .product = c->product.name,
        .run = c->run,
        .run_count = c->run_count,
        .every_ms = c->every_ms,
        .major = c->product.major };

    if (!n->source || !wf_home_has_stream(p))
        return;
    if (c->run_count == 0 || !wf_collect_selects(c, n->identity.cert.subject.s, true))
        wf_source_remove(n, c->product.name);
    else if (wf_source_set(n, &spec))
        wf_alarm(n, "source", "a source could not be set up: out of memory");
}

void wf_home_started(struct wf_home_product *p)
{
    p->advert_due_ms = 0;
    set_source(p);
    begin_log(p);
    wf_advert_tick(p, wf_node_now_ms(p->room->node));
}

static void retain(struct wf_stream_room *r, int64_t now)
{
    struct wf_node *n = r->node;

    if (now < r->retain_due_ms)
        return;
    r->retain_due_ms = now + RETAIN_MS;
    // Pins first: what a snapshot needs must not go in between.
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (p->collect->product.kind == WF_PRODUCT_INVENTORY &&
            wf_log_pin(n->log, &p->log_key,
                p->removed ? WF_NONE : wf_marks_pin(p, wf_node_now_unix_ms(n))) == WEFT_E_NOMEM)
            return;
    wf_epochs_forget(r); // of what went before
    wf_log_retain(n->log, wf_node_now_unix_ms(n));
}

static bool needs_checkpoint(const struct wf_home_product *p, int64_t now)
{
    return now - p->checkpoint_ms >= WF_CHECKPOINT_MS ||
           p->count.bytes - p->checkpoint_bytes >= WF_CHECKPOINT_BYTES ||
           p->count.batches - p->checkpoint_batches >= WF_CHECKPOINT_COUNT;
}

// One product a second at most: a checkpoint waits for the disk.
static void checkpoint_one(struct wf_stream_room *r, int64_t now)
{
    for (struct wf_home_product *p = r->products; p; p = p->next)
        if (p->dirty && needs_checkpoint(p, now)) {
            p->checkpoint_ms = now;
            p->checkpoint_bytes = p->count.bytes;
            p->checkpoint_batches = p->count.batches;
            if (wf_home_checkpoint(p))
                wf_say(r->node, WF_LOG_WARN, "stream", "a checkpoint could not be written",
                    "product", p->collect->product.name, NULL);
            return;
        }
}

// Readers learn it at once, and where the log ends when all is settled.
static void tell_readers(struct wf_stream_room *r)
{
    for (struct wf_home_product *p = r->products; p; p = p->next)
        wf_beat_now(p);
}

static bool is_settled(const struct wf_stream_room *r)
{
    for (const struct wf_home_product *p = r->products; p; p = p->next)
        if (p->pending || p->open.count)
            return false;
    return true;
}

static void say_last(struct wf_stream_room *r)
{
    if (r->said_last || !is_settled(r))
        return;
    tell_readers(r);
    r->said_last = true;
}

static void stream_tick(struct wf_node *n)
{
    struct wf_stream_room *r = n->stream;
    int64_t now = wf_node_now_ms(n);

    bool stepped = r->clock_back_steps != n->clock_back_steps;
    r->clock_back_steps = n->clock_back_steps;
    wf_moves_tick(r);
    wf_adverts_hold(r);
    for (struct wf_home_product *p = r->products; p; p = p->next) {
        begin_log(p);
        if (stepped)
            p->advert_due_ms = 0; // what was signed since may lie in the future
        wf_advert_tick(p, now);
    }
    wf_adverts_release(r);
    wf_adopt_tick(r);
    wf_leases_tick(r);
    wf_parked_tick(&r->pulls);
    if (n->draining) {
        say_last(r);
        return;
    }
    retain(r, now);
    checkpoint_one(r, now);
}

static void stream_drain(struct wf_node *n)
{
    for (struct wf_home_product *p = n->stream->products; p; p = p->next) {
        wf_intake_flush(p);
        p->beat_stale = true;
    }
    tell_readers(n->stream);
    wf_parked_end(&n->stream->pulls, NULL);
}

static bool stream_drained(const struct wf_node *n)
{
    struct wf_net_sending s;

    wf_net_get_sending(n->control->net, &s);
    return n->stream->said_last && is_settled(n->stream) && s.items == 0;
}

// ---- closing ---------------------------------------------------------------------------------------------------------

static void close_products(struct wf_stream_room *r)
{
    wf_timer_cancel(r->node->loop, &r->moving);
    wf_moves_close(r);
    wf_home_checkpoint_all(r);
    while (r->products) {
        struct wf_home_product *p = r->products;
        wf_waiters_tell(r->node, p->open_waiters, WEFT_E_CLOSED);
        r->products = p->next;
        wf_home_free(p);
    }
}

static void stream_close(struct wf_node *n)
{
    struct wf_stream_room *r = n->stream;

    if (!r)
        return;
    unhost_log(r);
    for (struct wf_home_product *p = r->products; p; p = p->next)
        wf_intake_flush(p);
    r->closed = true;
    wf_taps_end(r);
    wf_parked_end(&r->pulls, NULL);
    wf_leases_end_of(r, NULL);
    if (n->log)
        wf_epochs_forget(r);
    wf_log_close(n->log); // acknowledges all that was handed over
    n->log = NULL;
    wf_box_close(r->box);
    wf_log_worker_free(r->worker);
    for (struct wf_home_product *p = r->products; p; p = p->next)
        wf_publish_close(p);
    close_products(r);
    wf_net_gate_free(r->gate);
    wf_homes_free(r->homes);
    wf_timer_cancel(n->loop, &r->beat);
    wf_secret_fini(&r->storage_key);
    wf_buf_fini(&r->scratch);
    wf_buf_fini(&r->packed);
    wf_buf_fini(&r->stored);
    wf_compressor_fini(&r->compressor);
    free(r->meta_dir);
    free(r->product_dir);
    free(r->moves_dir);
    free(r);
    n->stream = NULL;
}

const struct wf_room wf_stream_room = {
    .name = "stream",
    .open = stream_open,
    .start = stream_start,
    .tick = stream_tick,
    .drain = stream_drain,
    .drained = stream_drained,
    .close = stream_close,
    .metrics = wf_stream_metrics,
    .queues = wf_stream_queues,
    .signals = wf_stream_signals,
};

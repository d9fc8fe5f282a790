// SPDX-License-Identifier: Apache-2.0
// See ordered.h.
#include "domains/monitoring/batch/ordered.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "domains/monitoring/common/slate.h"

#define PATH    4300u
#define TELL_MS 200
#define TRIES   8u // of a transaction that the database sent back

static bool name_file(const char *db, const char *what, char out[PATH])
{
    return (size_t)snprintf(out, PATH, "%s-%s", db, what) < PATH;
}

// ---- the order ---------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_order_create(const char *db, const struct wf_mon_order *order, int *ret_fd)
{
    char path[PATH], text[WF_MON_SLATE];
    int fd = -1;

    if (!name_file(db, "backfill", path))
        return WEFT_E_TOO_BIG;
    enum weft_err err = wf_mon_slate_create(path, &fd);
    if (err)
        return err;
    snprintf(text, sizeof text, "%s %s %d %" PRIu64 " %" PRId64 "\n", order->id, order->product,
        (int)order->place.from, order->place.offset, order->place.time_ms);
    err = wf_mon_slate_write(fd, text);
    if (err)
        close(fd);
    else
        *ret_fd = fd;
    return err;
}

static bool read_order(const char *db, struct wf_mon_order *ret)
{
    char path[PATH], text[WF_MON_SLATE + 1];
    bool alive = false;
    int from = 0;

    memset(ret, 0, sizeof *ret);
    if (!name_file(db, "backfill", path) || wf_mon_slate_read(path, text, &alive) || !alive)
        return false;
    // Of a file of our own: the widths are those of the fields. NOLINTNEXTLINE(cert-err34-c)
    if (sscanf(text, "%39s %135s %d %" SCNu64 " %" SCNd64, ret->id, ret->product, &from,
            &ret->place.offset, &ret->place.time_ms) != 5)
        return false; // it is being written
    ret->place.from = (enum weft_from)from;
    return true;
}

static void say(struct wf_mon_ordered *d)
{
    const struct wf_mon_progress *p = &d->said;
    char path[PATH], text[WF_MON_SLATE];

    // Without the file the command waits in vain and says so; storing goes on.
    if (d->fd < 0 &&
        (!name_file(d->db, "backfill-said", path) || wf_mon_slate_create(path, &d->fd)))
        return;
    snprintf(text, sizeof text, "%s %d %d %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", p->id,
        p->over, (int)p->err, p->share, p->seen, p->added, p->lost, p->problem);
    if (wf_mon_slate_write(d->fd, text)) {
        close(d->fd);
        d->fd = -1;
    }
}

enum weft_err wf_mon_order_progress(const char *db, const char *id, struct wf_mon_progress *ret)
{
    char path[PATH], text[WF_MON_SLATE + 1];
    struct wf_mon_progress p = { 0 };
    bool alive = false;
    int over = 0, code = 0, at = 0;

    if (!name_file(db, "backfill-said", path) || wf_mon_slate_read(path, text, &alive))
        return WEFT_E_NOT_FOUND;
    // As above. NOLINTNEXTLINE(cert-err34-c)
    if (sscanf(text, "%39s %d %d %u %" SCNu64 " %" SCNu64 " %" SCNu64 " %n", p.id, &over, &code,
            &p.share, &p.seen, &p.added, &p.lost, &at) != 7 ||
        strcmp(p.id, id) != 0)
        return WEFT_E_NOT_FOUND;
    p.over = over;
    p.err = (enum weft_err)code;
    snprintf(p.problem, sizeof p.problem, "%.*s", (int)strcspn(text + at, "\n"), text + at);
    *ret = p;
    return alive || over ? WEFT_OK : WEFT_E_CLOSED;
}

// ---- doing it ----------------------------------------------------------------------------------------------------------

static void end(struct wf_mon_ordered *d, enum weft_err err, const char *problem)
{
    d->active = false;
    d->said.over = true;
    d->said.err = err;
    snprintf(d->said.problem, sizeof d->said.problem, "%s", problem);
    wf_mon_refill_close(&d->refill);
    say(d);
}

static void open_refill(struct wf_mon_ordered *d, struct weft_client *c)
{
    struct weft_problem problem = { 0 };
    enum weft_err err =
        wf_mon_refill_open(&d->refill, c, d->order.product, &d->order.place, &problem);

    if (err)
        end(d, err, problem.text[0] ? problem.text : weft_err_text(err));
}

void wf_mon_ordered_look(struct wf_mon_ordered *d, struct weft_client *c, int64_t now_ms)
{
    struct wf_mon_order order;
    bool stands = read_order(d->db, &order);

    if (d->active && (!stands || strcmp(order.id, d->order.id) != 0)) {
        d->active = false; // nobody waits for it any more
        wf_mon_refill_close(&d->refill);
    }
    if (!stands || d->active || strcmp(order.id, d->order.id) == 0)
        return;
    d->order = order;
    d->active = true;
    d->began_ms = now_ms;
    d->added = 0;
    d->tries = 0;
    d->said = (struct wf_mon_progress){ 0 };
    memcpy(d->said.id, order.id, sizeof d->said.id);
    say(d);
    open_refill(d, c);
}

static void tell(struct wf_mon_ordered *d, int64_t now_ms)
{
    if (now_ms - d->told_ms < TELL_MS)
        return;
    d->told_ms = now_ms;
    d->said.share = wf_mon_refill_share(&d->refill);
    d->said.seen = d->refill.seen;
    d->said.added = d->added + d->refill.added;
    d->said.lost = d->refill.lost;
    say(d);
}

enum weft_err wf_mon_ordered_take(
    struct wf_mon_ordered *d, struct wf_mon_store *s, unsigned max, int64_t now_ms)
{
    struct weft_problem problem = { 0 };
    enum weft_err err = wf_mon_refill_take(&d->refill, s, max, &problem);

    if (err && !problem.err)
        return err;
    if (!err)
        err = wf_mon_refill_judge(&d->refill, now_ms - d->began_ms, &problem);
    if (err)
        end(d, err, problem.text[0] ? problem.text : weft_err_text(err));
    else
        tell(d, now_ms);
    return WEFT_OK;
}

void wf_mon_ordered_committed(struct wf_mon_ordered *d)
{
    if (!d->active)
        return;
    d->added += d->refill.added;
    d->refill.added = 0;
    d->tries = 0;
    if (!d->refill.done)
        return;
    d->said.share = 1000;
    d->said.seen = d->refill.seen;
    d->said.added = d->added;
    d->said.lost = d->refill.lost;
    end(d, WEFT_OK, "");
}

void wf_mon_ordered_again(
    struct wf_mon_ordered *d, struct weft_client *c, enum weft_err err, const char *problem)
{
    if (!d->active)
        return;
    if (!wf_mon_store_may_retry(err) || ++d->tries > TRIES) {
        end(d, err, problem);
        return;
    }
    wf_mon_refill_close(&d->refill);
    open_refill(d, c);
}

void wf_mon_ordered_fini(struct wf_mon_ordered *d)
{
    if (d->active)
        end(d, WEFT_E_CLOSED, "the storing process was stopped");
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

// SPDX-License-Identifier: Apache-2.0
// Following one product. See feed.h.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domains/monitoring/common/feed.h"
#include "domains/monitoring/common/print.h"

#define RETRY_MS     10000 // after a subscription could not be made
#define BEHIND_MS    60000 // what is read is that old, of a product without a promise
#define CONNECTED_MS 10000 // and of one that promises little

static int64_t unix_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// ---- opening and closing -----------------------------------------------------------------------------------------------

void wf_mon_feed_open(struct wf_mon_feed *f, struct weft_client *c, int64_t now_ms)
{
    const struct wf_mon_sink *s = f->sink;
    struct weft_cursor_row *rows = NULL;
    struct weft_problem problem = { 0 };
    size_t count = 0;
    enum weft_err err = s->cursor ? s->cursor(s->arg, f->product, &rows, &count) : WEFT_OK;

    if (err) {
        wf_mon_feed_close(f, s->problem(s->arg), now_ms, RETRY_MS);
        return;
    }
    struct weft_subscribe_options options = {
        .from = WEFT_FROM_CURSOR, .cursor = rows, .cursor_count = count, .proofs = s->proofs
    };
    if (s->from && !count)
        s->from(s->arg, f, &options);
    err = weft_subscribe(c, f->product, &options, &f->sub, &problem);
    free(rows);
    if (err) {
        f->sub = NULL;
        wf_mon_feed_close(f, problem.text[0] ? problem.text : weft_err_text(err), now_ms, RETRY_MS);
        return;
    }
    f->closed[0] = '\0';
    f->state = WEFT_STREAM_CONNECTING;
    f->state_ms = now_ms;
    f->drained = false;
}

void wf_mon_feed_close(struct wf_mon_feed *f, const char *why, int64_t now_ms, int64_t wait_ms)
{
    weft_unsubscribe(f->sub);
    f->sub = NULL;
    f->touched = false;
    f->again_ms = now_ms + wait_ms;
    snprintf(f->closed, sizeof f->closed, "%.319s", why);
}

void wf_mon_feed_fini(struct wf_mon_feed *f)
{
    weft_unsubscribe(f->sub);
    f->sub = NULL;
}

// ---- events ------------------------------------------------------------------------------------------------------------

// Whether the token that was read with is over.
static bool has_ended(const struct wf_mon_feed *f)
{
    struct weft_stats stats = { 0 };

    weft_subscription_stats(f->sub, &stats);
    return stats.token_expires_ms > 0 && stats.token_expires_ms <= unix_us() / 1000;
}

static void on_state(struct wf_mon_feed *f, const struct weft_event *e, int64_t now_ms)
{
    if (e->state != f->state)
        f->state_ms = now_ms;
    f->state = e->state;
    f->problem = e->problem;
    bool flows = e->state == WEFT_STREAM_LIVE || e->state == WEFT_STREAM_PULL;
    f->granted = f->granted || flows;
    f->stopped = e->state == WEFT_STREAM_STOPPED || (f->stopped && !flows);
    if (e->state == WEFT_STREAM_REFUSED) { // and stays so while its owner cannot be asked
        f->foreign = e->problem.err == WEFT_E_NO_CAPABILITY;
        f->ended = has_ended(f);
    }
}

static enum weft_err on_event(struct wf_mon_feed *f, const struct weft_event *e, int64_t now_ms)
{
    const struct weft_product *p = NULL;

    if (e->kind == WEFT_EV_STATE) {
        on_state(f, e, now_ms);
        return WEFT_OK;
    }
    f->touched = true;
    if (e->kind == WEFT_EV_RECORDS) {
        p = weft_subscription_product(f->sub);
        if (!p)
            return WEFT_E_SCHEMA;
    }
    return f->sink->event(f->sink->arg, f, p, e, unix_us());
}

// Whether nothing waits, for who took as many as he may: the next event may be a minute away, and a poll would tell nothing until then.
static bool is_empty(const struct wf_mon_feed *f)
{
    struct pollfd p = { .fd = weft_subscription_fd(f->sub), .events = POLLIN };

    return poll(&p, 1, 0) == 0;
}

enum weft_err wf_mon_feed_take(
    struct wf_mon_feed *f, unsigned max, int64_t now_ms, size_t *ret_records)
{
    size_t records = 0;
    enum weft_err err = WEFT_OK;

    f->drained = false;
    for (unsigned i = 0; i < max && !err; i++) {
        const struct weft_event *e = NULL;
        struct weft_problem problem = { 0 };
        enum weft_err got = weft_next(f->sub, 0, &e, &problem);
        if (got == WEFT_E_TIMEOUT || got == WEFT_E_CANCELLED) {
            f->drained = true;
            break;
        }
        if (got) {
            // What was taken so far is in the transaction and stays there: only the subscription ends.
            bool touched = f->touched;
            wf_mon_feed_close(
                f, problem.text[0] ? problem.text : weft_err_text(got), now_ms, RETRY_MS);
            f->touched = touched;
            break;
        }
        err = on_event(f, e, now_ms);
        if (!err && e->kind == WEFT_EV_RECORDS)
            records += e->record_count;
    }
    if (!err && f->sub && !f->drained)
        f->drained = is_empty(f);
    if (!err)
        *ret_records = records;
    return err;
}

// ---- what status shows -------------------------------------------------------------------------------------------------

static const char *state_name(enum weft_stream_state state)
{
    static const char *const names[] = { "connecting", "live", "pull", "unreachable", "refused",
        "stopped", "silent" };

    return (size_t)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

static void host_cause(const struct wf_mon_late *l, char *out, size_t size)
{
    out[0] = '\0';
    if (!l->late)
        return;
    snprintf(out, size, "%s%s%s%s%s", l->cut[0] ? "agent cannot reach node: " : "", l->cut,
        l->cut[0] && l->silent[0] ? "; " : "", l->silent[0] ? "host silent: " : "", l->silent);
}

bool wf_mon_feed_is_foreign(const struct wf_mon_feed *f)
{
    return f->foreign && !f->named && !f->granted;
}

const char *wf_mon_feed_state(const struct wf_mon_feed *f)
{
    if (f->closed[0])
        return "closed";
    return wf_mon_feed_is_foreign(f) ? WF_MON_NOT_GRANTED : state_name(f->state);
}

static enum wf_mon_why refused_why(const struct wf_mon_feed *f)
{
    switch (f->problem.err) {
    case WEFT_E_REVOKED:
        return WF_MON_REVOKED;
    case WEFT_E_PENDING:
        return WF_MON_WAITS;
    case WEFT_E_EXPIRED:
        return WF_MON_TOKEN_ENDED;
    case WEFT_E_NO_CAPABILITY:
        return f->ended ? WF_MON_TOKEN_ENDED : WF_MON_NO_TOKEN;
    default:
        return WF_MON_REFUSED;
    }
}

void wf_mon_feed_glance(struct wf_mon_feed *f, int64_t unix_ms)
{
    struct weft_stats stats = { 0 };

    if (f->sub)
        weft_subscription_stats(f->sub, &stats);
    f->lag = wf_mon_feed_lag(&stats);
    f->old_ms = f->lag && stats.last_append_ms > 0 && unix_ms > stats.last_append_ms
                    ? unix_ms - stats.last_append_ms
                    : 0;
}

// Some records are always on their way. Who has read up to now but for them is not behind.
static bool is_behind(const struct wf_mon_feed *f)
{
    bool promised = f->freshness_ms > 0 && f->freshness_ms <= INT64_MAX / 8;
    int64_t most = promised ? 3 * f->freshness_ms : BEHIND_MS;

    if (f->state == WEFT_STREAM_SILENT)
        return f->lag > 0;
    return f->lag > 0 && f->old_ms > (most > CONNECTED_MS ? most : CONNECTED_MS);
}

static enum wf_mon_why late_why(const struct wf_mon_late *l)
{
    return !l->late ? WF_MON_SEEN : l->cut[0] ? WF_MON_CUT_OFF : WF_MON_HOST_SILENT;
}

enum wf_mon_why wf_mon_feed_why(const struct wf_mon_feed *f, int64_t connecting_ms)
{
    if (f->closed[0])
        return WF_MON_NOT_STORED;
    if (wf_mon_feed_is_foreign(f))
        return WF_MON_SEEN;
    switch (f->state) {
    case WEFT_STREAM_LIVE:
    case WEFT_STREAM_PULL:
        return is_behind(f) ? WF_MON_BEHIND : late_why(&f->late);
    case WEFT_STREAM_CONNECTING:
        return connecting_ms < WF_MON_CONNECT_MS ? WF_MON_SEEN : WF_MON_UNREACHABLE;
    case WEFT_STREAM_UNREACHABLE:
        return WF_MON_UNREACHABLE;
    case WEFT_STREAM_SILENT: // the node answers, but nobody has anything new for it, or it is not read yet
        if (is_behind(f))
            return WF_MON_BEHIND;
        return f->late.hosts ? late_why(&f->late) : WF_MON_HOST_SILENT;
    case WEFT_STREAM_REFUSED:
        return refused_why(f);
    case WEFT_STREAM_STOPPED:
        return WF_MON_STOPPED;
    }
    return WF_MON_TROUBLE;
}

// What of the token the owner's node refused (weft-protocol, decisions), in words.
static const char *caveat_word(const char *caveat)
{
    static const struct {
        const char *caveat, *word;
    } words[] = { { "products", "the token is for other products" },
        { "verbs", "the token does not permit to subscribe" },
        { "columns", "the token does not permit these columns" },
        { "regions", "the token does not hold in this node's region" },
        { "purpose", "the token is for another purpose" },
        { "holder", "the token is another identity's" },
        { "domain", "the token is of another domain" }, { "mesh", "the token is of another mesh" },
        { "not-before", "the token does not hold yet" }, { "expires", "the token ended" },
        { "rate", "more requests than the token permits" },
        { "revocations",
            "its owner's node has no fresh list of what is revoked, so it decides nothing" } };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].caveat, caveat) == 0)
            return words[i].word;
    return NULL;
}

static const char *refused_word(const struct wf_mon_feed *f, enum wf_mon_why why)
{
    const char *word = caveat_word(f->problem.caveat);

    switch (why) {
    case WF_MON_REVOKED: // which of the three that a token rests on
        return strcmp(f->problem.caveat, "holder") == 0   ? "its owner revoked this identity"
               : strcmp(f->problem.caveat, "issuer") == 0 ? "the issuer of the token was revoked"
                                                          : "its owner revoked the token";
    case WF_MON_TOKEN_ENDED:
        return "the token ended";
    case WF_MON_WAITS:
        return "the request for it waits for its owner";
    case WF_MON_NO_TOKEN:
        return f->granted ? "nothing grants it any more" : "nothing grants it";
    default:
        return word                   ? word
               : f->problem.caveat[0] ? f->problem.caveat
                                      : weft_err_text(f->problem.err);
    }
}

static void refused_cause(const struct wf_mon_feed *f, enum wf_mon_why why, char *out, size_t size)
{
    const struct weft_problem *p = &f->problem;
    int len = snprintf(out, size, "refused: %s", refused_word(f, why));

    if (why == WF_MON_REFUSED && p->asked[0] && p->granted[0] && len > 0 && (size_t)len < size)
        snprintf(
            out + len, size - (size_t)len, " (asked: %.60s; granted: %.60s)", p->asked, p->granted);
}

static void behind_cause(const struct wf_mon_feed *f, char *out, size_t size)
{
    char old[24];

    wf_mon_ago(f->old_ms, old);
    snprintf(out, size, "behind by %" PRIu64 " record%s%s%s%s", f->lag, f->lag == 1 ? "" : "s",
        f->old_ms ? ": what was read last is " : "", f->old_ms ? old : "", f->old_ms ? " old" : "");
}

void wf_mon_feed_cause(const struct wf_mon_feed *f, int64_t connecting_ms, char *out, size_t size)
{
    enum wf_mon_why why = wf_mon_feed_why(f, connecting_ms);

    switch (why) {
    case WF_MON_SEEN:
        out[0] = '\0';
        break;
    case WF_MON_NOT_STORED:
        snprintf(out, size, "not stored: %s", f->closed);
        break;
    case WF_MON_HOST_SILENT:
    case WF_MON_CUT_OFF:
        host_cause(&f->late, out, size);
        if (!f->late.late)
            snprintf(out, size, "host silent: no record of any host");
        break;
    case WF_MON_UNREACHABLE:
        snprintf(out, size, "node unreachable%s",
            f->state == WEFT_STREAM_CONNECTING && !f->gone ? ": still connecting" : "");
        break;
    case WF_MON_STOPPED:
        snprintf(out, size, "stopped by owner");
        break;
    case WF_MON_TROUBLE:
        snprintf(out, size, "state %d", (int)f->state);
        break;
    case WF_MON_BEHIND:
        behind_cause(f, out, size);
        break;
    default:
        refused_cause(f, why, out, size);
    }
}

uint64_t wf_mon_feed_lag(const struct weft_stats *s)
{
    return s->head_offset > s->next_offset ? s->head_offset - s->next_offset : 0;
}

int64_t wf_mon_feed_late_before(
    const struct wf_mon_feed *f, const struct weft_stats *stats, int64_t now_unix_ms)
{
    bool sees = f->state == WEFT_STREAM_LIVE || f->state == WEFT_STREAM_PULL ||
                f->state == WEFT_STREAM_SILENT;

    // Behind the head, hosts look late that are not.
    if (!sees || f->freshness_ms <= 0 || f->freshness_ms > INT64_MAX / 8 ||
        wf_mon_feed_lag(stats) > 0)
        return 0;
    return now_unix_ms - 3 * f->freshness_ms;
}

bool wf_mon_feed_is_settled(const struct wf_mon_feed *f, int64_t now_ms)
{
    struct weft_stats stats = { 0 };

    if (f->closed[0] || f->state == WEFT_STREAM_REFUSED || f->state == WEFT_STREAM_STOPPED)
        return true;
    if (!f->sub)
        return false;
    if (f->state != WEFT_STREAM_LIVE && f->state != WEFT_STREAM_PULL)
        return now_ms - f->state_ms >= WF_MON_CONNECT_MS;
    weft_subscription_stats(f->sub, &stats);
    return f->drained && wf_mon_feed_lag(&stats) == 0;
}

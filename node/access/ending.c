// SPDX-License-Identifier: Apache-2.0
// Grants made by hand that come to their end: nothing renews them, so their owner is warned at 75 and 90 percent of their life, once each in
// the log, and for as long as it lasts in `weft access list` and `weft node status`. Their holder sees the same in `weft access show`.
#include <stdio.h>

#include "node/access/priv.h"
#include "proto/base/print.h"

#define EVERY_MS 5000
#define SHOWN    16u // in the status; the list has all

// The newest of the same kind takes the place of those before it.
static bool is_followed(struct wf_node *n, const struct wf_grant *row)
{
    struct wf_grant like = *row, later;
    struct wf_arena arena;

    like.purpose = NULL; // any
    wf_arena_init(&arena, 64u * WF_KIB);
    enum weft_err err = wf_grants_like(n->access->grants, &like, WF_GRANT_GRANTED, &arena, &later);
    bool followed = !err && later.id != row->id && later.expires_ms > row->expires_ms &&
                    strcmp(later.rows, row->rows ? row->rows : "") == 0;
    wf_arena_fini(&arena);
    return followed;
}

unsigned wf_access_over(struct wf_node *n, const struct wf_grant *row)
{
    if (row->state != WF_GRANT_GRANTED || strcmp(row->how, "policy") == 0)
        return 0;
    unsigned over = wf_life_warning(row->issued_ms, row->expires_ms, wf_node_now_unix_ms(n));
    return over && !is_followed(n, row) ? over : 0;
}

static void holder_text(const struct wf_grant *row, char *out, size_t len)
{
    char print[WF_FINGERPRINT_LEN];

    wf_fingerprint(WF_BYTES(row->holder.b), print);
    snprintf(out, len, "%s", row->label[0] ? row->label : print);
}

static void left_text(int64_t ms, char *out, size_t len)
{
    if (ms >= INT64_C(2) * 86400000)
        snprintf(out, len, "%lld d", (long long)(ms / 86400000));
    else if (ms >= INT64_C(2) * 3600000)
        snprintf(out, len, "%lld h", (long long)(ms / 3600000));
    else if (ms >= INT64_C(2) * 60000)
        snprintf(out, len, "%lld min", (long long)(ms / 60000));
    else
        snprintf(out, len, "%lld s", (long long)(ms / 1000));
}

// ---- the log ---------------------------------------------------------------------------------------------------------

static enum weft_err warn(void *arg, const struct wf_grant *row)
{
    struct wf_node *n = arg;
    unsigned over = wf_access_over(n, row), before = 0;
    char id[17], holder[200], percent[8], left[32];

    if (!over)
        return WEFT_OK;
    enum weft_err err = wf_grants_warned(n->access->grants, row->id, &before);
    if (err || before >= over)
        return err;
    // Noted first: a warning that a full disk can't keep would come again and again.
    err = wf_grants_set_warned(n->access->grants, row->id, over);
    if (err)
        return err;
    wf_hex_put(wf_bytes(row->token_id.b, 8), id);
    holder_text(row, holder, sizeof holder);
    snprintf(percent, sizeof percent, "%u %%", over);
    left_text(row->expires_ms - wf_node_now_unix_ms(n), left, sizeof left);
    wf_say(n, WF_LOG_WARN, "access", "a grant made by hand ends soon", "id", id, "holder", holder,
        "products", row->products, "verbs", row->verbs, "over", percent, "left", left, NULL);
    return WEFT_OK;
}

void wf_access_ending_tick(struct wf_node *n)
{
    struct wf_access_room *a = n->access;
    int64_t now = wf_node_now_ms(n);

    if (now < a->ending_at_ms)
        return;
    a->ending_at_ms = now + EVERY_MS;
    enum weft_err err = wf_grants_by_hand(a->grants, wf_node_now_unix_ms(n), warn, n);
    wf_alarm(n, "grants", err ? "the grants could not be read to warn of those that end" : NULL);
}

// ---- the status ------------------------------------------------------------------------------------------------------

struct shown {
    struct wf_node *n;
    struct wf_arena *arena;
    char **lines;
    size_t count;
};

static enum weft_err show(void *arg, const struct wf_grant *row)
{
    struct shown *s = arg;
    unsigned over = wf_access_over(s->n, row);
    char id[17], holder[200], left[32], line[400];
    const char *copy = NULL;

    if (!over)
        return WEFT_OK;
    if (s->count == SHOWN) {
        snprintf(line, sizeof line, "more grants end soon; see: weft access list");
    } else {
        wf_hex_put(wf_bytes(row->token_id.b, 8), id);
        holder_text(row, holder, sizeof holder);
        left_text(row->expires_ms - wf_node_now_unix_ms(s->n), left, sizeof left);
        snprintf(line, sizeof line,
            "grant %s of %.100s (%.80s) to %.100s: %u %% of its life is over, it ends in %s", id,
            row->products, row->verbs, holder, over, left);
    }
    enum weft_err err = wf_arena_str(s->arena, wf_bytes_str(line), &copy);
    if (err)
        return err;
    s->lines[s->count++] = wf_pb_str(copy);
    return s->count > SHOWN ? WEFT_E_PARTIAL : WEFT_OK;
}

void wf_access_status(struct wf_node *n, struct wf_arena *arena, Weft__V1__StatusReply *reply)
{
    struct shown s = { .n = n, .arena = arena };

    if (!n->access)
        return;
    s.lines = wf_arena_calloc(arena, SHOWN + 1, sizeof *s.lines);
    if (s.lines) {
        enum weft_err err = wf_grants_by_hand(n->access->grants, wf_node_now_unix_ms(n), show, &s);
        (void)err; // what could be read is shown; that it could not be is an alarm of the tick
    }
    reply->warnings = s.lines;
    reply->n_warnings = s.count;
}

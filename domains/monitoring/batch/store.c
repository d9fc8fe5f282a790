// SPDX-License-Identifier: Apache-2.0
// The store before its back-ends: which one it is, the list of products, their counts. See store.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "domains/monitoring/batch/store_ops.h"

enum weft_err wf_mon_store_open(
    const char *where, struct wf_mon_store **ret, struct weft_problem *problem)
{
    return wf_mon_store_is_pq(where) ? wf_mon_pq_store_open(where, ret, problem)
                                     : wf_mon_sqlite_open(where, ret, problem);
}

bool wf_mon_store_is_pq(const char *where)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";

    if (strncmp(where, "postgresql://", 13) == 0 || strncmp(where, "postgres://", 11) == 0)
        return true;
    size_t word = strspn(where, letters);
    return word && where[word + strspn(where + word, " ")] == '=';
}

enum weft_err wf_mon_store_check(const char *where, struct weft_problem *problem)
{
    return wf_mon_store_is_pq(where) ? wf_mon_pq_check(where, problem->text, sizeof problem->text)
                                     : WEFT_OK;
}

void wf_mon_store_close(struct wf_mon_store *s)
{
    if (!s)
        return;
    if (s->open)
        wf_mon_store_rollback(s);
    s->ops->close(s);
}

// ---- failures ----------------------------------------------------------------------------------------------------------

bool wf_mon_store_may_retry(enum weft_err err)
{
    return err == WEFT_E_BUSY || err == WEFT_E_NOSPACE || err == WEFT_E_IO || err == WEFT_E_NOMEM ||
           err == WEFT_E_PERMISSION;
}

const char *wf_mon_store_problem(const struct wf_mon_store *s)
{
    return s->problem;
}

enum weft_err wf_mon_store_nomem(struct wf_mon_store *s)
{
    snprintf(s->problem, sizeof s->problem, "%s", weft_err_text(WEFT_E_NOMEM));
    return WEFT_E_NOMEM;
}

// ---- transactions ------------------------------------------------------------------------------------------------------

enum weft_err wf_mon_store_ready(struct wf_mon_store *s)
{
    return s->ops->ready ? s->ops->ready(s) : WEFT_OK;
}

enum weft_err wf_mon_store_begin(struct wf_mon_store *s)
{
    enum weft_err err = s->ops->begin(s);

    s->open = !err;
    return err;
}

enum weft_err wf_mon_store_commit(struct wf_mon_store *s)
{
    enum weft_err err = s->ops->commit(s);

    if (!err)
        s->open = false;
    return err;
}

void wf_mon_store_rollback(struct wf_mon_store *s)
{
    wf_mon_tables_forget(s);
    s->ops->rollback(s);
    s->open = false;
}

bool wf_mon_store_is_open(const struct wf_mon_store *s)
{
    return s->open;
}

// ---- products ----------------------------------------------------------------------------------------------------------

static void release(struct wf_mon_store *s, struct wf_mon_table *t)
{
    if (t->plan)
        s->ops->plan_fini(t->plan);
    free(t->plan);
    free(t);
}

static enum weft_err add_table(
    struct wf_mon_store *s, const char *product, struct wf_mon_table **ret)
{
    struct wf_mon_table *t = calloc(1, sizeof *t);

    if (!t)
        return wf_mon_store_nomem(s);
    t->plan = calloc(1, s->ops->plan_size);
    if (!t->plan) {
        free(t);
        return wf_mon_store_nomem(s);
    }
    snprintf(t->product, sizeof t->product, "%s", product);
    snprintf(t->domain, sizeof t->domain, "%.*s", (int)strcspn(product, "/"), product);
    t->next = s->tables;
    s->tables = t;
    *ret = t;
    return WEFT_OK;
}

enum weft_err wf_mon_store_table(
    struct wf_mon_store *s, const char *product, struct wf_mon_table **ret)
{
    struct wf_mon_table *t = s->tables;
    enum weft_err err = WEFT_OK;

    while (t && strcmp(t->product, product) != 0)
        t = t->next;
    if (!t)
        err = add_table(s, product, &t);
    if (!err && !t->loaded) {
        err = s->ops->load(s, t);
        t->loaded = !err;
    }
    if (!err)
        *ret = t;
    return err;
}

void wf_mon_tables_forget(struct wf_mon_store *s)
{
    for (struct wf_mon_table *t = s->tables; t; t = t->next) {
        s->ops->plan_fini(t->plan);
        t->loaded = t->dirty = false;
    }
}

void wf_mon_tables_fini(struct wf_mon_store *s)
{
    while (s->tables) {
        struct wf_mon_table *t = s->tables;
        s->tables = t->next;
        release(s, t);
    }
}

uint64_t wf_mon_table_records(const struct wf_mon_table *t)
{
    return t->records;
}

const struct wf_mon_said *wf_mon_table_said(const struct wf_mon_table *t)
{
    return &t->said;
}

const char *wf_mon_table_of(const struct wf_mon_table *t)
{
    return t->name;
}

void wf_mon_table_count(
    struct wf_mon_table *t, const struct weft_event *e, size_t count, int64_t received_us)
{
    uint64_t *const ways[] = { &t->live, &t->repaired, &t->pulled, &t->history };

    t->records += count;
    t->batches++;
    if ((size_t)e->way < sizeof ways / sizeof *ways)
        *ways[e->way] += count;
    if (e->append_ms > t->last_append_ms)
        t->last_append_ms = e->append_ms;
    t->last_received_ms = received_us / 1000;
    t->dirty = true;
}

// ---- what both databases keep alike ------------------------------------------------------------------------------------

enum weft_err wf_mon_shape_take(
    struct wf_mon_store *s, struct wf_mon_shape *shape, const struct weft_product *p, char *keys)
{
    const struct weft_product_info *info = weft_product_info(p);
    size_t count = weft_product_field_count(p);

    wf_mon_shape_fini(shape);
    *shape = (struct wf_mon_shape){ .hash = strdup(info->schema ? info->schema : ""),
        .message = strdup(info->message ? info->message : ""),
        .keys = keys,
        .field_count = count,
        .is_key = calloc(count + 1, sizeof *shape->is_key),
        .values = calloc(count + 1, sizeof *shape->values) };
    if (!shape->hash || !shape->message || !shape->is_key || !shape->values)
        return wf_mon_store_nomem(s);
    for (size_t i = 0; i < count; i++)
        shape->is_key[i] = weft_product_field(p, i)->key;
    return WEFT_OK;
}

bool wf_mon_shape_is(
    const struct wf_mon_shape *shape, const struct weft_product *p, const char *keys)
{
    const struct weft_product_info *info = weft_product_info(p);

    return shape->hash && shape->message && shape->keys &&
           shape->field_count == weft_product_field_count(p) &&
           strcmp(shape->hash, info->schema ? info->schema : "") == 0 &&
           strcmp(shape->message, info->message ? info->message : "") == 0 &&
           strcmp(shape->keys, keys) == 0;
}

void wf_mon_shape_fini(struct wf_mon_shape *shape)
{
    free(shape->hash);
    free(shape->message);
    free(shape->keys);
    free(shape->is_key);
    free(shape->values);
    *shape = (struct wf_mon_shape){ 0 };
}

int64_t wf_mon_chain_sum(const void *chain, size_t len)
{
    const uint8_t *p = chain;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return (int64_t)(h >> 1);
}

void wf_mon_line_columns(const struct wf_mon_line *line, const char *texts[WF_MON_LINE_TEXTS],
    int64_t numbers[WF_MON_LINE_NUMBERS])
{
    const char *const words[WF_MON_LINE_TEXTS] = { line->product, line->kind, line->state,
        line->cause, line->problem, line->why, line->past };
    const int64_t values[WF_MON_LINE_NUMBERS] = { line->freshness_ms, (int64_t)line->head,
        (int64_t)line->next, (int64_t)line->lag, (int64_t)line->gaps,
        (int64_t)line->verify_failures, (int64_t)line->duplicates, line->token_expires_ms,
        line->lease_expires_ms, (int64_t)line->hosts, (int64_t)line->hosts_late, line->since_ms };

    memcpy(texts, words, sizeof words);
    memcpy(numbers, values, sizeof values);
}

// ---- what is handed on -------------------------------------------------------------------------------------------------

// The table as the database has it: after a rollback it is read again before anything is added to it.
static enum weft_err load(struct wf_mon_store *s, struct wf_mon_table *t)
{
    if (t->loaded)
        return WEFT_OK;
    enum weft_err err = s->ops->load(s, t);
    t->loaded = !err;
    return err;
}

enum weft_err wf_mon_store_shape(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_product *p)
{
    enum weft_err err = load(s, t);

    return err ? err : s->ops->shape(s, t, p);
}

enum weft_err wf_mon_store_records(struct wf_mon_store *s, struct wf_mon_table *t,
    const struct weft_product *p, const struct weft_event *e, int64_t received_us)
{
    enum weft_err err = wf_mon_store_shape(s, t, p);

    return err ? err : s->ops->records(s, t, p, e, received_us);
}

enum weft_err wf_mon_store_loss(
    struct wf_mon_store *s, struct wf_mon_table *t, const struct weft_event *e, int64_t at_ms)
{
    enum weft_err err = load(s, t);

    if (!err)
        err = s->ops->loss(s, t, e, at_ms);
    if (err)
        return err;
    if (e->loss_to > e->loss_from && !e->loss_told)
        t->lost += e->loss_to - e->loss_from;
    t->dirty = true;
    return WEFT_OK;
}

enum weft_err wf_mon_store_cursor(
    struct wf_mon_store *s, const char *product, struct weft_cursor_row **ret, size_t *ret_count)
{
    return s->ops->cursor(s, product, ret, ret_count);
}

enum weft_err wf_mon_store_status(
    struct wf_mon_store *s, const struct wf_mon_line *line, int64_t now_ms)
{
    return s->ops->status(s, line, now_ms);
}

enum weft_err wf_mon_store_beat(struct wf_mon_store *s, const struct wf_mon_beat *beat)
{
    return s->ops->beat(s, beat);
}

enum weft_err wf_mon_store_late(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_ms, struct wf_mon_late *ret)
{
    return s->ops->late(s, t, before_ms, ret);
}

enum weft_err wf_mon_store_claim(struct wf_mon_store *s, const char *const *products, size_t count)
{
    return s->ops->claim ? s->ops->claim(s, products, count) : WEFT_OK;
}

bool wf_mon_store_holds(struct wf_mon_store *s, const char *product)
{
    return s->ops->holds ? s->ops->holds(s, product) : true;
}

enum weft_err wf_mon_store_trim(
    struct wf_mon_store *s, struct wf_mon_table *t, int64_t before_us, bool *ret_more)
{
    enum weft_err err = load(s, t);

    return err ? err : s->ops->trim(s, t, before_us, ret_more);
}

void wf_mon_store_be_guest(struct wf_mon_store *s)
{
    if (s->ops->be_guest)
        s->ops->be_guest(s);
}

size_t wf_mon_store_bytes(const struct wf_mon_store *s)
{
    return s->ops->bytes ? s->ops->bytes(s) : 0;
}

int64_t wf_mon_last_us(const struct weft_event *e, size_t from, size_t count)
{
    int64_t last = INT64_MIN;

    for (size_t i = from; i < from + count; i++)
        if (e->records[i].time_us > last)
            last = e->records[i].time_us;
    return last;
}

// ---- parts of batches --------------------------------------------------------------------------------------------------

size_t wf_mon_ranges_cut(struct wf_mon_range ranges[WF_MON_RANGES], size_t count,
    const struct weft_event *e, uint64_t first_seq, uint64_t seq_count)
{
    struct wf_mon_range out[WF_MON_RANGES];
    uint64_t base = e->record_count ? e->records[0].seq : 0, end = first_seq + seq_count;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t from = base + ranges[i].from, to = from + ranges[i].count;
        uint64_t left = first_seq < to ? first_seq : to, right = end > from ? end : from;
        if (left > from && kept < WF_MON_RANGES)
            out[kept++] = (struct wf_mon_range){ ranges[i].from, (size_t)(left - from) };
        if (right < to && kept < WF_MON_RANGES)
            out[kept++] = (struct wf_mon_range){ (size_t)(right - base), (size_t)(to - right) };
    }
    memcpy(ranges, out, kept * sizeof *out);
    return kept;
}

// ---- late hosts --------------------------------------------------------------------------------------------------------

// "gone" and "AGENT_STATE_GONE" alike.
static bool ends_with(const char *state, const char *word)
{
    size_t len = strlen(state), n = strlen(word);

    return len >= n && strcasecmp(state + len - n, word) == 0;
}

enum wf_mon_agent wf_mon_agent_of(const char *state)
{
    if (ends_with(state, "gone") || ends_with(state, "late"))
        return WF_MON_AGENT_CUT;
    return ends_with(state, "revoked") ? WF_MON_AGENT_ENDED : WF_MON_AGENT_UNKNOWN;
}

static void add_name(char *list, size_t size, const char *name)
{
    size_t len = strlen(list);

    if (len + strlen(name) + 8 < size)
        snprintf(list + len, size - len, "%s%s", len ? ", " : "", name);
    else if (len + 5 < size && (len < 3 || strcmp(list + len - 3, "...") != 0))
        snprintf(list + len, size - len, ", ...");
}

void wf_mon_late_add(struct wf_mon_late *late, const char *host, enum wf_mon_agent says)
{
    if (says == WF_MON_AGENT_ENDED) // its owner took it away: nobody waits for it
        late->late--;
    else if (says == WF_MON_AGENT_CUT)
        add_name(late->cut, sizeof late->cut, host);
    else
        add_name(late->silent, sizeof late->silent, host);
}

// SPDX-License-Identifier: Apache-2.0
#include "node/access/refused.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/crypto.h"

struct domain {
    uint32_t
        hashes[WF_REFUSED_OF_DOMAIN]; // of each row's subject: a flood compares numbers, not texts
    char name[WF_MAX_NAME + 1];       // "": nobody's; "*": of more domains than there are places
    bool dirty;
    size_t count;
    struct wf_refused_row rows[WF_REFUSED_OF_DOMAIN];
    struct wf_refused_row rest; // only counted; count 0: nothing yet
};

struct wf_refused {
    struct wf_refused_db *db;
    struct domain *domains[WF_REFUSED_DOMAINS];
    size_t count;
    uint32_t seed;
};

bool wf_refused_is_access(enum weft_err code)
{
    switch (code) {
    case WEFT_E_PERMISSION:
    case WEFT_E_NEED_JOIN:
        return true;
    case WEFT_E_PENDING:
        return false;
    default:
        return code >= WEFT_E_SIGNATURE && code <= WEFT_E_POLICY;
    }
}

// ---- places ----------------------------------------------------------------------------------------------------------

// What peers write goes to terminals and into strict UTF-8: plain characters only.
static void copy_plain(char *out, size_t cap, const char *in)
{
    size_t i = 0;

    for (; in[i] && i + 1 < cap; i++)
        out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
    out[i] = '\0';
}

static struct domain *find_domain(struct wf_refused *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->count; i++)
        if (strncmp(r->domains[i]->name, name, len) == 0 && r->domains[i]->name[len] == '\0')
            return r->domains[i];
    return NULL;
}

static struct domain *domain_of(struct wf_refused *r, const char *who)
{
    const char *slash = strchr(who, '/');
    size_t len = slash ? (size_t)(slash - who) : 0;

    if (len > WF_MAX_NAME)
        len = WF_MAX_NAME;
    struct domain *d = find_domain(r, who, len);
    if (!d && r->count + 1 >= WF_REFUSED_DOMAINS) {
        who = "*";
        len = 1;
        d = find_domain(r, who, len);
    }
    if (d)
        return d;
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    memcpy(d->name, who, len);
    r->domains[r->count++] = d;
    return d;
}

// FNV-1a from a beginning that nobody knows, so that no name is chosen to fall together with another's.
static uint32_t hash_of(const struct wf_refused *r, const char *who)
{
    uint32_t h = r->seed;

    for (; *who; who++)
        h = (h ^ (uint8_t)*who) * 16777619u;
    return h;
}

static struct wf_refused_row *find_row(
    struct domain *d, const struct wf_refused_row *like, uint32_t hash)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->hashes[i] == hash && d->rows[i].code == like->code &&
            strcmp(d->rows[i].who, like->who) == 0 && strcmp(d->rows[i].what, like->what) == 0)
            return &d->rows[i];
    return NULL;
}

// The number of a subject's rows, and which of them is the least recent.
static size_t rows_of(const struct domain *d, uint32_t hash, size_t *ret_oldest)
{
    size_t n = 0;

    for (size_t i = 0; i < d->count; i++) {
        if (d->hashes[i] != hash)
            continue;
        if (n++ == 0 || d->rows[i].last_ms < d->rows[*ret_oldest].last_ms)
            *ret_oldest = i;
    }
    return n;
}

// Of the subject that has the most.
static size_t victim_of(const struct domain *d)
{
    size_t most = 0, found = 0;

    for (size_t i = 0; i < d->count; i++) {
        size_t oldest = i, n = rows_of(d, d->hashes[i], &oldest);
        if (n > most || (n == most && d->rows[oldest].last_ms < d->rows[found].last_ms)) {
            most = n;
            found = oldest;
        }
    }
    return found;
}

static void count_only(struct domain *d, const struct wf_refused_row *row)
{
    struct wf_refused_row *rest = &d->rest;

    if (rest->count == 0) {
        snprintf(rest->who, sizeof rest->who, "%s%s*", d->name,
            d->name[0] && d->name[0] != '*' ? "/" : "");
        rest->first_ms = row->first_ms;
    }
    if (row->first_ms < rest->first_ms)
        rest->first_ms = row->first_ms;
    if (row->last_ms > rest->last_ms)
        rest->last_ms = row->last_ms;
    rest->count += row->count;
}

static struct wf_refused_row *place_for(struct domain *d, uint32_t hash)
{
    size_t at = 0;

    if (rows_of(d, hash, &at) < WF_REFUSED_OF_SUBJECT) {
        if (d->count < WF_REFUSED_OF_DOMAIN) {
            d->hashes[d->count] = hash;
            return &d->rows[d->count++];
        }
        at = victim_of(d);
    }
    count_only(d, &d->rows[at]);
    d->hashes[at] = hash;
    return &d->rows[at];
}

void wf_refused_note(struct wf_refused *r, const struct wf_refused_row *attempt)
{
    struct domain *d = domain_of(r, attempt->who);
    struct wf_refused_row fresh = {
        .code = attempt->code, .first_ms = attempt->last_ms, .last_ms = attempt->last_ms
    };

    if (!d)
        return;
    copy_plain(fresh.who, sizeof fresh.who, attempt->who);
    copy_plain(fresh.what, sizeof fresh.what, attempt->what);
    copy_plain(fresh.from, sizeof fresh.from, attempt->from);
    copy_plain(fresh.audit_id, sizeof fresh.audit_id, attempt->audit_id);
    uint32_t hash = hash_of(r, fresh.who);
    struct wf_refused_row *row = find_row(d, &fresh, hash);
    if (row) {
        fresh.count = row->count;
        fresh.first_ms = row->first_ms;
    } else {
        row = place_for(d, hash);
    }
    *row = fresh;
    row->count++;
    d->dirty = true;
}

void wf_refused_prune(struct wf_refused *r, int64_t before_ms)
{
    for (size_t i = 0; i < r->count; i++) {
        struct domain *d = r->domains[i];
        size_t kept = 0;
        for (size_t k = 0; k < d->count; k++)
            if (d->rows[k].last_ms >= before_ms) {
                d->hashes[kept] = d->hashes[k];
                d->rows[kept++] = d->rows[k];
            }
        d->dirty = d->dirty || kept != d->count;
        d->count = kept;
        if (d->rest.count && d->rest.last_ms < before_ms) {
            d->rest = (struct wf_refused_row){ 0 };
            d->dirty = true;
        }
    }
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static int by_last(const void *a, const void *b)
{
    const struct wf_refused_row *x = *(const struct wf_refused_row *const *)a,
                                *y = *(const struct wf_refused_row *const *)b;

    return x->last_ms < y->last_ms ? 1 : x->last_ms > y->last_ms ? -1 : strcmp(x->who, y->who);
}

size_t wf_refused_recent(const struct wf_refused *r, const struct wf_refused_row **ret, size_t max)
{
    const struct wf_refused_row **all =
        calloc(r->count * (WF_REFUSED_OF_DOMAIN + 1) + 1, sizeof *all);
    size_t count = 0;

    for (size_t i = 0; all && i < r->count; i++) {
        const struct domain *d = r->domains[i];
        for (size_t k = 0; k < d->count; k++)
            all[count++] = &d->rows[k];
        if (d->rest.count)
            all[count++] = &d->rest;
    }
    if (count)
        qsort(all, count, sizeof *all, by_last);
    if (count > max)
        count = max;
    if (count)
        memcpy(ret, all, count * sizeof *all);
    free(all);
    return count;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static void load_row(void *arg, const struct wf_refused_row *row)
{
    struct domain *d = domain_of(arg, row->who);

    if (!d)
        return;
    if (row->code == 0) {
        d->rest = *row;
    } else if (d->count < WF_REFUSED_OF_DOMAIN) {
        d->hashes[d->count] = hash_of(arg, row->who);
        d->rows[d->count++] = *row;
    }
}

enum weft_err wf_refused_open(const char *path, struct wf_refused **ret, struct wf_diag *diag)
{
    struct wf_refused *r = calloc(1, sizeof *r);

    if (!r)
        return WEFT_E_NOMEM;
    wf_random(&r->seed, sizeof r->seed);
    enum weft_err err = wf_refused_db_open(path, &r->db, diag);
    if (!err)
        err = wf_refused_db_load(r->db, load_row, r);
    if (err) {
        wf_refused_close(r);
        return err;
    }
    *ret = r;
    return WEFT_OK;
}

enum weft_err wf_refused_save(struct wf_refused *r)
{
    enum weft_err err = WEFT_OK;

    for (size_t i = 0; i < r->count && !err; i++) {
        struct domain *d = r->domains[i];
        if (!d->dirty)
            continue;
        err = wf_refused_db_put(r->db, d->name, d->rows, d->count, d->rest.count ? &d->rest : NULL);
        d->dirty = err != WEFT_OK;
    }
    return err;
}

void wf_refused_close(struct wf_refused *r)
{
    if (!r)
        return;
    if (r->db) {
        enum weft_err err = wf_refused_save(r);
        (void)err; // the trail has what this list loses
    }
    wf_refused_db_close(r->db);
    for (size_t i = 0; i < r->count; i++)
        free(r->domains[i]);
    free(r);
}

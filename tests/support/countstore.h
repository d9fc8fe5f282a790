// SPDX-License-Identifier: Apache-2.0
// A registry's store around another one, which counts how often it would wait for the disk: each commit, and each row that is written by itself.
#ifndef WF_TESTS_COUNTSTORE_H
#define WF_TESTS_COUNTSTORE_H

#include "registry/store.h"

struct countstore {
    struct wf_store base; // first: what the catalog is given
    struct wf_store *inner;
    unsigned waits, rows;
    bool together;
    enum weft_err commit_says;
};

static enum weft_err countstore_row(struct countstore *s, enum weft_err err)
{
    s->rows++;
    s->waits += !s->together;
    return err;
}

static enum weft_err countstore_load(struct wf_store *s, wf_store_visit_fn visit, void *arg)
{
    struct wf_store *inner = ((struct countstore *)s)->inner;

    return inner->ops->load(inner, visit, arg);
}

static enum weft_err countstore_put(struct wf_store *s, const struct wf_store_row *row)
{
    struct countstore *c = (struct countstore *)s;

    return countstore_row(c, c->inner->ops->put(c->inner, row));
}

static enum weft_err countstore_remove(
    struct wf_store *s, enum wf_entry_kind kind, const char *domain, const char *name)
{
    struct countstore *c = (struct countstore *)s;

    return countstore_row(c, c->inner->ops->remove(c->inner, kind, domain, name));
}

static enum weft_err countstore_begin(struct wf_store *s)
{
    struct countstore *c = (struct countstore *)s;

    c->together = true;
    return c->inner->ops->begin(c->inner);
}

static enum weft_err countstore_commit(struct wf_store *s)
{
    struct countstore *c = (struct countstore *)s;
    enum weft_err err = c->inner->ops->commit(c->inner);

    c->together = false;
    c->waits++;
    return c->commit_says ? c->commit_says : err;
}

static void countstore_free(struct wf_store *s)
{
    wf_store_free(((struct countstore *)s)->inner);
}

// Takes inner over; wf_store_free(&s->base) ends it.
static inline void countstore_init(struct countstore *s, struct wf_store *inner)
{
    static const struct wf_store_ops ops = { countstore_load, countstore_put, countstore_remove,
        countstore_begin, countstore_commit, countstore_free };

    *s = (struct countstore){ .base = { &ops }, .inner = inner };
}

#endif

// SPDX-License-Identifier: Apache-2.0
// A store that forgets: for tests, the simulator, and clients that keep no registry.
#include <stdlib.h>

#include "registry/store.h"

struct mem_row {
    struct wf_store_row row;
    struct wf_buf raw;
};
struct mem_store {
    struct wf_store base;
    struct mem_row *rows;
    size_t count, cap;
};

static enum weft_err mem_load(struct wf_store *s, wf_store_visit_fn visit, void *arg)
{
    struct mem_store *m = (struct mem_store *)s;
    enum weft_err err = WEFT_OK;

    // A visitor may put rows again, which moves the array but never reorders it.
    for (size_t i = 0; i < m->count && !err; i++) {
        struct wf_store_row row = m->rows[i].row;
        struct wf_buf copy = { 0 };
        err = wf_bytes_dup(wf_buf_view(&m->rows[i].raw), &copy);
        row.raw = wf_buf_view(&copy);
        if (!err)
            err = visit(arg, &row);
        wf_buf_fini(&copy);
    }
    return err;
}

static size_t mem_find(
    const struct mem_store *m, enum wf_entry_kind kind, const char *domain, const char *name)
{
    size_t i = 0;

    while (i < m->count &&
           (m->rows[i].row.kind != kind || strcmp(m->rows[i].row.domain.s, domain) != 0 ||
               strcmp(m->rows[i].row.name.s, name) != 0))
        i++;
    return i;
}

static enum weft_err mem_put(struct wf_store *s, const struct wf_store_row *row)
{
    struct mem_store *m = (struct mem_store *)s;
    struct wf_buf raw = { 0 };
    size_t i = mem_find(m, row->kind, row->domain.s, row->name.s);

    if (i == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 32;
        struct mem_row *v = realloc(m->rows, cap * sizeof *v);
        if (!v)
            return WEFT_E_NOMEM;
        m->rows = v;
        m->cap = cap;
    }
    enum weft_err err = wf_bytes_dup(row->raw, &raw);
    if (err)
        return err;
    if (i < m->count)
        wf_buf_fini(&m->rows[i].raw);
    else
        m->count++;
    m->rows[i] = (struct mem_row){ .row = *row, .raw = raw };
    return WEFT_OK;
}

static enum weft_err mem_remove(
    struct wf_store *s, enum wf_entry_kind kind, const char *domain, const char *name)
{
    struct mem_store *m = (struct mem_store *)s;
    size_t i = mem_find(m, kind, domain, name);

    if (i == m->count)
        return WEFT_OK;
    wf_buf_fini(&m->rows[i].raw);
    memmove(&m->rows[i], &m->rows[i + 1], (m->count - i - 1) * sizeof *m->rows);
    m->count--;
    return WEFT_OK;
}

static void mem_free(struct wf_store *s)
{
    struct mem_store *m = (struct mem_store *)s;

    for (size_t i = 0; i < m->count; i++)
        wf_buf_fini(&m->rows[i].raw);
    free(m->rows);
    free(m);
}

static enum weft_err mem_together(struct wf_store *s)
{
    (void)s; // nothing of it outlives the process
    return WEFT_OK;
}

static const struct wf_store_ops mem_ops = { mem_load, mem_put, mem_remove, mem_together,
    mem_together, mem_free };

enum weft_err wf_store_mem_new(struct wf_store **ret)
{
    struct mem_store *m = calloc(1, sizeof *m);

    if (!m)
        return WEFT_E_NOMEM;
    m->base.ops = &mem_ops;
    *ret = &m->base;
    return WEFT_OK;
}

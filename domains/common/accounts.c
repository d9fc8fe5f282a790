// SPDX-License-Identifier: Apache-2.0
#include "domains/common/accounts.h"

#include <stdlib.h>

#include "domains/common/bounds.h"

enum column { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, COLUMNS };

// A growing array; a hundred thousand accounts times as many group lines must not be walked account by account.
struct list {
    void *items;
    size_t count, cap, size, max;
};

struct account {
    struct wf_text name, fields[COLUMNS];
    uint32_t uid, gid;
    size_t order;
};

struct group {
    struct wf_text name;
    uint32_t gid;
    size_t order;
};

struct member {
    struct wf_text user;
    size_t group; // its order
};

struct tables {
    struct list accounts, groups, by_gid, members;
};

static enum weft_err add(struct list *l, const void *item)
{
    if (l->count == l->cap) {
        if (l->count >= l->max)
            return WEFT_E_TOO_BIG;
        size_t cap = l->cap ? l->cap * 2 : 64;
        void *items = realloc(l->items, cap * l->size);
        if (!items)
            return WEFT_E_NOMEM;
        l->items = items;
        l->cap = cap;
    }
    memcpy((char *)l->items + l->count * l->size, item, l->size);
    l->count++;
    return WEFT_OK;
}

// ---- lines, as the C library reads them ---------------------------------------------------------------------------------

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Comments, and `+` and `-`, which stand for accounts of NIS (nsswitch.conf(5), compat), are no entries.
static bool is_entry(struct wf_text *line)
{
    while (line->len > 0 && is_space(line->ptr[0])) {
        line->ptr++;
        line->len--;
    }
    return line->len > 0 && line->ptr[0] != '#' && line->ptr[0] != '+' && line->ptr[0] != '-';
}

// strtoul(3) within 32 bits: blanks and a sign before it are let pass, so that "+0" is root; what is too large ends the line.
static bool take_id(struct wf_text t, uint32_t *ret)
{
    uint64_t v = 0;
    bool minus = false;

    while (t.len > 0 && is_space(t.ptr[0]))
        t = (struct wf_text){ t.ptr + 1, t.len - 1 };
    if (t.len > 0 && (t.ptr[0] == '+' || t.ptr[0] == '-')) {
        minus = t.ptr[0] == '-';
        t = (struct wf_text){ t.ptr + 1, t.len - 1 };
    }
    if (wf_text_u64(t, &v))
        return false;
    v = minus ? 0 - v : v;
    if (v > UINT32_MAX)
        return false;
    *ret = (uint32_t)v;
    return true;
}

// The last field is the rest of the line, whatever is in it; what is not there is empty.
static void split(struct wf_text line, struct wf_text *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fields[i] = (struct wf_text){ "", 0 };
        if (i + 1 == count && line.ptr)
            fields[i] = line;
        else
            (void)wf_text_field(&line, ':', &fields[i]);
    }
}

static enum weft_err read_accounts(struct wf_text passwd, struct list *accounts)
{
    struct account a = { .order = 0 };
    struct wf_text line;
    enum weft_err err = WEFT_OK;

    while (!err && wf_text_line(&passwd, &line)) {
        if (!is_entry(&line))
            continue;
        split(line, a.fields, COLUMNS);
        a.name = a.fields[NAME];
        a.order++;
        if (take_id(a.fields[UID], &a.uid) && take_id(a.fields[GID], &a.gid))
            err = add(accounts, &a);
    }
    return err;
}

static enum weft_err read_groups(struct wf_text text, struct tables *t)
{
    struct group g = { .order = 0 };
    struct wf_text line, f[4], one;
    enum weft_err err = WEFT_OK;

    while (!err && wf_text_line(&text, &line)) {
        if (!is_entry(&line))
            continue;
        split(line, f, 4);
        g.name = f[0];
        if (g.name.len == 0 || !take_id(f[2], &g.gid))
            continue;
        err = add(&t->groups, &g);
        while (!err && f[3].len > 0 && wf_text_field(&f[3], ',', &one)) {
            struct member m = { wf_text_trim(one), g.order };
            err = m.user.len > 0 ? add(&t->members, &m) : WEFT_OK;
        }
        g.order++;
    }
    for (size_t i = 0; i < t->groups.count && !err; i++)
        err = add(&t->by_gid, (const struct group *)t->groups.items + i);
    return err;
}

// ---- order ------------------------------------------------------------------------------------------------------------

static int compare(struct wf_text a, struct wf_text b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *left, const void *right)
{
    const struct account *a = left, *b = right;
    int order = compare(a->name, b->name);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_gid(const void *left, const void *right)
{
    const struct group *a = left, *b = right;

    if (a->gid != b->gid)
        return a->gid > b->gid ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

static int by_user(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    int order = compare(a->user, b->user);

    return order ? order : (a->group > b->group) - (a->group < b->group);
}

static void sort(struct list *l, int (*order)(const void *, const void *))
{
    if (l->count > 1)
        qsort(l->items, l->count, l->size, order);
}

// The first item that is not below `wanted`.
static size_t lower_bound(
    const struct list *l, const void *wanted, int (*order)(const void *, const void *))
{
    size_t low = 0, high = l->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order((const char *)l->items + middle * l->size, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// ---- rows -------------------------------------------------------------------------------------------------------------

// The group of the account's own number first, then those that list it.
static void put_groups(struct wf_out *out, const struct tables *t, const struct account *a)
{
    const struct group *all = t->groups.items, *own = t->by_gid.items;
    const struct member *m = t->members.items;
    struct group wanted = { .gid = a->gid };
    struct member first = { a->name, 0 };
    unsigned count = 0;

    wf_out_open_list(out, "groups");
    for (size_t i = lower_bound(&t->by_gid, &wanted, by_gid);
         i < t->by_gid.count && own[i].gid == a->gid && count < WF_HOST_MAX_GROUPS; i++, count++)
        wf_out_item(out, own[i].name);
    for (size_t i = lower_bound(&t->members, &first, by_user);
         i < t->members.count && wf_text_eq(m[i].user, a->name) && count < WF_HOST_MAX_GROUPS;
         i++) {
        bool again = i > 0 && m[i - 1].group == m[i].group && wf_text_eq(m[i - 1].user, a->name);
        if (again || all[m[i].group].gid == a->gid)
            continue;
        wf_out_item(out, all[m[i].group].name);
        count++;
    }
    wf_out_close_list(out);
}

// The full name is the first part of the comment field; the others are room and telephone numbers nobody needs here.
static struct wf_text full_name(struct wf_text gecos)
{
    struct wf_text name = { "", 0 };

    (void)wf_text_field(&gecos, ',', &name);
    return name;
}

// By full path: a program of somebody's home that is called `false` need not refuse. An account without a shell gets /bin/sh (passwd(5)).
static bool may_log_in(struct wf_text shell)
{
    static const char *const folders[] = { "/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/" };
    static const char *const names[] = { "nologin", "false", "sync", "shutdown", "halt" };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t n = strlen(folders[i]);
        if (!wf_text_has_prefix(shell, folders[i]))
            continue;
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
            if (wf_text_is((struct wf_text){ shell.ptr + n, shell.len - n }, names[j]))
                return false;
    }
    return true;
}

static enum weft_err put_row(struct wf_out *out, const struct tables *t, const struct account *a)
{
    wf_out_open_row(out);
    wf_out_str(out, "name", a->name);
    wf_out_key_done(out);
    wf_out_u32(out, "uid", a->uid);
    wf_out_u32(out, "gid", a->gid);
    wf_out_str(out, "fullName", full_name(a->fields[GECOS]));
    wf_out_str(out, "home", a->fields[HOME]);
    wf_out_str(out, "shell", a->fields[SHELL]);
    wf_out_bool(out, "mayLogIn", may_log_in(a->fields[SHELL]));
    put_groups(out, t, a);
    return wf_out_close_row(out);
}

enum weft_err wf_accounts_put(struct wf_out *out, struct wf_text passwd, struct wf_text group)
{
    struct tables t = {
        .accounts = { .size = sizeof(struct account), .max = WF_HOST_MAX_ROWS },
        .groups = { .size = sizeof(struct group), .max = WF_HOST_MAX_ROWS },
        .by_gid = { .size = sizeof(struct group), .max = WF_HOST_MAX_ROWS },
        .members = { .size = sizeof(struct member), .max = WF_HOST_MAX_MEMBERS },
    };
    enum weft_err err = read_accounts(passwd, &t.accounts);

    if (!err)
        err = read_groups(group, &t);
    sort(&t.accounts, by_name);
    sort(&t.by_gid, by_gid);
    sort(&t.members, by_user);
    const struct account *a = t.accounts.items;
    // Of two lines with one name the first is the account: login(1) never comes to the second.
    for (size_t i = 0; i < t.accounts.count && !err; i++)
        if (i == 0 || !wf_text_eq(a[i].name, a[i - 1].name))
            err = put_row(out, &t, &a[i]);
    free(t.accounts.items);
    free(t.groups.items);
    free(t.by_gid.items);
    free(t.members.items);
    return err;
}

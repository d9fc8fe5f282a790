// SPDX-License-Identifier: Apache-2.0
#include "domains/common/owners.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "domains/common/bounds.h"

struct scan {
    struct wf_owners owners;
    size_t looked_at;
};

// "socket:[12345]"
static bool socket_inode(int folder, const char *name, uint64_t *ret)
{
    char target[64];
    ssize_t n = readlinkat(folder, name, target, sizeof target);
    struct wf_text t = { target, n > 0 ? (size_t)n : 0 };

    if (!wf_text_has_prefix(t, "socket:[") || t.ptr[t.len - 1] != ']')
        return false;
    return wf_text_u64((struct wf_text){ t.ptr + 8, t.len - 9 }, ret) == WEFT_OK;
}

static enum weft_err add(struct wf_owners *o, const struct wf_owner *one)
{
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 256;
        struct wf_owner *list = realloc(o->list, cap * sizeof *list);
        if (!list)
            return WEFT_E_NOMEM;
        o->list = list;
        o->cap = cap;
    }
    o->list[o->count++] = *one;
    return WEFT_OK;
}

static void read_command(uint32_t pid, char out[16])
{
    char path[64];
    struct wf_file file;
    struct wf_text line = { NULL, 0 };

    out[0] = '\0';
    snprintf(path, sizeof path, "/proc/%u/comm", (unsigned)pid);
    if (wf_file_read("", path, WF_HOST_MAX_PROC, &file))
        return;
    struct wf_text text = wf_file_text(&file);
    if (wf_text_line(&text, &line) && wf_text_copy(line, out, 16))
        out[0] = '\0';
    wf_file_fini(&file);
}

static enum weft_err scan_process(struct scan *s, uint32_t pid)
{
    char path[64];
    struct wf_owner one = { .pid = pid };
    const struct dirent *entry;
    enum weft_err err = WEFT_OK;

    snprintf(path, sizeof path, "/proc/%u/fd", (unsigned)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return WEFT_OK;
    for (entry = readdir(folder); entry && !err && s->looked_at < WF_HOST_MAX_FDS;
         entry = readdir(folder)) {
        s->looked_at++;
        if (!socket_inode(dirfd(folder), entry->d_name, &one.inode))
            continue;
        if (one.command[0] == '\0')
            read_command(pid, one.command);
        err = add(&s->owners, &one);
    }
    closedir(folder);
    return err;
}

static int by_inode(const void *left, const void *right)
{
    const struct wf_owner *a = left, *b = right;

    if (a->inode != b->inode)
        return a->inode > b->inode ? 1 : -1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static void keep_lowest(struct wf_owners *o)
{
    size_t kept = 0;

    if (o->count < 2)
        return;
    qsort(o->list, o->count, sizeof *o->list, by_inode);
    for (size_t i = 0; i < o->count; i++)
        if (kept == 0 || o->list[i].inode != o->list[kept - 1].inode)
            o->list[kept++] = o->list[i];
    o->count = kept;
}

enum weft_err wf_owners_read(struct wf_owners *ret)
{
    struct scan s = { .looked_at = 0 };
    const struct dirent *entry;
    enum weft_err err = WEFT_OK;
    DIR *proc = opendir("/proc");

    if (!proc) {
        *ret = s.owners;
        return WEFT_OK;
    }
    for (entry = readdir(proc); entry && !err && s.looked_at < WF_HOST_MAX_FDS;
         entry = readdir(proc)) {
        uint32_t pid = 0;
        if (wf_text_u32(wf_text(entry->d_name), &pid) == WEFT_OK)
            err = scan_process(&s, pid);
    }
    closedir(proc);
    if (err) {
        wf_owners_fini(&s.owners);
        return err;
    }
    keep_lowest(&s.owners);
    *ret = s.owners;
    return WEFT_OK;
}

void wf_owners_fini(struct wf_owners *o)
{
    free(o->list);
    *o = (struct wf_owners){ 0 };
}

const struct wf_owner *wf_owners_find(const struct wf_owners *o, uint64_t inode)
{
    size_t low = 0, high = o->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->list[middle].inode == inode)
            return &o->list[middle];
        if (o->list[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

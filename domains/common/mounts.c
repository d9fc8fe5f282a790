// SPDX-License-Identifier: Apache-2.0
#include "domains/common/mounts.h"

#include <stdlib.h>

#include "domains/common/bounds.h"

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

// Undoes \040 and its like in place and ends the text with NUL; there is room, as a separator follows every field, and
// behind a file's last byte one is free.
static const char *unescape(char *text, size_t len)
{
    size_t to = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && len - i > 3 && text[i + 1] <= '3' && is_octal(text[i + 1]) &&
            is_octal(text[i + 2]) && is_octal(text[i + 3])) {
            text[to++] =
                (char)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
            i += 3;
        } else {
            text[to++] = text[i];
        }
    }
    text[to] = '\0';
    return text;
}

// One field ends at one blank: an empty device is two blanks in a row.
static bool take(struct wf_text *line, struct wf_text *ret)
{
    return wf_text_field(line, ' ', ret);
}

static bool take_number(struct wf_text *line, uint64_t *ret)
{
    struct wf_text field;

    return take(line, &field) && wf_text_u64(field, ret) == WEFT_OK;
}

// "254:0"
static bool take_device(struct wf_text *line, uint64_t *ret)
{
    struct wf_text field, major;
    uint32_t high = 0, low = 0;

    if (!take(line, &field) || !wf_text_field(&field, ':', &major) || wf_text_u32(major, &high) ||
        wf_text_u32(field, &low))
        return false;
    *ret = (uint64_t)high << 32 | low;
    return true;
}

// Of an overlay's options, the value of upperdir= (Documentation/filesystems/overlayfs.rst); empty without one.
static struct wf_text upper_of(struct wf_text options)
{
    static const char name[] = "upperdir=";
    const size_t n = sizeof name - 1;
    struct wf_text one;

    while (wf_text_field(&options, ',', &one))
        if (wf_text_has_prefix(one, name))
            return (struct wf_text){ one.ptr + n, one.len - n };
    return (struct wf_text){ NULL, 0 };
}

// "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/sda rw": the number of tagged fields before '-' varies.
static bool parse_line(char *base, struct wf_text line, struct wf_mount *ret)
{
    struct wf_text root, point, options, field, fstype, source, super, upper = { NULL, 0 };
    struct wf_mount m = { .upper = "" };

    if (!take_number(&line, &m.id) || !take_number(&line, &m.parent) ||
        !take_device(&line, &m.device) || !take(&line, &root) || !take(&line, &point) ||
        !take(&line, &options))
        return false;
    do {
        if (!take(&line, &field))
            return false;
    } while (!wf_text_is(field, "-"));
    if (!take(&line, &fstype) || !take(&line, &source) || point.len == 0 || point.ptr[0] != '/' ||
        fstype.len == 0)
        return false;
    if (wf_text_is(fstype, "overlay") && take(&line, &super))
        upper = upper_of(super);
    const char *start = base;
    m.root = unescape(base + (root.ptr - start), root.len);
    m.point = unescape(base + (point.ptr - start), point.len);
    m.options = unescape(base + (options.ptr - start), options.len);
    m.fstype = unescape(base + (fstype.ptr - start), fstype.len);
    m.source = unescape(base + (source.ptr - start), source.len);
    if (upper.len > 0)
        m.upper = unescape(base + (upper.ptr - start), upper.len);
    *ret = m;
    return true;
}

static int by_point(const void *left, const void *right)
{
    const struct wf_mount *a = left, *b = right;
    int order = strcmp(a->point, b->point);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *left, const void *right)
{
    const struct wf_mount *a = left, *b = right;

    return (a->order > b->order) - (a->order < b->order);
}

// Of the mounts with one mount point the one that no other of them lies on; the last of several (one of them is below a
// mount over a directory above). The order alone does not tell: Linux 6.5 can put a mount beneath another
// (MOVE_MOUNT_BENEATH of move_mount).
static const struct wf_mount *topmost(const struct wf_mount *same, size_t count)
{
    const struct wf_mount *top = &same[count - 1];
    bool found = false;

    for (size_t i = count; i > 0 && !found; i--) {
        found = true;
        for (size_t j = 0; j < count && found; j++)
            found = j == i - 1 || same[j].parent != same[i - 1].id;
        if (found)
            top = &same[i - 1];
    }
    return top;
}

static void keep_topmost(struct wf_mounts *m)
{
    size_t kept = 0;

    if (m->count < 2)
        return;
    qsort(m->list, m->count, sizeof *m->list, by_point);
    for (size_t i = 0, n = 1; i < m->count; i += n, n = 1) {
        while (i + n < m->count && strcmp(m->list[i].point, m->list[i + n].point) == 0)
            n++;
        m->list[kept++] = *topmost(&m->list[i], n);
    }
    m->count = kept;
    qsort(m->list, m->count, sizeof *m->list, by_order);
}

static enum weft_err add(struct wf_mounts *m, size_t *cap, const struct wf_mount *one)
{
    if (m->count == *cap) {
        if (m->count >= WF_HOST_MAX_MOUNTS)
            return WEFT_E_TOO_BIG;
        size_t grown = *cap ? *cap * 2 : 64;
        struct wf_mount *list = realloc(m->list, grown * sizeof *list);
        if (!list)
            return WEFT_E_NOMEM;
        m->list = list;
        *cap = grown;
    }
    m->list[m->count++] = *one;
    return WEFT_OK;
}

enum weft_err wf_mounts_parse(struct wf_file *file, struct wf_mounts *ret)
{
    struct wf_mounts m = { .file = *file };
    struct wf_text text = wf_file_text(file), line;
    size_t cap = 0, order = 0;

    *file = (struct wf_file){ NULL, 0 };
    while (wf_text_line(&text, &line)) {
        struct wf_mount one;
        order++;
        if (!parse_line(m.file.ptr, line, &one))
            continue;
        one.order = order;
        enum weft_err err = add(&m, &cap, &one);
        if (err) {
            wf_mounts_fini(&m);
            return err;
        }
    }
    keep_topmost(&m);
    *ret = m;
    return WEFT_OK;
}

enum weft_err wf_mounts_read(struct wf_collect *c, struct wf_mounts *ret)
{
    struct wf_file file;
    enum weft_err err = wf_collect_file(c, "/proc/self/mountinfo", WF_HOST_MAX_PROC, &file);

    if (err)
        return err;
    err = wf_mounts_parse(&file, ret);
    if (err)
        wf_problem(c, err, "%s/proc/self/mountinfo: %s", c->root,
            err == WEFT_E_TOO_BIG ? "too many mounts" : "out of memory");
    return err;
}

void wf_mounts_fini(struct wf_mounts *m)
{
    free(m->list);
    wf_file_fini(&m->file);
    m->list = NULL;
    m->count = 0;
}

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

bool wf_mount_is_pseudo(const struct wf_mount *m)
{
    static const char *const types[] = { "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2",
        "configfs", "debugfs", "devpts", "fusectl", "mqueue", "nsfs", "proc", "pstore",
        "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs" };

    return is_one_of(m->fstype, types, sizeof types / sizeof types[0]);
}

bool wf_mount_is_remote(const struct wf_mount *m)
{
    static const char *const types[] = { "acfs", "afs", "auristorfs", "ceph", "cifs", "coda",
        "fhgfs", "fuse", "glusterfs", "gpfs", "ibrix", "lustre", "nfs", "nfs4", "ocfs2", "smb3",
        "smbfs", "vxfs" };

    return strchr(m->source, ':') != NULL || strncmp(m->source, "//", 2) == 0 ||
           strncmp(m->fstype, "fuse.", 5) == 0 ||
           is_one_of(m->fstype, types, sizeof types / sizeof types[0]);
}

bool wf_mount_is_read_only(const struct wf_mount *m)
{
    struct wf_text options = wf_text(m->options), one;

    while (wf_text_field(&options, ',', &one))
        if (wf_text_is(one, "ro"))
            return true;
    return false;
}

// `point` is `path` or a directory above it.
static bool is_above(const char *point, const char *path)
{
    size_t n = strlen(point);

    if (n == 1) // the root of the tree
        return true;
    return strncmp(point, path, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

bool wf_mount_is_behind_remote(const struct wf_mounts *mounts, const struct wf_mount *m)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const struct wf_mount *r = &mounts->list[i];
        // A root that does not answer stops this program, too.
        if (r != m && r->point[1] != '\0' && wf_mount_is_remote(r) && is_above(r->point, m->point))
            return true;
    }
    return false;
}

const struct wf_mount *wf_mounts_find(const struct wf_mounts *mounts, const char *path)
{
    const struct wf_mount *found = NULL;

    for (size_t i = 0; i < mounts->count; i++) {
        const struct wf_mount *m = &mounts->list[i];
        if (is_above(m->point, path) && (!found || strlen(m->point) > strlen(found->point)))
            found = m;
    }
    return found;
}

// SPDX-License-Identifier: Apache-2.0
// All files of a disk in memory, to begin from again and again, and one of them hurt: a bit flipped, or the end cut off. Static, for one binary.
// Then what the store itself says of it. Test code.
#ifndef WF_TESTS_DAMAGE_H
#define WF_TESTS_DAMAGE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/log/look.h"
#include "node/log/meta.h"
#include "proto/base/bytes.h"
#include "tests/support/memdisk.h"
#include "tests/support/suite.h"
#include "tests/support/support.h"

#define IMAGE_FILES 32u

static const struct damage_kind {
    const char *name;
    bool closed; // was it stopped in order?
    bool truncate;
} damage_kinds[] = {
    { "bit flips, closed", true, false },
    { "truncations, closed", true, true },
    { "bit flips, after a crash", false, false },
    { "truncations, after a crash", false, true },
};
#define DAMAGE_KINDS 4

struct image {
    size_t count;
    char names[IMAGE_FILES][256];
    struct wf_buf content[IMAGE_FILES];
};

static void take_image(struct wf_memdisk *disk, struct image *m)
{
    static const char *const suffixes[] = { ".seg", ".idx", ".meta" };
    size_t len = 0;

    *m = (struct image){ 0 };
    for (size_t k = 0; k < WF_COUNT(suffixes); k++)
        for (size_t i = 0; wf_memdisk_name(disk, i, suffixes[k]); i++) {
            const char *name = wf_memdisk_name(disk, i, suffixes[k]);
            const uint8_t *p = wf_memdisk_file(disk, name, &len);
            ck_assert_uint_lt(m->count, IMAGE_FILES);
            snprintf(m->names[m->count], sizeof m->names[0], "%s", name);
            ck_assert_int_eq(wf_bytes_dup(wf_bytes(p, len), &m->content[m->count++]), WEFT_OK);
        }
}

static void put_image(struct wf_memdisk *disk, const struct image *m)
{
    for (size_t i = 0; i < m->count; i++)
        wf_memdisk_put(disk, m->names[i], wf_buf_view(&m->content[i]));
}

static void free_image(struct image *m)
{
    for (size_t i = 0; i < m->count; i++)
        wf_buf_fini(&m->content[i]);
}

// Changes one file at random; the seed decides. Returns its name.
static const char *hurt(
    struct wf_memdisk *disk, const struct image *m, bool truncate, uint64_t *seed)
{
    size_t file = (size_t)(wf_test_rand(seed) % m->count);
    struct wf_bytes b = wf_buf_view(&m->content[file]);
    size_t at = (size_t)(wf_test_rand(seed) % b.len);

    if (truncate) {
        wf_memdisk_put(disk, m->names[file], wf_bytes(b.ptr, at));
        return m->names[file];
    }
    uint8_t *p = wf_memdisk_file(disk, m->names[file], &b.len);
    p[at] ^= (uint8_t)(1u << wf_test_rand(seed) % 8);
    return m->names[file];
}

// ---- what a look says of it ----------------------------------------------------------------------------------------------

static void count_flaw(void *arg, const struct wf_log_flaw *f)
{
    (void)f;
    ++*(size_t *)arg;
}

// Does our own code see that this file was changed?
static bool is_seen(struct wf_memdisk *disk, const char *name)
{
    struct wf_vfs vfs = wf_memdisk_vfs(disk);
    struct wf_log_look *look = NULL;
    struct wf_log_tally tally;
    size_t flaws = 0;
    char dir[300], base[64];
    const char *slash = strrchr(name, '/');

    snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    if (strstr(dir, "/meta")) { // not of a store
        struct wf_buf value = { 0 };
        snprintf(base, sizeof base, "%.*s", (int)strlen(slash + 1) - 5, slash + 1);
        enum weft_err err = wf_meta_get(&vfs, dir, base, &value);
        wf_buf_fini(&value);
        return err == WEFT_E_DAMAGED;
    }
    ck_assert_int_eq(
        wf_log_look_open(&vfs, &(struct wf_log_look_conf){ .dir = dir }, &look), WEFT_OK);
    ck_assert_int_eq(wf_log_look_check(look, count_flaw, &flaws, &tally), WEFT_OK);
    wf_log_look_close(look);
    return flaws > 0;
}

// ---- again and again -----------------------------------------------------------------------------------------------------

static struct {
    int count;
    uint64_t named, silent; // by the store
} damages;

// A copy of the image with one file hurt, which the store names unless it is a cut of what was never closed. Returns the file.
static const char *put_hurt(
    struct wf_memdisk *disk, const struct image *m, const struct damage_kind *k, uint64_t *seed)
{
    put_image(disk, m);
    const char *name = hurt(disk, m, k->truncate, seed);
    bool seen = is_seen(disk, name);

    ck_assert_msg(seen || (k->truncate && !k->closed), "%s: %s was not noticed", k->name, name);
    damages.named += seen;
    damages.silent += !seen;
    return name;
}

// Of WEFT_FAULT_DAMAGES in all, the part of one kind.
static int damages_each(void)
{
    const char *text = getenv("WEFT_FAULT_DAMAGES");
    long all = text ? strtol(text, NULL, 10) : 500;

    ck_assert_msg(all > 0, "WEFT_FAULT_DAMAGES=%s is no count", text);
    return (int)((all + DAMAGE_KINDS - 1) / DAMAGE_KINDS);
}

// All of one kind: `one` starts on a hurt copy of the image, looks at what is there and stops.
static void damage_all(const struct damage_kind *k, uint64_t seed,
    void (*one)(const struct damage_kind *k, uint64_t *seed))
{
    damages.count = damages_each();
    for (int i = 0; i < damages.count; i++)
        one(k, &seed);
    printf("%s: %d, %llu named by the store, %llu clean cuts; ", k->name, damages.count,
        (unsigned long long)damages.named, (unsigned long long)damages.silent);
}

#endif

// SPDX-License-Identifier: Apache-2.0
// All files of a disk in memory, to begin from again and again, and one of them hurt: a bit flipped, or the end cut off. Static, for one binary.
// Test code.
#ifndef WF_TESTS_DAMAGE_H
#define WF_TESTS_DAMAGE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/support/memdisk.h"
#include "tests/support/support.h"

#define IMAGE_FILES 32u

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

// Of WEFT_FAULT_DAMAGES in all, the part of one of so many kinds.
static int damages_each(size_t kinds, long here)
{
    const char *text = getenv("WEFT_FAULT_DAMAGES");
    long all = text ? strtol(text, NULL, 10) : here;

    ck_assert_msg(all > 0, "WEFT_FAULT_DAMAGES=%s is no count", text);
    return (int)((all + (long)kinds - 1) / (long)kinds);
}

#endif

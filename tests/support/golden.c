// SPDX-License-Identifier: Apache-2.0
#include "tests/support/golden.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void wf_golden_path(const char *folder, const char *name, char out[WF_GOLDEN_PATH])
{
    const char *root = getenv("WEFT_SOURCE_DIR");

    snprintf(out, WF_GOLDEN_PATH, "%s/tests/vectors/%s/%s", root ? root : ".", folder, name);
}

static void find(const char *folder, glob_t *found)
{
    char pattern[WF_GOLDEN_PATH];

    wf_golden_path(folder, "*.yaml", pattern);
    ck_assert_msg(glob(pattern, 0, NULL, found) == 0, "nothing at %s", pattern);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void errors_path(const char *yaml, char out[WF_GOLDEN_PATH])
{
    snprintf(out, WF_GOLDEN_PATH, "%.*s.errors", (int)(strlen(yaml) - strlen(".yaml")), yaml);
}

static void write_golden(const char *path, struct wf_bytes said)
{
    if (said.len == 0) {
        unlink(path);
        return;
    }
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(said.ptr, 1, said.len, f), said.len);
    ck_assert_int_eq(fclose(f), 0);
}

static void check_one(const char *yaml, wf_golden_fn read)
{
    char path[WF_GOLDEN_PATH];
    struct wf_buf want = { 0 }, said = { 0 };
    struct wf_buf text = wf_test_file(yaml);

    errors_path(yaml, path);
    read(wf_buf_view(&text), base_name(yaml), &said);
    if (getenv("WEFT_GOLDEN_WRITE")) {
        write_golden(path, wf_buf_view(&said));
    } else {
        if (access(path, R_OK) == 0)
            want = wf_test_file(path);
        ck_assert_msg(wf_bytes_eq(wf_buf_view(&want), wf_buf_view(&said)),
            "%s\n--- wanted\n%.*s--- said\n%.*s", yaml, (int)want.len, (const char *)want.ptr,
            (int)said.len, (const char *)said.ptr);
    }
    wf_buf_fini(&want);
    wf_buf_fini(&said);
    wf_buf_fini(&text);
}

size_t wf_golden_check(const char *folder, wf_golden_fn read)
{
    glob_t found = { 0 };

    find(folder, &found);
    size_t count = found.gl_pathc;
    for (size_t i = 0; i < count; i++)
        check_one(found.gl_pathv[i], read);
    globfree(&found);
    return count;
}

size_t wf_golden_truncate(const char *folder, wf_golden_fn read)
{
    glob_t found = { 0 };

    find(folder, &found);
    size_t count = found.gl_pathc;
    for (size_t i = 0; i < count; i++) {
        struct wf_buf text = wf_test_file(found.gl_pathv[i]);
        for (size_t len = 0; len <= text.len; len++) {
            struct wf_buf said = { 0 };
            // A copy of the exact size, so that a read past the end is seen.
            uint8_t *cut = malloc(len ? len : 1);
            ck_assert_ptr_nonnull(cut);
            memcpy(cut, text.ptr, len);
            read(wf_bytes(cut, len), base_name(found.gl_pathv[i]), &said);
            free(cut);
            wf_buf_fini(&said);
        }
        wf_buf_fini(&text);
    }
    globfree(&found);
    return count;
}

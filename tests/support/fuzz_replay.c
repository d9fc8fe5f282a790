// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over a corpus without libFuzzer: every file named or found below the folders named.
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long files;

static int run_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (flag != FTW_F)
        return 0;
    struct wf_buf b = wf_test_file(path);
    // A copy of the exact size, so that reading one byte past the end is seen by ASan.
    uint8_t *exact = malloc(b.len ? b.len : 1);
    if (!exact)
        abort();
    if (b.len)
        memcpy(exact, b.ptr, b.len);
    LLVMFuzzerTestOneInput(exact, b.len);
    free(exact);
    wf_buf_fini(&b);
    files++;
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (nftw(argv[i], run_one, 16, FTW_PHYS) != 0)
            return 1;
    printf("%ld corpus files\n", files);
    return files > 0 ? 0 : 1;
}

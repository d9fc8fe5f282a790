// SPDX-License-Identifier: Apache-2.0
#include "tests/support/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *path)
{
    fprintf(stderr, "test support: %s: %s\n", what, path);
    abort();
}

struct wf_buf wf_test_file(const char *path)
{
    struct wf_buf b = { 0 };
    FILE *f = fopen(path, "rb");

    if (!f)
        die("cannot open", path);
    for (;;) {
        if (wf_buf_reserve(&b, 65536))
            die("out of memory", path);
        size_t n = fread(b.ptr + b.len, 1, b.cap - b.len, f);
        if (n == 0)
            break;
        b.len += n;
    }
    fclose(f);
    return b;
}

struct wf_buf wf_test_hex(const char *hex)
{
    struct wf_buf clean = { 0 }, out = { 0 };
    bool comment = false;

    for (const char *p = hex; *p; p++) {
        if (*p == '#')
            comment = true;
        if (*p == '\n')
            comment = false;
        if (comment || strchr(" \t\r\n", *p))
            continue;
        if (wf_buf_append_byte(&clean, (uint8_t)*p))
            die("out of memory", "hex");
    }
    if (wf_hex_take(wf_buf_view(&clean), &out))
        die("not hex", hex);
    wf_buf_fini(&clean);
    return out;
}

struct wf_buf wf_test_vector(const char *name)
{
    char path[512];
    const char *root = getenv("WEFT_SOURCE_DIR");

    snprintf(path, sizeof path, "%s/tests/vectors/%s", root ? root : ".", name);
    struct wf_buf text = wf_test_file(path);
    if (wf_buf_append_byte(&text, 0))
        die("out of memory", path);
    struct wf_buf out = wf_test_hex((const char *)text.ptr);
    wf_buf_fini(&text);
    return out;
}

const char *wf_test_vectors_dir(void)
{
    static char path[512];
    const char *dir = getenv("WEFT_VECTORS");
    const char *root = getenv("WEFT_SOURCE_DIR");
    struct stat st;

    if (dir)
        snprintf(path, sizeof path, "%s", dir);
    else
        snprintf(path, sizeof path, "%s/../shared/vectors", root ? root : ".");
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? path : NULL;
}

json_t *wf_test_json(const char *path)
{
    json_error_t e;
    json_t *j = json_load_file(path, 0, &e);

    if (!j)
        die(e.text, path);
    return j;
}

struct wf_buf wf_test_json_hex(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? wf_test_hex(s) : (struct wf_buf){ 0 };
}

static struct tmpdir {
    char path[256];
    pid_t owner;
    struct tmpdir *next;
} * tmpdirs;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_tmpdirs(void)
{
    while (tmpdirs) {
        struct tmpdir *d = tmpdirs;
        tmpdirs = d->next;
        if (getpid() == d->owner && !getenv("WEFT_KEEP"))
            nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(d);
    }
}

const char *wf_test_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    struct tmpdir *d = calloc(1, sizeof *d);

    if (!d)
        die("out of memory", "wf_test_tmpdir");
    snprintf(d->path, sizeof d->path, "%s/weft-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(d->path))
        die("cannot make", d->path);
    d->owner = getpid();
    if (!tmpdirs)
        atexit(remove_tmpdirs);
    d->next = tmpdirs;
    tmpdirs = d;
    return d->path;
}

static int empty_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return ftw->level > 0 ? remove_one(path, st, flag, ftw) : 0;
}

void wf_test_empty(const char *dir)
{
    if (nftw(dir, empty_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        die("cannot empty", dir);
}

uint64_t wf_test_rand(uint64_t *state)
{
    uint64_t x = *state ? *state : 0x9e3779b97f4a7c15u;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1du;
}

void wf_test_rand_bytes(uint64_t *state, void *out, size_t len)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(wf_test_rand(state) >> 56);
}

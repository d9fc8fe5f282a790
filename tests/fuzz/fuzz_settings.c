// SPDX-License-Identifier: Apache-2.0
// Files of whoever runs a reader: weft-monitor.yaml as each of its commands reads it, and the cursor's file of `weft subscribe`. The first byte picks.
// What is taken of a configuration is within its bounds; a cursor that is read is written back as it was, and read the same again.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft/conf.h>

#include "domains/monitoring/batch/store.h"
#include "domains/monitoring/common/config.h"
#include "sdk/cli/subscribe.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

static const char *text;
static size_t text_len;

static void must(bool right)
{
    if (!right)
        abort();
}

// No power fails here.
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    return 0;
}

// ---- weft-monitor.yaml -----------------------------------------------------------------------------------------------

enum weft_err __wrap_weft_conf_open(
    const char *path, unsigned flags, struct weft_conf **ret, struct weft_problem *problem);
enum weft_err __wrap_weft_conf_open(
    const char *path, unsigned flags, struct weft_conf **ret, struct weft_problem *problem)
{
    (void)flags;
    return weft_conf_parse(text, text_len, path, ret, problem);
}

static void monitor(unsigned which)
{
    static const char *const commands[] = { "run", "store", "write", "alert", "top", "status" };
    static struct wf_mon_options o;
    struct wf_mon_config *c = NULL;
    FILE *kept = stderr;
    char *told = NULL;
    size_t told_len = 0;

    stderr = open_memstream(&told, &told_len); // where mistakes are told
    must(stderr != NULL);
    o = (struct wf_mon_options){ .dir = NULL };
    int status = wf_mon_config_read(
        "/etc/weft/weft-monitor.yaml", commands[which % WF_COUNT(commands)], &o, &c);
    fclose(stderr);
    stderr = kept;
    must((status == 0) == (told_len == 0));
    free(told);
    must(o.pattern_count <= WF_MON_PATTERNS && o.keep_count <= WF_MON_KEEPS);
    for (size_t i = 0; i < o.pattern_count; i++)
        must(o.patterns[i][0] != '\0');
    for (size_t i = 0; i < o.keep_count; i++)
        must(wf_mon_keep_is_good(o.keeps[i]));
    must(o.discover_ms == 0 || (o.discover_ms >= 100 && o.discover_ms <= 86400000));
    // Paths are those of the file's folder, or absolute.
    must(!o.db[0] || o.db[0] == '/');
    must(!o.alerts[0] || o.alerts[0] == '/');
    must(!o.remote_state[0] || o.remote_state[0] == '/');
    must(!o.dir || o.dir[0] == '/');
    must(status || !o.remote_auth || o.remote);
    wf_mon_config_free(c);
}

// ---- the command line that the cursor's file is a part of --------------------------------------------------------------

int wf_cli_fail(enum weft_err err, const char *format, ...)
{
    (void)format;
    return err ? 1 : 0;
}

int wf_cli_diag(enum weft_err err, const struct wf_diag *diag, const char *what)
{
    (void)what;
    must(diag->text[0] != '\0'); // with its place
    return err ? 1 : 0;
}

// ---- the cursor's file -----------------------------------------------------------------------------------------------

static const char *cursor_path(void)
{
    static char path[256];

    if (!path[0])
        snprintf(path, sizeof path, "%s/cursor", wf_test_tmpdir());
    return path;
}

static bool same(const struct wf_cursor_file *a, const struct wf_cursor_file *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!wf_bytes_eq(wf_buf_view(&a->rows[i].key), wf_buf_view(&b->rows[i].key)) ||
            !wf_bytes_eq(wf_buf_view(&a->rows[i].value), wf_buf_view(&b->rows[i].value)))
            return false;
    return true;
}

static void cursor(void)
{
    struct wf_cursor_file f = { .path = cursor_path() }, again = f;
    struct weft_cursor_row *views = NULL;
    size_t count = 0;
    int fd = open(cursor_path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    must(fd >= 0 && write(fd, text, text_len) == (ssize_t)text_len);
    close(fd);
    if (wf_cursor_file_load(&f) == 0) {
        must(!f.changed);
        must(wf_cursor_file_views(&f, &views, &count) == 0 && count <= f.count);
        free(views);
        uint64_t printed = wf_cursor_file_printed(&f, "servers/cpu", "batch");
        f.changed = true;
        must(wf_cursor_file_save(&f) == 0 && wf_cursor_file_load(&again) == 0);
        must(same(&f, &again) && wf_cursor_file_printed(&again, "servers/cpu", "batch") == printed);
        // How far a batch was printed is known again.
        must(wf_cursor_file_part(&again, "servers/cpu", "batch", 42) == WEFT_OK);
        must(wf_cursor_file_printed(&again, "servers/cpu", "batch") == 42);
    }
    wf_cursor_file_fini(&f);
    wf_cursor_file_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = malloc(size); // of its exact size
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    text = copy;
    text_len = size - 1;
    if (data[0] & 1)
        cursor();
    else
        monitor(data[0] >> 1);
    free(copy);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// The cursor of weft subscribe: rows of one or several products in a file of hex lines, replaced as a whole.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/cli/client.h"
#include "sdk/cli/subscribe.h"
#include "sdk/conf/file.h"
#include "sdk/conf/values.h"
#include "sdk/disk.h"

#define CURSOR_FILE_MAX (32u * WF_MIB)

enum weft_err wf_cursor_file_put(
    struct wf_cursor_file *f, struct wf_bytes key, struct wf_bytes value)
{
    struct wf_cursor_file_row *at = NULL;
    struct wf_buf fresh = { 0 };

    for (size_t i = 0; i < f->count && !at; i++)
        if (wf_bytes_eq(wf_buf_view(&f->rows[i].key), key))
            at = &f->rows[i];
    enum weft_err err = wf_bytes_dup(value, &fresh);
    if (!err && !at) {
        struct wf_cursor_file_row *more = realloc(f->rows, (f->count + 1) * sizeof *more);
        if (more) {
            f->rows = more;
            at = &f->rows[f->count];
            *at = (struct wf_cursor_file_row){ 0 };
            err = wf_bytes_dup(key, &at->key);
            f->count += !err;
        } else {
            err = WEFT_E_NOMEM;
        }
    }
    if (err) {
        wf_buf_fini(&fresh);
        return err;
    }
    wf_buf_fini(&at->value);
    at->value = fresh;
    f->changed = true;
    return WEFT_OK;
}

// ---- batches that were printed in part -------------------------------------------------------------------------------------

// "part PRODUCT" and "OFFSET BATCH": no key of libweft's begins so.
#define PART "part "

static bool is_part(const struct wf_cursor_file_row *row)
{
    return row->key.len > sizeof PART - 1 && memcmp(row->key.ptr, PART, sizeof PART - 1) == 0;
}

enum weft_err wf_cursor_file_part(
    struct wf_cursor_file *f, const char *product, const char *batch, uint64_t next_offset)
{
    struct wf_buf key = { 0 }, value = { 0 };
    enum weft_err err = wf_buf_printf(&key, PART "%s", product);

    if (!err)
        err = wf_buf_printf(&value, "%llu %s", (unsigned long long)next_offset, batch);
    if (!err)
        err = wf_cursor_file_put(f, wf_buf_view(&key), wf_buf_view(&value));
    wf_buf_fini(&key);
    wf_buf_fini(&value);
    return err;
}

uint64_t wf_cursor_file_printed(
    const struct wf_cursor_file *f, const char *product, const char *batch)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct wf_cursor_file_row *row = &f->rows[i];
        struct wf_bytes of = wf_buf_view(&row->key), v = wf_buf_view(&row->value);
        if (!is_part(row) ||
            !wf_bytes_is(wf_bytes(of.ptr + sizeof PART - 1, of.len - sizeof PART + 1), product))
            continue;
        const uint8_t *space = v.len ? memchr(v.ptr, ' ', v.len) : NULL;
        size_t digits = space ? (size_t)(space - v.ptr) : 0;
        uint64_t offset = 0;
        if (space && wf_bytes_is(wf_bytes(space + 1, v.len - digits - 1), batch) &&
            wf_u64_parse(wf_bytes(v.ptr, digits), &offset) == WEFT_OK)
            return offset;
    }
    return 0;
}

// ---- the file --------------------------------------------------------------------------------------------------------------

static enum weft_err parse_row(struct wf_cursor_file *f, struct wf_bytes line)
{
    const uint8_t *space = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
    struct wf_buf key = { 0 }, value = { 0 };
    enum weft_err err = space ? WEFT_OK : WEFT_E_SYNTAX;

    if (!err)
        err = wf_hex_take(wf_bytes(line.ptr, (size_t)(space - line.ptr)), &key);
    if (!err)
        err = wf_hex_take(wf_bytes(space + 1, line.len - (size_t)(space - line.ptr) - 1), &value);
    if (!err)
        err = wf_cursor_file_put(f, wf_buf_view(&key), wf_buf_view(&value));
    wf_buf_fini(&key);
    wf_buf_fini(&value);
    return err;
}

// Said before the first record is printed, not after the last.
static int is_writable(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = NULL;
    enum weft_err err = wf_bytes_strdup(
        slash ? wf_bytes((const uint8_t *)path, slash == path ? 1 : (size_t)(slash - path))
              : WF_STR("."),
        &dir);
    int status = err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;

    if (!err && access(dir, W_OK) != 0)
        status = wf_cli_fail(errno == EACCES  ? WEFT_E_PERMISSION
                             : errno == EROFS ? WEFT_E_IO
                                              : WEFT_E_NOT_FOUND,
            "--cursor %s: %s can't be written: %s", path, dir, strerror(errno));
    free(dir);
    return status;
}

int wf_cursor_file_load(struct wf_cursor_file *f)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(f->path, CURSOR_FILE_MAX, WF_FILE_ANY, &text, &diag);
    struct wf_bytes in = wf_buf_view(&text);
    unsigned number = 0;

    if (err == WEFT_E_NOT_FOUND)
        return is_writable(f->path); // the first run
    while (!err && in.len) {
        const uint8_t *end = memchr(in.ptr, '\n', in.len);
        size_t len = end ? (size_t)(end - in.ptr) : in.len;
        number++;
        err = parse_row(f, wf_bytes(in.ptr, len));
        if (err)
            wf_diag_set(&diag, number, 1,
                "%s:%u: not a line of a cursor, as weft subscribe --cursor writes them; move the "
                "file away and say with --from where to go on",
                f->path, number);
        in = wf_bytes(in.ptr + len + (end != NULL), in.len - len - (end != NULL));
    }
    wf_buf_fini(&text);
    f->changed = false;
    return err ? wf_cli_diag(err, &diag, f->path) : 0;
}

int wf_cursor_file_save(struct wf_cursor_file *f)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = WEFT_OK;

    if (!f->path || !f->changed)
        return 0;
    for (size_t i = 0; i < f->count && !err; i++) {
        const struct wf_cursor_file_row *row = &f->rows[i];
        err = wf_buf_reserve(&text, 2 * (row->key.len + row->value.len) + 4);
        if (err)
            break;
        wf_hex_put(wf_buf_view(&row->key), (char *)text.ptr + text.len);
        text.len += 2 * row->key.len;
        text.ptr[text.len++] = ' ';
        wf_hex_put(wf_buf_view(&row->value), (char *)text.ptr + text.len);
        text.len += 2 * row->value.len;
        text.ptr[text.len++] = '\n';
    }
    if (!err)
        err = wf_disk_replace(f->path, wf_buf_view(&text), &diag);
    wf_buf_fini(&text);
    f->changed = false;
    return err ? wf_cli_diag(err, &diag, f->path) : 0;
}

int wf_cursor_file_views(
    const struct wf_cursor_file *f, struct weft_cursor_row **ret, size_t *ret_count)
{
    if (f->count == 0)
        return 0;
    struct weft_cursor_row *views = calloc(f->count, sizeof *views);
    size_t n = 0;
    if (!views)
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    for (size_t i = 0; i < f->count; i++)
        if (!is_part(&f->rows[i]))
            views[n++] = (struct weft_cursor_row){ f->rows[i].key.ptr, f->rows[i].key.len,
                f->rows[i].value.ptr, f->rows[i].value.len };
    *ret = views;
    *ret_count = n;
    return 0;
}

void wf_cursor_file_fini(struct wf_cursor_file *f)
{
    for (size_t i = 0; i < f->count; i++) {
        wf_buf_fini(&f->rows[i].key);
        wf_buf_fini(&f->rows[i].value);
    }
    free(f->rows);
}

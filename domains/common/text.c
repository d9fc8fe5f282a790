// SPDX-License-Identifier: Apache-2.0
#include "domains/common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains/common/bounds.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool wf_text_has_prefix(struct wf_text t, const char *prefix)
{
    size_t n = strlen(prefix);

    return t.len >= n && memcmp(t.ptr, prefix, n) == 0;
}

struct wf_text wf_text_trim(struct wf_text t)
{
    while (t.len > 0 && is_blank(t.ptr[0])) {
        t.ptr++;
        t.len--;
    }
    while (t.len > 0 && is_blank(t.ptr[t.len - 1]))
        t.len--;
    return t;
}

bool wf_text_field(struct wf_text *rest, char separator, struct wf_text *ret_field)
{
    if (rest->ptr == NULL)
        return false;
    const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (!end) {
        *ret_field = *rest;
        *rest = (struct wf_text){ NULL, 0 };
        return true;
    }
    size_t taken = (size_t)(end - rest->ptr);
    *ret_field = (struct wf_text){ rest->ptr, taken };
    rest->ptr += taken + 1;
    rest->len -= taken + 1;
    return true;
}

bool wf_text_line(struct wf_text *rest, struct wf_text *ret_line)
{
    // Text that ends with a newline has no empty line after it.
    return rest->len > 0 && wf_text_field(rest, '\n', ret_line);
}

bool wf_text_word(struct wf_text *rest, struct wf_text *ret_word)
{
    *rest = wf_text_trim(*rest);
    if (rest->len == 0)
        return false;
    size_t n = 0;
    while (n < rest->len && !is_blank(rest->ptr[n]))
        n++;
    *ret_word = (struct wf_text){ rest->ptr, n };
    rest->ptr += n;
    rest->len -= n;
    return true;
}

enum weft_err wf_text_u64(struct wf_text t, uint64_t *ret)
{
    uint64_t v = 0;

    if (t.len == 0)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9')
            return WEFT_E_SYNTAX;
        unsigned digit = (unsigned)(t.ptr[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return WEFT_E_RANGE;
        v = v * 10 + digit;
    }
    *ret = v;
    return WEFT_OK;
}

enum weft_err wf_text_u32(struct wf_text t, uint32_t *ret)
{
    uint64_t v = 0;
    enum weft_err err = wf_text_u64(t, &v);

    if (err)
        return err;
    if (v > UINT32_MAX)
        return WEFT_E_RANGE;
    *ret = (uint32_t)v;
    return WEFT_OK;
}

enum weft_err wf_text_decimal(struct wf_text t, double *ret)
{
    char digits[41];
    unsigned points = 0;

    if (t.len == 0 || t.len >= sizeof digits)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] == '.')
            points++;
        else if (t.ptr[i] < '0' || t.ptr[i] > '9')
            return WEFT_E_SYNTAX;
    }
    if (points > 1 || t.ptr[0] == '.' || t.ptr[t.len - 1] == '.')
        return WEFT_E_SYNTAX;
    memcpy(digits, t.ptr, t.len);
    digits[t.len] = '\0';
    *ret = strtod(digits, NULL);
    return WEFT_OK;
}

enum weft_err wf_text_copy(struct wf_text t, char *out, size_t size)
{
    if (t.len >= size)
        return WEFT_E_TOO_BIG;
    if (t.len > 0 && memchr(t.ptr, '\0', t.len))
        return WEFT_E_SYNTAX;
    if (t.len > 0)
        memcpy(out, t.ptr, t.len);
    out[t.len] = '\0';
    return WEFT_OK;
}

static enum weft_err from_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return WEFT_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return WEFT_E_PERMISSION;
    case ENOMEM:
        return WEFT_E_NOMEM;
    default:
        return WEFT_E_IO;
    }
}

// Reads to the end of file; /proc gives no size beforehand, so the buffer doubles up to max.
static enum weft_err read_all(int fd, size_t max, struct wf_file *ret)
{
    size_t cap = 0;
    struct wf_file f = { NULL, 0 };
    enum weft_err err = WEFT_OK;

    for (;;) {
        if (f.len == cap) {
            // One byte more than max, so that a file of exactly max is told from a longer one.
            size_t grown = cap ? cap * 2 : 16384;
            grown = grown > max + 1 ? max + 1 : grown;
            char *p = grown > cap ? realloc(f.ptr, grown) : NULL;
            if (!p) {
                err = grown > cap ? WEFT_E_NOMEM : WEFT_E_TOO_BIG;
                break;
            }
            f.ptr = p;
            cap = grown;
        }
        ssize_t n = read(fd, f.ptr + f.len, cap - f.len);
        if (n > 0)
            f.len += (size_t)n;
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR) {
            err = from_errno(errno);
            break;
        }
    }
    if (!err && f.len > max)
        err = WEFT_E_TOO_BIG;
    if (err) {
        free(f.ptr);
        return err;
    }
    *ret = f;
    return WEFT_OK;
}

enum weft_err wf_file_read(const char *root, const char *path, size_t max, struct wf_file *ret)
{
    char full[WF_HOST_MAX_PATH];
    struct stat st;
    enum weft_err err = WEFT_OK;

    int n = snprintf(full, sizeof full, "%s%s", root, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return WEFT_E_TOO_BIG;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return from_errno(errno);
    if (fstat(fd, &st) != 0)
        err = from_errno(errno);
    else if (!S_ISREG(st.st_mode))
        err = WEFT_E_TYPE;
    else
        err = read_all(fd, max, ret);
    close(fd);
    return err;
}

void wf_file_fini(struct wf_file *f)
{
    free(f->ptr);
    *f = (struct wf_file){ NULL, 0 };
}

// SPDX-License-Identifier: Apache-2.0
#include "domains/common/collector.h"

#include <stdarg.h>
#include <stdio.h>

#include "domains/common/bounds.h"

enum weft_err wf_problem(struct wf_collect *c, enum weft_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->problem, sizeof c->problem, format, args);
    va_end(args);
    return err;
}

static const char *reading_failed(enum weft_err err)
{
    switch (err) {
    case WEFT_E_NOT_FOUND:
        return "no such file";
    case WEFT_E_PERMISSION:
        return "permission denied";
    case WEFT_E_TOO_BIG:
        return "larger than permitted";
    case WEFT_E_TYPE:
        return "not a regular file";
    case WEFT_E_NOMEM:
        return "out of memory";
    default:
        return "cannot be read";
    }
}

enum weft_err wf_collect_file(
    struct wf_collect *c, const char *path, size_t max, struct wf_file *ret)
{
    enum weft_err err = wf_file_read(c->root, path, max, ret);

    return err ? wf_problem(c, err, "%s%s: %s", c->root, path, reading_failed(err)) : WEFT_OK;
}

enum weft_err wf_collect_optional(struct wf_collect *c, const char *path, struct wf_file *ret)
{
    enum weft_err err = wf_file_read(c->root, path, WF_HOST_MAX_PROC, ret);

    if (err == WEFT_E_NOMEM)
        return wf_problem(c, err, "out of memory");
    if (err)
        *ret = (struct wf_file){ NULL, 0 };
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/base/err.h"

#include <stddef.h>

static const struct err_row {
    int code;
    int exit_status;
    const char *name, *text, *doc;
} rows[] = { { WEFT_OK, 0, "OK", "ok", "done" },
#define ERR_ROW(name, number, exit_status, text, doc) { number, exit_status, #name, text, doc },
    WEFT_ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static const struct err_row unknown = { -1, 70, "UNKNOWN", "unknown error",
    "a code this version does not know" };

static const struct err_row *find(enum weft_err err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == (int)err)
            return &rows[i];
    return &unknown;
}

const char *weft_err_text(enum weft_err err)
{
    return find(err)->text;
}

const char *weft_err_name(enum weft_err err)
{
    return find(err)->name;
}

const char *weft_err_doc(enum weft_err err)
{
    return find(err)->doc;
}

int weft_err_exit(enum weft_err err)
{
    return find(err)->exit_status;
}

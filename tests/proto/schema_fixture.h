// SPDX-License-Identifier: Apache-2.0
// Descriptor sets that protoc made at build time from tests/proto/schema/*.proto, and records in hex.
#ifndef WF_TESTS_SCHEMA_FIXTURE_H
#define WF_TESTS_SCHEMA_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/schema.h"
#include "tests/support/support.h"

static inline struct wf_buf fixture_set(const char *name)
{
    char path[512];
    const char *root = getenv("WEFT_BUILD_DIR");

    snprintf(path, sizeof path, "%s/tests/schema/%s.set", root ? root : "build/dev", name);
    return wf_test_file(path);
}

static inline struct wf_schema *fixture_schema(const char *name)
{
    struct wf_buf set = fixture_set(name);
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };

    ck_assert_msg(wf_schema_compile(wf_buf_view(&set), &schema, &diag) == WEFT_OK, "%s", diag.text);
    wf_buf_fini(&set);
    return schema;
}

static inline const struct wf_schema_message *fixture_message(
    const struct wf_schema *schema, const char *name)
{
    const struct wf_schema_message *m = wf_schema_find_message(schema, wf_bytes_str(name));

    ck_assert_msg(m != NULL, "no message %s", name);
    return m;
}

#endif

// SPDX-License-Identifier: Apache-2.0
// JSON from a source or a caller, encoded as weft.test.Host: what encodes must pass the check of readers and print.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/record_json.h"
#include "sdk/json.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_schema *schema;
    struct wf_buf record = { 0 }, json = { 0 };
    struct wf_diag diag = { 0 };

    if (!schema) {
        char path[512];
        const char *root = getenv("WEFT_BUILD_DIR");
        snprintf(path, sizeof path, "%s/tests/schema/rich.set", root ? root : "build/fuzz");
        struct wf_buf set = wf_test_file(path);
        if (wf_schema_compile(wf_buf_view(&set), &schema, NULL))
            abort();
        wf_buf_fini(&set);
    }
    const struct wf_schema_message *host = wf_schema_find_message(schema, WF_STR("weft.test.Host"));
    enum weft_err err = wf_json_to_record(host, wf_bytes(data, size), &record, &diag);
    if (err && !diag.text[0])
        abort();
    if (!err && (wf_record_check(host, wf_buf_view(&record), &diag) ||
                    wf_record_json(host, wf_buf_view(&record), NULL, &json, &diag))) {
        fprintf(stderr, "%s\n", diag.text);
        abort();
    }
    wf_buf_fini(&record);
    wf_buf_fini(&json);
    return 0;
}

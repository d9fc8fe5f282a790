// SPDX-License-Identifier: Apache-2.0
// A record from a peer, read as weft.test.Host: what the check lets pass must print, and its JSON, read back, must print the same.
#include <stdio.h>
#include <stdlib.h>

#include "proto/schema/record_json.h"
#include "proto/schema/record_reader.h"
#include "sdk/json.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wf_schema_message *host(void)
{
    static struct wf_schema *schema;

    if (!schema) {
        char path[512];
        const char *root = getenv("WEFT_BUILD_DIR");
        snprintf(path, sizeof path, "%s/tests/schema/rich.set", root ? root : "build/fuzz");
        struct wf_buf set = wf_test_file(path);
        if (wf_schema_compile(wf_buf_view(&set), &schema, NULL))
            abort();
        wf_buf_fini(&set);
    }
    return wf_schema_find_message(schema, WF_STR("weft.test.Host"));
}

// JSON that can't be read back: it exceeds a limit that records do not have, or holds a key with NUL, which jansson refuses.
static bool may_refuse(enum weft_err err, struct wf_bytes json)
{
    return err == WEFT_E_TOO_BIG || err == WEFT_E_TOO_DEEP || err == WEFT_E_BUDGET ||
           memmem(json.ptr, json.len, "\\u0000", 6) != NULL;
}

static void round_trip(struct wf_bytes json)
{
    struct wf_buf record = { 0 }, again = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_json_to_record(host(), json, &record, &diag);

    if (err && !may_refuse(err, json)) {
        fprintf(stderr, "%.*s\n%s\n", (int)json.len, (const char *)json.ptr, diag.text);
        abort();
    }
    if (!err && (wf_record_json(host(), wf_buf_view(&record), NULL, &again, &diag) ||
                    !wf_bytes_eq(wf_buf_view(&again), json))) {
        fprintf(stderr, "%.*s\n%.*s\n%s\n", (int)json.len, (const char *)json.ptr, (int)again.len,
            again.ptr ? (const char *)again.ptr : "", diag.text);
        abort();
    }
    wf_buf_fini(&record);
    wf_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_bytes in = wf_bytes(data, size);
    struct wf_buf json = { 0 };
    struct wf_record_path path;
    struct wf_value v;
    int64_t us = 0;

    enum weft_err checked = wf_record_check(host(), in, NULL);
    if (wf_record_is_plain(host(), in) && wf_record_check_whole(host(), in, NULL))
        abort();
    enum weft_err err = wf_record_json(host(), in, NULL, &json, NULL);
    if (!checked && err && err != WEFT_E_TOO_BIG)
        abort();
    if (!err)
        round_trip(wf_buf_view(&json));
    if (wf_record_path_compile(host(), WF_STR("parent.disk.mount"), &path, NULL))
        abort();
    if (wf_record_get(&path, in, &v, NULL) && !checked)
        abort();
    if (wf_record_time(host(), in, &us) == WEFT_E_INTERNAL)
        abort();
    wf_buf_fini(&json);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A filter for scripts that compare weft's schema code with other implementations:
//   schema_tool decode|encode SETFILE MESSAGE
//   schema_tool proto SETFILE FOLDER
// stdin is a sequence of be32 length and bytes, stdout one of a status byte ('+' done, '-' refused), be32 length and the result
// or the reason. decode reads records and writes JSON, encode the reverse. proto writes every file of the set as text below FOLDER.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/schema/record_json.h"
#include "proto/schema/schema_proto.h"
#include "sdk/json.h"
#include "tests/support/support.h"

struct tool {
    const struct wf_schema_message *message;
    enum weft_err (*run)(
        const struct tool *t, struct wf_bytes in, struct wf_buf *out, struct wf_diag *diag);
};

static enum weft_err decode(
    const struct tool *t, struct wf_bytes in, struct wf_buf *out, struct wf_diag *diag)
{
    struct wf_diag check = { 0 };
    enum weft_err checked = wf_record_check(t->message, in, &check);
    enum weft_err err = wf_record_json(t->message, in, NULL, out, diag);

    // What the check lets pass must print, and the reverse.
    if (checked != err) {
        wf_diag_set(
            diag, 0, 0, "check says \"%s\", the printer \"%s\"", check.text, weft_err_text(err));
        out->len = 0;
        return WEFT_E_INTERNAL;
    }
    return err;
}

// What was encoded must pass the check of readers.
static enum weft_err encode(
    const struct tool *t, struct wf_bytes in, struct wf_buf *out, struct wf_diag *diag)
{
    struct wf_diag check = { 0 };
    enum weft_err err = wf_json_to_record(t->message, in, out, diag);

    if (!err && wf_record_check(t->message, wf_buf_view(out), &check)) {
        wf_diag_set(diag, 0, 0, "encoded, but the check says \"%s\"", check.text);
        return WEFT_E_INTERNAL;
    }
    return err;
}

static bool read_frame(struct wf_buf *in)
{
    uint8_t head[4];

    if (fread(head, 1, sizeof head, stdin) != sizeof head)
        return false;
    size_t len = wf_load_be32(head);
    in->len = 0;
    if (wf_buf_reserve(in, len + 1))
        abort();
    in->len = fread(in->ptr, 1, len, stdin);
    return in->len == len;
}

static void write_frame(char status, struct wf_bytes body)
{
    uint8_t head[5] = { (uint8_t)status };

    wf_store_be32(head + 1, (uint32_t)body.len);
    fwrite(head, 1, sizeof head, stdout);
    if (body.len)
        fwrite(body.ptr, 1, body.len, stdout);
}

static void write_below(const char *folder, const char *name, struct wf_bytes text)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text.ptr, 1, text.len, f) != text.len || fclose(f) != 0)
        abort();
}

static int print_protos(struct wf_bytes set, const char *folder)
{
    struct wf_schema_proto *p = NULL;
    struct wf_diag diag = { 0 };
    struct wf_buf text = { 0 };
    enum weft_err err = wf_schema_proto_open(set, &p, &diag);

    if (err)
        fprintf(stderr, "%s\n", diag.text);
    for (size_t i = 0; !err && i < wf_schema_proto_count(p); i++) {
        text.len = 0;
        err = wf_schema_proto_print(p, i, &text);
        if (err)
            fprintf(stderr, "%s: %s\n", wf_schema_proto_name(p, i), weft_err_text(err));
        else
            write_below(folder, wf_schema_proto_name(p, i), wf_buf_view(&text));
    }
    wf_buf_fini(&text);
    wf_schema_proto_close(p);
    return err ? 65 : 0;
}

int main(int argc, char **argv)
{
    struct wf_schema *schema = NULL;
    struct wf_diag diag = { 0 };
    struct wf_buf in = { 0 }, out = { 0 };
    struct tool t = { 0 };

    if (argc == 4 && strcmp(argv[1], "proto") == 0) {
        struct wf_buf bytes = wf_test_file(argv[2]);
        int rc = print_protos(wf_buf_view(&bytes), argv[3]);
        wf_buf_fini(&bytes);
        return rc;
    }
    bool decodes = argc == 4 && strcmp(argv[1], "decode") == 0;
    if (!decodes && (argc != 4 || strcmp(argv[1], "encode") != 0)) {
        fprintf(stderr, "usage: schema_tool decode|encode SETFILE MESSAGE\n");
        return 64;
    }
    struct wf_buf set = wf_test_file(argv[2]);
    if (wf_schema_compile(wf_buf_view(&set), &schema, &diag)) {
        fprintf(stderr, "%s: %s\n", argv[2], diag.text);
        return 65;
    }
    t.message = wf_schema_find_message(schema, wf_bytes_str(argv[3]));
    t.run = decodes ? decode : encode;
    if (!t.message) {
        fprintf(stderr, "no message %s\n", argv[3]);
        return 65;
    }
    while (read_frame(&in)) {
        out.len = 0;
        enum weft_err err = t.run(&t, wf_buf_view(&in), &out, &diag);
        write_frame(err ? '-' : '+', err ? wf_bytes_str(diag.text) : wf_buf_view(&out));
    }
    wf_buf_fini(&in);
    wf_buf_fini(&out);
    wf_buf_fini(&set);
    wf_schema_free(schema);
    return 0;
}

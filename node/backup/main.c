// SPDX-License-Identifier: Apache-2.0
// Options and output of `weftd --backup` and `weftd --restore`: one line of JSON for `weft node backup` and `weft node restore`, which print it
// as people like it and hand the passphrase over by a pipe.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "node/backup/backup.h"
#include "proto/base/print.h"
#include "proto/schema/json_out.h"

#define LINE_MAX_BYTES 8192u

struct asked {
    bool restore, logs, alone;
    const char *dir, *file, *pass_fd;
    struct wf_secret pass;
};

static int options_of(struct asked *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "file", required_argument, NULL, 'f' },
        { "passphrase-fd", required_argument, NULL, 'p' },
        { "logs", no_argument, NULL, 'l' },
        { "alone", no_argument, NULL, 'a' },
        { NULL, 0, NULL, 0 },
    };

    optind = 1;
    for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
         c = getopt_long(argc, argv, "", options, NULL)) {
        const char **to = c == 'd' ? &a->dir : c == 'f' ? &a->file : c == 'p' ? &a->pass_fd : NULL;
        if (to)
            *to = optarg;
        else if (c == 'l')
            a->logs = true;
        else if (c == 'a')
            a->alone = true;
        else
            return 64;
    }
    return optind == argc && a->dir && a->file ? 0 : 64;
}

// All that is in the pipe; it is short enough to lie there whole.
static enum weft_err read_pass(struct asked *a)
{
    uint8_t text[WF_MAX_PASSPHRASE];
    char *end = NULL;
    long fd = strtol(a->pass_fd, &end, 10);
    size_t len = 0;

    if (end == a->pass_fd || *end || fd < 3 || fd > 1024)
        return WEFT_E_USAGE;
    for (ssize_t n = 1; n > 0 && len < sizeof text;) {
        n = read((int)fd, text + len, sizeof text - len);
        if (n < 0 && errno != EINTR)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    close((int)fd);
    enum weft_err err = len ? wf_secret_copy(wf_bytes(text, len), &a->pass) : WEFT_E_PASSPHRASE;
    wf_wipe(text, sizeof text);
    return err;
}

static enum weft_err print(const struct asked *a, const struct wf_backup_about *about,
    const struct wf_backup_totals *t, bool sealed)
{
    char fingerprint[WF_FINGERPRINT_LEN], hash[2 * WF_HASH_LEN + 1];
    struct wf_buf line = { 0 };
    struct wf_json_out o;

    wf_fingerprint(wf_bytes(about->key.b, WF_KEY_LEN), fingerprint);
    wf_hex_put(wf_hash_view(&t->hash), hash);
    wf_json_out_init(&o, &line, LINE_MAX_BYTES, 0);
    wf_json_out_object(&o);
    wf_json_out_member(
        &o, "schema", wf_bytes_str(a->restore ? "weft.node-restore/v1" : "weft.node-backup/v1"));
    wf_json_out_member(&o, "file", wf_bytes_str(a->file));
    wf_json_out_member(&o, "dir", wf_bytes_str(a->dir));
    wf_json_out_member(&o, "domain", wf_bytes_str(about->domain));
    wf_json_out_member(&o, "node", wf_bytes_str(about->node));
    wf_json_out_member(&o, "fingerprint", wf_bytes_str(fingerprint));
    wf_json_out_member(&o, "version", wf_bytes_str(about->version));
    wf_json_out_member_int(&o, "createdMs", about->created_ms);
    wf_json_out_member_int(&o, "files", t->files);
    wf_json_out_member_int(&o, "bytes", (int64_t)t->bytes);
    wf_json_out_member_int(&o, "stored", (int64_t)t->stored);
    wf_json_out_member(&o, "hash", wf_bytes_str(hash));
    wf_json_out_member_bool(&o, "sealed", sealed);
    wf_json_out_member_bool(&o, "logs", about->logs);
    wf_json_out_member_bool(&o, "alone", a->alone);
    wf_json_out_end(&o);
    enum weft_err err = wf_json_out_done(&o);
    if (!err)
        err = wf_buf_append_byte(&line, '\n');
    if (!err && (fwrite(line.ptr, 1, line.len, stdout) != line.len || fflush(stdout) != 0))
        err = WEFT_E_IO;
    wf_buf_fini(&line);
    return err;
}

static enum weft_err run(struct asked *a, struct wf_diag *diag)
{
    struct wf_backup_about about = { 0 };
    struct wf_backup_totals totals = { 0 };
    struct wf_backup_from from = {
        .dir = a->dir, .logs = a->logs, .passphrase = wf_secret_view(&a->pass), .file = a->file
    };
    struct wf_backup_to to = {
        .file = a->file, .dir = a->dir, .passphrase = wf_secret_view(&a->pass), .alone = a->alone
    };
    enum weft_err err = a->restore ? wf_backup_restore(&to, &about, &totals, diag)
                                   : wf_backup_take(&from, &about, &totals, diag);

    return err ? err : print(a, &about, &totals, a->pass.len > 0);
}

int wf_backup_main(int argc, char **argv)
{
    struct asked a = { .restore = strcmp(argv[0], "--restore") == 0 };
    struct wf_diag diag = { 0 };
    int status = options_of(&a, argc, argv);

    if (status) {
        fputs("weftd: --backup and --restore are asked by weft node backup|restore; see weft(1)\n",
            stderr);
        return status;
    }
    prctl(PR_SET_DUMPABLE, 0); // every key of the node passes through here
    enum weft_err err = wf_crypto_init();
    if (!err && a.pass_fd)
        err = read_pass(&a);
    if (!err)
        err = run(&a, &diag);
    wf_secret_fini(&a.pass);
    if (err)
        fprintf(stderr, "weft: %s\n", diag.text[0] ? diag.text : weft_err_text(err));
    return weft_err_exit(err);
}

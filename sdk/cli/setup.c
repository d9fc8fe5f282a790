// SPDX-License-Identifier: Apache-2.0
#include "sdk/cli/setup.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/print.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

// ---- domains ---------------------------------------------------------------------------------------------------------

int wf_domain_file_load(const char *path, struct wf_domain_public *ret)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(path, 65536, WF_FILE_ANY, &text, &diag);

    if (!err)
        err = wf_domain_public_parse(wf_buf_view(&text), ret);
    wf_buf_fini(&text);
    if (err)
        return diag.text[0] ? wf_cli_diag(err, &diag, path)
                            : wf_cli_fail(err, "%s: not a domain file (weftdom1...): %s", path,
                                  weft_err_text(err));
    return 0;
}

static bool is_domain_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && strcmp(dot, ".weftdomain") == 0;
}

static enum weft_err find_domain_file(const char *dir, char **ret)
{
    DIR *d = opendir(dir);
    enum weft_err err = WEFT_E_NOT_FOUND;

    for (struct dirent *e = d ? readdir(d) : NULL; e && err == WEFT_E_NOT_FOUND; e = readdir(d))
        if (is_domain_file(e->d_name))
            err = wf_disk_join(dir, e->d_name, ret);
    if (d)
        closedir(d);
    return err;
}

static int open_root_key(const char *dir, const char *passphrase_file, struct wf_root *r)
{
    char *path = NULL;
    struct wf_buf file = { 0 };
    struct wf_diag diag = { 0 };
    struct wf_secret pass = { 0 };
    enum weft_err err = wf_disk_join(dir, "root.key", &path);

    if (!err)
        err = wf_file_read(path, 4096, WF_FILE_SECRET, &file, &diag);
    if (!err && wf_keys_need_passphrase(wf_buf_view(&file)))
        err = wf_cli_passphrase(
            passphrase_file, "Passphrase of the domain's root key: ", false, &pass);
    if (!err)
        err = wf_keys_unpack(wf_buf_view(&file), wf_secret_view(&pass), &r->keys);
    if (!err && memcmp(r->keys.sign_pub.b, r->public.root_key.b, WF_KEY_LEN) != 0)
        err = WEFT_E_KEY;
    wf_secret_fini(&pass);
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    int status = err ? wf_cli_diag(err, &diag, path ? path : dir) : 0;
    free(path);
    return status;
}

int wf_root_load(const char *dir, const char *passphrase_file, bool want_key, struct wf_root *ret)
{
    struct wf_root r = { 0 };
    enum weft_err err = find_domain_file(dir, &r.public_path);

    if (err)
        return wf_cli_fail(err,
            "%s: no NAME.weftdomain here; make one with: weft domain init NAME --dir %s", dir, dir);
    int status = wf_domain_file_load(r.public_path, &r.public);
    if (!status && want_key)
        status = open_root_key(dir, passphrase_file, &r);
    if (status) {
        wf_root_fini(&r);
        return status;
    }
    *ret = r;
    return 0;
}

void wf_root_fini(struct wf_root *r)
{
    wf_keys_fini(&r->keys);
    free(r->public_path);
    r->public_path = NULL;
}

// ---- charters --------------------------------------------------------------------------------------------------------

int wf_charter_file_load(const char *path, struct wf_buf *ret_envelope, struct wf_charter **ret)
{
    struct wf_buf text = { 0 }, raw = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_file_read(path, 2u * WF_MAX_ENVELOPE, WF_FILE_ANY, &text, &diag);

    if (!err)
        err = wf_print_parse(WF_PREFIX_CHARTER, wf_buf_view(&text), &raw);
    if (!err)
        err = wf_charter_read(wf_buf_view(&raw), ret);
    wf_buf_fini(&text);
    if (err) {
        wf_buf_fini(&raw);
        return diag.text[0] ? wf_cli_diag(err, &diag, path)
                            : wf_cli_fail(err, "%s: not a charter (weftchart1...): %s", path,
                                  weft_err_text(err));
    }
    *ret_envelope = raw;
    return 0;
}

int wf_charter_file_save(const char *path, struct wf_bytes envelope)
{
    struct wf_buf text = { 0 };
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_print(WF_PREFIX_CHARTER, envelope, &text);

    if (!err)
        err = wf_buf_append_byte(&text, '\n');
    if (!err)
        err = wf_disk_replace(path, wf_buf_view(&text), &diag);
    wf_buf_fini(&text);
    return err ? wf_cli_diag(err, &diag, path) : 0;
}

// ---- identities ------------------------------------------------------------------------------------------------------

static bool has_identity(const char *dir)
{
    char *path = NULL;
    struct stat st;
    bool has = !wf_disk_join(dir, "identity", &path) && stat(path, &st) == 0 && S_ISDIR(st.st_mode);

    free(path);
    return has;
}

int wf_cli_identity_dir(const struct wf_cli *cli, const char *given, char **ret)
{
    char *dir = NULL, *data = NULL;
    const char *from = given ? given : cli->dir;
    enum weft_err err =
        from ? wf_bytes_strdup(wf_bytes_str(from), &dir) : wf_identity_default_dir(&dir);

    if (!err)
        err = wf_disk_join(dir, "data", &data);
    if (!err && !has_identity(dir)) {
        if (has_identity(data)) {
            char *swap = dir;
            dir = data;
            data = swap;
        } else {
            err = WEFT_E_IDENTITY;
        }
    }
    int status = 0;
    if (err)
        status = wf_cli_fail(err,
            "%s: no identity here; see: weft join TICKET --dir DIR, or weft node init",
            dir ? dir : "~");
    else
        *ret = dir;
    free(data);
    if (status)
        free(dir);
    return status;
}

int wf_cli_identity(const struct wf_cli *cli, const char *given, struct wf_identity_dir **ret)
{
    char *dir = NULL;
    struct wf_diag diag = { 0 };
    int status = wf_cli_identity_dir(cli, given, &dir);

    if (status)
        return status;
    enum weft_err err = wf_identity_load(dir, wf_cli_now_ms(), ret, &diag);
    if (err)
        status = wf_cli_diag(err, &diag, dir);
    free(dir);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// Without its key what is sealed at rest stays sealed: the file is made once and never replaced.
#include "node/storage.h"

#include <stdlib.h>

#include "sdk/conf/file.h"
#include "sdk/disk.h"

enum weft_err wf_storage_key_load(const char *data, struct wf_secret *ret, struct wf_diag *diag)
{
    struct wf_buf file = { 0 };
    struct wf_secret fresh = { 0 };
    char *path = NULL;
    enum weft_err err = wf_disk_join(data, "identity/storage.key", &path);

    if (!err)
        err = wf_file_read(path, WF_KEY_LEN, WF_FILE_SECRET, &file, diag);
    if (err == WEFT_E_NOT_FOUND) {
        err = wf_secret_random(WF_KEY_LEN, &fresh);
        if (!err)
            err = wf_disk_create(path, wf_secret_view(&fresh), diag);
        if (!err) {
            *ret = fresh;
            fresh = (struct wf_secret){ 0 };
        }
    } else if (!err && file.len != WF_KEY_LEN) {
        wf_diag_set(diag, 0, 0, "%s: a storage key has %u bytes", path, WF_KEY_LEN);
        err = WEFT_E_KEY;
    } else if (!err) {
        err = wf_secret_copy(wf_buf_view(&file), ret);
    }
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    wf_secret_fini(&fresh);
    free(path);
    return err;
}

bool wf_storage_seals(const struct wf_product *p)
{
    return p->classification == WF_CLASS_CONFIDENTIAL || p->classification == WF_CLASS_PERSONAL;
}

// SPDX-License-Identifier: Apache-2.0
// mounts: which file systems are mounted where, one row a mount point. From the mount table alone: no mounted file
// system is asked, so a dead file server does no harm here.
#include "domains/common/mounts.h"

enum weft_err wf_collect_mounts(struct wf_collect *c)
{
    struct wf_mounts mounts;
    enum weft_err err = wf_mounts_read(c, &mounts);

    if (err)
        return err;
    for (size_t i = 0; i < mounts.count && !err; i++) {
        const struct wf_mount *m = &mounts.list[i];
        if (wf_mount_is_pseudo(m))
            continue;
        wf_out_open_row(c->out);
        wf_out_str(c->out, "mountpoint", wf_text(m->point));
        wf_out_key_done(c->out);
        wf_out_str(c->out, "device", wf_text(m->source));
        wf_out_str(c->out, "fstype", wf_text(m->fstype));
        wf_out_str(c->out, "options", wf_text(m->options));
        wf_out_bool(c->out, "readOnly", wf_mount_is_read_only(m));
        wf_out_bool(c->out, "remote", wf_mount_is_remote(m));
        err = wf_out_close_row(c->out);
    }
    wf_mounts_fini(&mounts);
    return err;
}

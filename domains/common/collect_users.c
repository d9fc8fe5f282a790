// SPDX-License-Identifier: Apache-2.0
// users: the accounts of this machine's own files, /etc/passwd and /etc/group (passwd(5), group(5)), one row an account.
// Directory services are not asked: their accounts are the directory's, not the host's. No password field is ever read
// into a row.
#include "domains/common/accounts.h"
#include "domains/common/bounds.h"
#include "domains/common/collector.h"

enum weft_err wf_collect_users(struct wf_collect *c)
{
    struct wf_file passwd, group;
    enum weft_err err = wf_collect_file(c, "/etc/passwd", WF_HOST_MAX_PROC, &passwd);

    if (err)
        return err;
    err = wf_collect_file(c, "/etc/group", WF_HOST_MAX_PROC, &group);
    if (!err) {
        err = wf_accounts_put(c->out, wf_file_text(&passwd), wf_file_text(&group));
        wf_file_fini(&group);
    }
    wf_file_fini(&passwd);
    return err;
}

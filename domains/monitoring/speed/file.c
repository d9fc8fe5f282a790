// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/file.h"

#include <stdio.h>
#include <string.h>

#include "domains/monitoring/common/config.h"

int wf_rules_file_open(const char *path, unsigned flags, struct wf_rules_file *ret)
{
    static const char *const known[] = { "rules", "notify", NULL };
    struct weft_problem problem = { 0 };
    enum weft_err err;

    memset(ret, 0, sizeof *ret);
    err = weft_conf_open(path, flags & ~WF_RULES_IN_CONFIG, &ret->conf, &problem);
    if (err)
        return wf_mon_fail(err, problem.text, problem.hint);
    ret->rules = wf_rules_read(ret->conf);
    ret->notify = wf_notify_read(ret->conf);
    if (!ret->rules || !ret->notify)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    weft_conf_known(ret->conf, weft_conf_root(ret->conf),
        flags & WF_RULES_IN_CONFIG ? wf_mon_config_keys : known);
    const char *errors = weft_conf_errors(ret->conf);
    fputs(errors, stderr);
    return errors[0] ? weft_err_exit(WEFT_E_CONFIG) : 0;
}

unsigned wf_rules_flags(const struct wf_mon_options *o)
{
    return WEFT_CONF_OWNED | (o->rules_inside ? WF_RULES_IN_CONFIG : 0);
}

void wf_rules_file_close(struct wf_rules_file *f)
{
    wf_rules_free(f->rules);
    wf_notify_conf_free(f->notify);
    weft_conf_free(f->conf);
    memset(f, 0, sizeof *f);
}

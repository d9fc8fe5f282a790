// SPDX-License-Identifier: Apache-2.0
#include "domains/monitoring/speed/file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/common/config.h"

// The product that tells others of alerts: a name of the monitor's own domain.
static void read_publish(struct wf_rules_file *f)
{
    const struct weft_conf_node *n = weft_conf_get(weft_conf_root(f->conf), "publish");
    bool good = n && n->kind == WEFT_CONF_VALUE && islower((unsigned char)n->text[0]) &&
                strlen(n->text) < sizeof f->publish;

    for (const char *s = good ? n->text : ""; *s; s++)
        good = good && (islower((unsigned char)*s) || isdigit((unsigned char)*s) || *s == '-');
    if (good)
        snprintf(f->publish, sizeof f->publish, "%s", n->text);
    else if (n)
        weft_conf_error(f->conf, n->line, n->column,
            "want the name of an inventory of the own domain, as in publish: alerts");
}

int wf_rules_file_open(const char *path, unsigned flags, struct wf_rules_file *ret)
{
    static const char *const known[] = { "rules", "notify", "take", "publish", NULL };
    struct weft_problem problem = { 0 };
    enum weft_err err;

    memset(ret, 0, sizeof *ret);
    err = weft_conf_open(path, flags & ~WF_RULES_IN_CONFIG, &ret->conf, &problem);
    if (err) {
        int status = wf_mon_fail(err, problem.text, problem.hint);
        // Like mistakes in it, a file that is not there or not to be trusted is its administrator's to mend: no start of its own changes that.
        return err == WEFT_E_NOT_FOUND || err == WEFT_E_PERMISSION ? weft_err_exit(WEFT_E_CONFIG)
                                                                   : status;
    }
    ret->rules = wf_rules_read(ret->conf);
    ret->notify = wf_notify_read(ret->conf);
    ret->take = wf_take_read(ret->conf);
    if (!ret->rules || !ret->notify || !ret->take)
        return wf_mon_fail(WEFT_E_NOMEM, weft_err_text(WEFT_E_NOMEM), "");
    read_publish(ret);
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
    wf_take_free(f->take);
    weft_conf_free(f->conf);
    memset(f, 0, sizeof *f);
}

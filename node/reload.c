// SPDX-License-Identifier: Apache-2.0
// weftd.yaml read again while the node runs. The new configuration is in force as a whole, or the old one stays.
#include <stdio.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/say.h"

static void say_diags(struct wf_diags *d)
{
    struct wf_buf out = { 0 };

    if (!wf_diags_print(d, &out) && !wf_buf_append_byte(&out, 0))
        for (char *line = (char *)out.ptr, *end; (end = strchr(line, '\n')) != NULL;
             line = end + 1) {
            *end = '\0';
            wf_say_line(WF_LOG_ERROR, "life", "a mistake of the configuration", "what", line, NULL);
        }
    wf_buf_fini(&out);
}

// Who reloads through a service manager sees no log: until a reload is taken, status says that one was not.
static void tell_refused(struct wf_node *n, const char *why)
{
    char text[256];

    snprintf(text, sizeof text,
        "the last reload was refused, what was in force before still is: %.100s; see: weft config "
        "check",
        why);
    wf_alarm(n, "reload", text);
}

// Rooms never keep pointers into the configuration, so the old one can go at once.
void wf_node_reload(struct wf_node *n)
{
    struct wf_diags diags;
    struct wf_conf *wanted = NULL;
    char needs[96];

    wf_diags_init(&diags, n->core->conf_path);
    enum weft_err err = wf_conf_load(n->core->conf_path, &diags, &wanted);
    const char *key = err ? NULL : wf_conf_needs_restart(n->conf, wanted);
    if (err) {
        say_diags(&diags);
        wf_say(n, WF_LOG_ERROR, "life", "reload refused; the old configuration stays", NULL);
        tell_refused(n, "the file has mistakes");
    } else if (key) {
        wf_say(n, WF_LOG_ERROR, "life",
            "reload refused: this key needs a restart; the old configuration stays", "key", key,
            NULL);
        snprintf(needs, sizeof needs, "%.64s needs a restart", key);
        tell_refused(n, needs);
        wf_conf_free(wanted);
    } else {
        wf_conf_free(n->conf);
        n->conf = wanted;
        wf_say_form(wanted->log.format, wanted->log.level);
        wf_say(n, WF_LOG_INFO, "life", "configuration reloaded", NULL);
        wf_alarm(n, "reload", NULL);
    }
    wf_diags_fini(&diags);
}

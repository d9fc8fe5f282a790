// SPDX-License-Identifier: Apache-2.0
// users: the accounts of this machine's own files, /etc/passwd and /etc/group (passwd(5), group(5)), one row an account.
// Directory services are not asked: their accounts are the directory's, not the host's. No password field is ever read
// into a row.
#include "domains/common/bounds.h"
#include "domains/common/collector.h"

enum column { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, COLUMNS };

static bool split(struct wf_text line, struct wf_text *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!wf_text_field(&line, ':', &ret[i]))
            return false;
    return line.ptr == NULL;
}

static bool is_member(struct wf_text members, struct wf_text name)
{
    struct wf_text one;

    while (wf_text_field(&members, ',', &one))
        if (wf_text_eq(wf_text_trim(one), name))
            return true;
    return false;
}

// The group of the account's own number first, then those that list it.
static void put_groups(struct wf_out *out, struct wf_text groups, struct wf_text name, uint32_t gid)
{
    struct wf_text line, f[4];
    unsigned count = 0;

    wf_out_open_list(out, "groups");
    for (int pass = 0; pass < 2; pass++) {
        struct wf_text rest = groups;
        while (count < WF_HOST_MAX_GROUPS && wf_text_line(&rest, &line)) {
            uint32_t number = 0;
            if (!split(line, f, 4) || f[0].len == 0 || wf_text_u32(f[2], &number))
                continue;
            bool wanted = pass == 0 ? number == gid : number != gid && is_member(f[3], name);
            if (!wanted)
                continue;
            wf_out_item(out, f[0]);
            count++;
        }
    }
    wf_out_close_list(out);
}

// The full name is the first part of the comment field; the others are room and telephone numbers nobody needs here.
static struct wf_text full_name(struct wf_text gecos)
{
    struct wf_text name = { NULL, 0 };

    (void)wf_text_field(&gecos, ',', &name);
    return name;
}

// An account without a shell gets /bin/sh (login(1)).
static bool may_log_in(struct wf_text shell)
{
    static const char *const refusing[] = { "/usr/sbin/nologin", "/sbin/nologin", "/bin/false",
        "/usr/bin/false", "/bin/sync", "/sbin/shutdown", "/sbin/halt" };

    for (size_t i = 0; i < sizeof refusing / sizeof refusing[0]; i++)
        if (wf_text_is(shell, refusing[i]))
            return false;
    return true;
}

static enum weft_err put_row(struct wf_out *out, struct wf_text line, struct wf_text groups)
{
    struct wf_text f[COLUMNS];
    uint32_t uid = 0, gid = 0;

    if (!split(line, f, COLUMNS) || f[NAME].len == 0 || wf_text_u32(f[UID], &uid) ||
        wf_text_u32(f[GID], &gid))
        return WEFT_OK; // comments, NIS markers and damaged lines are no accounts
    wf_out_open_row(out);
    wf_out_str(out, "name", f[NAME]);
    wf_out_key_done(out);
    wf_out_u32(out, "uid", uid);
    wf_out_u32(out, "gid", gid);
    wf_out_str(out, "fullName", full_name(f[GECOS]));
    wf_out_str(out, "home", f[HOME]);
    wf_out_str(out, "shell", f[SHELL]);
    wf_out_bool(out, "mayLogIn", may_log_in(f[SHELL]));
    put_groups(out, groups, f[NAME], gid);
    return wf_out_close_row(out);
}

enum weft_err wf_collect_users(struct wf_collect *c)
{
    struct wf_file passwd, group = { NULL, 0 };
    struct wf_text line;
    enum weft_err err = wf_collect_file(c, "/etc/passwd", WF_HOST_MAX_PROC, &passwd);

    if (err)
        return err;
    err = wf_collect_file(c, "/etc/group", WF_HOST_MAX_PROC, &group);
    struct wf_text text = wf_file_text(&passwd);
    while (!err && wf_text_line(&text, &line))
        err = put_row(c->out, line, wf_file_text(&group));
    wf_file_fini(&group);
    wf_file_fini(&passwd);
    return err;
}

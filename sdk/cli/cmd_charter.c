// SPDX-License-Identifier: Apache-2.0
// weft mesh init|join|show and weft charter propose|sign|commit|show: who belongs to the mesh, decided by files that domains send to
// each other and sign with keys that stay offline.
#include <stdlib.h>

#include "proto/base/print.h"
#include "sdk/cli/local.h"
#include "sdk/cli/setup.h"
#include "sdk/conf/values.h"

#define DAY_MS       INT64_C(86400000)
#define CHARTER_DAYS 365

// ---- building --------------------------------------------------------------------------------------------------------

struct draft {
    struct wf_charter fields;
    struct wf_member members[WF_MAX_MEMBERS];
    struct wf_domain_public *publics; // seeds live here
    size_t public_count;
};

static int add_member(struct draft *d, const struct wf_domain_public *p)
{
    for (size_t i = 0; i < d->fields.member_count; i++)
        if (wf_name_eq(&d->members[i].name, &p->name)) {
            d->members[i].root_key = p->root_key;
            d->members[i].seed_count = p->seed_count;
            d->members[i].seeds = (struct wf_seed *)(uintptr_t)p->seeds;
            return 0;
        }
    if (d->fields.member_count == WF_MAX_MEMBERS)
        return wf_cli_fail(WEFT_E_TOO_BIG, "a charter has at most %u members", WF_MAX_MEMBERS);
    d->members[d->fields.member_count++] = (struct wf_member){ p->name, p->root_key, p->seed_count,
        (struct wf_seed *)(uintptr_t)p->seeds };
    return 0;
}

static int add_files(struct draft *d, const char **files)
{
    size_t count = 0;
    int status = 0;

    while (files && files[count])
        count++;
    if (count == 0)
        return 0;
    d->publics = calloc(count, sizeof *d->publics);
    if (!d->publics)
        return wf_cli_fail(WEFT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count && !status; i++) {
        status = wf_domain_file_load(files[i], &d->publics[i]);
        if (!status)
            status = add_member(d, &d->publics[i]);
    }
    return status;
}

// k: what was asked, or the smallest majority.
static int set_quorum(struct draft *d, const char *text)
{
    uint32_t n = (uint32_t)d->fields.member_count;
    uint64_t k = n / 2 + 1;

    if ((text && wf_u64_parse(wf_bytes_str(text), &k)) || k <= n / 2 || k > n)
        return wf_cli_fail(WEFT_E_QUORUM,
            "--quorum %s: of %u members it must be between %u and %u, or two halves could each "
            "decide alone",
            text ? text : "", n, n / 2 + 1, n);
    d->fields.quorum = (uint32_t)k;
    if (n > 1 && k < 2 * n / 3 + 1)
        fprintf(stderr,
            "weft: note: a quorum of %u of %u survives no member that signs twice; %u would\n",
            (unsigned)k, n, 2 * n / 3 + 1);
    return 0;
}

static int set_times(struct draft *d, const char *duration)
{
    int64_t ms = CHARTER_DAYS * DAY_MS;

    int status = wf_cli_take_duration("for", duration, DAY_MS, &ms);

    if (status)
        return status;
    d->fields.created_ms = wf_cli_now_ms();
    d->fields.expires_ms = d->fields.created_ms + ms;
    return 0;
}

static int save_signed(const struct draft *d, const struct wf_secret *root, const char *out,
    struct wf_buf *ret_envelope)
{
    struct wf_buf body = { 0 };
    enum weft_err err = wf_charter_body(&d->fields, &body);

    if (!err && root)
        err = wf_charter_sign(wf_buf_view(&body), false, root, ret_envelope);
    wf_buf_fini(&body);
    if (err)
        return wf_cli_fail(err, "the charter is not valid: %s", weft_err_text(err));
    return wf_charter_file_save(out, wf_buf_view(ret_envelope));
}

// What became of a charter's file, for programs; in_force: the node's version after it, 0 where no node was asked to take it.
static int say_object(const char *schema, const char *file, const struct wf_charter *c,
    struct wf_bytes raw, uint64_t in_force)
{
    bool signed_by[WF_MAX_MEMBERS] = { false };
    char version[24], count[24], members[24], quorum[24], node[24];
    struct wf_buf mesh = { 0 };
    enum weft_err err = wf_print(WF_PREFIX_MESH, wf_hash_view(&c->mesh_id), &mesh);

    if (err)
        return wf_cli_fail(err, "%s", weft_err_text(err));
    snprintf(version, sizeof version, "%llu", (unsigned long long)c->version);
    snprintf(count, sizeof count, "%zu", wf_charter_signed_count(c, raw, signed_by));
    snprintf(members, sizeof members, "%zu", c->member_count);
    snprintf(quorum, sizeof quorum, "%u", (unsigned)c->quorum);
    snprintf(node, sizeof node, "%llu", (unsigned long long)in_force);
    const struct wf_fact facts[] = { { "file", file, false }, { "mesh", c->mesh, false },
        { "mesh_id", (const char *)mesh.ptr, false }, { "version", version, true },
        { "signed", count, true }, { "members", members, true }, { "quorum", quorum, true },
        { "in_force", in_force ? node : NULL, in_force > 0 } };
    int status = wf_cli_object(schema, facts, WF_COUNT(facts));
    wf_buf_fini(&mesh);
    return status;
}

static void say_signatures(const struct wf_charter *c, struct wf_bytes raw, const char *file)
{
    bool signed_by[WF_MAX_MEMBERS] = { false };
    size_t n = wf_charter_signed_count(c, raw, signed_by);

    printf("%s: mesh %s version %llu, signed by %zu of %zu:", file, c->mesh,
        (unsigned long long)c->version, n, c->member_count);
    for (size_t i = 0; i < c->member_count; i++)
        printf(" %s%s", c->members[i].name.s, signed_by[i] ? "+" : "-");
    putchar('\n');
}

// ---- mesh init -------------------------------------------------------------------------------------------------------

static void say_genesis(
    const struct wf_charter *c, struct wf_bytes envelope, const char *file, bool installed)
{
    say_signatures(c, envelope, file);
    if (c->member_count > 1)
        printf("next: every member signs it:  weft charter sign %s --domain ROOT\nthen each node "
               "takes it:     weft charter commit %s --dir NODE\n",
            file, file);
    else if (!installed)
        printf("next: weft charter commit %s --dir NODE\n", file);
}

// The file is there; a node that was named takes it.
static int end_genesis(
    struct wf_cli *cli, struct wf_bytes envelope, const char *file, const char *node)
{
    struct wf_charter *c = NULL;
    uint64_t in_force = 0;
    enum weft_err err = wf_charter_read(envelope, &c);
    int status = err ? wf_cli_fail(err, "%s: %s", file, weft_err_text(err)) : 0;

    if (!status && !wf_cli_for_programs(cli))
        say_genesis(c, envelope, file, node != NULL);
    if (!status && node)
        status = wf_charter_install(cli, node, envelope, &in_force);
    if (!status && wf_cli_for_programs(cli))
        status = say_object("weft.mesh-init/v1", file, c, envelope, in_force);
    wf_charter_free(c);
    return status;
}

int wf_cmd_mesh_init(struct wf_cli *cli, int argc, char **argv)
{
    const char *root_dir = NULL, *pass = NULL, *quorum = NULL, *duration = NULL, *out = NULL,
               *node = NULL, **add = NULL;
    const struct wf_opt opts[] = {
        { "domain", 0, .value = &root_dir },
        { "passphrase-file", 0, .value = &pass },
        { "add", 0, .list = &add },
        { "quorum", 0, .value = &quorum },
        { "for", 0, .value = &duration },
        { "out", 0, .value = &out },
        { "node", 0, .value = &node },
    };
    struct draft *d = calloc(1, sizeof *d);
    struct wf_root root = { 0 };
    struct wf_buf envelope = { 0 };
    char *mesh = NULL, file[WF_MAX_NAME + 16];
    int count = 0,
        status = d ? wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &mesh, &count)
                   : wf_cli_fail(WEFT_E_NOMEM, "out of memory");

    if (status >= 0)
        goto out;
    if (!root_dir || !wf_name_is_valid(wf_bytes_str(mesh))) {
        status = wf_cli_fail(WEFT_E_USAGE,
            "weft mesh init NAME --domain ROOT [--add FILE.weftdomain …]; NAME is [a-z][a-z0-9-]*");
        goto out;
    }
    snprintf(file, sizeof file, "%s.charter", mesh);
    out = out ? out : file;
    status = wf_cli_new_file(cli, out);
    if (!status)
        status = wf_root_load(root_dir, pass, true, &root);
    snprintf(d->fields.mesh, sizeof d->fields.mesh, "%s", mesh);
    d->fields.version = 1;
    d->fields.min_protocol = 1;
    d->fields.members = d->members;
    if (!status)
        status = add_member(d, &root.public);
    if (!status)
        status = add_files(d, add);
    if (!status)
        status = set_quorum(d, quorum);
    if (!status)
        status = set_times(d, duration);
    if (!status)
        status = save_signed(d, &root.keys.sign, out, &envelope);
    if (!status)
        status = end_genesis(cli, wf_buf_view(&envelope), out, node);
out:
    wf_root_fini(&root);
    wf_buf_fini(&envelope);
    if (d)
        free(d->publics);
    free(d);
    free(add);
    return status;
}

// ---- charter propose -------------------------------------------------------------------------------------------------

static void start_from(struct draft *d, const struct wf_charter *c, const char **remove)
{
    d->fields = *c;
    d->fields.members = d->members;
    d->fields.member_count = 0;
    d->fields.version = c->version + 1;
    d->fields.previous = c->id;
    for (size_t i = 0; i < c->member_count; i++) {
        bool gone = false;
        for (size_t k = 0; remove && remove[k]; k++)
            gone = gone || strcmp(remove[k], c->members[i].name.s) == 0;
        if (!gone)
            d->members[d->fields.member_count++] = c->members[i];
    }
}

static int say_proposal(
    const struct wf_cli *cli, struct wf_bytes envelope, const char *file, uint32_t old_quorum)
{
    struct wf_charter *c = NULL;
    enum weft_err err = wf_charter_read(envelope, &c);
    int status = err ? wf_cli_fail(err, "%s: %s", file, weft_err_text(err)) : 0;

    if (!status && wf_cli_for_programs(cli)) {
        status = say_object("weft.charter-propose/v1", file, c, envelope, 0);
    } else if (!status) {
        say_signatures(c, envelope, file);
        printf("it needs %u of the old members and %u of the new: weft charter sign %s --domain "
               "ROOT\n",
            old_quorum, c->quorum, file);
    }
    wf_charter_free(c);
    return status;
}

// Unsigned documents have no file form: a proposal carries at least the proposer's signature.
int wf_cmd_charter_propose(struct wf_cli *cli, int argc, char **argv)
{
    const char *quorum = NULL, *duration = NULL, *out = "next.charter", *root_dir = NULL,
               *pass = NULL, **add = NULL, **remove = NULL;
    const struct wf_opt opts[] = {
        { "add", 0, .list = &add },
        { "remove", 0, .list = &remove },
        { "quorum", 0, .value = &quorum },
        { "for", 0, .value = &duration },
        { "out", 0, .value = &out },
        { "domain", 0, .value = &root_dir },
        { "passphrase-file", 0, .value = &pass },
    };
    struct draft *d = calloc(1, sizeof *d);
    struct wf_identity_dir *id = NULL;
    struct wf_root root = { 0 };
    struct wf_buf envelope = { 0 };
    int count = 0,
        status = d ? wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count)
                   : wf_cli_fail(WEFT_E_NOMEM, "out of memory");

    if (status >= 0)
        goto out;
    status = root_dir ? wf_cli_identity(cli, NULL, &id)
                      : wf_cli_fail(WEFT_E_USAGE,
                            "--domain ROOT is needed: a proposal is signed by who makes it");
    if (!status)
        status = wf_cli_new_file(cli, out); // it may hold signatures of others
    if (!status && !id->charter)
        status = wf_cli_fail(WEFT_E_STATE, "%s has no charter yet; see: weft mesh init", id->dir);
    if (!status)
        status = wf_root_load(root_dir, pass, true, &root);
    if (!status) {
        start_from(d, id->charter, remove);
        status = add_files(d, add);
    }
    if (!status)
        status = set_quorum(d, quorum);
    if (!status)
        status = set_times(d, duration);
    if (!status)
        status = save_signed(d, &root.keys.sign, out, &envelope);
    if (!status)
        status = say_proposal(cli, wf_buf_view(&envelope), out, id->charter->quorum);
out:
    wf_identity_free(id);
    wf_root_fini(&root);
    wf_buf_fini(&envelope);
    if (d)
        free(d->publics);
    free(d);
    free(add);
    free(remove);
    return status;
}

// ---- charter sign, show, commit ----------------------------------------------------------------------------------

int wf_cmd_charter_sign(struct wf_cli *cli, int argc, char **argv)
{
    const char *root_dir = NULL, *pass = NULL;
    const struct wf_opt opts[] = { { "domain", 0, .value = &root_dir },
        { "passphrase-file", 0, .value = &pass } };
    struct wf_buf envelope = { 0 }, more = { 0 };
    struct wf_charter *c = NULL;
    struct wf_root root = { 0 };
    char *file = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &file, &count);

    if (status >= 0)
        return status;
    if (!root_dir)
        return wf_cli_fail(WEFT_E_USAGE, "weft charter sign FILE --domain ROOT");
    status = wf_charter_file_load(file, &envelope, &c);
    if (!status)
        status = wf_root_load(root_dir, pass, true, &root);
    if (!status) {
        enum weft_err err = wf_charter_sign(wf_buf_view(&envelope), true, &root.keys.sign, &more);
        status = err ? wf_cli_fail(err, "%s: %s", file, weft_err_text(err))
                     : wf_charter_file_save(file, wf_buf_view(&more));
    }
    if (!status && wf_cli_for_programs(cli))
        status = say_object("weft.charter-sign/v1", file, c, wf_buf_view(&more), 0);
    else if (!status)
        say_signatures(c, wf_buf_view(&more), file);
    wf_root_fini(&root);
    wf_charter_free(c);
    wf_buf_fini(&envelope);
    wf_buf_fini(&more);
    return status;
}

static int show(const struct wf_cli *cli, const struct wf_charter *c, struct wf_bytes raw)
{
    static const char *const columns[] = { "domain", "signed", "root_key", "fingerprint", "seeds" };
    bool signed_by[WF_MAX_MEMBERS] = { false };
    struct wf_table *t = NULL;
    char when[WF_CLI_AT], print[WF_FINGERPRINT_LEN];
    struct wf_buf mesh = { 0 };

    wf_charter_signed_count(c, raw, signed_by);
    enum weft_err err = wf_table_new(cli, "weft.charter/v1", columns, WF_COUNT(columns), &t);
    if (!err)
        err = wf_print(WF_PREFIX_MESH, wf_hash_view(&c->mesh_id), &mesh);
    if (!err && cli->format == WF_OUT_TABLE) {
        wf_cli_at(c->expires_ms, when);
        printf("mesh %s  version %llu  quorum %u of %zu  expires %s\nmesh id %s\n", c->mesh,
            (unsigned long long)c->version, c->quorum, c->member_count, when,
            (const char *)mesh.ptr);
    }
    for (size_t i = 0; i < c->member_count && !err; i++) {
        struct wf_buf key = { 0 }, seeds = { 0 };
        const struct wf_member *m = &c->members[i];
        err = wf_print(WF_PREFIX_SIGN, wf_bytes(m->root_key.b, WF_KEY_LEN), &key);
        for (size_t s = 0; s < m->seed_count && !err; s++)
            err = wf_buf_printf(&seeds, "%s%s", s ? " " : "", m->seeds[s].address);
        wf_fingerprint(wf_bytes(m->root_key.b, WF_KEY_LEN), print);
        wf_table_text(t, m->name.s);
        wf_table_bool(t, signed_by[i]);
        wf_table_text(t, key.ptr ? (const char *)key.ptr : "");
        wf_table_text(t, print);
        wf_table_text(t, seeds.ptr ? (const char *)seeds.ptr : NULL);
        wf_buf_fini(&key);
        wf_buf_fini(&seeds);
    }
    wf_buf_fini(&mesh);
    if (t) {
        enum weft_err printed = wf_table_done(t);
        err = err ? err : printed;
    }
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

int wf_cmd_charter_show(struct wf_cli *cli, int argc, char **argv)
{
    struct wf_buf envelope = { 0 };
    struct wf_charter *c = NULL;
    struct wf_identity_dir *id = NULL;
    char *file = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 1, &file, &count);

    if (status >= 0)
        return status;
    if (count) {
        status = wf_charter_file_load(file, &envelope, &c);
        if (!status)
            status = show(cli, c, wf_buf_view(&envelope));
    } else {
        status = wf_cli_identity(cli, NULL, &id);
        if (!status)
            status = id->charter ? show(cli, id->charter, wf_buf_view(&id->charter->raw))
                                 : wf_cli_fail(WEFT_E_STATE, "%s has no charter yet", id->dir);
    }
    wf_charter_free(c);
    wf_identity_free(id);
    wf_buf_fini(&envelope);
    return status;
}

int wf_cmd_mesh_show(struct wf_cli *cli, int argc, char **argv)
{
    return wf_cmd_charter_show(cli, argc, argv);
}

// Into the node's directory when its weftd does not run; else weftd itself takes it.
int wf_charter_install(
    struct wf_cli *cli, const char *node, struct wf_bytes envelope, uint64_t *ret_version)
{
    struct wf_identity_dir *id = NULL;
    struct wf_charter *c = NULL;
    struct wf_diag diag = { 0 };
    struct wf_buf mesh = { 0 };

    if (wf_local_is_up(cli, node))
        return wf_local_commit(cli, node, envelope, ret_version);
    int status = wf_cli_identity(cli, node, &id);
    if (status)
        return status;
    enum weft_err err = wf_charter_read(envelope, &c);
    if (!err && !id->has_mesh && c->version == 1) {
        struct wf_charter *checked = NULL;
        err =
            wf_charter_open_genesis(envelope, NULL, &checked); // all have signed, or it is no mesh
        if (!err)
            err = wf_identity_set_mesh(id, &c->id, &diag);
        wf_charter_free(checked);
    }
    if (!err)
        err = wf_identity_add_charter(id, envelope, &diag);
    if (!err)
        err = wf_print(WF_PREFIX_MESH, wf_hash_view(&id->mesh_id), &mesh);
    if (err)
        status = wf_cli_diag(err, &diag, "charter");
    else
        *ret_version = id->charter->version;
    if (!err && !wf_cli_for_programs(cli))
        printf("%s: charter version %llu is in force\nmesh id %s\n", id->dir,
            (unsigned long long)id->charter->version, (const char *)mesh.ptr);
    wf_buf_fini(&mesh);
    wf_charter_free(c);
    wf_identity_free(id);
    return status;
}

int wf_cmd_charter_commit(struct wf_cli *cli, int argc, char **argv)
{
    struct wf_buf envelope = { 0 };
    struct wf_charter *c = NULL;
    char *file = NULL;
    uint64_t in_force = 0;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &file, &count);

    if (status >= 0)
        return status;
    status = wf_charter_file_load(file, &envelope, &c);
    if (!status)
        status = wf_charter_install(cli, NULL, wf_buf_view(&envelope), &in_force);
    if (!status && wf_cli_for_programs(cli))
        status = say_object("weft.charter-commit/v1", file, c, wf_buf_view(&envelope), in_force);
    wf_charter_free(c);
    wf_buf_fini(&envelope);
    return status;
}

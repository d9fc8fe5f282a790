// SPDX-License-Identifier: Apache-2.0
// weft domain init, weft node init, weft key show: keys and first certificates, all offline.
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/print.h"
#include "sdk/cli/setup.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"

#define DAY_MS      INT64_C(86400000)
#define ISSUER_DAYS 90
#define NODE_DAYS   7
#define BACKDATE_MS                                                                                \
    60000 // the clock tolerance: a certificate made here is valid on a machine that is a little behind

// ---- domain init -----------------------------------------------------------------------------------------------------

static enum weft_err write_in(
    const char *dir, const char *name, struct wf_bytes content, struct wf_diag *diag)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err)
        err = wf_disk_create(path, content, diag);
    free(path);
    return err;
}

static enum weft_err write_domain_file(
    const char *dir, const struct wf_domain_public *d, bool replace, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    char name[WF_MAX_NAME + 16], *path = NULL;
    enum weft_err err = wf_domain_public_print(d, &text);

    snprintf(name, sizeof name, "%s.weftdomain", d->name.s);
    if (!err)
        err = wf_buf_append_byte(&text, '\n');
    if (!err)
        err = wf_disk_join(dir, name, &path);
    if (!err)
        err = replace ? wf_disk_replace(path, wf_buf_view(&text), diag)
                      : wf_disk_create(path, wf_buf_view(&text), diag);
    wf_buf_fini(&text);
    free(path);
    return err;
}

static enum weft_err make_root(
    const char *dir, const struct wf_secret *pass, struct wf_domain_public *d, struct wf_diag *diag)
{
    struct wf_keys keys = { 0 };
    struct wf_buf file = { 0 };
    enum weft_err err = wf_keys_new('S', &keys);

    if (!err)
        err = wf_keys_pack(&keys, wf_secret_view(pass), &file);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err)
        err = write_in(dir, "root.key", wf_buf_view(&file), diag);
    d->root_key = keys.sign_pub;
    if (!err)
        err = write_domain_file(dir, d, false, diag);
    wf_wipe(file.ptr, file.len);
    wf_buf_fini(&file);
    wf_keys_fini(&keys);
    return err;
}

static int say_domain(
    const struct wf_cli *cli, const char *dir, const struct wf_domain_public *d, bool plain)
{
    char print[WF_FINGERPRINT_LEN], file[WF_MAX_PATH], *key = NULL;

    wf_fingerprint(wf_bytes(d->root_key.b, WF_KEY_LEN), print);
    snprintf(file, sizeof file, "%s/%s.weftdomain", dir, d->name.s);
    if (!wf_cli_for_programs(cli)) {
        printf("domain %s: root key %s (fingerprint %s)\n  %s/root.key         keep it offline; it "
               "signs the issuer and charters\n  %s  give this file to the other "
               "domains\nnext: weft node init --domain %s --dir NODE\n",
            d->name.s, plain ? "made without a passphrase" : "made", print, dir, file, dir);
        return 0;
    }
    if (wf_disk_join(dir, "root.key", &key))
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    const struct wf_fact facts[] = { { "domain", d->name.s, false },
        { "fingerprint", print, false }, { "key", key, false },
        { "passphrase", plain ? "false" : "true", true }, { "file", file, false } };
    int status = wf_cli_object("weft.domain-init/v1", facts, WF_COUNT(facts));
    free(key);
    return status;
}

int wf_cmd_domain_init(struct wf_cli *cli, int argc, char **argv)
{
    const char *pass_file = NULL;
    bool plain = false;
    const struct wf_opt opts[] = { { "passphrase-file", 0, .value = &pass_file },
        { "no-passphrase", 0, .flag = &plain } };
    char *name = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &name, &count);
    struct wf_domain_public d = { 0 };
    struct wf_secret pass = { 0 };
    struct wf_diag diag = { 0 };

    if (status >= 0)
        return status;
    const char *dir = cli->dir ? cli->dir : name;
    if (wf_name_from(wf_bytes_str(name), &d.name))
        return wf_cli_fail(
            WEFT_E_NAME, "\"%s\": a domain's name is [a-z][a-z0-9-]*, at most 63 long", name);
    enum weft_err err =
        plain ? WEFT_OK
              : wf_cli_passphrase(pass_file, "New passphrase for the root key: ", true, &pass);
    if (err)
        return weft_err_exit(err);
    err = make_root(dir, &pass, &d, &diag);
    wf_secret_fini(&pass);
    if (err)
        return wf_cli_diag(err, &diag, dir);
    return say_domain(cli, dir, &d, plain);
}

// ---- node init -------------------------------------------------------------------------------------------------------

struct node_init {
    const char *root_dir, *dir, *name, *listen, *advertise, *pass_file;
    bool now;
    bool again; // the domain had an issuer before
    struct wf_root root;
    struct wf_keys issuer, node;
    struct wf_buf issuer_cert, node_cert, chain;
    int64_t now_ms;
};

static enum weft_err issue_both(struct node_init *in)
{
    struct wf_cert c = { .domain = in->root.public.name,
        .kind = WF_ID_ISSUER,
        .sign_key = in->issuer.sign_pub,
        .serial = (uint64_t)in->now_ms };
    struct wf_bytes certs[2];

    c.usages = wf_usages_of(WF_ID_ISSUER);
    c.not_before_ms = in->now_ms - BACKDATE_MS;
    c.not_after_ms = in->now_ms + ISSUER_DAYS * DAY_MS;
    enum weft_err err = wf_name_from(WF_STR("issuer"), &c.subject);
    if (!err)
        err = wf_cert_issue(&c, &in->root.keys.sign, &in->issuer_cert);
    struct wf_cert n = { .domain = c.domain,
        .kind = WF_ID_NODE,
        .sign_key = in->node.sign_pub,
        .dh_key = in->node.dh_pub,
        .serial = c.serial };
    n.usages = wf_usages_of(WF_ID_NODE);
    n.not_before_ms = c.not_before_ms;
    n.not_after_ms = in->now_ms + NODE_DAYS * DAY_MS;
    n.pattern_count = 1;
    memcpy(n.patterns[0].s, "*", 2);
    if (!err)
        err = wf_name_from(wf_bytes_str(in->name), &n.subject);
    if (!err)
        err = wf_cert_issue(&n, &in->issuer.sign, &in->node_cert);
    certs[0] = wf_buf_view(&in->node_cert);
    certs[1] = wf_buf_view(&in->issuer_cert);
    return err ? err : wf_chain_pack(certs, 2, &in->chain);
}

static enum weft_err write_config(const struct node_init *in, struct wf_diag *diag)
{
    struct wf_buf text = { 0 };
    enum weft_err err = wf_buf_printf(&text,
        "# weftd.yaml(5) explains every key; weft config check FILE tells what is wrong\n"
        "role: node\ndomain: %s\nname: %s\nissuer: true\ndata: data\nsocket: "
        "run/weftd.sock\nproducts: products.d\nlisten: \"%s\"\n",
        in->root.public.name.s, in->name, in->listen);

    // Several nodes on one machine differ in their port: so do their health ports.
    const char *colon = strrchr(in->listen, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (!err)
        err = port > 0 && port + 100 <= 65535
                  ? wf_buf_printf(&text, "http: \"127.0.0.1:%lu\"\n", port + 100)
                  : wf_buf_append_str(&text, "http: off\n");
    if (!err)
        err = wf_buf_append_str(&text,
            "# these domains may read DOMAIN/agents (which hosts are up, late, gone) and "
            "DOMAIN/signals-NAME (how this node does); take out what "
            "you do not want\n"
            "access: {agents: [monitoring], signals: [monitoring]}\n");
    if (!err && in->advertise)
        err = wf_buf_printf(&text, "advertise: \"%s\"\n", in->advertise);
    if (!err)
        err = write_in(in->dir, "weftd.yaml", wf_buf_view(&text), diag);
    wf_buf_fini(&text);
    return err;
}

static enum weft_err write_node(struct node_init *in, struct wf_diag *diag)
{
    char *data = NULL, *products = NULL;
    struct wf_buf key = { 0 };
    enum weft_err err = wf_disk_mkdir(in->dir, diag);

    if (!err)
        err = wf_disk_join(in->dir, "data", &data);
    if (!err)
        err = wf_identity_create(data, &in->node, diag);
    if (!err)
        err = wf_keys_pack(&in->issuer, wf_bytes(NULL, 0), &key);
    if (!err)
        err = write_in(data, "identity/issuer.key", wf_buf_view(&key), diag);
    if (!err)
        err = write_in(data, "identity/issuer.cert", wf_buf_view(&in->issuer_cert), diag);
    if (!err)
        err = write_in(data, "identity/chain", wf_buf_view(&in->chain), diag);
    if (!err)
        err = wf_disk_join(in->dir, "products.d", &products);
    if (!err)
        err = wf_disk_mkdir(products, diag);
    if (!err)
        err = write_config(in, diag);
    if (!err && in->again)
        err =
            write_in(data, WF_ANEW_FILE, in->now ? WF_STR(WF_ANEW_NOW) : WF_STR(WF_ANEW_ASK), diag);
    wf_wipe(key.ptr, key.len);
    wf_buf_fini(&key);
    free(data);
    free(products);
    return err;
}

#define ISSUERS "issuers" // in the root's directory: one line for each that it made

static enum weft_err read_issuers(const struct node_init *in, struct wf_buf *ret)
{
    char *path = NULL;
    enum weft_err err = wf_disk_join(in->root_dir, ISSUERS, &path);

    if (!err)
        err = wf_file_read(path, WF_MIB, WF_FILE_OWNED, ret, NULL);
    free(path);
    return err == WEFT_E_NOT_FOUND ? WEFT_OK : err;
}

// Was there one before? A root from before this file was kept tells it by its seeds.
static enum weft_err look_back(struct node_init *in)
{
    struct wf_buf lines = { 0 };
    enum weft_err err = read_issuers(in, &lines);

    in->again = lines.len > 0 || in->root.public.seed_count > 0;
    wf_buf_fini(&lines);
    return err;
}

static enum weft_err note_issuer(const struct node_init *in, struct wf_diag *diag)
{
    struct wf_buf lines = { 0 };
    char *path = NULL, print[WF_FINGERPRINT_LEN], when[WF_CLI_TIME];
    enum weft_err err = wf_disk_join(in->root_dir, ISSUERS, &path);

    if (!err)
        err = read_issuers(in, &lines);
    wf_fingerprint(wf_bytes(in->issuer.sign_pub.b, WF_KEY_LEN), print);
    wf_cli_time(in->now_ms, when);
    if (!err)
        err = wf_buf_printf(&lines, "%s %s %s\n", when, in->name, print);
    if (!err)
        err = wf_disk_replace(path, wf_buf_view(&lines), diag);
    wf_buf_fini(&lines);
    free(path);
    return err;
}

static void say_again(const struct node_init *in)
{
    if (!in->again)
        return;
    fprintf(stderr,
        in->now ? "%s had an issuer before: what that one revoked has to be revoked again\n"
                : "%s had an issuer before: the new one decides nothing until other nodes were "
                  "asked what that one revoked; give it one: weft mesh join --seed, or seeds: of "
                  "weftd.yaml. When none is left: --now\n",
        in->root.public.name.s);
}

// The domain's public file learns where the domain answers, so that others can name it in a charter.
static enum weft_err add_seed(struct node_init *in, struct wf_diag *diag)
{
    struct wf_domain_public *d = &in->root.public;
    const char *address = in->advertise ? in->advertise : in->listen;

    if (d->seed_count == WF_MAX_SEEDS || strlen(address) >= sizeof d->seeds[0].address ||
        wf_address_check(wf_bytes_str(address)))
        return WEFT_OK; // "*:7400" can't be dialled: the seed is given by hand later
    struct wf_seed *s = &d->seeds[d->seed_count++];
    memcpy(s->address, address, strlen(address) + 1);
    s->dh_key = in->node.dh_pub;
    return write_domain_file(in->root_dir, d, true, diag);
}

static int say_node(const struct wf_cli *cli, const struct node_init *in)
{
    char print[WF_FINGERPRINT_LEN], *config = NULL;
    int status = 0;

    wf_fingerprint(wf_bytes(in->node.sign_pub.b, WF_KEY_LEN), print);
    if (wf_disk_join(in->dir, "weftd.yaml", &config))
        return wf_cli_fail(WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
    if (wf_cli_for_programs(cli)) {
        const struct wf_fact facts[] = { { "domain", in->root.public.name.s, false },
            { "name", in->name, false }, { "fingerprint", print, false }, { "dir", in->dir, false },
            { "config", config, false }, { "again", in->again ? "true" : "false", true } };
        status = wf_cli_object("weft.node-init/v1", facts, WF_COUNT(facts));
    } else {
        printf(
            "node %s/%s: identity %s\n  %s  edit it, then: weftd -c %s\nnext: weft mesh init MESH "
            "--domain %s --node %s   (or join one: weft mesh join)\n",
            in->root.public.name.s, in->name, print, config, config, in->root_dir, in->dir);
    }
    free(config);
    return status;
}

int wf_cmd_node_init(struct wf_cli *cli, int argc, char **argv)
{
    struct node_init in = {
        .name = "node-1", .listen = "127.0.0.1:7400", .now_ms = wf_cli_now_ms()
    };
    const struct wf_opt opts[] = {
        { "domain", 0, .value = &in.root_dir },
        { "name", 0, .value = &in.name },
        { "listen", 0, .value = &in.listen },
        { "advertise", 0, .value = &in.advertise },
        { "passphrase-file", 0, .value = &in.pass_file },
        { "now", 0, .flag = &in.now },
    };
    struct wf_diag diag = { 0 };
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count);

    if (status >= 0)
        return status;
    if (!in.root_dir || !cli->dir)
        return wf_cli_fail(
            WEFT_E_USAGE, "weft node init --domain ROOT --dir NODE: both are needed");
    if (!wf_name_is_valid(wf_bytes_str(in.name)))
        return wf_cli_fail(WEFT_E_NAME, "--name %s: names are [a-z][a-z0-9-]*", in.name);
    in.dir = cli->dir;
    status = wf_root_load(in.root_dir, in.pass_file, true, &in.root);
    if (status)
        return status;
    enum weft_err err = wf_keys_new('S', &in.issuer);
    if (!err)
        err = wf_keys_new('N', &in.node);
    if (!err)
        err = issue_both(&in);
    if (!err)
        err = look_back(&in);
    if (!err)
        err = write_node(&in, &diag);
    if (!err)
        err = note_issuer(&in, &diag);
    if (!err)
        err = add_seed(&in, &diag);
    if (!err)
        say_again(&in);
    if (err)
        status = wf_cli_diag(err, &diag, in.dir);
    else
        status = say_node(cli, &in);
    wf_keys_fini(&in.issuer);
    wf_keys_fini(&in.node);
    wf_buf_fini(&in.issuer_cert);
    wf_buf_fini(&in.node_cert);
    wf_buf_fini(&in.chain);
    wf_root_fini(&in.root);
    return status;
}

// ---- key show --------------------------------------------------------------------------------------------------------

static enum weft_err key_rows(const struct wf_identity_dir *d, struct wf_table *t)
{
    struct wf_buf id = { 0 }, dh = { 0 };
    char print[WF_FINGERPRINT_LEN];
    enum weft_err err = wf_id_print(&d->keys.sign_pub, &d->keys.dh_pub, &id);

    if (!err)
        err = wf_print(WF_PREFIX_DH, wf_bytes(d->keys.dh_pub.b, WF_KEY_LEN), &dh);
    wf_fingerprint(wf_bytes(d->keys.sign_pub.b, WF_KEY_LEN), print);
    if (!err) {
        bool known = d->has_chain && d->charter;
        wf_table_text(t, known ? d->identity.cert.domain.s : NULL);
        wf_table_text(t, known ? d->identity.cert.subject.s : NULL);
        wf_table_text(t, known ? wf_identity_kind_name(d->identity.cert.kind) : NULL);
        wf_table_text(t, print);
        wf_table_when(t, known ? d->identity.cert.not_after_ms : 0);
        wf_table_text(t, (const char *)dh.ptr);
        wf_table_text(t, (const char *)id.ptr);
    }
    wf_buf_fini(&id);
    wf_buf_fini(&dh);
    return err;
}

int wf_cmd_key_show(struct wf_cli *cli, int argc, char **argv)
{
    static const char *const columns[] = { "domain", "subject", "kind", "fingerprint", "expires",
        "dh_key", "identity" };
    struct wf_identity_dir *d = NULL;
    struct wf_table *t = NULL;
    char *operand = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 1, &operand, &count);

    if (status >= 0)
        return status;
    status = wf_cli_identity(cli, count ? operand : NULL, &d);
    if (status)
        return status;
    enum weft_err err = wf_table_new(cli, "weft.key/v1", columns, WF_COUNT(columns), &t);
    if (!err) {
        err = key_rows(d, t);
        enum weft_err printed = wf_table_done(t);
        err = err ? err : printed;
    }
    wf_identity_free(d);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// SPDX-License-Identifier: Apache-2.0
// weft mesh join: a node of a further domain pins the mesh it was told of.
#include <stdlib.h>

#include "proto/base/print.h"
#include "sdk/cli/local.h"
#include "sdk/cli/setup.h"

static int pin(struct wf_identity_dir *id, const char *genesis)
{
    struct wf_buf data = { 0 };
    struct wf_hash mesh;
    struct wf_diag diag = { 0 };
    enum weft_err err = wf_print_parse(WF_PREFIX_MESH, wf_bytes_str(genesis), &data);

    if (!err)
        err = wf_hash_from(wf_buf_view(&data), &mesh);
    wf_buf_fini(&data);
    if (err)
        return wf_cli_fail(err, "--genesis: not a mesh id (weftmesh1...): %s", weft_err_text(err));
    err = wf_identity_set_mesh(id, &mesh, &diag);
    if (err == WEFT_E_WRONG_MESH)
        return wf_cli_fail(
            err, "%s belongs to another mesh already; a node has one mesh for life", id->dir);
    return err ? wf_cli_diag(err, &diag, id->dir) : 0;
}

static int take_charters(struct wf_identity_dir *id, const char **files)
{
    int status = 0;

    for (size_t i = 0; files && files[i] && !status; i++) {
        struct wf_buf envelope = { 0 };
        struct wf_charter *c = NULL;
        struct wf_diag diag = { 0 };
        status = wf_charter_file_load(files[i], &envelope, &c);
        if (!status) {
            enum weft_err err = wf_identity_add_charter(id, wf_buf_view(&envelope), &diag);
            status = err ? wf_cli_diag(err, &diag, files[i]) : 0;
        }
        wf_charter_free(c);
        wf_buf_fini(&envelope);
    }
    return status;
}

// "host:port,weftdh1..."
static int parse_seed(const char *text, struct wf_seed *ret)
{
    const char *comma = strrchr(text, ',');
    struct wf_buf key = { 0 };
    size_t len = comma ? (size_t)(comma - text) : 0;
    enum weft_err err =
        comma && len < sizeof ret->address ? wf_address_check(wf_bytes(text, len)) : WEFT_E_SYNTAX;

    if (!err)
        err = wf_print_parse(WF_PREFIX_DH, wf_bytes_str(comma + 1), &key);
    if (!err && key.len != WF_KEY_LEN)
        err = WEFT_E_KEY;
    if (!err) {
        memcpy(ret->address, text, len);
        ret->address[len] = '\0';
        memcpy(ret->dh_key.b, key.ptr, WF_KEY_LEN);
    }
    wf_buf_fini(&key);
    return err ? wf_cli_fail(err,
                     "--seed %s: write HOST:PORT,weftdh1… (the node's dh_key of: weft key show)",
                     text)
               : 0;
}

static int say_joined(
    const struct wf_cli *cli, const struct wf_identity_dir *id, const char *genesis)
{
    char version[24];

    if (wf_cli_for_programs(cli)) {
        snprintf(version, sizeof version, "%llu",
            id->charter ? (unsigned long long)id->charter->version : 0);
        const struct wf_fact facts[] = { { "dir", id->dir, false },
            { "mesh", id->charter ? id->charter->mesh : NULL, false },
            { "mesh_id", genesis, false },
            { "version", id->charter ? version : NULL, id->charter != NULL } };
        return wf_cli_object("weft.mesh-join/v1", facts, WF_COUNT(facts));
    }
    if (id->charter)
        printf("%s: mesh %s, charter version %llu\n", id->dir, id->charter->mesh,
            (unsigned long long)id->charter->version);
    else
        printf("%s: mesh pinned; weftd fetches the charters from its seeds\n", id->dir);
    return 0;
}

int wf_cmd_mesh_join(struct wf_cli *cli, int argc, char **argv)
{
    const char *genesis = NULL, **charters = NULL, **seed_texts = NULL;
    const struct wf_opt opts[] = { { "genesis", 0, .value = &genesis },
        { "charter", 0, .list = &charters }, { "seed", 0, .list = &seed_texts } };
    struct wf_seed seeds[WF_MAX_SEEDS];
    size_t seed_count = 0;
    struct wf_identity_dir *id = NULL;
    struct wf_diag diag = { 0 };
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count);

    if (status >= 0)
        goto out;
    status = genesis ? 0
                     : wf_cli_fail(WEFT_E_USAGE,
                           "--genesis weftmesh1… is needed: the mesh id, told by a member");
    for (; !status && seed_texts && seed_texts[seed_count] && seed_count < WF_MAX_SEEDS;
         seed_count++)
        status = parse_seed(seed_texts[seed_count], &seeds[seed_count]);
    if (!status)
        status = wf_cli_identity(cli, NULL, &id);
    if (!status && wf_local_is_up(cli, NULL))
        status =
            wf_cli_fail(WEFT_E_IN_USE, "its weftd is running; stop it, join, and start it again");
    if (!status)
        status = pin(id, genesis);
    if (!status)
        status = take_charters(id, charters);
    if (!status && seed_count) {
        enum weft_err err = wf_identity_set_seeds(id, seeds, seed_count, &diag);
        status = err ? wf_cli_diag(err, &diag, id->dir) : 0;
    }
    if (!status)
        status = say_joined(cli, id, genesis);
out:
    wf_identity_free(id);
    free(charters);
    free(seed_texts);
    return status;
}

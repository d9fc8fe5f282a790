// SPDX-License-Identifier: Apache-2.0
// weft completion: scripts for shells, which ask the program itself, and the names that it can say.
#include <stdlib.h>

#include "proto/trust/product.h"
#include "sdk/cli/client.h"
#include "sdk/cli/completion.h"
#include "sdk/cli/local.h"

// ---- scripts: they print nothing of their own ------------------------------------------------------------------------

static const char bash[] =
    "# bash completion of weft(1); made by: weft completion bash\n"
    "_weft() {\n"
    "    local line cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    [ \"$cur\" != = ] || cur=\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files) compopt -o filenames; mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < "
    "<(compgen -f "
    "-- \"$cur\") ;;\n"
    "        :dirs) compopt -o filenames; mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen "
    "-d "
    "-- \"$cur\") ;;\n"
    "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(weft completion words -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "    case ${COMPREPLY[0]-} in */ | *:) compopt -o nospace ;; esac\n"
    "}\n"
    "complete -F _weft weft\n";

static const char zsh[] =
    "#compdef weft\n"
    "# zsh completion of weft(1); made by: weft completion zsh\n"
    "_weft() {\n"
    "    local line\n"
    "    local -a got\n"
    "    for line in \"${(@f)$(weft completion words -- \"${(@)words[2,CURRENT]}\" "
    "2>/dev/null)}\"; "
    "do\n"
    "        case $line in\n"
    "        :files) _files ;;\n"
    "        :dirs) _files -/ ;;\n"
    "        *$'\\t'*) got+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        ?*) got+=(\"${line//:/\\\\:}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( ! $#got )) || _describe weft got\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _weft ]; then _weft \"$@\"; else compdef _weft weft; fi\n";

static const char fish[] = "# fish completion of weft(1); made by: weft completion fish\n"
                           "function __weft_words\n"
                           "    set -l typed (commandline -opc) (commandline -ct)\n"
                           "    for line in (weft completion words -- $typed[2..-1] 2>/dev/null)\n"
                           "        switch $line\n"
                           "            case ':files'\n"
                           "                __fish_complete_path (commandline -ct)\n"
                           "            case ':dirs'\n"
                           "                __fish_complete_directories (commandline -ct)\n"
                           "            case '*'\n"
                           "                echo $line\n"
                           "        end\n"
                           "    end\n"
                           "end\n"
                           "complete -c weft -f -a '(__weft_words)'\n";

int wf_cmd_completion(struct wf_cli *cli, int argc, char **argv)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    char *words[256];
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, WF_COUNT(words), words, &count);

    if (status >= 0)
        return status;
    if (strcmp(words[0], "words") == 0) {
        wf_complete(cli, words + 1, count - 1);
        return 0;
    }
    for (size_t i = 0; i < WF_COUNT(scripts) && count == 1; i++)
        if (strcmp(words[0], scripts[i].shell) == 0)
            return fputs(scripts[i].script, stdout) < 0 ? wf_cli_fail(WEFT_E_IO, "standard output")
                                                        : 0;
    return wf_cli_fail(WEFT_E_USAGE, "weft completion bash, zsh or fish");
}

// ---- names -----------------------------------------------------------------------------------------------------------

typedef void put_fn(void *arg, const char *word, const char *what);

static void catalog_names(const struct wf_cli *cli, int kind, put_fn *put, void *arg)
{
    const struct weft_options options = { .dir = cli->dir, .socket = cli->socket };
    struct weft_client *c = NULL;
    struct weft_catalog *cat = NULL;
    char name[2 * WF_MAX_NAME + 3];

    if (weft_connect(&options, &c, NULL))
        return;
    if (weft_discover(c, NULL, NULL, &cat, NULL) == WEFT_OK)
        for (size_t i = 0; i < weft_catalog_count(cat); i++) {
            const struct weft_product_info *p = weft_catalog_at(cat, i);
            if (kind && (int)p->kind != kind)
                continue;
            snprintf(name, sizeof name, "%s/%s%s", p->domain, p->name,
                kind == WEFT_API_PRODUCT ? "/" : "");
            put(arg, name, p->title);
        }
    weft_catalog_free(cat);
    weft_close(c);
}

// Products and nodes of this domain, as the local weftd knows them.
static void own_names(const struct wf_cli *cli, bool nodes, put_fn *put, void *arg)
{
    struct wf_arena arena;
    const Weft__V1__StatusReply *r = wf_local_status(cli, &arena);

    if (!r)
        return;
    for (size_t i = 0; !nodes && i < r->n_products; i++)
        put(arg, r->products[i]->name, NULL);
    for (size_t i = 0; nodes && i < r->n_peers; i++)
        if (strcmp(r->peers[i]->domain, r->domain) == 0)
            put(arg, r->peers[i]->subject, r->peers[i]->address);
    wf_arena_fini(&arena);
}

static void agent_names(const struct wf_cli *cli, put_fn *put, void *arg)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AgentsRequest a = WEFT__V1__AGENTS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;
    char why[128];

    q.kind_case = WEFT__V1__REQUEST__KIND_AGENTS;
    q.agents = &a;
    if (wf_local_try(cli, NULL, &q, 0, &arena, &reply, why, sizeof why))
        return;
    if (reply->kind_case == WEFT__V1__REPLY__KIND_AGENTS)
        for (size_t i = 0; i < reply->agents->n_agents; i++)
            put(arg, reply->agents->agents[i]->subject, reply->agents->agents[i]->state);
    wf_arena_fini(&arena);
}

void wf_complete_names(
    const struct wf_cli *cli, const char *command, const char *form, put_fn *put, void *arg)
{
    if (strstr(form, "DOMAIN/INVENTORY"))
        catalog_names(cli, WEFT_INVENTORY, put, arg);
    else if (strstr(form, "DOMAIN/API"))
        catalog_names(cli, WEFT_API_PRODUCT, put, arg);
    else if (strstr(form, "DOMAIN/PRODUCT"))
        catalog_names(cli, 0, put, arg);
    else if (strncmp(form, "PRODUCT", 7) == 0 || strcmp(command, "product remove") == 0)
        own_names(cli, false, put, arg);
    else if (strncmp(command, "agent ", 6) == 0)
        agent_names(cli, put, arg);
    else if (strcmp(command, "node replace") == 0)
        own_names(cli, true, put, arg);
}

// SPDX-License-Identifier: Apache-2.0
// weft ticket create.
#include <stdlib.h>

#include "proto/trust/ident.h"
#include "sdk/cli/agents.h"
#include "sdk/cli/local.h"

#define TICKETS_MAX 1000000u

struct ticket_args {
    const char *kind, *name, *count, *uses, *from, *prefix, *duration;
    const char **products;
};

static int fill(const struct ticket_args *a, Weft__V1__TicketRequest *t)
{
    enum wf_identity_kind kind = WF_ID_AGENT;
    uint64_t count = t->count, uses = t->uses;
    int status = 0;

    if (!a->kind || wf_identity_kind_parse(wf_bytes_str(a->kind), &kind) || kind == WF_ID_ISSUER)
        return wf_cli_fail(WEFT_E_USAGE, "--kind is node, agent, service or user");
    if (a->name && (a->count || a->uses || a->prefix))
        return wf_cli_fail(WEFT_E_USAGE,
            "--name is one machine's: it does not go with --count, --uses or --name-prefix");
    t->kind = (Weft__V1__IdentityKind)kind;
    t->name = wf_pb_str(a->name ? a->name : "");
    t->from = wf_pb_str(a->from ? a->from : "");
    t->name_prefix = wf_pb_str(a->prefix ? a->prefix : "");
    status = wf_cli_take_number("count", a->count, TICKETS_MAX, &count);
    if (!status)
        status = wf_cli_take_number("uses", a->uses, TICKETS_MAX, &uses);
    if (!status)
        status = wf_cli_take_duration("for", a->duration, 1000, &t->duration_ms);
    t->count = (uint32_t)count;
    t->uses = (uint32_t)uses;
    while (a->products && a->products[t->n_products])
        t->n_products++;
    t->products = (char **)(uintptr_t)a->products;
    return status;
}

static int print(const struct wf_cli *cli, const Weft__V1__TicketReply *r)
{
    static const char *const columns[] = { "ticket" };
    struct wf_table *t = NULL;
    enum weft_err err = WEFT_OK;

    // In a table a ticket would stand under a heading: bare lines are what goes into files and messages.
    if (cli->format == WF_OUT_TABLE) {
        for (size_t i = 0; i < r->n_tickets; i++)
            puts(r->tickets[i]);
        return 0;
    }
    err = wf_table_new(cli, "weft.tickets/v1", columns, WF_COUNT(columns), &t);
    for (size_t i = 0; i < r->n_tickets && !err; i++)
        wf_table_text(t, r->tickets[i]);
    if (!err)
        err = wf_table_done(t);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

int wf_cli_tickets(struct wf_cli *cli, Weft__V1__TicketRequest *t)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;

    q.kind_case = WEFT__V1__REQUEST__KIND_TICKET;
    q.ticket = t;
    int status = wf_local_ask(cli, NULL, &q, 0, &arena, &reply);
    if (status)
        return status;
    status = reply->kind_case == WEFT__V1__REPLY__KIND_TICKET
                 ? print(cli, reply->ticket)
                 : wf_cli_fail(WEFT_E_PROTOCOL, "weftd answered something else");
    if (!status && reply->ticket->note[0] && !cli->quiet)
        fprintf(stderr, "%s\n", reply->ticket->note);
    wf_arena_fini(&arena);
    return status;
}

int wf_cmd_ticket_create(struct wf_cli *cli, int argc, char **argv)
{
    struct ticket_args a = { 0 };
    const struct wf_opt opts[] = { { "kind", 0, .value = &a.kind }, { "name", 0, .value = &a.name },
        { "count", 0, .value = &a.count }, { "uses", 0, .value = &a.uses },
        { "from", 0, .value = &a.from }, { "name-prefix", 0, .value = &a.prefix },
        { "for", 0, .value = &a.duration }, { "product", 0, .list = &a.products } };
    Weft__V1__TicketRequest t = WEFT__V1__TICKET_REQUEST__INIT;
    int count = 0, status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 0, 0, NULL, &count);

    if (status < 0)
        status = fill(&a, &t);
    else
        goto out;
    if (!status)
        status = wf_cli_tickets(cli, &t);
out:
    free(a.products);
    return status;
}

// ---- another machine in a node's place -------------------------------------------------------------------------------

int wf_cmd_node_replace(struct wf_cli *cli, int argc, char **argv)
{
    const char *duration = NULL, **products = NULL;
    bool now = false;
    const struct wf_opt opts[] = { { "now", 0, .flag = &now }, { "for", 0, .value = &duration },
        { "product", 0, .list = &products } };
    Weft__V1__TicketRequest t = WEFT__V1__TICKET_REQUEST__INIT;
    char *name = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &name, &count);

    if (status >= 0)
        goto out;
    status = wf_cli_take_duration("for", duration, 1000, &t.duration_ms);
    if (status)
        goto out;
    t.kind = WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_NODE;
    t.name = wf_pb_str(name);
    t.replace = true;
    t.now = now;
    while (products && products[t.n_products])
        t.n_products++;
    t.products = (char **)(uintptr_t)products;
    status = wf_cli_tickets(cli, &t);
    if (!status && !cli->quiet)
        fprintf(stderr,
            "on the new machine: weft join TICKET --dir DIR, then weftd -c DIR/weftd.yaml\n"
            "  %s the old key of %s is refused; then its products live on the new machine, and "
            "what "
            "only the old one had is lost: readers name it\n"
            "  agents ask the domain's other nodes where it is; one that knows none needs address "
            "and "
            "key (weft key show DIR) in its uplinks:\n",
            now ? "now" : "then", name);
out:
    free(products);
    return status;
}

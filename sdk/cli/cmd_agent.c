// SPDX-License-Identifier: Apache-2.0
// weft agent list, show, revoke, replace.
#include <inttypes.h>
#include <stdlib.h>

#include "sdk/cli/agents.h"
#include "sdk/cli/local.h"
#include "sdk/cli/top.h"

static int ask(struct wf_cli *cli, const char *show, const char *revoke, struct wf_arena *arena,
    const Weft__V1__AgentsReply **ret)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__AgentsRequest a = WEFT__V1__AGENTS_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;

    a.show = wf_pb_str(show);
    a.revoke = wf_pb_str(revoke);
    q.kind_case = WEFT__V1__REQUEST__KIND_AGENTS;
    q.agents = &a;
    int status = wf_local_ask(cli, NULL, &q, 0, arena, &reply);
    if (status)
        return status;
    if (reply->kind_case != WEFT__V1__REPLY__KIND_AGENTS) {
        wf_arena_fini(arena);
        return wf_cli_fail(WEFT_E_PROTOCOL, "weftd answered something else");
    }
    *ret = reply->agents;
    return 0;
}

static unsigned failing(const Weft__V1__AgentState *s)
{
    unsigned count = 0;

    for (size_t i = 0; s && i < s->n_sources; i++)
        count += strcmp(s->sources[i]->state, "failed") == 0 ||
                 strcmp(s->sources[i]->state, "stopped") == 0;
    return count;
}

// Milliseconds since it was heard, by the node's clock; -1 = never.
static enum weft_err rows(const struct wf_cli *cli, const Weft__V1__AgentsReply *r)
{
    static const char *const columns[] = { "agent", "state", "heard", "spool", "lost", "skew_ms",
        "sources", "failing", "version", "certificate", "address", "revoked", "why" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.agents/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < r->n_agents && !err; i++) {
        const Weft__V1__AgentInfo *a = r->agents[i];
        wf_table_text(t, a->subject);
        wf_table_text(t, a->state);
        wf_table_age(t, a->heard_ms);
        wf_table_number(t, a->last ? (int64_t)a->last->spool_bytes : 0);
        wf_table_number(t, a->last ? (int64_t)a->last->lost_records : 0);
        wf_table_number(t, a->skew_ms);
        wf_table_number(t, a->last ? (int64_t)a->last->n_sources : 0);
        wf_table_number(t, failing(a->last));
        wf_table_text(t, a->last ? a->last->version : "");
        wf_table_when(t, a->certificate_expires_ms);
        wf_table_text(t, a->address);
        wf_table_when(t, a->revoked_ms);
        const char *why = a->why[0] ? a->why : wf_top_agent_cause(a);
        wf_table_text(t, why[0] ? why : NULL);
    }
    return err ? err : wf_table_done(t);
}

int wf_cmd_agent_list(struct wf_cli *cli, int argc, char **argv)
{
    const Weft__V1__AgentsReply *r = NULL;
    struct wf_arena arena;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 0, 0, NULL, &count);

    if (status >= 0)
        return status;
    status = ask(cli, "", "", &arena, &r);
    if (status)
        return status;
    enum weft_err err = rows(cli, r);
    wf_arena_fini(&arena);
    return err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
}

// ---- one agent -------------------------------------------------------------------------------------------------------

static void print_one(const Weft__V1__AgentInfo *a)
{
    char heard[48], cert[WF_CLI_AT];

    wf_cli_heard(a->heard_ms, heard);
    wf_cli_at(a->certificate_expires_ms, cert);
    printf("%-13s %s, %s, heard %s\n", "agent", a->subject, a->state, heard);
    if (!a->why[0] && wf_top_agent_cause(a)[0])
        printf("%-13s %s\n", "why", wf_top_agent_cause(a));
    if (a->revoked_ms) {
        char revoked[WF_CLI_AT];
        wf_cli_at(a->revoked_ms, revoked);
        printf("%-13s from %s\n", "revoked", revoked);
    }
    if (a->why[0])
        printf("%-13s %s; weft agent replace %s\n", "shut out", a->why, a->subject);
    if (a->replaced_ms) {
        char replaced[WF_CLI_AT];
        wf_cli_at(a->replaced_ms, replaced);
        printf("%-13s %s: the key before went; %" PRIu64 " records waited there and never came\n",
            "replaced", replaced, a->left_records);
    }
    printf("%-13s %s\n%-13s %s\n%-13s expires %s\n", "address", a->address[0] ? a->address : "-",
        "fingerprint", a->fingerprint, "certificate", cert);
    if (a->last) {
        wf_text_clean(a->last->hostname, ""); // what it says of itself
        wf_text_clean(a->last->version, "");
        printf("%-13s host %s, weft %s\n%-13s %" PRIu64 " bytes, %" PRIu64 " records wait; %" PRIu64
               " lost\n",
            "program", a->last->hostname, a->last->version, "spool", a->last->spool_bytes,
            a->last->spool_records, a->last->lost_records);
    }
    printf("%-13s %" PRId64 " ms\n", "clock skew", a->skew_ms);
}

static enum weft_err source_rows(const struct wf_cli *cli, const Weft__V1__AgentState *s)
{
    static const char *const columns[] = { "source", "state", "last_record", "restarts", "error" };
    struct wf_table *t = NULL;
    enum weft_err err = wf_table_new(cli, "weft.agent-sources/v1", columns, WF_COUNT(columns), &t);

    for (size_t i = 0; i < s->n_sources && !err; i++) {
        wf_table_text(t, s->sources[i]->product);
        wf_table_text(t, s->sources[i]->state);
        wf_table_since(t, s->sources[i]->last_record_ms);
        wf_table_number(t, s->sources[i]->restarts);
        wf_table_text(t, s->sources[i]->error[0] ? s->sources[i]->error : NULL);
    }
    return err ? err : wf_table_done(t);
}

int wf_cmd_agent_show(struct wf_cli *cli, int argc, char **argv)
{
    const Weft__V1__AgentsReply *r = NULL;
    struct wf_arena arena;
    char *name = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &name, &count);

    if (status >= 0)
        return status;
    status = ask(cli, name, "", &arena, &r);
    if (status)
        return status;
    enum weft_err err = r->n_agents == 1 ? WEFT_OK : WEFT_E_NOT_FOUND;
    if (!err && cli->format != WF_OUT_TABLE) {
        err = rows(cli, r);
    } else if (!err) {
        print_one(r->agents[0]);
        if (r->agents[0]->last && r->agents[0]->last->n_sources) {
            putchar('\n');
            err = source_rows(cli, r->agents[0]->last);
        }
    }
    wf_arena_fini(&arena);
    return err ? wf_cli_fail(err, "%s: %s", name, weft_err_text(err)) : 0;
}

int wf_cmd_agent_revoke(struct wf_cli *cli, int argc, char **argv)
{
    const Weft__V1__AgentsReply *r = NULL;
    struct wf_arena arena;
    char *name = NULL;
    int count = 0, status = wf_cli_parse(cli, argc, argv, NULL, 0, 1, 1, &name, &count);

    if (status >= 0)
        return status;
    status = ask(cli, "", name, &arena, &r);
    if (status)
        return status;
    if (!cli->quiet)
        fprintf(stderr,
            "%s is revoked; its key can never join again, a new one can by a new ticket\n", name);
    if (wf_cli_for_programs(cli)) {
        const struct wf_fact facts[] = { { "decision", "revoked", false },
            { "agent", name, false } };
        status = wf_cli_object("weft.agent-decision/v1", facts, WF_COUNT(facts));
    } else {
        enum weft_err err = rows(cli, r);
        status = err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
    }
    wf_arena_fini(&arena);
    return status;
}

// ---- another machine under the name ----------------------------------------------------------------------------------

static int revoke_now(struct wf_cli *cli, const char *name)
{
    const Weft__V1__AgentsReply *r = NULL;
    struct wf_arena arena;
    int status = ask(cli, "", name, &arena, &r);

    if (!status)
        wf_arena_fini(&arena);
    return status;
}

static void say_replace(const struct wf_cli *cli, const char *name, bool now)
{
    if (cli->quiet)
        return;
    if (now)
        fprintf(stderr,
            "the key of %s is refused from now on; what that machine has not delivered is lost "
            "(see: weft agent show %s)\n",
            name, name);
    else
        fprintf(stderr,
            "%s goes on until the new machine joins with this ticket; then its key is refused, and "
            "what it has not delivered by then is lost\n",
            name);
}

int wf_cmd_agent_replace(struct wf_cli *cli, int argc, char **argv)
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
    if (!status && now)
        status = revoke_now(cli, name);
    if (status)
        goto out;
    t.kind = WEFT__V1__IDENTITY_KIND__IDENTITY_KIND_AGENT;
    t.name = wf_pb_str(name);
    t.replace = !now;
    while (products && products[t.n_products])
        t.n_products++;
    t.products = (char **)(uintptr_t)products;
    status = wf_cli_tickets(cli, &t);
    if (!status)
        say_replace(cli, name, now);
out:
    free(products);
    return status;
}

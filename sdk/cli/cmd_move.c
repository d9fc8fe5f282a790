// SPDX-License-Identifier: Apache-2.0
// weft product move: the order at the issuer's node, then its progress until the new home has the product. The nodes do the work by themselves: ending
// this command ends nothing, and repeating it shows how far it is.
#include <stdio.h>
#include <time.h>

#include "sdk/cli/local.h"
#include "sdk/cli/product.h"

#define EVERY_MS 250

struct moving {
    const struct wf_cli *cli;
    const char *product, *node;
    bool lost, although_alive, wait;
    char said[256];
    // Where it lived while the move was under way: whoever asks at its end is told of the new home alone.
    char from[WF_MAX_NAME + 1];
};

static const char *step_of(Weft__V1__MoveReply__State s)
{
    switch (s) {
    case WEFT__V1__MOVE_REPLY__STATE__STATE_COPYING:
        return "copying";
    case WEFT__V1__MOVE_REPLY__STATE__STATE_HANDING_OVER:
        return "handing over: nothing is taken for a moment";
    case WEFT__V1__MOVE_REPLY__STATE__STATE_CLAIMING:
        return "claiming: the issuer says the new home";
    default:
        return "waiting";
    }
}

static void show(struct moving *m, const Weft__V1__MoveReply *r)
{
    char line[256], count[64] = "";

    if (r->total)
        snprintf(count, sizeof count, ", %llu of %llu records", (unsigned long long)r->copied,
            (unsigned long long)r->total);
    snprintf(line, sizeof line, "%s: %s%s%s%.120s", m->product, step_of(r->state), count,
        r->why[0] ? ": " : "", r->why);
    if (m->cli->quiet || strcmp(line, m->said) == 0)
        return;
    memcpy(m->said, line, sizeof line);
    fprintf(stderr, "%s\n", line);
}

static const char *from_of(const struct moving *m, const Weft__V1__MoveReply *r)
{
    return m->from[0] && !r->why[0] ? m->from : r->from;
}

static enum weft_err print_done(const struct moving *m, const Weft__V1__MoveReply *r)
{
    static const char *const columns[] = { "product", "node", "from", "term", "lost" };
    struct wf_table *t = NULL;
    enum weft_err err =
        wf_table_new(m->cli, "weft.product-move/v1", columns, WF_COUNT(columns), &t);

    if (err)
        return err;
    wf_table_text(t, m->product);
    wf_table_text(t, r->node);
    wf_table_text(t, from_of(m, r));
    wf_table_number(t, (int64_t)r->term);
    wf_table_bool(t, m->lost);
    return wf_table_done(t);
}

static void say_done(const struct moving *m, const Weft__V1__MoveReply *r)
{
    const char *from = from_of(m, r);

    if (m->cli->quiet)
        return;
    if (r->why[0])
        fprintf(stderr, "%s stays on %s: %s\n", m->product, r->node, r->why);
    else if (strcmp(from, r->node) == 0)
        fprintf(stderr, "%s lives on %s already\n", m->product, r->node);
    else if (m->lost)
        fprintf(stderr,
            "%s lives on %s now. What it did not have of %s is lost: readers are told, agents give "
            "what they still have. If %s has no manifest of it yet: weft product apply, there\n",
            m->product, r->node, from, r->node);
    else
        fprintf(stderr,
            "%s lives on %s now, with all its records; readers and agents go there by themselves. "
            "Programs that publish on %s itself publish on %s from now on\n",
            m->product, r->node, from, r->node);
}

// *ret_done: nothing is left to wait for. The exit status.
static int ask(struct moving *m, bool *ret_done)
{
    Weft__V1__Request q = WEFT__V1__REQUEST__INIT;
    Weft__V1__MoveRequest move = WEFT__V1__MOVE_REQUEST__INIT;
    Weft__V1__Reply *reply = NULL;
    struct wf_arena arena;

    move.product = wf_pb_str(m->product);
    move.node = wf_pb_str(m->node);
    move.lost = m->lost;
    move.although_alive = m->although_alive;
    q.kind_case = WEFT__V1__REQUEST__KIND_MOVE;
    q.move = &move;
    int status = wf_local_ask(m->cli, NULL, &q, 0, &arena, &reply);
    if (status)
        return status;
    const Weft__V1__MoveReply *r = reply->move;
    *ret_done = r->state == WEFT__V1__MOVE_REPLY__STATE__STATE_DONE;
    if (!*ret_done) {
        if (r->from[0] && strlen(r->from) < sizeof m->from)
            memcpy(m->from, r->from, strlen(r->from) + 1);
        show(m, r);
    } else {
        enum weft_err err = print_done(m, r);
        say_done(m, r);
        status = err ? wf_cli_fail(err, "%s", weft_err_text(err)) : 0;
    }
    wf_arena_fini(&arena);
    return status;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static int follow(struct moving *m, int64_t within_ms)
{
    struct timespec pause = { 0, EVERY_MS * 1000000L };
    int64_t until = now_ms() + within_ms;
    bool done = false;
    int status = ask(m, &done);

    while (!status && !done && m->wait && now_ms() < until) {
        nanosleep(&pause, NULL);
        status = ask(m, &done);
    }
    if (status || done || !m->wait)
        return status;
    return wf_cli_fail(WEFT_E_TIMEOUT,
        "%s: not yet; it goes on by itself (%s). Repeat the command to see how far it is, or call "
        "it "
        "off: weft product move %s --to its present node",
        m->product, m->said, m->product);
}

int wf_cmd_product_move(struct wf_cli *cli, int argc, char **argv)
{
    struct moving m = { .cli = cli, .wait = true };
    const char *within = "10m";
    int64_t within_ms = 0;
    bool no_wait = false;
    const struct wf_opt opts[] = { { "to", 0, .value = &m.node }, { "lost", 0, .flag = &m.lost },
        { "although-alive", 0, .flag = &m.although_alive }, { "no-wait", 0, .flag = &no_wait },
        { "within", 0, .value = &within } };
    char *product = NULL;
    int count = 0,
        status = wf_cli_parse(cli, argc, argv, opts, WF_COUNT(opts), 1, 1, &product, &count);

    if (status >= 0)
        return status;
    if (!m.node)
        return wf_cli_fail(WEFT_E_USAGE, "--to NODE: which node of the domain it moves to");
    if (m.although_alive && !m.lost)
        return wf_cli_fail(WEFT_E_USAGE, "--although-alive is for --lost");
    if (m.lost && !cli->yes)
        return wf_cli_fail(WEFT_E_USAGE,
            "--lost: what the new node does not have of %s is given up, and the old node takes "
            "nothing more when it comes back; add --yes",
            product);
    status = wf_cli_take_duration("within", within, 1, &within_ms);
    if (status)
        return status;
    m.product = product;
    m.wait = !no_wait;
    return follow(&m, within_ms);
}

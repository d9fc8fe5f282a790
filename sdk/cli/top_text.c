// SPDX-License-Identifier: Apache-2.0
// The picture: a head, then sections with a title line each, cut to the screen. Every section gets its share, so that many products do not
// push queues and agents off it.
#include <stdlib.h>

#include "sdk/cli/top.h"

#define SECTIONS 5u // products, readers, peers, agents, queues
#define NUMBER   WF_PICTURE_NUMBER

struct picture {
    struct wf_picture *out;
    const struct wf_top_sample *before, *now;
    const struct wf_top_view *view;
};

static const char *age(int64_t ms, char out[48])
{
    wf_cli_ago(ms, out);
    return out;
}

// ---- sections --------------------------------------------------------------------------------------------------------

static void head(struct picture *p, const struct wf_top_product *products)
{
    const Weft__V1__StatusReply *r = p->now->status;
    double records = 0, stored = 0, batches = 0;
    char up[48], a[NUMBER], b[NUMBER], c[NUMBER];
    bool rates = wf_top_interval_s(p->before, p->now) > 0;

    for (size_t i = 0; i < r->n_products; i++)
        if (products[i].has_rates) {
            records += products[i].records_s;
            stored += products[i].bytes_s;
            batches += products[i].batches_s;
        }
    wf_picture_line(p->out, "%s/%s (%s), up %s, weft %s", r->domain[0] ? r->domain : "?",
        r->subject[0] ? r->subject : "?", r->kind, age(r->time_ms - r->started_ms, up), r->version);
    if (r->agent)
        wf_picture_line(p->out, "spool: %s bytes, %llu records wait, %llu lost",
            wf_picture_bytes((double)r->agent->spool_bytes, a),
            (unsigned long long)r->agent->spool_records,
            (unsigned long long)r->agent->lost_records);
    else if (rates)
        wf_picture_line(p->out,
            "%s records/s, %s bytes/s, %s batches/s; %zu products, %llu readers, %llu agents",
            wf_picture_count(records, a), wf_picture_bytes(stored, b), wf_picture_count(batches, c),
            r->n_products, (unsigned long long)r->reader_count, (unsigned long long)r->agent_count);
    else
        wf_picture_line(p->out,
            "%zu products, %llu readers, %llu agents; rates come with the next answer",
            r->n_products, (unsigned long long)r->reader_count, (unsigned long long)r->agent_count);
    if (p->view->problem)
        wf_picture_line(
            p->out, "NO ANSWER for %s: %s", age(p->view->problem_ms, up), p->view->problem);
    for (size_t i = 0; i < r->n_alarms; i++)
        wf_picture_line(p->out, "ALARM %s", r->alarms[i]);
}

static void product_line(struct picture *p, const struct wf_top_product *t)
{
    const Weft__V1__ProductState *s = t->state;
    char records[NUMBER] = "-", stored[NUMBER] = "-", batches[NUMBER] = "-", last[48],
         lags[2][NUMBER] = { "-", "-" };

    if (t->has_rates) {
        wf_picture_count(t->records_s, records);
        wf_picture_bytes(t->bytes_s, stored);
        wf_picture_count(t->batches_s, batches);
    }
    if (s->readers) {
        wf_picture_count((double)s->lag_min, lags[0]);
        wf_picture_count((double)s->lag_max, lags[1]);
    }
    wf_picture_line(p->out, "%-24s %9s %9s %9s %12llu %14llu %7u %8s %8s  %-7s %s%s", s->name,
        records, stored, batches, (unsigned long long)s->head, (unsigned long long)s->epoch,
        s->leases, lags[0], lags[1], age(t->age_ms, last), t->silent ? "SILENT: " : s->state,
        t->cause);
}

static void products(struct picture *p, const struct wf_top_product *list, unsigned left)
{
    size_t all = p->now->status->n_products, shown = wf_picture_room(p->out, all, left);

    if (all == 0)
        return;
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(p->out, "%-24s %9s %9s %9s %12s %14s %7s %8s %8s  %-7s %s", "PRODUCT",
        "RECORDS/S", "BYTES/S", "BATCHES/S", "HEAD", "EPOCH", "LEASES", "LAG MIN", "LAG MAX",
        "LAST", "STATE");
    for (size_t i = 0; i < shown; i++)
        product_line(p, &list[i]);
    wf_picture_rest(p->out, all, shown);
}

static void sources(struct picture *p)
{
    const Weft__V1__StatusReply *r = p->now->status;
    size_t shown = wf_picture_room(p->out, r->n_sources, SECTIONS);

    if (!r->agent || r->n_sources == 0)
        return; // of a node they are the causes of its products
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(p->out, "%-24s %-8s %-7s %s", "SOURCE", "STATE", "LAST", "CAUSE");
    for (size_t i = 0; i < shown; i++) {
        const Weft__V1__SourceState *s = r->sources[i];
        char last[48];
        wf_picture_line(p->out, "%-24s %-8s %-7s %s", s->product, s->state,
            age(s->last_record_ms ? r->time_ms - s->last_record_ms : -1, last),
            strcmp(s->state, "running") == 0 ? "" : s->error);
    }
    wf_picture_rest(p->out, r->n_sources, shown);
}

static void readers(struct picture *p, unsigned left)
{
    const Weft__V1__StatusReply *r = p->now->status;
    size_t shown = wf_picture_room(p->out, r->n_readers, left);

    if (r->n_readers == 0)
        return;
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(p->out, "%-32s %-24s %9s %9s %12s %8s  %-7s %-7s %s", "READER", "PRODUCT",
        "RECORDS/S", "LAG", "POSITION", "UNSENT", "HEARD", "LEASE", "VERB");
    for (size_t i = 0; i < shown; i++) {
        const Weft__V1__ReaderState *s = r->readers[i];
        char heard[48], ends[48], unsent[NUMBER], lag[NUMBER] = "?", took[NUMBER] = "?";
        double records_s = wf_top_reader_s(p->before, p->now, s);
        if (records_s >= 0)
            wf_picture_count(records_s, took);
        if (s->heard_ms >= 0)
            wf_picture_count((double)s->lag, lag);
        wf_picture_line(p->out, "%-32s %-24s %9s %9s %12llu %8s  %-7s %-7s %s", s->reader,
            s->product, took, lag, (unsigned long long)s->position,
            wf_picture_count((double)s->unsent, unsent), age(s->heard_ms, heard),
            age(s->ends_ms > 0 ? s->ends_ms : 0, ends), s->verb);
    }
    wf_picture_rest(p->out, r->reader_count > r->n_readers ? r->reader_count : r->n_readers, shown);
}

static void peers(struct picture *p, unsigned left)
{
    const Weft__V1__StatusReply *r = p->now->status;
    size_t shown = wf_picture_room(p->out, r->n_peers, left);

    if (r->n_peers == 0)
        return;
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(
        p->out, "%-32s %-24s %-7s %s", r->agent ? "UPLINK" : "PEER", "ADDRESS", "HEARD", "CAUSE");
    for (size_t i = 0; i < shown; i++) {
        const Weft__V1__PeerState *s = r->peers[i];
        char heard[48], name[140];
        snprintf(name, sizeof name, "%.63s/%.63s", s->domain[0] ? s->domain : "?",
            s->subject[0] ? s->subject : "?");
        wf_picture_line(
            p->out, "%-32s %-24s %-7s %s", name, s->address, age(s->heard_ms, heard), s->error);
    }
    wf_picture_rest(p->out, r->n_peers, shown);
}

static void agents(struct picture *p, unsigned left)
{
    const Weft__V1__StatusReply *r = p->now->status;
    size_t shown = wf_picture_room(p->out, r->n_agents, left);

    if (r->n_agents == 0)
        return;
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(p->out, "%-32s %-8s %-7s %9s %9s %9s %8s  %s", "AGENT", "STATE", "HEARD",
        "SPOOL", "RECORDS", "LOST", "SKEW MS", "CAUSE");
    for (size_t i = 0; i < shown; i++) {
        const Weft__V1__AgentInfo *s = r->agents[i];
        char heard[48], spool[3][NUMBER] = { "?", "?", "?" };
        if (s->last) {
            wf_picture_bytes((double)s->last->spool_bytes, spool[0]);
            wf_picture_count((double)s->last->spool_records, spool[1]);
            wf_picture_count((double)s->last->lost_records, spool[2]);
        }
        wf_picture_line(p->out, "%-32s %-8s %-7s %9s %9s %9s %8lld  %s", s->subject, s->state,
            age(s->heard_ms, heard), spool[0], spool[1], spool[2], (long long)s->skew_ms,
            wf_top_agent_cause(s));
    }
    wf_picture_rest(p->out, r->agent_count > r->n_agents ? r->agent_count : r->n_agents, shown);
}

static void queue_line(struct picture *p, const Weft__V1__QueueState *q)
{
    char items[NUMBER], held[NUMBER], full[NUMBER] = "-", dropped[NUMBER], drops[NUMBER] = "-";
    double drops_s = wf_top_drops_s(p->before, p->now, q), share = -1;

    if (q->max_bytes)
        share = 100.0 * (double)q->bytes / (double)q->max_bytes;
    if (q->max_items && 100.0 * (double)q->items / (double)q->max_items > share)
        share = 100.0 * (double)q->items / (double)q->max_items;
    if (share >= 0)
        snprintf(full, sizeof full, "%.0f%%", share);
    if (drops_s >= 0)
        wf_picture_count(drops_s, drops);
    wf_picture_line(p->out, "%-24s %9s %9s %9s %9s %9s", q->name,
        wf_picture_count((double)q->items, items), wf_picture_bytes((double)q->bytes, held), full,
        wf_picture_count((double)q->dropped, dropped), drops);
}

static void queues(struct picture *p)
{
    const Weft__V1__StatusReply *r = p->now->status;
    size_t shown = wf_picture_room(p->out, r->n_queues, 1);

    if (r->n_queues == 0)
        return;
    wf_picture_line(p->out, "%s", "");
    wf_picture_line(p->out, "%-24s %9s %9s %9s %9s %9s", "QUEUE", "ITEMS", "BYTES", "FULL",
        "DROPPED", "DROPS/S");
    for (size_t i = 0; i < shown; i++)
        queue_line(p, r->queues[i]);
    wf_picture_rest(p->out, r->n_queues, shown);
}

enum weft_err wf_top_text(const struct wf_top_sample *before, const struct wf_top_sample *now,
    const struct wf_top_view *view, struct wf_picture *out)
{
    struct picture p = { .out = out, .before = before, .now = now, .view = view };
    struct wf_top_product *list = calloc(now->status->n_products + 1, sizeof *list);

    if (!list)
        return WEFT_E_NOMEM;
    wf_top_products(before, now, view->sort, list);
    head(&p, list);
    products(&p, list, SECTIONS);
    sources(&p);
    readers(&p, SECTIONS - 1);
    peers(&p, SECTIONS - 2);
    agents(&p, SECTIONS - 3);
    queues(&p);
    free(list);
    return out->err;
}

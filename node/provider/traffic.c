// SPDX-License-Identifier: Apache-2.0
// How each method of each API did, for the node's signals: counted when a call ends. Methods of products that are long gone stay until the node stops.
#include <stdio.h>
#include <stdlib.h>

#include "node/provider/priv.h"

#define METHODS_MAX 1024u // of this node; what is beyond is counted as one

static struct wf_api_traffic *find(struct wf_provider_room *r, const char *name)
{
    for (struct wf_api_traffic *t = r->methods; t; t = t->next)
        if (strcmp(t->name, name) == 0)
            return t;
    struct wf_api_traffic *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->next = r->methods;
    r->methods = t;
    r->method_count++;
    return t;
}

void wf_api_measure(struct wf_provider_room *r, const struct active *a)
{
    char name[sizeof r->methods->name];
    struct wf_api_traffic *t = NULL;

    snprintf(name, sizeof name, "%s/%s", a->product_name, a->method->name);
    t = find(r, r->method_count < METHODS_MAX ? name : "others");
    if (!t)
        return;
    t->traffic.count++;
    t->traffic.errors += a->record.code != 0;
    wf_latency_add(&t->traffic.took, wf_loop_exact_us() - a->begun_us);
}

void wf_api_signals(struct wf_node *n, struct wf_signals *out)
{
    for (struct wf_api_traffic *t = n->provider->methods; t; t = t->next)
        wf_signals_add(out, &(struct wf_signal){ .kind = "api",
                                .name = t->name,
                                .traffic = t->traffic.count,
                                .errors = t->traffic.errors,
                                .took = &t->traffic.took,
                                .silent_ms = -1,
                                .saturation = -1 });
}

void wf_api_traffic_free(struct wf_provider_room *r)
{
    for (struct wf_api_traffic *t = r->methods, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    r->methods = NULL;
}

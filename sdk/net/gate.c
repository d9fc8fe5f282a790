// SPDX-License-Identifier: Apache-2.0
// Which hosts may connect to PUB sockets: a counted set, changed while they run. It saves bandwidth; confidentiality comes
// from the epoch keys alone.
#include "sdk/net/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BUCKETS 1024u

struct host {
    struct wf_net_addr addr;
    unsigned count;
    struct host *next;
};

struct wf_net_gate {
    atomic_uint refs; // the owner's and each PUB socket's
    pthread_mutex_t mu;
    uint64_t version;
    struct host *buckets[BUCKETS];
};

static struct host **find(struct wf_net_gate *g, const struct wf_net_addr *addr)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (size_t i = 0; i < sizeof addr->ip; i++)
        h = (h ^ addr->ip[i]) * 16777619u;
    struct host **link = &g->buckets[(h ^ h >> 16) % BUCKETS];
    while (*link && !wf_net_addr_same_host(&(*link)->addr, addr))
        link = &(*link)->next;
    return link;
}

enum weft_err wf_net_gate_new(struct wf_net_gate **ret)
{
    struct wf_net_gate *g = calloc(1, sizeof *g);

    if (!g)
        return WEFT_E_NOMEM;
    pthread_mutex_init(&g->mu, NULL);
    atomic_init(&g->refs, 1);
    *ret = g;
    return WEFT_OK;
}

struct wf_net_gate *net_gate_ref(struct wf_net_gate *g)
{
    if (g)
        atomic_fetch_add(&g->refs, 1);
    return g;
}

void wf_net_gate_free(struct wf_net_gate *g)
{
    if (!g || atomic_fetch_sub(&g->refs, 1) > 1)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (g->buckets[i]) {
            struct host *h = g->buckets[i];
            g->buckets[i] = h->next;
            free(h);
        }
    }
    pthread_mutex_destroy(&g->mu);
    free(g);
}

enum weft_err wf_net_gate_admit(struct wf_net_gate *g, const struct wf_net_addr *host)
{
    enum weft_err err = WEFT_OK;

    pthread_mutex_lock(&g->mu);
    struct host **link = find(g, host);
    if (!*link)
        *link = calloc(1, sizeof **link);
    if (*link) {
        (*link)->addr = *host;
        (*link)->count++;
    } else {
        err = WEFT_E_NOMEM;
    }
    pthread_mutex_unlock(&g->mu);
    return err;
}

void wf_net_gate_withdraw(struct wf_net_gate *g, const struct wf_net_addr *host)
{
    pthread_mutex_lock(&g->mu);
    struct host **link = find(g, host);
    struct host *h = *link;
    if (h && --h->count == 0) {
        *link = h->next;
        free(h);
        g->version++;
    }
    pthread_mutex_unlock(&g->mu);
}

bool net_gate_open_for(struct wf_net_gate *g, const struct wf_net_addr *host)
{
    pthread_mutex_lock(&g->mu);
    bool open = *find(g, host) != NULL;
    pthread_mutex_unlock(&g->mu);
    return open;
}

uint64_t net_gate_version(struct wf_net_gate *g)
{
    pthread_mutex_lock(&g->mu);
    uint64_t version = g->version;
    pthread_mutex_unlock(&g->mu);
    return version;
}

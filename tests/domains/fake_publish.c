// SPDX-License-Identifier: Apache-2.0
// See fake_publish.h.
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/domains/fake_publish.h"
#include "tests/support/support.h"

#define IDS   8
#define TAKEN 4096

struct weft_publisher {
    size_t id;
    uint64_t mark, next; // next: number of what is published now
    char *waiting[TAKEN];
    size_t count;
};

static struct {
    pthread_mutex_t mutex;
    uint8_t ids[IDS][16];
    uint64_t marks[IDS];
    size_t id_count;
    char *taken[TAKEN];
    size_t count;
    bool away, deaf;
} node = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void fake_node_reset(void)
{
    for (size_t i = 0; i < node.count; i++)
        free(node.taken[i]);
    node.count = node.id_count = 0;
    node.away = node.deaf = false;
}

static atomic_bool hangs;
static atomic_size_t hanging;

void fake_node_hangs(bool value)
{
    atomic_store(&hangs, value);
}

size_t fake_node_hanging(void)
{
    return atomic_load(&hanging);
}

static void hang(void)
{
    if (!atomic_load(&hangs))
        return;
    atomic_fetch_add(&hanging, 1);
    while (atomic_load(&hangs))
        poll(NULL, 0, 1);
}

static void set(bool *flag, bool value)
{
    pthread_mutex_lock(&node.mutex);
    *flag = value;
    pthread_mutex_unlock(&node.mutex);
}

void fake_node_away(bool away)
{
    set(&node.away, away);
}

void fake_node_deaf(bool deaf)
{
    set(&node.deaf, deaf);
}

void fake_node_forgets(void)
{
    pthread_mutex_lock(&node.mutex);
    node.id_count = 0;
    pthread_mutex_unlock(&node.mutex);
}

size_t fake_node_count(void)
{
    pthread_mutex_lock(&node.mutex);
    size_t count = node.count;
    pthread_mutex_unlock(&node.mutex);
    return count;
}

const char *fake_node_at(size_t i)
{
    pthread_mutex_lock(&node.mutex);
    const char *text = i < node.count ? node.taken[i] : "";
    pthread_mutex_unlock(&node.mutex);
    return text;
}

size_t fake_node_publishers(void)
{
    pthread_mutex_lock(&node.mutex);
    size_t count = node.id_count;
    pthread_mutex_unlock(&node.mutex);
    return count;
}

static size_t id_of(const uint8_t *id)
{
    size_t i = 0;

    while (i < node.id_count && memcmp(node.ids[i], id, 16) != 0)
        i++;
    if (i == node.id_count) {
        ck_assert_uint_lt(i, IDS);
        memcpy(node.ids[node.id_count++], id, 16);
        node.marks[i] = 0;
    }
    return i;
}

enum weft_err weft_publisher_open(struct weft_client *c, const char *product,
    const struct weft_publish_options *options, struct weft_publisher **ret,
    struct weft_problem *problem)
{
    struct weft_publisher *p = NULL;

    (void)c, (void)product;
    hang();
    pthread_mutex_lock(&node.mutex);
    if (node.away) {
        snprintf(problem->text, sizeof problem->text, "the node is away");
    } else {
        p = calloc(1, sizeof *p);
        p->id = id_of(options->id);
        p->mark = p->next = node.marks[p->id];
    }
    pthread_mutex_unlock(&node.mutex);
    *ret = p;
    return p ? WEFT_OK : WEFT_E_UNREACHABLE;
}

uint64_t weft_publisher_mark(const struct weft_publisher *p)
{
    return p->mark;
}

enum weft_err weft_publish_json_op(struct weft_publisher *p, enum weft_op op, const char *json,
    int64_t time_us, struct weft_problem *problem)
{
    static const char *const ops[] = { "put", "delete", "begin", "end" };
    size_t size = (json ? strlen(json) : 0) + 16;

    (void)time_us, (void)problem;
    ck_assert_uint_lt(p->count, TAKEN);
    p->waiting[p->count] = malloc(size);
    snprintf(p->waiting[p->count++], size, "%s%s%s", ops[op], json ? " " : "", json ? json : "");
    return WEFT_OK;
}

static void drop_waiting(struct weft_publisher *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->waiting[i]);
    p->count = 0;
}

// Takes what lies behind the mark of its id, and nothing twice.
static void take(struct weft_publisher *p)
{
    for (size_t i = 0; i < p->count; i++, p->next++) {
        if (p->next < node.marks[p->id]) {
            free(p->waiting[i]);
            continue;
        }
        ck_assert_uint_eq(p->next, node.marks[p->id]);
        node.taken[node.count++] = p->waiting[i];
        node.marks[p->id]++;
    }
    p->count = 0;
}

enum weft_err weft_publisher_flush(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem)
{
    enum weft_err err = WEFT_OK;

    (void)timeout_ms;
    hang();
    pthread_mutex_lock(&node.mutex);
    if (node.away || p->id >= node.id_count) {
        drop_waiting(p);
        snprintf(problem->text, sizeof problem->text, "the node went away");
        err = WEFT_E_CLOSED;
    } else {
        take(p);
        err = node.deaf ? WEFT_E_CLOSED : WEFT_OK;
    }
    pthread_mutex_unlock(&node.mutex);
    return err;
}

enum weft_err weft_publisher_close(
    struct weft_publisher *p, unsigned timeout_ms, struct weft_problem *problem)
{
    (void)timeout_ms, (void)problem;
    if (p)
        drop_waiting(p);
    free(p);
    return WEFT_OK;
}

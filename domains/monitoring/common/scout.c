// SPDX-License-Identifier: Apache-2.0
// Discovery beside the loop. See scout.h.
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "domains/monitoring/common/scout.h"

#define FETCHES 16u // of rules in one look
#define KNOWN   256u

// Rules of a product that were handed over.
struct known {
    char product[WF_MON_PRODUCT], rules[96];
};

struct wf_mon_scout {
    struct weft_client *client;
    unsigned every_ms;
    int fd;
    pthread_t thread;
    pthread_mutex_t mutex; // of what follows
    pthread_cond_t wake;
    bool stop, news, soon; // soon: the next look is due at once
    struct wf_mon_finds finds;
    enum weft_err err;
    struct weft_problem problem;
    char wants[WF_MON_SCOUT_TAKES][WF_MON_PRODUCT];
    size_t want_count;
    struct known known[KNOWN];
    size_t next_known;
};

void wf_mon_found_free(struct wf_mon_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(found[i].text);
    free(found);
}

// ---- rules that come with products -------------------------------------------------------------------------------------

static struct known *known_of(struct wf_mon_scout *s, const char *product)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(s->known[i].product, product) == 0)
            return &s->known[i];
    return NULL;
}

static bool is_wanted(struct wf_mon_scout *s, const struct wf_mon_found *f)
{
    bool wanted = false;

    pthread_mutex_lock(&s->mutex);
    struct known *k = known_of(s, f->product);
    if (k && !f->rules[0])
        k->product[0] = '\0'; // should they come back, they are new
    for (size_t i = 0; i < s->want_count && f->rules[0]; i++)
        wanted = wanted || fnmatch(s->wants[i], f->product, 0) == 0;
    wanted = wanted && !(k && strcmp(k->rules, f->rules) == 0);
    pthread_mutex_unlock(&s->mutex);
    return wanted;
}

static void fetch_rules(struct wf_mon_scout *s, struct wf_mon_found *found, size_t count)
{
    unsigned fetches = 0;

    for (size_t i = 0; i < count && fetches < FETCHES; i++) {
        struct weft_problem problem = { 0 };
        if (!is_wanted(s, &found[i]))
            continue;
        fetches++;
        enum weft_err err =
            weft_product_rules(s->client, found[i].product, &found[i].text, &problem);
        if (err)
            snprintf(found[i].problem, sizeof found[i].problem, "%.199s",
                problem.text[0] ? problem.text : weft_err_text(err));
    }
}

// With the mutex held: what is handed over is not fetched again.
static void note_known(struct wf_mon_scout *s, const struct wf_mon_found *f)
{
    struct known *k = known_of(s, f->product);

    if (!k)
        k = &s->known[s->next_known++ % KNOWN];
    memcpy(k->product, f->product, sizeof k->product);
    memcpy(k->rules, f->rules, sizeof k->rules);
}

void wf_mon_scout_wants(struct wf_mon_scout *s, const char *const *patterns, size_t count)
{
    pthread_mutex_lock(&s->mutex);
    memset(s->known, 0, sizeof s->known); // what was left out before may be wanted now
    s->want_count = count < WF_MON_SCOUT_TAKES ? count : WF_MON_SCOUT_TAKES;
    for (size_t i = 0; i < s->want_count; i++)
        snprintf(s->wants[i], sizeof s->wants[i], "%s", patterns[i]);
    s->soon = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
}

void wf_mon_scout_forget(struct wf_mon_scout *s, const char *product)
{
    pthread_mutex_lock(&s->mutex);
    struct known *k = known_of(s, product);
    if (k)
        k->product[0] = '\0';
    pthread_mutex_unlock(&s->mutex);
}

// ---- the catalog -------------------------------------------------------------------------------------------------------

static enum weft_err copy_catalog(const struct weft_catalog *cat, struct wf_mon_finds *ret)
{
    size_t count = weft_catalog_count(cat), kept = 0, beyond = 0;

    if (count > WF_MON_MAX_FOUND) {
        beyond = count - WF_MON_MAX_FOUND;
        count = WF_MON_MAX_FOUND;
    }
    struct wf_mon_found *found = calloc(count + 1, sizeof *found);
    if (!found)
        return WEFT_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct weft_product_info *p = weft_catalog_at(cat, i);
        struct wf_mon_found *f = &found[kept];
        int len = snprintf(f->product, sizeof f->product, "%s/%s", p->domain, p->name);
        if (p->kind == WEFT_API_PRODUCT || len < 0 || (size_t)len >= sizeof f->product)
            continue;
        f->kind = p->kind;
        f->freshness_ms = p->freshness_ms;
        f->gone = p->gone;
        snprintf(f->schema, sizeof f->schema, "%s", p->schema ? p->schema : "");
        snprintf(f->version, sizeof f->version, "%s", p->version);
        snprintf(f->owner, sizeof f->owner, "%s", p->owner);
        snprintf(f->rules, sizeof f->rules, "%s", p->rules ? p->rules : "");
        kept++;
    }
    *ret = (struct wf_mon_finds){ .found = found, .count = kept, .beyond = beyond };
    return WEFT_OK;
}

static void look(struct wf_mon_scout *s)
{
    struct weft_catalog *cat = NULL;
    struct weft_problem problem = { 0 };
    struct wf_mon_finds finds = { .count = 0 };
    const uint64_t one = 1;
    enum weft_err err = weft_discover(s->client, NULL, NULL, &cat, &problem);

    if (!err) {
        err = copy_catalog(cat, &finds);
        weft_catalog_free(cat);
        fetch_rules(s, finds.found, finds.count);
    }
    pthread_mutex_lock(&s->mutex);
    wf_mon_found_free(s->finds.found, s->finds.count);
    s->finds = finds;
    s->err = err;
    s->problem = problem;
    s->news = true;
    pthread_mutex_unlock(&s->mutex);
    if (write(s->fd, &one, sizeof one) < 0 && errno != EAGAIN)
        return; // an eventfd takes a count or is full, which is as good
}

static void wait_turn(struct wf_mon_scout *s)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += s->every_ms / 1000;
    until.tv_nsec += (long)(s->every_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = 0;
    while (!s->stop && !s->soon && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->wake, &s->mutex, &until);
    s->soon = false;
}

static void *run(void *arg)
{
    struct wf_mon_scout *s = arg;

    pthread_mutex_lock(&s->mutex);
    while (!s->stop) {
        pthread_mutex_unlock(&s->mutex);
        look(s);
        pthread_mutex_lock(&s->mutex);
        if (!s->stop)
            wait_turn(s);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static void release(struct wf_mon_scout *s)
{
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->mutex);
    if (s->fd >= 0)
        close(s->fd);
    wf_mon_found_free(s->finds.found, s->finds.count);
    free(s);
}

enum weft_err wf_mon_scout_start(
    struct weft_client *c, unsigned every_ms, struct wf_mon_scout **ret)
{
    struct wf_mon_scout *s = calloc(1, sizeof *s);
    pthread_condattr_t attr;

    if (!s)
        return WEFT_E_NOMEM;
    s->client = c;
    s->every_ms = every_ms;
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (s->fd < 0 || pthread_create(&s->thread, NULL, run, s) != 0) {
        release(s);
        return WEFT_E_IO;
    }
    *ret = s;
    return WEFT_OK;
}

void wf_mon_scout_stop(struct wf_mon_scout *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    release(s);
}

int wf_mon_scout_fd(const struct wf_mon_scout *s)
{
    return s->fd;
}

enum weft_err wf_mon_scout_take(
    struct wf_mon_scout *s, struct wf_mon_finds *ret, struct weft_problem *problem)
{
    uint64_t count;
    enum weft_err err = WEFT_E_TIMEOUT;

    if (read(s->fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return WEFT_E_IO;
    pthread_mutex_lock(&s->mutex);
    if (s->news) {
        s->news = false;
        err = s->err;
        *problem = s->problem;
        if (!err) {
            *ret = s->finds;
            for (size_t i = 0; i < ret->count; i++)
                if (ret->found[i].text)
                    note_known(s, &ret->found[i]);
            s->finds = (struct wf_mon_finds){ .count = 0 };
        }
    }
    pthread_mutex_unlock(&s->mutex);
    return err;
}

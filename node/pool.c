// SPDX-License-Identifier: Apache-2.0
// One mutex, one condition, a queue a class, and a list of jobs that ran. The list comes to the loop by one letter however many jobs
// are in it; the letter outlives the pool when it still lies in the mailbox.
#include "node/pool.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "node/metrics.h"
#include "node/queues.h"

#define COUNT_MAX 1024u
#define BYTES_MAX ((size_t)64 * WF_MIB)

struct list {
    struct wf_job *head, **tail;
};

struct letter {
    struct wf_mail mail;  // first
    struct wf_pool *pool; // NULL: the pool is gone
};

struct wf_pool {
    struct wf_loop *loop;
    struct wf_pool_conf conf;
    pthread_t *threads;
    unsigned workers;
    bool stopped;
    struct letter *letter;
    struct wf_pool_stats stats; // what the loop's thread counts

    pthread_mutex_t mutex; // over what follows
    pthread_cond_t wake, idle;
    struct list waiting[WF_MAIL_CLASSES], ran;
    unsigned busy, repairing;
    bool posted, stopping;
};

static void push(struct list *l, struct wf_job *j)
{
    j->next = NULL;
    *l->tail = j;
    l->tail = &j->next;
}

static struct wf_job *pop(struct list *l)
{
    struct wf_job *j = l->head;

    l->head = j->next;
    if (!l->head)
        l->tail = &l->head;
    return j;
}

static struct wf_job *take_all(struct list *l)
{
    struct wf_job *first = l->head;

    l->head = NULL;
    l->tail = &l->head;
    return first;
}

// ---- workers ---------------------------------------------------------------------------------------------------------

// The first job of the highest class that may run now; NULL when there is none. With the mutex held.
static struct wf_job *choose(struct wf_pool *p)
{
    for (int c = 0; c < WF_MAIL_CLASSES; c++) {
        bool is_last = p->workers > 1 && p->repairing + 1 >= p->workers;
        if (p->waiting[c].head && !(c == WF_MAIL_REPAIR && is_last))
            return pop(&p->waiting[c]);
    }
    return NULL;
}

// With the mutex held, given up while it works. From `ran` on the job is the loop's.
static void run(struct wf_pool *p, struct wf_job *j)
{
    bool repairs = j->class == WF_MAIL_REPAIR;

    p->busy++;
    p->repairing += repairs;
    pthread_mutex_unlock(&p->mutex);
    j->work(j);
    j->ran = true;
    pthread_mutex_lock(&p->mutex);
    p->busy--;
    p->repairing -= repairs;
    if (repairs)
        pthread_cond_signal(&p->wake); // the next repair may run
    push(&p->ran, j);
    bool post = !p->posted && !p->stopping;
    p->posted = p->posted || post;
    // Under the mutex, so that stop never overtakes it. Refused only by a loop that is being freed; stop empties the list then.
    if (post && wf_loop_post(p->loop, &p->letter->mail))
        p->posted = false;
    if (p->busy == 0)
        pthread_cond_signal(&p->idle);
}

static void *worker(void *arg)
{
    struct wf_pool *p = arg;

    pthread_mutex_lock(&p->mutex);
    while (!p->stopping) {
        struct wf_job *j = choose(p);
        if (j)
            run(p, j);
        else
            pthread_cond_wait(&p->wake, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

// ---- on the loop -----------------------------------------------------------------------------------------------------

static void end(struct wf_pool *p, struct wf_job *j)
{
    p->stats.of[j->class].count--;
    p->stats.of[j->class].bytes -= j->bytes;
    j->done(j, j->ran ? WEFT_OK : WEFT_E_CANCELLED); // the job may be gone
}

static void end_all(struct wf_pool *p, struct wf_job *j)
{
    for (struct wf_job *next; j; j = next) {
        next = j->next;
        end(p, j);
    }
}

static void open_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;
    struct wf_pool *p = l->pool;

    if (!p) {
        free(l);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    p->posted = false;
    struct wf_job *ran = take_all(&p->ran);
    pthread_mutex_unlock(&p->mutex);
    end_all(p, ran);
}

static void drop_letter(struct wf_mail *m)
{
    struct letter *l = (struct letter *)(void *)m;

    if (l->pool)
        l->pool->posted = false; // stop empties the list
    else
        free(l);
}

enum weft_err wf_pool_submit(struct wf_pool *p, struct wf_job *j)
{
    if (!p || p->stopped)
        return WEFT_E_CLOSED;
    size_t count = p->stats.of[j->class].count, bytes = p->stats.of[j->class].bytes;
    if (count >= p->conf.max_count || (bytes > 0 && bytes + j->bytes > p->conf.max_bytes)) {
        p->stats.of[j->class].refused++;
        return WEFT_E_FULL;
    }
    p->stats.of[j->class].count++;
    p->stats.of[j->class].bytes += j->bytes;
    p->stats.of[j->class].accepted++;
    j->ran = false;
    pthread_mutex_lock(&p->mutex);
    push(&p->waiting[j->class], j);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    return WEFT_OK;
}

void wf_pool_get_stats(struct wf_pool *p, struct wf_pool_stats *ret)
{
    *ret = p->stats;
    ret->workers = p->workers;
    ret->max_count = p->conf.max_count;
    ret->max_bytes = p->conf.max_bytes;
    pthread_mutex_lock(&p->mutex);
    ret->busy = p->busy;
    pthread_mutex_unlock(&p->mutex);
}

// ---- life ------------------------------------------------------------------------------------------------------------

// Signals are the loop's (signalfd).
static bool start_worker(struct wf_pool *p)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = pthread_create(&p->threads[p->workers], NULL, worker, p) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

static unsigned worker_count(unsigned wanted)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    unsigned most = cores > 0 ? (unsigned)cores : 1;

    return wanted > 0 && wanted < most ? wanted : most;
}

static enum weft_err start_workers(struct wf_pool *p)
{
    unsigned count = worker_count(p->conf.workers);

    p->threads = calloc(count, sizeof *p->threads);
    if (!p->threads)
        return WEFT_E_NOMEM;
    pthread_mutex_lock(&p->mutex); // no worker counts its fellows before they are all there
    while (p->workers < count && start_worker(p))
        p->workers++;
    pthread_mutex_unlock(&p->mutex);
    return p->workers ? WEFT_OK : WEFT_E_NOMEM;
}

enum weft_err wf_pool_new(struct wf_loop *l, const struct wf_pool_conf *conf, struct wf_pool **ret)
{
    struct wf_pool *p = calloc(1, sizeof *p);
    struct letter *letter = calloc(1, sizeof *letter);

    if (!p || !letter) {
        free(p);
        free(letter);
        return WEFT_E_NOMEM;
    }
    letter->mail = (struct wf_mail){
        .open = open_letter, .drop = drop_letter, .class = WF_MAIL_LIVE, .must = true
    }; // one a pool; what it brings is bounded here
    letter->pool = p;
    p->letter = letter;
    p->loop = l;
    p->conf = conf ? *conf : (struct wf_pool_conf){ 0 };
    p->conf.max_count = p->conf.max_count ? p->conf.max_count : COUNT_MAX;
    p->conf.max_bytes = p->conf.max_bytes ? p->conf.max_bytes : BYTES_MAX;
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        p->waiting[c].tail = &p->waiting[c].head;
    p->ran.tail = &p->ran.head;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    enum weft_err err = start_workers(p);
    if (err)
        wf_pool_free(p);
    else
        *ret = p;
    return err;
}

void wf_pool_stop(struct wf_pool *p)
{
    struct wf_job *waiting[WF_MAIL_CLASSES];

    if (!p || p->stopped)
        return;
    p->stopped = true;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        waiting[c] = take_all(&p->waiting[c]);
    while (p->busy)
        pthread_cond_wait(&p->idle, &p->mutex);
    struct wf_job *ran = take_all(&p->ran);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->workers; i++)
        pthread_join(p->threads[i], NULL);
    end_all(p, ran);
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        end_all(p, waiting[c]);
}

void wf_pool_free(struct wf_pool *p)
{
    if (!p)
        return;
    wf_pool_stop(p);
    if (p->posted)
        p->letter->pool = NULL; // it lies in the mailbox and frees itself
    else
        free(p->letter);
    free(p->threads);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

// ---- the room --------------------------------------------------------------------------------------------------------

static enum weft_err pool_open(struct wf_node *n, struct wf_diag *diag)
{
    enum weft_err err = wf_pool_new(n->loop, NULL, &n->pool);

    if (err)
        wf_diag_set(diag, 0, 0, "workers: %s", weft_err_text(err));
    return err;
}

static void pool_close(struct wf_node *n)
{
    wf_pool_free(n->pool);
    n->pool = NULL;
}

static void pool_queues(const struct wf_node *n, struct wf_queues *out)
{
    static const char *const names[WF_MAIL_CLASSES] = { "workers-live", "workers-control",
        "workers-repair" };
    struct wf_pool_stats s;

    if (!n->pool)
        return;
    wf_pool_get_stats(n->pool, &s);
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        wf_queues_add(out, &(struct wf_queue){ .name = names[c],
                               .items = s.of[c].count,
                               .bytes = s.of[c].bytes,
                               .max_items = s.max_count,
                               .max_bytes = s.max_bytes,
                               .dropped = s.of[c].refused });
}

static void pool_metrics(const struct wf_node *n, struct wf_metrics *m)
{
    static const char *const names[WF_MAIL_CLASSES] = { "live", "control", "repair" };
    struct wf_pool_stats s;

    wf_pool_get_stats(n->pool, &s);
    wf_metric(m, WF_METRIC_WORKERS, s.workers);
    wf_metric(m, WF_METRIC_WORKERS_BUSY, s.busy);
    wf_metric_head(m, WF_METRIC_JOBS);
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        wf_metric_of(m, WF_METRIC_JOBS, (double)s.of[c].accepted, "class=\"%s\"", names[c]);
}

const struct wf_room wf_pool_room = { .name = "pool",
    .open = pool_open,
    .close = pool_close,
    .metrics = pool_metrics,
    .queues = pool_queues };

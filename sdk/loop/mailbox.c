// SPDX-License-Identifier: Apache-2.0
#include "sdk/loop/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum weft_err wf_mailbox_init(struct wf_mailbox *b, size_t max_count, size_t max_bytes)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        return errno == ENOMEM ? WEFT_E_NOMEM : WEFT_E_IO;
    *b = (struct wf_mailbox){ .fd = fd, .max_count = max_count, .max_bytes = max_bytes };
    for (int c = 0; c < WF_MAIL_CLASSES; c++)
        b->tail[c] = &b->head[c];
    pthread_mutex_init(&b->mutex, NULL);
    return WEFT_OK;
}

static void wake(int fd)
{
    uint64_t one = 1;
    ssize_t n;

    do
        n = write(fd, &one, sizeof one);
    while (n < 0 && errno == EINTR); // EAGAIN: the counter is full, hence readable
}

static enum weft_err post(struct wf_mailbox *b, struct wf_mail *m, bool signal)
{
    enum weft_err err = WEFT_OK;

    m->next = NULL;
    pthread_mutex_lock(&b->mutex);
    bool full = b->count >= b->max_count || (b->count && b->bytes + m->bytes > b->max_bytes);
    if (b->closed) {
        err = WEFT_E_CLOSED;
    } else if (full && !m->must) {
        b->refused++;
        err = WEFT_E_FULL;
    } else {
        *b->tail[m->class] = m;
        b->tail[m->class] = &m->next;
        b->count++;
        b->bytes += m->bytes;
    }
    signal = signal && !err && !b->signalled && !b->left;
    b->signalled = b->signalled || signal;
    pthread_mutex_unlock(&b->mutex);
    if (signal)
        wake(b->fd);
    return err;
}

enum weft_err wf_mailbox_post(struct wf_mailbox *b, struct wf_mail *m)
{
    return post(b, m, true);
}

enum weft_err wf_mailbox_post_own(struct wf_mailbox *b, struct wf_mail *m)
{
    return post(b, m, false);
}

void wf_mailbox_leave(struct wf_mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    b->left = true;
    pthread_mutex_unlock(&b->mutex);
}

bool wf_mailbox_meet(struct wf_mailbox *b)
{
    pthread_mutex_lock(&b->mutex);
    b->left = false;
    bool any = b->count > 0;
    pthread_mutex_unlock(&b->mutex);
    return any;
}

struct wf_mail *wf_mailbox_take(struct wf_mailbox *b)
{
    struct wf_mail *m = NULL;
    uint64_t count;

    pthread_mutex_lock(&b->mutex);
    for (int c = 0; c < WF_MAIL_CLASSES && !m; c++) {
        m = b->head[c];
        if (!m)
            continue;
        b->head[c] = m->next;
        if (!m->next)
            b->tail[c] = &b->head[c];
        b->count--;
        b->bytes -= m->bytes;
    }
    // A post may have said it will signal and not have done so yet: then its signal is still to be taken.
    if (b->count == 0 && b->signalled)
        b->signalled = read(b->fd, &count, sizeof count) < 0;
    pthread_mutex_unlock(&b->mutex);
    return m;
}

void wf_mailbox_close(struct wf_mailbox *b)
{
    struct wf_mail *m;

    pthread_mutex_lock(&b->mutex);
    b->closed = true;
    pthread_mutex_unlock(&b->mutex);
    for (m = wf_mailbox_take(b); m; m = wf_mailbox_take(b))
        m->drop(m);
}

void wf_mailbox_fini(struct wf_mailbox *b)
{
    wf_mailbox_close(b);
    close(b->fd);
    pthread_mutex_destroy(&b->mutex);
}

void wf_mailbox_depth(
    struct wf_mailbox *b, size_t *ret_count, size_t *ret_bytes, size_t *ret_refused)
{
    pthread_mutex_lock(&b->mutex);
    *ret_count = b->count;
    *ret_bytes = b->bytes;
    *ret_refused = b->refused;
    pthread_mutex_unlock(&b->mutex);
}

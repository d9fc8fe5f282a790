// SPDX-License-Identifier: Apache-2.0
// Letters to a loop thread: bounded in number and bytes, three classes, posted from any thread. A letter is embedded in what it
// carries, so posting allocates nothing. Invariant: an accepted letter is either opened or dropped, exactly once.
// Thread rule: post from anywhere; take, close and fini on the owner's thread.
#ifndef WF_SDK_MAILBOX_H
#define WF_SDK_MAILBOX_H

#include <pthread.h>

#include "proto/base/bytes.h"

enum wf_mail_class { WF_MAIL_LIVE, WF_MAIL_CONTROL, WF_MAIL_REPAIR, WF_MAIL_CLASSES };

struct wf_mail {
    void (*open)(struct wf_mail *m); // on the owner's thread
    void (*drop)(struct wf_mail *m); // the mailbox closed first: release what it carries
    enum wf_mail_class class;
    bool must;    // bounded elsewhere (one per request in flight): never refused for size
    size_t bytes; // what it keeps alive
    struct wf_mail *next;
};

struct wf_mailbox {
    pthread_mutex_t mutex;
    int fd; // eventfd: readable while letters wait
    bool closed;
    bool signalled;              // fd is readable or about to be
    bool left;                   // nobody waits for fd; whoever comes back looks by himself
    size_t max_count, max_bytes; // of all classes together
    size_t count, bytes, refused;
    struct wf_mail *head[WF_MAIL_CLASSES], **tail[WF_MAIL_CLASSES];
};

WF_MUST_USE enum weft_err wf_mailbox_init(struct wf_mailbox *b, size_t max_count, size_t max_bytes);
// Drops what waits. Later posts are refused with CLOSED until wf_mailbox_fini, before which all posters must have ended.
void wf_mailbox_close(struct wf_mailbox *b);
void wf_mailbox_fini(struct wf_mailbox *b);
// FULL or CLOSED: the letter stays the caller's.
WF_MUST_USE enum weft_err wf_mailbox_post(struct wf_mailbox *b, struct wf_mail *m);
// The same from the owner's thread, which looks again before it waits: fd is left as it is.
WF_MUST_USE enum weft_err wf_mailbox_post_own(struct wf_mailbox *b, struct wf_mail *m);
// Until the mailbox is met again nobody waits for fd, and it is left as it is. Meeting says whether letters wait: fd may not tell.
void wf_mailbox_leave(struct wf_mailbox *b);
bool wf_mailbox_meet(struct wf_mailbox *b);
// The oldest letter of the first class that has one; NULL when empty.
struct wf_mail *wf_mailbox_take(struct wf_mailbox *b);
void wf_mailbox_depth(
    struct wf_mailbox *b, size_t *ret_count, size_t *ret_bytes, size_t *ret_refused);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/played.h"

#include <stdio.h>
#include <stdlib.h>

#include "sdk/link_int.h"

struct wf_played played = {
    .state = { .up = true, .heard_ms = -1, .peer_charter_version = 1, .peer_version = "0" }
};

void must(bool right)
{
    if (!right)
        abort();
}

// ---- Check's assertions, which tests/support uses, want a test runner --------------------------------------------------

void __wrap__mark_point(const char *file, int line);
void __wrap__ck_assert_failed(const char *file, int line, const char *expr, ...);

void __wrap__mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void __wrap__ck_assert_failed(const char *file, int line, const char *expr, ...)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    abort();
}

// ---- the script -------------------------------------------------------------------------------------------------------

static uint8_t byte(void)
{
    uint8_t b = played.script.len ? played.script.ptr[0] : 0;

    if (played.script.len)
        played.script = wf_bytes(played.script.ptr + 1, played.script.len - 1);
    return b;
}

static size_t word(void)
{
    size_t high = byte();

    return high << 8 | byte();
}

static void put_known(struct wf_buf *packed, const struct wf_played_known *k)
{
    for (size_t i = 0, run = 0; i < packed->len && k->bytes.len; i++) {
        run = packed->ptr[i] == (uint8_t)k->mark ? run + 1 : 0;
        if (run == k->bytes.len) {
            memcpy(packed->ptr + i + 1 - run, k->bytes.ptr, run);
            run = 0;
        }
    }
}

static void replace(struct wf_buf *packed)
{
    size_t len = word();
    struct wf_bytes part =
        wf_bytes(played.script.ptr, len < played.script.len ? len : played.script.len);

    packed->len = 0;
    must(!wf_buf_append(packed, part));
    for (size_t i = 0; i < WF_COUNT(played.known); i++)
        put_known(packed, &played.known[i]);
    played.script = wf_bytes(played.script.ptr + part.len, played.script.len - part.len);
}

// Bytes of the reply are changed, or from one place on it is another.
static void damage(struct wf_buf *packed, unsigned edits)
{
    for (; edits > 0 && packed->len > 0; edits--)
        packed->ptr[word() % packed->len] = byte();
}

static enum weft_err refuse(struct wf_buf *packed)
{
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    Weft__V1__Refusal refusal = WEFT__V1__REFUSAL__INIT;
    char text[] = "as the script has it";

    refusal.code = byte();
    refusal.text = text;
    reply.refusal = &refusal;
    packed->len = 0;
    return wf_pb_pack(&reply, packed);
}

static enum weft_err follow(struct wf_buf *packed)
{
    unsigned how = byte();

    if (++played.replies > WF_PLAYED_REPLIES)
        return WEFT_E_CLOSED;
    switch (how % 8) {
    case 3:
    case 4:
        damage(packed, 1 + how / 8);
        return WEFT_OK;
    case 5:
        replace(packed);
        return WEFT_OK;
    case 6:
        return how / 8 ? (enum weft_err)(how / 8) : WEFT_E_TIMEOUT;
    case 7:
        return refuse(packed);
    default:
        return WEFT_OK;
    }
}

// ---- links ------------------------------------------------------------------------------------------------------------

#define HELD_MAX 16u

static struct letter *held[HELD_MAX]; // answers that wait; their links may have ended

struct link {
    struct wf_loop *loop;
    struct wf_link_state state;
    struct letter *letters;
    char address[WF_MAX_ADDR];
};

struct letter { // a reply on its way
    struct wf_mail mail;
    struct letter *next;
    struct link *link; // NULL: it went
    wf_link_fn done;
    void *arg;
    enum weft_err err;
    struct wf_buf packed;
    Weft__V1__Reply__KindCase reply_kind;
    bool held;
};

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret);
void __wrap_wf_link_free(struct wf_link *l);
enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_request_lent(struct wf_link *l, const Weft__V1__Request *request,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_open(struct wf_link *l, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version);
const struct wf_link_state *__wrap_wf_link_state(const struct wf_link *l);
const char *__wrap_wf_link_address(const struct wf_link *l);

static struct link *link_of(const struct wf_link *l)
{
    return (struct link *)(uintptr_t)l;
}

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret)
{
    struct link *l = calloc(1, sizeof *l);

    must(l != NULL);
    l->loop = conf->loop;
    l->state = played.state;
    snprintf(l->address, sizeof l->address, "%s", conf->address);
    *ret = (struct wf_link *)(void *)l;
    return WEFT_OK;
}

static void release(struct letter *m)
{
    wf_buf_fini(&m->packed);
    free(m);
}

static void unhold(struct letter *m)
{
    for (size_t i = 0; i < HELD_MAX; i++)
        if (held[i] == m)
            held[i] = NULL;
    release(m);
}

void __wrap_wf_link_free(struct wf_link *pub)
{
    struct link *l = link_of(pub);

    while (l && l->letters) {
        struct letter *m = l->letters;
        l->letters = m->next;
        m->link = NULL;
        m->done(m->arg, WEFT_E_CLOSED, NULL);
        if (m->held)
            unhold(m); // the loop does not have it
    }
    free(l);
}

static void forget(struct letter *m)
{
    struct letter **at = m->link ? &m->link->letters : NULL;

    while (at && *at != m)
        at = &(*at)->next;
    if (at)
        *at = m->next;
}

static void drop(struct wf_mail *mail)
{
    played.on_way--;
    release((struct letter *)(void *)mail);
}

// As sdk/link_session.c reads what it has opened.
static void deliver(struct wf_mail *mail)
{
    struct letter *m = (struct letter *)(void *)mail;
    struct wf_arena arena;
    Weft__V1__Reply *reply = NULL;

    wf_arena_init(&arena, wf_pb_budget(m->packed.len));
    if (m->link) {
        forget(m);
        enum weft_err err = m->err;
        if (!err)
            err = wf_pb_unpack(&weft__v1__reply__descriptor, wf_buf_view(&m->packed), WF_PB_STRICT,
                &arena, &reply);
        if (!err && reply->refusal) {
            err = reply->refusal->code ? (enum weft_err)reply->refusal->code : WEFT_E_PROTOCOL;
        } else if (!err && !wf_link_reply_fits(reply, m->reply_kind)) {
            err = WEFT_E_PROTOCOL;
            reply = NULL;
        }
        m->done(m->arg, err, reply);
    }
    wf_arena_fini(&arena);
    drop(mail);
}

static void hold(struct letter *m)
{
    size_t i = 0;

    while (i < HELD_MAX && held[i])
        i++;
    must(i < HELD_MAX);
    held[i] = m;
}

static void post(struct letter *m)
{
    played.on_way++;
    must(!wf_loop_post(m->link->loop, &m->mail));
}

// The loop reads it when the asking is over.
static enum weft_err send(const struct letter *written)
{
    struct letter *m = malloc(sizeof *m);

    must(m != NULL);
    *m = *written;
    m->mail =
        (struct wf_mail){ .open = deliver, .drop = drop, .class = WF_MAIL_CONTROL, .must = true };
    m->next = m->link->letters;
    m->link->letters = m;
    if (m->held)
        hold(m);
    else
        post(m);
    return WEFT_OK;
}

void wf_played_let_go(void)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        struct letter *m = held[i];
        held[i] = NULL;
        if (!m)
            continue;
        m->held = false;
        m->err = follow(&m->packed);
        post(m);
    }
}

enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg)
{
    struct wf_arena arena;
    struct wf_buf asked = { 0 };
    struct letter m = { .link = link_of(l), .done = done, .arg = arg };
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    struct wf_fake_call call = { .arena = &arena, .caller = played.caller };
    Weft__V1__Request *read = NULL;

    (void)deadline_ms;
    wf_arena_init(&arena, 16 * WF_MIB);
    must(!wf_pb_pack(request, &asked)); // what a client asks is well-formed
    must(!wf_pb_unpack(
        &weft__v1__request__descriptor, wf_buf_view(&asked), WF_PB_STRICT, &arena, &read));
    call.request = read;
    played.hold = false;
    played.answer(played.arg, &call, &reply);
    m.held = played.hold;
    must(!wf_pb_pack(&reply, &m.packed));
    if (!m.held)
        m.err = follow(&m.packed);
    m.reply_kind = wf_link_reply_kind(request->kind_case);
    wf_arena_fini(&arena);
    wf_buf_fini(&asked);
    return send(&m);
}

enum weft_err __wrap_wf_link_request_lent(struct wf_link *l, const Weft__V1__Request *request,
    const struct wf_link_lent *lent, wf_link_fn done, void *arg)
{
    enum weft_err err = __wrap_wf_link_request(l, request, lent->deadline_ms, done, arg);

    if (!err)
        lent->back(lent->arg);
    return err;
}

enum weft_err __wrap_wf_link_open(struct wf_link *l, wf_link_fn done, void *arg)
{
    struct letter m = { .link = link_of(l), .done = done, .arg = arg, .err = WEFT_E_CLOSED };

    return send(&m);
}

enum weft_err __wrap_wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version)
{
    (void)l;
    (void)chain;
    (void)charter_version;
    return WEFT_OK;
}

const struct wf_link_state *__wrap_wf_link_state(const struct wf_link *l)
{
    return &link_of(l)->state;
}

const char *__wrap_wf_link_address(const struct wf_link *l)
{
    return link_of(l)->address;
}

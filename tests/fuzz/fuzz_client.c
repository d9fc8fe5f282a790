// SPDX-License-Identifier: Apache-2.0
// A client of libweft against a node that the fuzzer plays: the first byte is what the application does, the rest a script with a line for
// each reply. A line leaves the reply as an honest node gives it, changes bytes of it, replaces it, or refuses. Links are played here, so
// no socket is opened for them; leases lead to no stream, so a reader pulls.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

#include "sdk/client_int.h"
#include "sdk/link_int.h"
#include "sdk/net/net.h"
#include "tests/support/fakehome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLIES_MAX 200 // then the node is gone

static struct wf_fakemesh mesh;
static struct wf_fakehome home;
static wf_fake_fn honest;
static void *honest_arg;
static struct wf_fake_knobs knobs;
static struct wf_bytes script; // the loop thread's while a client lives
static unsigned replies;

static void must(bool right)
{
    if (!right)
        abort();
}

// ---- Check's assertions, which the played mesh uses, want a test runner ------------------------------------------------

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

// ---- the node has no listener -----------------------------------------------------------------------------------------

struct wf_fakenode *__wrap_wf_fakenode_start(const struct wf_fakenode_conf *conf);
void __wrap_wf_fakenode_stop(struct wf_fakenode *f);
struct wf_fake_knobs *__wrap_wf_fakenode_knobs(struct wf_fakenode *f);
const char *__wrap_wf_fakenode_address(const struct wf_fakenode *f);

struct wf_fakenode *__wrap_wf_fakenode_start(const struct wf_fakenode_conf *conf)
{
    honest = conf->answer;
    honest_arg = conf->arg;
    return (struct wf_fakenode *)(void *)&knobs;
}

void __wrap_wf_fakenode_stop(struct wf_fakenode *f)
{
    (void)f;
}

struct wf_fake_knobs *__wrap_wf_fakenode_knobs(struct wf_fakenode *f)
{
    (void)f;
    return &knobs;
}

const char *__wrap_wf_fakenode_address(const struct wf_fakenode *f)
{
    (void)f;
    return "127.0.0.1:1";
}

// ---- the script -------------------------------------------------------------------------------------------------------

static uint8_t byte(void)
{
    uint8_t b = script.len ? script.ptr[0] : 0;

    if (script.len)
        script = wf_bytes(script.ptr + 1, script.len - 1);
    return b;
}

static size_t word(void)
{
    size_t high = byte();

    return high << 8 | byte();
}

static void replace(struct wf_buf *packed)
{
    size_t len = word();
    struct wf_bytes part = wf_bytes(script.ptr, len < script.len ? len : script.len);

    packed->len = 0;
    must(!wf_buf_append(packed, part));
    script = wf_bytes(script.ptr + part.len, script.len - part.len);
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

    if (++replies > REPLIES_MAX)
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
};

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret);
void __wrap_wf_link_free(struct wf_link *l);
enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_open(struct wf_link *l, wf_link_fn done, void *arg);
enum weft_err __wrap_wf_link_set_chain(
    struct wf_link *l, struct wf_bytes chain, uint64_t charter_version);
const struct wf_link_state *__wrap_wf_link_state(const struct wf_link *l);
const char *__wrap_wf_link_address(const struct wf_link *l);
enum weft_err __wrap_wf_net_sub_new(
    struct wf_net *net, const struct wf_net_sub_conf *conf, struct wf_net_sub **ret);

static struct link *link_of(const struct wf_link *l)
{
    return (struct link *)(uintptr_t)l;
}

enum weft_err __wrap_wf_link_new(const struct wf_link_conf *conf, struct wf_link **ret)
{
    struct link *l = calloc(1, sizeof *l);

    must(l != NULL);
    l->loop = conf->loop;
    l->state = (struct wf_link_state){
        .up = true, .heard_ms = -1, .peer_charter_version = 1, .peer_version = "0"
    };
    snprintf(l->address, sizeof l->address, "%s", conf->address);
    *ret = (struct wf_link *)(void *)l;
    return WEFT_OK;
}

void __wrap_wf_link_free(struct wf_link *pub)
{
    struct link *l = link_of(pub);

    while (l && l->letters) {
        struct letter *m = l->letters;
        l->letters = m->next;
        m->link = NULL;
        m->done(m->arg, WEFT_E_CLOSED, NULL);
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
    struct letter *m = (struct letter *)(void *)mail;

    wf_buf_fini(&m->packed);
    free(m);
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
    must(!wf_loop_post(m->link->loop, &m->mail));
    return WEFT_OK;
}

enum weft_err __wrap_wf_link_request(struct wf_link *l, const Weft__V1__Request *request,
    int64_t deadline_ms, wf_link_fn done, void *arg)
{
    struct wf_arena arena;
    struct wf_buf asked = { 0 };
    struct letter m = { .link = link_of(l), .done = done, .arg = arg };
    Weft__V1__Reply reply = WEFT__V1__REPLY__INIT;
    struct wf_fake_call call = { .arena = &arena, .caller = "user-1" };
    Weft__V1__Request *read = NULL;

    (void)deadline_ms;
    wf_arena_init(&arena, 16 * WF_MIB);
    must(!wf_pb_pack(request, &asked)); // what a client asks is well-formed
    must(!wf_pb_unpack(
        &weft__v1__request__descriptor, wf_buf_view(&asked), WF_PB_STRICT, &arena, &read));
    call.request = read;
    honest(honest_arg, &call, &reply);
    must(!wf_pb_pack(&reply, &m.packed));
    m.err = follow(&m.packed);
    m.reply_kind = wf_link_reply_kind(request->kind_case);
    wf_arena_fini(&arena);
    wf_buf_fini(&asked);
    return send(&m);
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

// The endpoint is the fuzzer's, and nobody shall dial it.
enum weft_err __wrap_wf_net_sub_new(
    struct wf_net *net, const struct wf_net_sub_conf *conf, struct wf_net_sub **ret)
{
    (void)net;
    (void)conf;
    (void)ret;
    return WEFT_E_IO;
}

// ---- the application --------------------------------------------------------------------------------------------------

static void discover(struct weft_client *c)
{
    struct weft_catalog *all = NULL;

    if (weft_discover(c, NULL, NULL, &all, NULL))
        return;
    for (size_t i = 0; i < weft_catalog_count(all); i++)
        must(weft_catalog_at(all, i)->name[0] != '\0');
    weft_catalog_free(all);
}

static void describe(struct weft_client *c)
{
    struct weft_product *p = NULL;

    if (!weft_describe(c, "servers/readings", &p, NULL))
        must(strcmp(weft_product_info(p)->name, "readings") == 0);
    weft_product_free(p);
}

static void query(struct weft_client *c)
{
    struct weft_rows *rows = NULL;
    struct weft_value v;

    enum weft_err err = weft_query(c, "servers/hosts", "SELECT * FROM hosts", NULL, &rows, NULL);
    if (err && err != WEFT_E_PARTIAL)
        return;
    must(weft_rows_partial(rows, NULL) == (err == WEFT_E_PARTIAL));
    for (size_t r = 0; r < weft_rows_count(rows); r++)
        for (size_t i = 0; i < weft_rows_columns(rows); i++)
            weft_rows_value(rows, r, i, &v);
    weft_rows_free(rows);
}

static void call(struct weft_client *c)
{
    struct weft_result result = { 0 };

    if (!weft_call(c, "servers/stations/List", "{}", NULL, &result, NULL))
        weft_result_fini(&result);
}

// Whatever the node says, each record of an origin comes once and in order.
static void subscribe(struct weft_client *c)
{
    struct weft_subscribe_options o = { .from = WEFT_FROM_EARLIEST, .proofs = true };
    struct weft_subscription *s = NULL;
    const struct weft_event *e = NULL;
    uint64_t next[10] = { 0 };

    if (weft_subscribe(c, "servers/readings", &o, &s, NULL))
        return;
    while (weft_next(s, 5, &e, NULL) == WEFT_OK) {
        if (e->kind != WEFT_EV_RECORDS || e->record_count == 0)
            continue;
        unsigned origin = (unsigned)(e->origin[strlen(e->origin) - 1] - '0');
        must(origin < 10);
        for (size_t i = 0; i < e->record_count; i++) {
            must(e->records[i].seq >= next[origin]);
            next[origin] = e->records[i].seq + 1;
        }
    }
    weft_unsubscribe(s);
}

static void publish(struct weft_client *c)
{
    struct weft_publisher *p = NULL;

    if (weft_publisher_open(c, "servers/readings", NULL, &p, NULL))
        return;
    for (int i = 0; i < 3; i++)
        if (weft_publish_json(p, "{\"station\":\"a\"}", 0, NULL))
            break;
    (void)!weft_publisher_flush(p, 5, NULL);
    weft_publisher_close(p, 1, NULL);
}

static void forget_tokens(void)
{
    char path[600];

    snprintf(path, sizeof path, "%s/tokens", mesh.dir);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        if (e->d_name[0] != '.')
            must(unlinkat(dirfd(d), e->d_name, 0) == 0);
    if (d)
        closedir(d);
}

static void start(void)
{
    must(!wf_crypto_init());
    wf_fakemesh_init(&mesh, false);
    wf_fakehome_init(&home, &mesh);
    wf_fakemesh_join(&mesh, 0, 3000 * WF_TEST_HOUR, 1);
    for (unsigned i = 0; i < 6; i++)
        wf_fakehome_append(&home, i % 2, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const acts[])(
        struct weft_client * c) = { discover, describe, query, call, subscribe, publish };
    struct weft_options o = { .flags = WEFT_REMOTE_ONLY, .deadline_ms = 2000 };
    struct weft_client *c = NULL;

    if (!mesh.mesh.charter)
        start();
    if (size == 0)
        return 0;
    script = wf_bytes(data + 1, size - 1);
    replies = 0;
    o.dir = mesh.dir;
    must(!weft_connect(&o, &c, NULL));
    acts[data[0] % WF_COUNT(acts)](c);
    weft_close(c);
    forget_tokens();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A client of libweft against a node that the fuzzer plays (played.h): the first byte is what the application does, the rest the script.
// Leases lead to no stream, so a reader pulls.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>

#include "sdk/client_int.h"
#include "sdk/net/sub.h"
#include "tests/fuzz/played.h"
#include "tests/support/fakehome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wf_fakemesh mesh;
static struct wf_fakehome home;
static struct wf_fake_knobs knobs;

// ---- the node has no listener -----------------------------------------------------------------------------------------

struct wf_fakenode *__wrap_wf_fakenode_start(const struct wf_fakenode_conf *conf);
void __wrap_wf_fakenode_stop(struct wf_fakenode *f);
struct wf_fake_knobs *__wrap_wf_fakenode_knobs(struct wf_fakenode *f);
const char *__wrap_wf_fakenode_address(const struct wf_fakenode *f);

struct wf_fakenode *__wrap_wf_fakenode_start(const struct wf_fakenode_conf *conf)
{
    played.answer = conf->answer;
    played.arg = conf->arg;
    played.caller = "user-1";
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

// ---- no stream ---------------------------------------------------------------------------------------------------------

enum weft_err __wrap_wf_net_sub_new(const struct wf_net_sub_conf *conf, struct wf_net_sub **ret);

// The endpoint is the fuzzer's, and nobody shall dial it.
enum weft_err __wrap_wf_net_sub_new(const struct wf_net_sub_conf *conf, struct wf_net_sub **ret)
{
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
    played.script = wf_bytes(data + 1, size - 1);
    played.replies = 0;
    o.dir = mesh.dir;
    must(!weft_connect(&o, &c, NULL));
    acts[data[0] % WF_COUNT(acts)](c);
    weft_close(c);
    forget_tokens();
    return 0;
}

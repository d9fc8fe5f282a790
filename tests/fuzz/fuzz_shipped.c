// SPDX-License-Identifier: Apache-2.0
// Rules that strangers ship with their products, as the monitor takes them, and the monitor's own file beside them: what it takes and whom it tells.
// The first byte picks: a text that a product brings, twice with another one between; or a file of the monitor. What is refused says why, and
// what is taken looks at its product alone.
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/notify.h"
#include "domains/monitoring/alert/taken.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1767225600000

static void must(bool right)
{
    if (!right)
        abort();
}

static struct weft_conf *parse(const char *text, size_t len)
{
    struct weft_conf *c = NULL;

    return weft_conf_parse(text, len, "f", &c, NULL) ? NULL : c;
}

static struct wf_take *choice(void)
{
    static const char text[] =
        "take:\n  servers/disks: {except: quiet, change: {full: {severity: info, for: 1m}}, with: "
        "hosts}\n  network/*: all\n";
    struct weft_conf *c = parse(text, sizeof text - 1);

    must(c != NULL);
    struct wf_take *t = wf_take_read(c);
    must(t != NULL);
    if (weft_conf_errors(c)[0])
        abort();
    weft_conf_free(c);
    return t;
}

static void check(struct wf_taken *t)
{
    static const struct wf_rules none;
    struct wf_rules *all = wf_taken_rules(t, &none);
    const struct wf_taken_item *item = NULL;

    must(all != NULL);
    for (size_t i = 0; i < all->count; i++)
        must(all->rules[i]->taken && all->rules[i]->name && all->rules[i]->by);
    wf_rules_free(all);
    for (size_t i = 0; (item = wf_taken_at(t, i)) != NULL; i++)
        for (size_t k = 0; item->used && item->rules && k < item->rules->count; k++) {
            const struct wf_rule *r = item->rules->rules[k];
            must(strncmp(r->name, item->product, strlen(item->product)) == 0);
            must(!wf_rule_reads(r, "network/ports"));
        }
}

static void brought(const char *text)
{
    static struct wf_take *take;
    static const char good[] = "rules:\n  full: {when: used > 90% for 2m by host}\n";
    const char *const texts[] = { text, good, text };
    const char *const hashes[] = { "1", "2", "3" };
    struct wf_taken *t = wf_taken_new();

    if (!take)
        take = choice();
    must(t != NULL);
    for (size_t i = 0; i < 3; i++) {
        const struct wf_taken_word word = { .product = "servers/disks",
            .version = "1.0.0",
            .owner = "Servers",
            .hash = hashes[i],
            .text = texts[i] };
        (void)wf_taken_hear(t, take, &word, NOW_MS + (int64_t)i);
        check(t);
        wf_taken_settle(t);
    }
    wf_taken_free(t);
}

// The same as the owner's own program reads it before it is published, with its SQL compiled.
static void published(const char *text, size_t len)
{
    static const struct wf_shipped shipped = {
        .product = "servers/disks", .by = "Servers, 1.0.0", .compile = true
    };
    struct weft_conf *c = parse(text, len);

    if (!c)
        return;
    struct wf_rules *r = wf_rules_read_shipped(c, &shipped);
    must(r != NULL);
    wf_rules_free(r);
    weft_conf_free(c);
}

static void own_file(const char *text, size_t len)
{
    struct weft_conf *c = parse(text, len);

    if (!c)
        return;
    struct wf_take *take = wf_take_read(c);
    struct wf_notify_conf *notify = wf_notify_read(c);
    must(take && notify);
    must(take->count <= WF_TAKE_PATTERNS && notify->target_count <= WF_NOTIFY_TARGETS);
    if (!weft_conf_errors(c)[0]) {
        struct wf_notify *n = wf_notify_new(notify, "monitor");
        must(n != NULL);
        (void)wf_take_find(take, "servers/disks");
        wf_notify_free(n);
    }
    wf_notify_conf_free(notify);
    wf_take_free(take);
    weft_conf_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 3 == 0)
        brought(text);
    else if (data[0] % 3 == 1)
        published(text, size - 1);
    else
        own_file(text, size - 1);
    free(text);
    return 0;
}

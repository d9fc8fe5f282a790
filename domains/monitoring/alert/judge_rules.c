// SPDX-License-Identifier: Apache-2.0
// Which rules are in force: those of the monitor's file, and those that came with products and were taken. See judge.h.
#include <stdio.h>
#include <string.h>

#include "domains/monitoring/alert/judge.h"

#define ABSENT_MS 60000 // in no catalog

static void close_unwanted(struct judge *j, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        if (f->sub && !wf_engine_wants(j->engine, f->product))
            wf_mon_feed_close(f, "no rule looks at it", now_ms, 0);
    }
}

// A window that a new rule asks for begins in the past, the rows of an inventory with its first record. What was judged is not judged again.
static void read_again(struct judge *j, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        struct judged *own = judged_of(f);
        if (!wf_engine_lacks(j->engine, f->product) || !f->sub)
            continue;
        own->before = own->place;
        wf_mon_feed_close(f, "read again for new rules", now_ms, 0);
    }
}

bool wf_judge_use_rules(struct judge *j, const struct wf_rules *own)
{
    struct wf_rules *all = wf_taken_rules(j->taken, own);

    if (!all) {
        snprintf(j->problem, sizeof j->problem, "out of memory: the rules before go on");
        return false;
    }
    wf_engine_rules(j->engine, all, wf_mon_unix_ms());
    wf_alerts_keep_rules(j->alerts, all, wf_mon_unix_ms());
    wf_rules_free(j->rules);
    j->rules = all;
    wf_taken_settle(j->taken);
    close_unwanted(j, wf_mon_now_ms());
    read_again(j, wf_mon_now_ms());
    return true;
}

void wf_judge_want_rules(struct judge *j)
{
    const char *patterns[WF_TAKE_PATTERNS];

    for (size_t i = 0; i < j->file.take->count; i++)
        patterns[i] = j->file.take->items[i].pattern;
    wf_mon_scout_wants(j->watch.scout, patterns, j->file.take->count);
}

// The catalog may show a product for a while that its owner ended.
static bool is_ended(const struct judge *j, const char *product)
{
    const struct wf_mon_feed *f = wf_mon_watch_feed(&j->watch, product);

    return f && f->stopped;
}

// Nodes hear of an end one after the other, and catalogs are now of this one, now of that. When none had the product for a while all know: should
// it be there again, its owner made it anew.
static void lift(struct judge *j, const struct wf_mon_found *found, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < j->watch.count; i++) {
        struct wf_mon_feed *f = j->watch.feeds[i];
        struct judged *own = judged_of(f);
        size_t k = 0;
        if (!f->stopped)
            continue;
        while (k < count && strcmp(found[k].product, f->product) != 0)
            k++;
        if (k < count || !own->absent_ms || now_ms < own->absent_ms)
            own->absent_ms = k < count ? 0 : now_ms;
        else
            f->stopped = now_ms - own->absent_ms < ABSENT_MS;
    }
}

void wf_judge_found(void *arg, const struct wf_mon_found *found, size_t count)
{
    struct judge *j = arg;
    int64_t now = wf_mon_unix_ms();
    bool changed = wf_taken_expire(j->taken, now);

    lift(j, found, count, now);
    for (size_t i = 0; i < count; i++) {
        if (found[i].rules[0] && is_ended(j, found[i].product)) {
            wf_mon_scout_forget(
                j->watch.scout, found[i].product); // should it come back, it is asked for its rules
            continue;
        }
        const struct wf_taken_word word = { .product = found[i].product,
            .version = found[i].version,
            .owner = found[i].owner,
            .hash = found[i].rules,
            .text = found[i].text,
            .problem = found[i].problem[0] ? found[i].problem : NULL };
        if (!wf_taken_hear(j->taken, j->file.take, &word, now))
            continue;
        fprintf(stderr, "weft-monitor: rules of %s %s are others now\n", found[i].product,
            found[i].version);
        changed = true;
    }
    if (changed)
        (void)wf_judge_use_rules(j, j->file.rules);
}

void wf_judge_end_taken(struct judge *j)
{
    bool changed = false;

    for (size_t i = 0; i < j->watch.count; i++) {
        const struct wf_mon_feed *f = j->watch.feeds[i];
        if (!f->stopped || !wf_taken_end(j->taken, f->product))
            continue;
        fprintf(stderr, "weft-monitor: %s was ended by its owner: its rules go\n", f->product);
        wf_mon_scout_forget(j->watch.scout, f->product);
        changed = true;
    }
    if (changed)
        (void)wf_judge_use_rules(j, j->file.rules);
}

void wf_judge_reload(struct judge *j)
{
    struct wf_rules_file new = { 0 }, old = j->file;

    j->watch.hup = false;
    if (wf_rules_file_open(j->watch.o->rules, wf_rules_flags(j->watch.o), &new)) {
        wf_rules_file_close(&new);
        snprintf(j->mistakes, sizeof j->mistakes, "%.200s has mistakes: the rules before it go on",
            j->watch.o->rules);
        fprintf(stderr, "weft-monitor: %s\n", j->mistakes);
        return;
    }
    j->problem[0] = j->mistakes[0] = '\0';
    wf_taken_choose(j->taken, new.take, wf_mon_unix_ms());
    if (!wf_judge_use_rules(j, new.rules)) {
        wf_rules_file_close(&new); // nothing refers to it
        return;
    }
    j->file = new;
    wf_notify_use(j->notify, new.notify);
    if (wf_spread_use(j->spread, j->book, j->watch.client, new.publish))
        snprintf(j->problem, sizeof j->problem, "alerts are not published: %.200s",
            wf_book_problem(j->book));
    wf_rules_file_close(&old);
    wf_judge_want_rules(j);
    fprintf(stderr, "weft-monitor: %zu rules\n", j->rules->count);
}

enum weft_err wf_judge_restore_taken(void *arg, const struct wf_taken_item *item, uint64_t rules)
{
    struct judge *j = arg;

    (void)rules;
    return wf_taken_restore(j->taken, j->file.take, item);
}

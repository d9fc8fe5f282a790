// SPDX-License-Identifier: Apache-2.0
// See taken.h.
#include "domains/monitoring/alert/taken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/screen.h>

struct wf_taken {
    struct wf_taken_item items[WF_TAKEN_PRODUCTS]; // an item's place is its share less 1
    struct wf_rules **old;                         // replaced, and perhaps still in use
    size_t old_count;
    bool changed; // since a store took it
};

struct wf_taken *wf_taken_new(void)
{
    return calloc(1, sizeof(struct wf_taken));
}

void wf_taken_settle(struct wf_taken *t)
{
    for (size_t i = 0; i < t->old_count; i++)
        wf_rules_free(t->old[i]);
    free(t->old);
    t->old = NULL;
    t->old_count = 0;
}

void wf_taken_free(struct wf_taken *t)
{
    if (!t)
        return;
    wf_taken_settle(t);
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++) {
        wf_rules_free(t->items[i].rules);
        free(t->items[i].text);
    }
    free(t);
}

// ---- items -----------------------------------------------------------------------------------------------------------------

static struct wf_taken_item *find(struct wf_taken *t, const char *product)
{
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++)
        if (t->items[i].used && strcmp(t->items[i].product, product) == 0)
            return &t->items[i];
    return NULL;
}

static struct wf_taken_item *add(struct wf_taken *t, const char *product)
{
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++) {
        struct wf_taken_item *item = &t->items[i];
        if (item->used)
            continue;
        *item = (struct wf_taken_item){ .used = true };
        t->changed = true;
        snprintf(item->product, sizeof item->product, "%s", product);
        return item;
    }
    return NULL;
}

// False without memory: then it is not freed, which a set in use could not bear.
static bool retire(struct wf_taken *t, struct wf_rules *rules)
{
    if (!rules)
        return true;
    struct wf_rules **old = realloc(t->old, (t->old_count + 1) * sizeof(struct wf_rules *));
    if (!old)
        return false;
    t->old = old;
    t->old[t->old_count++] = rules;
    return true;
}

static void drop(struct wf_taken *t, struct wf_taken_item *item)
{
    if (!retire(t, item->rules))
        return; // the next time
    free(item->text);
    t->changed = true;
    *item = (struct wf_taken_item){ .used = false };
}

static void copy(char *out, size_t size, const char *in)
{
    wf_screen_clean(in, strnlen(in, size - 1), out); // strangers' words, shown to people
}

static size_t count_of(const struct wf_taken *t, const struct wf_taken_item *but)
{
    size_t n = 0;

    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++)
        if (&t->items[i] != but && t->items[i].rules)
            n += t->items[i].rules->count;
    return n;
}

// ---- reading ---------------------------------------------------------------------------------------------------------------

// The first line of what is wrong with it.
static void first_line(char *out, size_t size, const char *errors)
{
    char line[320];

    snprintf(line, sizeof line, "%.*s", (int)strcspn(errors, "\n"), errors);
    copy(out, size, line);
}

// The rules of a text, as the monitor chose; NULL with a problem.
static struct wf_rules *read_text(const struct wf_taken *t, const struct wf_taken_item *item,
    const struct wf_take_item *choice, const char *text, char *ret_problem, size_t size)
{
    struct weft_conf *c = NULL;
    struct weft_problem problem = { 0 };
    struct wf_take_left left;
    const struct wf_shipped shipped = { .product = item->product, .by = item->by };
    char name[160];

    snprintf(name, sizeof name, "rules of %s", item->product);
    enum weft_err err = weft_conf_parse(text, strlen(text), name, &c, &problem);
    struct wf_rules *rules = err ? NULL : wf_rules_read_shipped(c, &shipped);
    ret_problem[0] = '\0';
    if (!rules) {
        snprintf(ret_problem, size, "%s: %s", name, err ? problem.text : "out of memory");
    } else if (weft_conf_errors(c)[0]) {
        first_line(ret_problem, size, weft_conf_errors(c));
        wf_rules_free(rules);
        rules = NULL;
    }
    weft_conf_free(c);
    if (!rules)
        return NULL;
    wf_take_apply(choice, rules, &left);
    if (left.unknown[0])
        snprintf(ret_problem, size, "take: %s brings no rule %.80s", item->product, left.unknown);
    else if (left.rule)
        snprintf(ret_problem, size,
            "take: %s:%.63s is left out, it reads %.63s as well: give it `with: [%.63s]`, or name "
            "it in `except`",
            item->product, left.rule, left.inventory, left.inventory);
    if (count_of(t, item) + rules->count <= WF_TAKEN_RULES)
        return rules;
    snprintf(ret_problem, size, "%s: more than %u rules are taken in all", name, WF_TAKEN_RULES);
    wf_rules_free(rules);
    return NULL;
}

// From a text; what was good before goes on when this one is not. True: its rules are others.
static bool take_text(struct wf_taken *t, struct wf_taken_item *item,
    const struct wf_take_item *choice, const char *text)
{
    char problem[sizeof item->problem];
    struct wf_rules *rules = read_text(t, item, choice, text, problem, sizeof problem);

    t->changed = t->changed || strcmp(problem, item->problem) != 0;
    memcpy(item->problem, problem, sizeof problem);
    if (!rules)
        return false;
    if (!retire(t, item->rules)) {
        wf_rules_free(rules);
        return false;
    }
    item->rules = rules;
    return true;
}

// ---- what the mesh says -------------------------------------------------------------------------------------------------------

static bool learn(struct wf_taken *t, struct wf_taken_item *item, const struct wf_take_item *choice,
    const struct wf_taken_word *w, int64_t now_ms)
{
    struct wf_taken_item before = *item; // its words go on when the text is not good
    char by[sizeof item->by], *text = strdup(w->text);

    if (!text)
        return false;
    snprintf(by, sizeof by, "%.100s, %s %.40s", w->owner, item->product, w->version);
    copy(item->by, sizeof item->by, by);
    if (!take_text(t, item, choice, w->text)) {
        memcpy(item->by, before.by, sizeof item->by);
        free(text);
        return false;
    }
    copy(item->hash, sizeof item->hash, w->hash);
    copy(item->version, sizeof item->version, w->version);
    free(item->text);
    item->text = text;
    item->taken_ms = now_ms;
    t->changed = true;
    return true;
}

bool wf_taken_hear(
    struct wf_taken *t, const struct wf_take *take, const struct wf_taken_word *w, int64_t now_ms)
{
    const struct wf_take_item *choice = wf_take_find(take, w->product);
    struct wf_taken_item *item = find(t, w->product);

    if (!w->hash[0] || !choice) {
        if (item)
            drop(t, item);
        return item != NULL;
    }
    if (!item)
        item = add(t, w->product);
    if (!item)
        return false;
    if (now_ms - item->seen_ms > 3600000)
        t->changed = true; // so that a store knows about when
    item->seen_ms = now_ms;
    if (w->problem && !w->text) {
        t->changed = t->changed || strcmp(item->problem, w->problem) != 0;
        copy(item->problem, sizeof item->problem, w->problem);
    }
    bool same = item->text && strcmp(item->hash, w->hash) == 0;
    if (same && !item->problem[0] && strcmp(item->version, w->version) == 0)
        return false;
    struct wf_taken_word word = *w;
    if (same && !word.text && !w->problem && strcmp(item->version, w->version) != 0)
        word.text = item->text; // the same under another version
    return word.text && learn(t, item, choice, &word, now_ms);
}

bool wf_taken_end(struct wf_taken *t, const char *product)
{
    struct wf_taken_item *item = find(t, product);

    if (item)
        drop(t, item);
    return item != NULL;
}

bool wf_taken_expire(struct wf_taken *t, int64_t now_ms)
{
    bool any = false;

    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++) {
        if (!t->items[i].used || now_ms - t->items[i].seen_ms <= WF_TAKEN_GONE_MS)
            continue;
        drop(t, &t->items[i]);
        any = true;
    }
    return any;
}

void wf_taken_choose(struct wf_taken *t, const struct wf_take *take, int64_t now_ms)
{
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++) {
        struct wf_taken_item *item = &t->items[i];
        const struct wf_take_item *choice = item->used ? wf_take_find(take, item->product) : NULL;
        if (item->used && !choice)
            drop(t, item);
        else if (item->used && item->text && take_text(t, item, choice, item->text))
            item->taken_ms = now_ms;
    }
    t->changed = true;
}

enum weft_err wf_taken_restore(
    struct wf_taken *t, const struct wf_take *take, const struct wf_taken_item *kept)
{
    const struct wf_take_item *choice = wf_take_find(take, kept->product);
    struct wf_taken_item *item = add(t, kept->product);

    if (!item)
        return WEFT_E_FULL;
    if (!choice || !kept->text) {
        drop(t, item); // the monitor chose otherwise meanwhile
        return WEFT_OK;
    }
    memcpy(item->hash, kept->hash, sizeof item->hash);
    memcpy(item->version, kept->version, sizeof item->version);
    memcpy(item->by, kept->by, sizeof item->by);
    item->taken_ms = kept->taken_ms;
    item->seen_ms = kept->seen_ms;
    item->text = strdup(kept->text);
    if (!item->text)
        return WEFT_E_NOMEM;
    (void)take_text(t, item, choice, item->text); // what is wrong with it is the item's problem
    return WEFT_OK;
}

// ---- all together ------------------------------------------------------------------------------------------------------------

struct wf_rules *wf_taken_rules(const struct wf_taken *t, const struct wf_rules *own)
{
    struct wf_rules *all = calloc(1, sizeof *all);
    size_t count = own->count + count_of(t, NULL);

    if (all)
        all->rules = calloc(count + 1, sizeof(struct wf_rule *));
    if (!all || !all->rules) {
        free(all);
        return NULL;
    }
    for (size_t i = 0; i < own->count; i++)
        all->rules[all->count++] = own->rules[i];
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++)
        for (size_t k = 0; t->items[i].rules && k < t->items[i].rules->count; k++)
            all->rules[all->count++] = t->items[i].rules->rules[k];
    return all;
}

struct wf_taken_item *wf_taken_at(struct wf_taken *t, size_t index)
{
    return index < WF_TAKEN_PRODUCTS ? &t->items[index] : NULL;
}

const char *wf_taken_problem(const struct wf_taken *t)
{
    for (size_t i = 0; i < WF_TAKEN_PRODUCTS; i++)
        if (t->items[i].used && t->items[i].problem[0])
            return t->items[i].problem;
    return "";
}

bool *wf_taken_changed(struct wf_taken *t)
{
    return &t->changed;
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as a condition and as a file of rules and tests: read, or refused with a text; what was read is judged and run to its end; SQL of a file
// is compiled and asked.
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/speed/engine.h"
#include "domains/monitoring/speed/trial.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void field(void *arg, unsigned slot, struct wf_expr_value *ret)
{
    static const struct wf_expr_value values[] = { { .kind = WF_KIND_NUMBER, .number = 7 },
        { .kind = WF_KIND_TEXT, .ptr = "up", .len = 2 }, { .kind = WF_KIND_NONE } };

    (void)arg;
    *ret = values[slot % 3];
}

static void one_condition(const uint8_t *data, size_t size)
{
    struct wf_pool pool = { NULL };
    struct wf_condition *c = calloc(1, sizeof *c);
    char *text = calloc(1, size + 1);
    struct wf_expr_error error = { 0 };
    struct wf_expr_value shown;
    const struct wf_expr_source source = { .field = field, .window = field };

    if (!c || !text)
        abort();
    memcpy(text, data, size);
    if (!wf_condition_read(text, &pool, c, &error)) {
        if (!error.text[0] || error.at > strlen(text))
            abort();
    } else if (!c->silent) {
        (void)wf_expr_judge(&c->expr, &source, &shown);
    }
    free(text);
    free(c);
    wf_pool_fini(&pool);
}

static void one_file(const uint8_t *data, size_t size)
{
    static const struct wf_engine_limits limits = { .sql = { .bytes = 1 << 20, .steps = 20000 } };
    struct weft_conf *c = NULL;

    if (weft_conf_parse((const char *)data, size, "f", &c, NULL))
        return;
    struct wf_rules *rules = wf_rules_read(c);
    struct wf_trials *trials = wf_trials_read(c);
    if (!rules || !trials)
        abort();
    for (size_t i = 0; !weft_conf_errors(c)[0] && i < trials->count; i++) {
        struct wf_trial_result r;
        if (trials->trials[i]->end_ms > 86400000) // a year of silence proves nothing more
            continue;
        if (wf_trial_run(trials->trials[i], rules, &limits, &r))
            abort();
        wf_trial_result_fini(&r);
    }
    wf_trials_free(trials);
    wf_rules_free(rules);
    weft_conf_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == '?')
        one_condition(data + 1, size - 1);
    else
        one_file(data, size);
    return 0;
}

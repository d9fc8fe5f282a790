// SPDX-License-Identifier: Apache-2.0
// Small texts that people, files and peers write: times, numbers, addresses, targets, places, matchers, values of a trial, credentials. The first
// byte picks who reads, the rest is the text. What has a printed form reads back to the same; what is refused says why.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "domains/monitoring/alert/match.h"
#include "domains/monitoring/batch/refill.h"
#include "domains/monitoring/remote/creds.h"
#include "domains/monitoring/speed/trial.h"
#include "proto/schema/known.h"
#include "proto/schema/number.h"
#include "proto/stream/stream.h"
#include "sdk/client.h"
#include "sdk/conf/values.h"
#include "sdk/net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1767225600000

static void must(bool right)
{
    if (!right)
        abort();
}

// ---- times, numbers, sizes -------------------------------------------------------------------------------------------

static void spans(struct wf_bytes t, const char *text)
{
    uint64_t v = 0, again = 0;
    struct wf_value_text out;

    (void)text;
    if (!wf_duration_parse(t, &v))
        must(!wf_duration_parse(wf_bytes_str(wf_duration_text(v, &out)), &again) && again == v);
    if (!wf_size_parse(t, &v))
        must(!wf_size_parse(wf_bytes_str(wf_size_text(v, &out)), &again) && again == v);
}

static void moments(struct wf_bytes t, const char *text)
{
    struct wf_moment m, again;
    char out[WF_MOMENT_TEXT];

    (void)text;
    if (!wf_timestamp_parse(t, &m)) {
        must(wf_timestamp_is_valid(m));
        size_t len = wf_timestamp_print(m, out);
        must(!wf_timestamp_parse(wf_bytes(out, len), &again));
        must(again.seconds == m.seconds && again.nanos == m.nanos);
    }
    if (!wf_known_duration_parse(t, &m)) {
        must(wf_known_duration_is_valid(m));
        size_t len = wf_known_duration_print(m, out);
        must(!wf_known_duration_parse(wf_bytes(out, len), &again));
        must(again.seconds == m.seconds && again.nanos == m.nanos);
    }
    // The same bytes as the message.
    if (!wf_moment_read(t, &m) && wf_timestamp_is_valid(m))
        (void)wf_timestamp_print(m, out);
}

static void numbers(struct wf_bytes t, const char *text)
{
    double v = 0, same = 0;
    int64_t whole = 0;
    uint64_t positive = 0;
    uint16_t port = 0;
    char out[WF_NUMBER_TEXT];

    (void)text;
    if (!wf_number_parse(t, &v)) {
        must(isfinite(v));
        size_t len = wf_number_double(v, out);
        must(!wf_number_parse(wf_bytes(out, len), &same) && same == v);
    }
    if (!wf_number_int(t, &whole) && whole >= 0)
        must(!wf_number_uint(t, &positive) ? positive == (uint64_t)whole : t.ptr[0] == '-');
    if (!wf_u64_parse(t, &positive))
        must(!wf_port_parse(t, &port) ? port == positive : positive == 0 || positive > 65535);
}

// ---- names and addresses ---------------------------------------------------------------------------------------------

static void addresses(struct wf_bytes t, const char *text)
{
    struct wf_address a, again;
    struct wf_incarnation i, same;
    char out[WF_ADDRESS_TEXT], hex[WF_INCARNATION_TEXT];

    if (!wf_address_parse(t, &a))
        must(!wf_address_parse(wf_bytes_str(wf_address_text(&a, out)), &again) &&
             wf_address_eq(&a, &again));
    if (!wf_incarnation_parse(t, &i)) {
        wf_incarnation_print(&i, hex);
        must(!wf_incarnation_parse(wf_bytes_str(hex), &same) && wf_incarnation_eq(&i, &same));
    }
    (void)!wf_net_where_check(text);
}

static void targets(struct wf_bytes t, const char *text)
{
    struct wf_target target;
    struct weft_problem problem = { 0 };

    (void)t;
    for (int method = 0; method < 2; method++) {
        if (wf_target_parse(text, method, &target, &problem))
            must(problem.text[0] != '\0');
        else
            must(wf_name_is_valid(wf_bytes_str(target.domain.s)) &&
                 wf_name_is_valid(wf_bytes_str(target.product.s)));
    }
}

// ---- the monitor's ---------------------------------------------------------------------------------------------------

static void places(struct wf_bytes t, const char *text)
{
    struct wf_mon_place p = { .time_ms = 0 };

    (void)t;
    (void)wf_mon_place_parse(text, NOW_MS, &p);
}

static const char *value_of(const void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "rule") == 0 ? "disk-full" : strcmp(name, "host") == 0 ? "web-1" : NULL;
}

static void matchers(struct wf_bytes t, const char *text)
{
    struct wf_matcher m;
    char why[120] = "";

    (void)t;
    if (wf_matcher_read(text, &m, why, sizeof why))
        (void)wf_matcher_holds(&m, value_of, NULL);
    else
        must(why[0] != '\0');
}

static void written(struct wf_bytes t, const char *text)
{
    struct wf_pool pool = { NULL };
    struct wf_written *v = NULL;
    size_t count = 0;
    char why[120] = "";

    (void)t;
    if (wf_written_read(text, 60000, &pool, &v, &count, why, sizeof why))
        must(v && count > 0 && count <= WF_TRIAL_VALUES);
    else
        must(why[0] != '\0');
    wf_pool_fini(&pool);
}

static bool in_one_line(const char *s)
{
    for (; s && *s; s++)
        if ((unsigned char)*s < ' ')
            return false;
    return true;
}

static void creds(struct wf_bytes t, const char *text)
{
    struct wf_remote_creds c = { .user = NULL };

    if (t.len >= sizeof c.text)
        return;
    memcpy(c.text, text, t.len + 1);
    if (wf_remote_creds_parse(&c)) {
        must((c.bearer && c.bearer[0]) != (c.user && c.user[0] && c.password));
        // A header is made of it.
        must(in_one_line(c.bearer) && in_one_line(c.user) && in_one_line(c.password));
    }
    wf_remote_creds_wipe(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const all[])(struct wf_bytes, const char *) = { spans, moments, numbers,
        addresses, targets, places, matchers, written, creds };

    if (size == 0)
        return 0;
    char *text = malloc(size); // of its exact size
    must(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    all[data[0] % WF_COUNT(all)](wf_bytes(data + 1, size - 1), text);
    free(text);
    return 0;
}

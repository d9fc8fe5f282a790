// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/known.h"

#include <stdio.h>

#include "proto/schema/record_wire.h"

#define NANOS 1000000000
#define DAY_S 86400

enum weft_err wf_moment_read(struct wf_bytes message, struct wf_moment *ret)
{
    struct wf_moment out = { 0 };

    while (message.len) {
        struct wf_wire_field w;
        enum weft_err err = wf_wire_take(&message, &w);
        if (err)
            return err;
        if (w.number > 2)
            continue;
        if (w.wire != WF_WIRE_VARINT)
            return WEFT_E_TYPE;
        if (w.number == 1)
            out.seconds = (int64_t)w.raw;
        else
            out.nanos = (int32_t)(uint32_t)w.raw;
    }
    *ret = out;
    return WEFT_OK;
}

bool wf_timestamp_is_valid(struct wf_moment t)
{
    return t.seconds >= WF_TIMESTAMP_MIN_S && t.seconds <= WF_TIMESTAMP_MAX_S && t.nanos >= 0 &&
           t.nanos < NANOS;
}

bool wf_known_duration_is_valid(struct wf_moment d)
{
    bool range = d.seconds >= -WF_DURATION_MAX_S && d.seconds <= WF_DURATION_MAX_S &&
                 d.nanos > -NANOS && d.nanos < NANOS;

    return range && !(d.seconds > 0 && d.nanos < 0) && !(d.seconds < 0 && d.nanos > 0);
}

// The shortest of 0, 3, 6, 9 digits that is exact.
static size_t print_fraction(char *out, size_t cap, int32_t nanos)
{
    if (nanos == 0)
        return 0;
    if (nanos % 1000000 == 0)
        return (size_t)snprintf(out, cap, ".%03d", nanos / 1000000);
    if (nanos % 1000 == 0)
        return (size_t)snprintf(out, cap, ".%06d", nanos / 1000);
    return (size_t)snprintf(out, cap, ".%09d", nanos);
}

// The proleptic Gregorian calendar by eras of 400 years beginning in March: Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms", civil_from_days and days_from_civil. Years here are 1 to 9999.
static void civil_from_days(int64_t days, int *ret_y, int *ret_m, int *ret_d)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = (int)(yoe + era * 400 + (*ret_m <= 2));
}

static int64_t days_from_civil(int y, int m, int d)
{
    int64_t year = m <= 2 ? y - 1 : y;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t yoe = year - era * 400;
    int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

    return era * 146097 + (yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

size_t wf_timestamp_print(struct wf_moment t, char out[WF_MOMENT_TEXT])
{
    int64_t days = t.seconds / DAY_S - (t.seconds % DAY_S < 0);
    int second = (int)(t.seconds - days * DAY_S), y = 0, m = 0, d = 0;

    civil_from_days(days, &y, &m, &d);
    size_t n = (size_t)snprintf(out, WF_MOMENT_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", y, m, d,
        second / 3600, second / 60 % 60, second % 60);
    n += print_fraction(out + n, WF_MOMENT_TEXT - n, t.nanos);
    out[n++] = 'Z';
    out[n] = '\0';
    return n;
}

size_t wf_known_duration_print(struct wf_moment d, char out[WF_MOMENT_TEXT])
{
    bool negative = d.seconds < 0 || d.nanos < 0;
    long long seconds = negative ? -d.seconds : d.seconds;

    size_t n = (size_t)snprintf(out, WF_MOMENT_TEXT, "%s%lld", negative ? "-" : "", seconds);
    n += print_fraction(out + n, WF_MOMENT_TEXT - n, negative ? -d.nanos : d.nanos);
    out[n++] = 's';
    out[n] = '\0';
    return n;
}

// Exactly `count` digits from the front of *in.
static bool take_digits(struct wf_bytes *in, int count, int *ret)
{
    int v = 0;

    if (in->len < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (in->ptr[i] < '0' || in->ptr[i] > '9')
            return false;
        v = v * 10 + (in->ptr[i] - '0');
    }
    *in = wf_bytes(in->ptr + count, in->len - (size_t)count);
    *ret = v;
    return true;
}

static bool take_char(struct wf_bytes *in, char c)
{
    if (in->len == 0 || in->ptr[0] != (uint8_t)c)
        return false;
    *in = wf_bytes(in->ptr + 1, in->len - 1);
    return true;
}

// An optional point with one to nine digits.
static bool take_fraction(struct wf_bytes *in, int32_t *ret_nanos)
{
    int32_t nanos = 0;
    int digits = 0, digit = 0;

    *ret_nanos = 0;
    if (!take_char(in, '.'))
        return true;
    while (digits < 9 && take_digits(in, 1, &digit)) {
        nanos = nanos * 10 + digit;
        digits++;
    }
    if (digits == 0)
        return false;
    for (; digits < 9; digits++)
        nanos *= 10;
    *ret_nanos = nanos;
    return true;
}

static bool take_offset(struct wf_bytes *in, int *ret_minutes)
{
    int h = 0, m = 0, sign = 1;

    *ret_minutes = 0;
    if (take_char(in, 'Z'))
        return true;
    if (take_char(in, '-'))
        sign = -1;
    else if (!take_char(in, '+'))
        return false;
    if (!take_digits(in, 2, &h) || !take_char(in, ':') || !take_digits(in, 2, &m) || h > 23 ||
        m > 59)
        return false;
    *ret_minutes = sign * (h * 60 + m);
    return true;
}

static bool is_date(int y, int m, int d)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

    return m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

enum weft_err wf_timestamp_parse(struct wf_bytes text, struct wf_moment *ret)
{
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, offset = 0;
    struct wf_moment t = { 0 };
    bool ok = take_digits(&text, 4, &y) && take_char(&text, '-') && take_digits(&text, 2, &mo) &&
              take_char(&text, '-') && take_digits(&text, 2, &d) && take_char(&text, 'T') &&
              take_digits(&text, 2, &h) && take_char(&text, ':') && take_digits(&text, 2, &mi) &&
              take_char(&text, ':') && take_digits(&text, 2, &s) &&
              take_fraction(&text, &t.nanos) && take_offset(&text, &offset);

    if (!ok || text.len || !is_date(y, mo, d) || h > 23 || mi > 59 || s > 59)
        return WEFT_E_SYNTAX;
    t.seconds = days_from_civil(y, mo, d) * DAY_S + h * 3600 + mi * 60 + s - offset * 60;
    if (y == 0 || !wf_timestamp_is_valid(t))
        return WEFT_E_RANGE;
    *ret = t;
    return WEFT_OK;
}

enum weft_err wf_known_duration_parse(struct wf_bytes text, struct wf_moment *ret)
{
    bool negative = take_char(&text, '-');
    struct wf_moment d = { 0 };
    int digit = 0, digits = 0;

    while (digits < 13 && take_digits(&text, 1, &digit)) {
        d.seconds = d.seconds * 10 + digit;
        digits++;
    }
    if (digits == 0 || !take_fraction(&text, &d.nanos) || !take_char(&text, 's') || text.len)
        return WEFT_E_SYNTAX;
    if (negative)
        d = (struct wf_moment){ -d.seconds, -d.nanos };
    if (!wf_known_duration_is_valid(d))
        return WEFT_E_RANGE;
    *ret = d;
    return WEFT_OK;
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

enum weft_err wf_mask_path_to_json(struct wf_bytes path, struct wf_buf *out)
{
    size_t len = out->len;
    bool raise = path.len == 0; // an empty path would vanish

    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        if (is_upper(c) || c == ',' || (raise && !is_lower(c)))
            goto refuse;
        enum weft_err err = WEFT_OK;
        if (c != '_')
            err = wf_buf_append_byte(out, raise ? (uint8_t)(c - 'a' + 'A') : c);
        raise = c == '_';
        if (err)
            return err;
    }
    if (!raise)
        return WEFT_OK;
refuse:
    out->len = len;
    return WEFT_E_RANGE;
}

enum weft_err wf_mask_path_from_json(struct wf_bytes path, struct wf_buf *out)
{
    size_t len = out->len;

    if (path.len == 0)
        return WEFT_E_RANGE;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        enum weft_err err = WEFT_OK;
        if (c == '_') {
            out->len = len;
            return WEFT_E_RANGE;
        }
        if (is_upper(c))
            err = wf_buf_append_byte(out, '_');
        if (!err)
            err = wf_buf_append_byte(out, is_upper(c) ? (uint8_t)(c - 'A' + 'a') : c);
        if (err)
            return err;
    }
    return WEFT_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/schema/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// printf and strtod follow the locale's decimal point, so digits are taken from "%.*e" one by one and text is read by
// strtod_l under "C" (newlocale returns a static object for it).
struct digits {
    char d[18]; // significant digits without trailing zeros, at least one
    int count;
    int point; // the value is 0.d1d2d3… times ten to the power of point
    bool negative;
};

static double read_c(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double v = strtod_l(text, NULL, c);

    freelocale(c);
    return v;
}

// v to the given number of significant digits, correctly rounded.
static struct digits split(double v, int precision)
{
    char text[64];
    struct digits out = { .negative = signbit(v) != 0 };

    snprintf(text, sizeof text, "%.*e", precision - 1, fabs(v));
    const char *exponent = strchr(text, 'e');
    for (const char *p = text; p < exponent; p++)
        if (*p >= '0' && *p <= '9')
            out.d[out.count++] = *p;
    while (out.count > 1 && out.d[out.count - 1] == '0')
        out.count--;
    out.point = (int)strtol(exponent + 1, NULL, 10) + 1;
    return out;
}

// The digits as a number again.
static double join(const struct digits *s)
{
    char text[64];

    snprintf(text, sizeof text, "%s%.*se%d", s->negative ? "-" : "", s->count, s->d,
        s->point - s->count);
    return read_c(text);
}

static size_t put(char *out, size_t at, const char *digits, int count)
{
    memcpy(out + at, digits, (size_t)count);
    return at + (size_t)count;
}

static size_t put_zeros(char *out, size_t at, int count)
{
    memset(out + at, '0', (size_t)count);
    return at + (size_t)count;
}

// Python's float_repr_style "short": an exponent below 1e-4 and from 1e16 on, else at least one digit after the point.
static size_t layout(const struct digits *s, char out[WF_NUMBER_TEXT])
{
    size_t n = s->negative ? put(out, 0, "-", 1) : 0;

    if (s->point > 16 || s->point < -3) {
        int exponent = s->point - 1;
        n = put(out, n, s->d, 1);
        if (s->count > 1) {
            n = put(out, n, ".", 1);
            n = put(out, n, s->d + 1, s->count - 1);
        }
        return n + (size_t)snprintf(out + n, WF_NUMBER_TEXT - n, "e%c%02d",
                       exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (s->point <= 0) {
        n = put(out, n, "0.", 2);
        n = put_zeros(out, n, -s->point);
        n = put(out, n, s->d, s->count);
    } else if (s->point >= s->count) {
        n = put(out, n, s->d, s->count);
        n = put_zeros(out, n, s->point - s->count);
        n = put(out, n, ".0", 2);
    } else {
        n = put(out, n, s->d, s->point);
        n = put(out, n, ".", 1);
        n = put(out, n, s->d + s->point, s->count - s->point);
    }
    out[n] = '\0';
    return n;
}

// Whole numbers of up to 15 digits are most of what telemetry prints: no search is needed for them.
static bool is_small_whole(double v)
{
    return fabs(v) < 1e15 && v == (double)(int64_t)v && !(v == 0 && signbit(v));
}

// The next decimal of as many digits, away from zero.
static void bump(struct digits *s, int precision)
{
    while (s->count < precision)
        s->d[s->count++] = '0';
    while (s->count > 0 && s->d[s->count - 1] == '9')
        s->count--;
    if (s->count > 0) {
        s->d[s->count - 1]++;
        return;
    }
    s->d[s->count++] = '1';
    s->point++;
}

// Fifteen digits suffice wherever fewer do, except among the subnormals, whose precision is less. Below a power of two
// doubles lie half as far apart as above it, so of sixteen digits the nearest decimal may miss where the next one hits.
size_t wf_number_double(double v, char out[WF_NUMBER_TEXT])
{
    if (is_small_whole(v))
        return (size_t)snprintf(out, WF_NUMBER_TEXT, "%lld.0", (long long)v);
    int precision = fabs(v) < 2.2250738585072014e-308 ? 1 : 15;
    struct digits s = split(v, precision);
    while (precision < 17 && join(&s) != v) {
        if (precision == 16) {
            bump(&s, precision);
            if (join(&s) == v)
                break;
        }
        s = split(v, ++precision);
    }
    return layout(&s, out);
}

// As python3-protobuf's ToShortestFloat: from six digits on, until the decimal rounds to the same float.
size_t wf_number_float(float v, char out[WF_NUMBER_TEXT])
{
    int precision = 6;
    struct digits s = split((double)v, precision);

    while (precision < 9 && (float)join(&s) != v)
        s = split((double)v, ++precision);
    return wf_number_double(join(&s), out);
}

static size_t skip_digits(struct wf_bytes text, size_t at)
{
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    return at;
}

static bool is_json_number(struct wf_bytes text)
{
    size_t at = text.len && text.ptr[0] == '-' ? 1 : 0;
    size_t end = skip_digits(text, at);

    if (end == at || (text.ptr[at] == '0' && end > at + 1))
        return false;
    at = end;
    if (at < text.len && text.ptr[at] == '.') {
        end = skip_digits(text, at + 1);
        if (end == at + 1)
            return false;
        at = end;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        at += at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-');
        end = skip_digits(text, at);
        if (end == at)
            return false;
        at = end;
    }
    return at == text.len;
}

enum weft_err wf_number_parse(struct wf_bytes text, double *ret)
{
    char copy[512]; // more digits than any double has say nothing

    if (text.len >= sizeof copy || !is_json_number(text))
        return WEFT_E_SYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double v = read_c(copy);
    if (!isfinite(v))
        return WEFT_E_RANGE;
    *ret = v;
    return WEFT_OK;
}

enum weft_err wf_number_uint(struct wf_bytes text, uint64_t *ret)
{
    uint64_t v = 0;

    if (text.len == 0 || skip_digits(text, 0) != text.len)
        return WEFT_E_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return WEFT_E_RANGE;
        v = v * 10 + digit;
    }
    *ret = v;
    return WEFT_OK;
}

enum weft_err wf_number_int(struct wf_bytes text, int64_t *ret)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t magnitude = 0;

    if (negative)
        text = wf_bytes(text.ptr + 1, text.len - 1);
    enum weft_err err = wf_number_uint(text, &magnitude);
    if (err)
        return err;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return WEFT_E_RANGE;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return WEFT_OK;
}

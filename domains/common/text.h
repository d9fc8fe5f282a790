// SPDX-License-Identifier: Apache-2.0
// Reading what the kernel and the package tools write: whole files below a root, with a bound, then lines, words and
// numbers as views. Owns file contents (wf_file); a wf_text never owns. Invariant: nothing here reads past a view, and
// no number wraps. Thread rule: plain values, no hidden state.
#ifndef WF_COMMON_TEXT_H
#define WF_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weft/err.h>

struct wf_text {
    const char *ptr;
    size_t len;
};

static inline struct wf_text wf_text(const char *s)
{
    return (struct wf_text){ s, s ? strlen(s) : 0 };
}

static inline bool wf_text_eq(struct wf_text a, struct wf_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool wf_text_is(struct wf_text t, const char *s)
{
    return wf_text_eq(t, wf_text(s));
}

bool wf_text_has_prefix(struct wf_text t, const char *prefix);
// Without spaces and tabs (and a carriage return) at both ends.
struct wf_text wf_text_trim(struct wf_text t);

// Takes the next line (without its newline), or the next run of non-blank characters, off *rest; false at the end.
bool wf_text_line(struct wf_text *rest, struct wf_text *ret_line);
bool wf_text_word(struct wf_text *rest, struct wf_text *ret_word);
// Takes what stands before the next `separator` (which is dropped), or all that is left; false when nothing is left.
// An empty field between two separators is a field.
bool wf_text_field(struct wf_text *rest, char separator, struct wf_text *ret_field);

// Decimal digits only, no sign, no blank; SYNTAX otherwise, RANGE beyond 64 bits.
WEFT_MUST_USE enum weft_err wf_text_u64(struct wf_text t, uint64_t *ret);
WEFT_MUST_USE enum weft_err wf_text_u32(struct wf_text t, uint32_t *ret);
// "12", "0.25": digits with at most one point, no sign, no exponent, at most 40 characters.
WEFT_MUST_USE enum weft_err wf_text_decimal(struct wf_text t, double *ret);
// Into a C string of `size` bytes; TOO_BIG when it does not fit, SYNTAX with a NUL inside.
WEFT_MUST_USE enum weft_err wf_text_copy(struct wf_text t, char *out, size_t size);

// The content of root + path ("" is the running host). NOT_FOUND, PERMISSION, IO; TOO_BIG beyond max. Regular files
// and those of /proc and /sys only: a directory, FIFO or device is refused (TYPE) and never waited for. Behind the last
// byte one more is the caller's to write to.
struct wf_file {
    char *ptr;
    size_t len;
};
WEFT_MUST_USE enum weft_err wf_file_read(
    const char *root, const char *path, size_t max, struct wf_file *ret);
void wf_file_fini(struct wf_file *f);
static inline struct wf_text wf_file_text(const struct wf_file *f)
{
    return (struct wf_text){ f->ptr, f->len };
}

#endif

// SPDX-License-Identifier: Apache-2.0
// What programs of this tree that show something live have in common: a picture of lines cut to its screen, and the terminal it is drawn on.
// A static library beside libweft, neither installed nor a promise to anybody (ADR 44). It asks nobody and knows no product.
// Thread rule: one thread, the program's first; signals that end or resize are blocked but while it waits.
#ifndef WEFT_SCREEN_H
#define WEFT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/err.h>

// ---- pictures ----------------------------------------------------------------------------------------------------------

struct wf_picture {
    unsigned rows, columns; // of the screen; 0 = no bound
    unsigned lines;         // so far
    char *text;             // ends in NUL; wf_picture_fini frees it
    size_t len, cap;
    enum weft_err err; // NOMEM: nothing is added any more
};
#define WF_PICTURE_NUMBER 16u // a scaled number with its NUL

// The length of the character at the start of a text of `len` > 0 bytes. *ret_code: WF_SCREEN_SHOWN, or the code point of what a terminal obeys or
// a reader can't see: a control character, also of C1, a mark that turns the direction of writing; U+FFFD for a byte that is no UTF-8.
#define WF_SCREEN_SHOWN UINT32_MAX
size_t wf_screen_next(const char *text, size_t len, uint32_t *ret_code);
// `len` bytes with a '?' for each of them, and a NUL, into out; it has room for len + 1 and may be `text`. Returns out.
char *wf_screen_clean(const char *text, size_t len, char *out);

// A line, as of printf, cut to the columns and cleaned, as others' words must not steer a terminal. Beyond the last row nothing is added.
__attribute__((format(printf, 2, 3))) void wf_picture_line(
    struct wf_picture *p, const char *format, ...);
// How many rows a section may show: all of them, or its share of what is left less the line that tells of the rest.
size_t wf_picture_room(const struct wf_picture *p, size_t rows, unsigned sections_left);
void wf_picture_rest(struct wf_picture *p, uint64_t all, size_t shown); // "… and N more"
void wf_picture_fini(struct wf_picture *p);

const char *wf_picture_count(double v, char out[WF_PICTURE_NUMBER]); // "1.5k"
const char *wf_picture_bytes(double v, char out[WF_PICTURE_NUMBER]); // in steps of 1024

// ---- the terminal ------------------------------------------------------------------------------------------------------

struct wf_screen {
    void *arg;
    int64_t every_ms; // between two questions
    void (*ask)(void *arg);
    enum weft_err (*draw)(void *arg, struct wf_picture *p); // into a picture of the screen's size
    void (*key)(void *arg, char key);                       // any but q; the picture is drawn anew
    void (*keys)(void *arg, char *out, size_t size); // what the last line says behind "q quit"
};
// Takes the whole screen (the alternate one, so that what was there comes back) until q or a signal, and gives it back on every way out.
WEFT_MUST_USE enum weft_err wf_screen_run(const struct wf_screen *s);
int64_t wf_screen_now_ms(void); // monotonic
// Waits, without a screen.
void wf_screen_sleep_until(int64_t due_ms);

#endif

// SPDX-License-Identifier: Apache-2.0
// The notes people leave on ports: one JSON file in $WEFT_STATE, replaced as a whole under a lock, so that readers need
// none and a crash leaves the old or the new one. Owns the notes in memory. Invariant: the file is always complete.
#ifndef WF_NETWORK_NOTES_H
#define WF_NETWORK_NOTES_H

#include <jansson.h>

#include "domains/common/text.h"

#define WF_NOTE_MAX_LEN  1024u
#define WF_NOTES_MAX     1024u
#define WF_NOTES_MAX_LEN (8u * 1024u * 1024u) // holds WF_NOTES_MAX notes with every byte escaped

struct wf_notes {
    json_t *by_port; // name -> {"note", "time" (unix ms), "by"}
};

struct wf_note {
    const char *text, *by; // never NULL; live as long as the wf_notes
    int64_t unix_ms;
};

// An absent file, or directory NULL, is no notes. DAMAGED where the file is not what wf_notes_set writes.
WEFT_MUST_USE enum weft_err wf_notes_read(const char *directory, struct wf_notes *ret);
void wf_notes_fini(struct wf_notes *notes);
bool wf_notes_find(const struct wf_notes *notes, const char *port, struct wf_note *ret);

// Reads, changes and replaces the file; an empty text removes the note. TOO_BIG beyond WF_NOTE_MAX_LEN or WF_NOTES_MAX;
// BAD_UTF8; PERMISSION, NOSPACE, IO; DAMAGED as above. Durable on return.
WEFT_MUST_USE enum weft_err wf_notes_set(
    const char *directory, const char *port, const struct wf_note *note);

#endif

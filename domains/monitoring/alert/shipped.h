// SPDX-License-Identifier: Apache-2.0
// Rules that come with a product, as their owner has them: the manifest with the file that it names, or that file alone (which is also what
// `weft describe PRODUCT --rules` prints). Read as a monitor reads them, and held against the compiled schema. Owns trees and rules.
// Thread rule: one owner.
#ifndef WF_MONITORING_SHIPPED_H
#define WF_MONITORING_SHIPPED_H

#include "domains/monitoring/speed/rules.h"

struct wf_shipped_file {
    char product[136];
    char path[4096],
        set[4096]; // of the rules, "": none come with it; of the compiled schema, "": there is none
    const char *message;
    struct weft_conf *manifest, *conf;
    struct wf_rules *rules; // NULL: none come with it
    bool fitted;            // its fields were looked at
};

// 0, or an exit status with every mistake told on standard error; *ret may be closed in any case. product NULL: by the manifest's name.
int wf_shipped_open(const char *path, const char *product, struct wf_shipped_file *ret);
void wf_shipped_close(struct wf_shipped_file *f);
// The path of what a file names beside itself. False: it is too long.
bool wf_path_beside(const char *file, const char *name, char *out, size_t size);

#endif

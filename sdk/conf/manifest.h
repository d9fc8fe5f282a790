// SPDX-License-Identifier: Apache-2.0
// A product's manifest: the YAML file that a domain team writes, checked and turned into the typed product. Owns all texts in
// its arena; immutable. What depends on the mesh (domain, product id) or on the compiled schema (its hash, whether message,
// key and columns exist) is filled and checked by the caller. Every key stands in docs/internals/conf.md.
#ifndef WF_CONF_MANIFEST_H
#define WF_CONF_MANIFEST_H

#include "proto/trust/product.h"
#include "sdk/conf/file.h"
#include "sdk/conf/keys.h"

struct wf_manifest {
    struct wf_product product; // all but domain, id, schema_hash and earlier
    const char *descriptor;    // path of the FileDescriptorSet; beside proto unless stated
    const char *proto;         // path of the source it is built from, or NULL
    const char *retention_class;
    const char *rules; // path of the rules of alerts that come with it, or NULL: wf_manifest_rules
    WF_LIST(const char *)
    run;               // the source: program and arguments; empty = something else publishes
    uint64_t every_ms; // run again and again at this interval; 0 = the program loops by itself
    WF_LIST(const char *) serve; // the provider program of an api; empty = something else serves
    WF_LIST(const char *) hosts; // "all", "node" or subject patterns; never empty
    struct wf_arena arena;
};

// text is shown as diags->file; relative paths begin at dir. On any error *ret is untouched and diags tells all of them.
WF_MUST_USE enum weft_err wf_manifest_parse(
    struct wf_bytes text, const char *dir, struct wf_diags *diags, struct wf_manifest **ret);
// A manifest names programs that will be run: weftd reads with WF_FILE_OWNED, a mere check with WF_FILE_ANY.
WF_MUST_USE enum weft_err wf_manifest_load(
    const char *path, enum wf_file_trust trust, struct wf_diags *diags, struct wf_manifest **ret);
// The rules' exact bytes: a text of at most WF_MAX_RULES in the YAML that all files here are. What they say is for weft-monitor rules check.
WF_MUST_USE enum weft_err wf_manifest_rules(
    const struct wf_manifest *m, struct wf_diags *diags, struct wf_buf *ret);
void wf_manifest_free(struct wf_manifest *m);

#endif

// SPDX-License-Identifier: Apache-2.0
// The tokens that an identity holds, one printed token a file: something people can look at, copy and delete.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/print.h"
#include "sdk/conf/file.h"
#include "sdk/disk.h"
#include "sdk/identity.h"

#define TOKEN_TEXT_MAX (WF_MAX_TOKEN * 2u + 64u)

static enum weft_err read_token(const char *path, struct wf_token **ret)
{
    struct wf_buf text = { 0 };
    enum weft_err err = wf_file_read(path, TOKEN_TEXT_MAX, WF_FILE_ANY, &text, NULL);

    if (!err)
        err = wf_token_parse(wf_buf_view(&text), ret, NULL);
    wf_buf_fini(&text);
    return err;
}

static bool is_token_name(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".cap") == 0;
}

static enum weft_err visit_file(
    const char *dir, const char *name, wf_identity_token_fn fn, void *arg)
{
    char *path = NULL;
    struct wf_token *t = NULL;
    enum weft_err err = wf_disk_join(dir, name, &path);

    if (!err) {
        enum weft_err read = read_token(path, &t);
        err = fn(arg, path, read ? NULL : t, read);
    }
    wf_token_free(t);
    free(path);
    return err;
}

enum weft_err wf_identity_tokens(
    const struct wf_identity_dir *d, wf_identity_token_fn fn, void *arg)
{
    char *dir = NULL;
    struct dirent **names = NULL;
    enum weft_err err = wf_disk_join(d->dir, "tokens", &dir);

    if (err)
        return err;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0)
        err = errno == ENOENT ? WEFT_OK : errno == ENOMEM ? WEFT_E_NOMEM : WEFT_E_PERMISSION;
    for (int i = 0; i < n; i++) {
        if (!err && is_token_name(names[i]->d_name))
            err = visit_file(dir, names[i]->d_name, fn, arg);
        free(names[i]);
    }
    free(names);
    free(dir);
    return err;
}

uint64_t wf_identity_tokens_stamp(const struct wf_identity_dir *d)
{
    char *dir = NULL;
    struct stat st = { 0 };

    if (!wf_disk_join(d->dir, "tokens", &dir) && stat(dir, &st) != 0)
        st = (struct stat){ 0 };
    free(dir);
    return (uint64_t)st.st_ino ^
           ((uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
}

// ---- find ------------------------------------------------------------------------------------------------------------

struct search {
    const struct wf_identity_dir *d;
    const char *domain, *product, *method;
    enum wf_verb verb; // 0: any
    int64_t now, best_expires;
    char *best;
};

// Structure and scope only: the owner decides for good. Being wrong here costs one refusal with its reason.
static bool covers(const struct search *s, const struct wf_token *t)
{
    const struct wf_block *last = wf_token_last(t);

    if (memcmp(last->holder.b, s->d->keys.sign_pub.b, WF_KEY_LEN) != 0 ||
        strcmp(last->domain.s, s->domain) != 0)
        return false;
    for (size_t b = 0; b < t->block_count; b++) {
        const struct wf_block *k = &t->blocks[b];
        bool product = false, method = s->verb != WF_VERB_CALL, verb = !s->verb;
        for (size_t i = 0; i < k->product_count && !product; i++)
            product = wf_pattern_match(&k->products[i], s->product);
        for (size_t i = 0; i < k->method_count && !method; i++)
            method = wf_pattern_match(&k->methods[i], s->method);
        verb = verb || (k->verbs & (uint32_t)s->verb);
        if (!product || !method || !verb || s->now + WF_CLOCK_TOLERANCE_MS < k->not_before_ms)
            return false;
    }
    return true;
}

static enum weft_err consider(
    void *arg, const char *path, const struct wf_token *token, enum weft_err err)
{
    struct search *s = arg;
    char *copy = NULL;

    if (err || !covers(s, token) || wf_token_expires_ms(token) <= s->best_expires)
        return WEFT_OK;
    err = wf_bytes_strdup(wf_bytes_str(path), &copy);
    if (err)
        return err;
    free(s->best);
    s->best = copy;
    s->best_expires = wf_token_expires_ms(token);
    return WEFT_OK;
}

static enum weft_err find(struct search *s, struct wf_token **ret)
{
    enum weft_err err = wf_identity_tokens(s->d, consider, s);

    if (!err)
        err = s->best ? read_token(s->best, ret) : WEFT_E_NO_CAPABILITY;
    free(s->best);
    return err;
}

enum weft_err wf_identity_find_token(const struct wf_identity_dir *d, const char *domain,
    const char *product, enum wf_verb verb, const char *method, int64_t now_unix_ms,
    struct wf_token **ret)
{
    struct search s = { d, domain, product, method ? method : "", verb, now_unix_ms, now_unix_ms,
        NULL };

    return find(&s, ret);
}

enum weft_err wf_identity_find_any_token(const struct wf_identity_dir *d, const char *domain,
    const char *product, int64_t now_unix_ms, struct wf_token **ret)
{
    struct search s = { .d = d,
        .domain = domain,
        .product = product,
        .method = "",
        .now = now_unix_ms,
        .best_expires = now_unix_ms };

    return find(&s, ret);
}

int64_t wf_identity_token_ended_ms(const struct wf_identity_dir *d, const char *domain,
    const char *product, enum wf_verb verb, const char *method, int64_t now_unix_ms)
{
    struct search s = { d, domain, product, method ? method : "", verb, now_unix_ms, 0, NULL };
    enum weft_err err = wf_identity_tokens(d, consider, &s);

    free(s.best);
    return err || s.best_expires > now_unix_ms ? 0 : s.best_expires;
}

// ---- import and prune ------------------------------------------------------------------------------------------------

static void say_why(const struct wf_identity_dir *d, const struct wf_token *t, enum weft_err err,
    struct wf_diag *diag)
{
    const struct wf_block *last = wf_token_last(t);
    char holder[WF_FINGERPRINT_LEN], own[WF_FINGERPRINT_LEN];

    wf_fingerprint(WF_BYTES(last->holder.b), holder);
    wf_fingerprint(WF_BYTES(d->keys.sign_pub.b), own);
    if (err == WEFT_E_HOLDER)
        wf_diag_set(diag, 0, 0,
            "the token for %s was granted to %s and this identity is %s; ask for one to the "
            "identity that weft key show prints",
            last->domain.s, holder, own);
    else if (err == WEFT_E_EXPIRED)
        wf_diag_set(diag, 0, 0,
            "the token for %s has expired; ask its owner for another: weft access request",
            last->domain.s);
    else if (err == WEFT_E_WRONG_MESH)
        wf_diag_set(
            diag, 0, 0, "the token for %s is of another mesh than this identity", last->domain.s);
    else
        wf_diag_set(diag, 0, 0, "token for %s: %s", last->domain.s, weft_err_text(err));
}

static enum weft_err check_import(
    const struct wf_identity_dir *d, const struct wf_token *t, int64_t now, struct wf_diag *diag)
{
    enum weft_err err = WEFT_OK;

    if (memcmp(wf_token_last(t)->holder.b, d->keys.sign_pub.b, WF_KEY_LEN) != 0)
        err = WEFT_E_HOLDER;
    else if (d->has_mesh && !wf_hash_eq(&wf_token_last(t)->mesh_id, &d->mesh_id))
        err = WEFT_E_WRONG_MESH;
    else if (wf_token_expires_ms(t) <= now - WF_CLOCK_TOLERANCE_MS)
        err = WEFT_E_EXPIRED;
    else if (d->charter)
        err = wf_token_verify(t, d->charter, now);
    if (err)
        say_why(d, t, err, diag);
    return err;
}

static enum weft_err token_path(
    const struct wf_identity_dir *d, const struct wf_token *t, char **ret)
{
    struct wf_buf name = { 0 };
    char hex[17];

    wf_hex_put(wf_bytes(wf_token_last(t)->id.b, 8), hex);
    enum weft_err err = wf_buf_printf(&name, "tokens/%s.%s.cap", wf_token_last(t)->domain.s, hex);
    if (!err)
        err = wf_disk_join(d->dir, (const char *)name.ptr, ret);
    wf_buf_fini(&name);
    return err;
}

enum weft_err wf_identity_import_token(struct wf_identity_dir *d, struct wf_bytes raw,
    int64_t now_unix_ms, char **ret_path, struct wf_diag *diag)
{
    struct wf_token *t = NULL;
    struct wf_buf text = { 0 };
    char *path = NULL, *dir = NULL;
    enum weft_err err = wf_token_open(raw, &t, diag);

    if (!err)
        err = check_import(d, t, now_unix_ms, diag);
    if (!err)
        err = wf_disk_join(d->dir, "tokens", &dir);
    if (!err)
        err = wf_disk_mkdir(dir, diag);
    if (!err)
        err = token_path(d, t, &path);
    if (!err)
        err = wf_token_print(raw, &text);
    if (!err)
        err = wf_buf_append_byte(&text, '\n');
    if (!err)
        err = wf_disk_replace(path, wf_buf_view(&text), diag);
    if (!err && ret_path) {
        *ret_path = path;
        path = NULL;
    }
    wf_token_free(t);
    wf_buf_fini(&text);
    free(path);
    free(dir);
    return err;
}

static enum weft_err prune_one(
    void *arg, const char *path, const struct wf_token *token, enum weft_err err)
{
    const int64_t *now = arg;

    if (!err && wf_token_expires_ms(token) <= *now - WF_CLOCK_TOLERANCE_MS)
        return wf_disk_remove(path, NULL);
    return WEFT_OK;
}

void wf_identity_prune_tokens(struct wf_identity_dir *d, int64_t now_unix_ms)
{
    // A failure leaves a file that is refused wherever it is shown.
    enum weft_err err = wf_identity_tokens(d, prune_one, &now_unix_ms);

    (void)err;
}

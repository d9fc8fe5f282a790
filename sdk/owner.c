// SPDX-License-Identifier: Apache-2.0
// From the name of a product to a session with the node that owns it now.
#include <stdio.h>
#include <stdlib.h>

#include "sdk/client_int.h"

struct owner_op {
    struct weft_client *c;
    struct wf_target target;
    wf_client_owner_fn done;
    void *arg;
    bool asked_again; // the catalog was fetched for this operation
};

static void end_op(struct owner_op *o, enum weft_err err, const struct weft_problem *problem,
    struct wf_link *link, const struct wf_entry_doc *product)
{
    wf_client_owner_fn done = o->done;
    void *arg = o->arg;

    free(o);
    done(arg, err, problem, link, product);
}

static void fail_op(struct owner_op *o, enum weft_err err, const char *format, const char *what)
{
    struct weft_problem p;
    char text[300];

    snprintf(text, sizeof text, format, what);
    wf_problem_set(&p, err, "%s/%s: %s", o->target.domain.s, o->target.product.s, text);
    end_op(o, err, &p, NULL, NULL);
}

static void fail_unknown(struct owner_op *o)
{
    const char *domain = o->target.domain.s, *product = o->target.product.s;
    bool has_domain = false;
    const struct wf_entry_doc *like = wf_client_product_like(o->c, domain, product, &has_domain);
    struct weft_problem p;

    if (like)
        wf_problem_set(&p, WEFT_E_NOT_FOUND,
            "%s/%s: no such product is known here (did you mean %s/%s?)", domain, product,
            like->domain.s, like->name.s);
    else
        wf_problem_set(
            &p, WEFT_E_NOT_FOUND, "%s/%s: no such product is known here", domain, product);
    snprintf(
        p.hint, sizeof p.hint, has_domain ? "weft products --domain %s" : "weft products", domain);
    end_op(o, WEFT_E_NOT_FOUND, &p, NULL, NULL);
}

// One of the node's addresses: one that works, else one that has not failed yet, else the next in turn.
enum weft_err wf_client_link_to_node(
    struct weft_client *c, const struct wf_entry_doc *node, struct wf_link **ret)
{
    struct wf_link *l = NULL, *fresh = NULL;

    if (node->node.address_count == 0)
        return WEFT_E_NO_HOME;
    for (size_t i = 0; i < node->node.address_count; i++) {
        enum weft_err err = wf_client_link_to(c, node->node.addresses[i], &node->node.dh_key, &l);
        if (err)
            return err;
        if (wf_link_state(l)->up) {
            *ret = l;
            return WEFT_OK;
        }
        if (!fresh && !wf_link_state(l)->last_error)
            fresh = l;
    }
    if (fresh) {
        *ret = fresh;
        return WEFT_OK;
    }
    size_t turn = c->rotor++ % node->node.address_count;
    return wf_client_link_to(c, node->node.addresses[turn], &node->node.dh_key, ret);
}

static void on_catalog(void *arg, enum weft_err err, const struct weft_problem *problem);

static void look_again(struct owner_op *o)
{
    o->asked_again = true;
    wf_client_refresh(o->c, true, on_catalog, o);
}

static void on_catalog(void *arg, enum weft_err err, const struct weft_problem *problem)
{
    struct owner_op *o = arg;
    struct weft_client *c = o->c;
    struct wf_link *link = NULL;

    if (err) {
        end_op(o, err, problem, NULL, NULL);
        return;
    }
    const struct wf_entry_doc *product =
        wf_client_product_doc(c, o->target.domain.s, o->target.product.s);
    bool other = product && o->target.major && product->product.product.major != o->target.major;
    const struct wf_entry_doc *node =
        product ? wf_client_node_doc(c, o->target.domain.s, product->product.node.s) : NULL;
    bool local = !c->identity;
    if ((!product || other || (!node && !local)) && !o->asked_again) {
        look_again(o);
        return;
    }
    if (!product) {
        fail_unknown(o);
    } else if (other) {
        fail_op(o, WEFT_E_NOT_FOUND, "its version is %s", product->product.product.version);
    } else if (local) {
        end_op(o, WEFT_OK, NULL, c->local, product);
    } else if (!node) {
        fail_op(o, WEFT_E_NO_HOME, "its node %s is not known here", product->product.node.s);
    } else {
        err = wf_client_link_to_node(c, node, &link);
        if (err)
            fail_op(o, err, "its node can't be reached: %s", weft_err_text(err));
        else
            end_op(o, WEFT_OK, NULL, link, product);
    }
}

static void begin(struct weft_client *c, const struct wf_target *t, bool fresh,
    wf_client_owner_fn done, void *arg)
{
    struct owner_op *o = calloc(1, sizeof *o);

    if (!o) {
        struct weft_problem p;
        wf_problem_set(&p, WEFT_E_NOMEM, "%s", weft_err_text(WEFT_E_NOMEM));
        done(arg, WEFT_E_NOMEM, &p, NULL, NULL);
        return;
    }
    *o = (struct owner_op){ c, *t, done, arg, fresh };
    wf_client_refresh(c, fresh, on_catalog, o);
}

void wf_client_owner(
    struct weft_client *c, const struct wf_target *t, wf_client_owner_fn done, void *arg)
{
    begin(c, t, false, done, arg);
}

void wf_client_owner_again(
    struct weft_client *c, const struct wf_target *t, wf_client_owner_fn done, void *arg)
{
    begin(c, t, true, done, arg);
}

// SPDX-License-Identifier: Apache-2.0
#include "proto/trust/capability.h"

static const struct {
    const char *name;
    enum wf_verb verb;
} verbs[] = {
    { "subscribe", WF_VERB_SUBSCRIBE },
    { "replay", WF_VERB_REPLAY },
    { "query", WF_VERB_QUERY },
    { "call", WF_VERB_CALL },
    { "mirror", WF_VERB_MIRROR },
    { "delegate", WF_VERB_DELEGATE },
};

const char *wf_verb_name(enum wf_verb v)
{
    for (size_t i = 0; i < WF_COUNT(verbs); i++)
        if (verbs[i].verb == v)
            return verbs[i].name;
    return "unknown";
}

static bool is_method_char(uint8_t c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

    return letter || (!first && c >= '0' && c <= '9');
}

// A method's name as protobuf has them, or its beginning and a star, or a star.
static enum weft_err take_method(struct wf_bytes text, struct wf_pattern *ret)
{
    size_t len = text.len;

    if (len && text.ptr[len - 1] == '*')
        len--;
    if (text.len == 0 || len > WF_MAX_NAME)
        return WEFT_E_VERB;
    for (size_t i = 0; i < len; i++)
        if (!is_method_char(text.ptr[i], i == 0))
            return WEFT_E_VERB;
    memcpy(ret->s, text.ptr, text.len);
    ret->s[text.len] = '\0';
    return WEFT_OK;
}

enum weft_err wf_verb_parse(struct wf_bytes text, enum wf_verb *ret, struct wf_pattern *ret_method)
{
    struct wf_pattern method = { { 0 } };

    if (wf_bytes_has_prefix(text, WF_STR("call:"))) {
        enum weft_err err = take_method(wf_bytes(text.ptr + 5, text.len - 5), &method);
        if (err)
            return err;
        *ret = WF_VERB_CALL;
        *ret_method = method;
        return WEFT_OK;
    }
    for (size_t i = 0; i < WF_COUNT(verbs); i++)
        if (verbs[i].verb != WF_VERB_CALL && wf_bytes_is(text, verbs[i].name)) {
            *ret = verbs[i].verb;
            *ret_method = method;
            return WEFT_OK;
        }
    return WEFT_E_VERB;
}

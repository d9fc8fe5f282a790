// SPDX-License-Identifier: Apache-2.0
// Comments of the .proto file, where the set carries source information (protoc --include_source_info): the leading comment of
// a message, field, enum, value, service or method becomes its description. A path that leads nowhere or a comment beyond
// WF_MAX_TEXT is left out: comments can't make a schema unusable.
#include "proto/base/limits.h"
#include "proto/schema/schema_build.h"

// Field numbers of descriptor.proto, of which a location's path is made.
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    ENUM_VALUE = 2,
    SERVICE_METHOD = 2,
};

struct path {
    const int32_t *at;
    size_t left;
};

// Takes the next (kind, index) pair; false at the end, for another kind or an index that is out of range.
static bool take(struct path *p, int32_t kind, size_t count, uint32_t *ret_index)
{
    if (p->left < 2 || p->at[0] != kind || p->at[1] < 0 || (size_t)p->at[1] >= count)
        return false;
    *ret_index = (uint32_t)p->at[1];
    p->at += 2;
    p->left -= 2;
    return true;
}

static const char **enum_slot(struct wf_schema_build *b, uint32_t index, struct path p)
{
    struct wf_schema_enum *e = &b->s->enums[index];
    uint32_t i = 0;

    if (p.left == 0)
        return &e->comment;
    if (!take(&p, ENUM_VALUE, e->value_count, &i) || p.left)
        return NULL;
    return &b->values[(e->values - b->values) + i].comment;
}

static const char **message_slot(struct wf_schema_build *b, uint32_t index, struct path p)
{
    uint32_t i = 0;

    while (take(&p, MESSAGE_NESTED, b->messages[index].pb->n_nested_type, &i))
        index = b->messages[index].first_message + i;
    const struct wf_build_message *m = &b->messages[index];
    if (p.left == 0)
        return &b->s->messages[index].comment;
    if (take(&p, MESSAGE_ENUM, m->pb->n_enum_type, &i))
        return enum_slot(b, m->first_enum + i, p);
    if (take(&p, MESSAGE_FIELD, m->pb->n_field, &i) && p.left == 0)
        return &m->fields[i].description;
    return NULL;
}

static const char **service_slot(struct wf_schema_build *b, uint32_t index, struct path p)
{
    struct wf_schema_service *s = &b->s->services[index];
    uint32_t i = 0;

    if (p.left == 0)
        return &s->comment;
    if (!take(&p, SERVICE_METHOD, s->method_count, &i) || p.left)
        return NULL;
    return &b->methods[(s->methods - b->methods) + i].comment;
}

static const char **find_slot(
    struct wf_schema_build *b, const struct wf_build_file *file, struct path p)
{
    uint32_t i = 0;

    if (take(&p, FILE_MESSAGE, file->pb->n_message_type, &i))
        return message_slot(b, file->first_message + i, p);
    if (take(&p, FILE_ENUM, file->pb->n_enum_type, &i))
        return enum_slot(b, file->first_enum + i, p);
    if (take(&p, FILE_SERVICE, file->pb->n_service, &i))
        return service_slot(b, file->first_service + i, p);
    return NULL;
}

// One line: runs of white space and control characters become one space, those at the ends go.
static enum weft_err tidy(struct wf_arena *arena, const char *text, const char **ret)
{
    size_t len = strlen(text), n = 0;
    char *out = wf_arena_alloc(arena, len + 1);

    if (!out)
        return wf_arena_err(arena);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > ' ' && c != 0x7f)
            out[n++] = text[i];
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    *ret = out;
    return WEFT_OK;
}

static enum weft_err apply(struct wf_schema_build *b, const struct wf_build_file *file,
    const Google__Protobuf__SourceCodeInfo__Location *at)
{
    const char *text = at->leading_comments ? at->leading_comments : at->trailing_comments;

    if (!text || strlen(text) > WF_MAX_TEXT)
        return WEFT_OK;
    const char **slot = find_slot(b, file, (struct path){ at->path, at->n_path });
    return slot ? tidy(b->arena, text, slot) : WEFT_OK;
}

enum weft_err wf_build_comments(struct wf_schema_build *b)
{
    for (size_t i = 0; i < b->set->n_file; i++) {
        const Google__Protobuf__SourceCodeInfo *info = b->files[i].pb->source_code_info;
        for (size_t k = 0; info && k < info->n_location; k++) {
            enum weft_err err = apply(b, &b->files[i], info->location[k]);
            if (err)
                return err;
        }
    }
    return WEFT_OK;
}

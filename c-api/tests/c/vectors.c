/* The value vectors: every value in every encoding, converted to every other, and rebuilt.
 *
 * usage: vectors values.json
 */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

static int failures, checks, values;
static char name[256];

static bool check(bool condition, const char *what) {
    ++checks;
    if (!condition) {
        ++failures;
        fprintf(stderr, "%s: %s: %s\n", name, what, linkspan_last_error_text());
    }
    return condition;
}

static void need(linkspan_status status) {
    if (status != LINKSPAN_OK) {
        fprintf(stderr, "%s: %s\n", linkspan_status_name(status), linkspan_last_error_text());
        exit(2);
    }
}

/* One form of a value: the text for JSON, hex digits for the others. */
struct form {
    uint8_t *bytes;
    size_t length;
};

static struct form form_of(const linkspan_message *vectors, size_t row, linkspan_encoding encoding) {
    char path[64];
    const char *text;
    size_t length;
    struct form form;
    snprintf(path, sizeof path, "%zu/%s", row, linkspan_encoding_name(encoding));
    need(linkspan_message_get_text(vectors, path, &text, &length));
    form.bytes = malloc(length + 1);
    form.length = encoding == LINKSPAN_JSON ? length : length / 2;
    if (encoding == LINKSPAN_JSON) memcpy(form.bytes, text, length);
    for (size_t i = 0; encoding != LINKSPAN_JSON && i < form.length; ++i) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        form.bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return form;
}

static bool is_form(const uint8_t *bytes, size_t length, struct form form) {
    return length == form.length && memcmp(bytes, form.bytes, length) == 0;
}

/* Puts the values of a walk into another message. Returns false for a key that C cannot represent. */
static bool rebuild(linkspan_message *from, linkspan_message *to) {
    linkspan_walk *walk;
    linkspan_item item = LINKSPAN_ITEM_INIT;
    /* The number of values that each open array or map still needs. */
    size_t wanted[70];
    size_t depth = 0;
    bool whole = true;
    need(linkspan_walk_new(from, "", &walk));
    while (whole && linkspan_walk_next(walk, &item) == LINKSPAN_OK) {
        char *copy = NULL;
        if (item.key != NULL) {
            whole = memchr(item.key, '\0', item.key_length) == NULL;
            copy = calloc(item.key_length + 1, 1);
            memcpy(copy, item.key, item.key_length);
        }
        const char *key = copy;
        if (depth > 0) --wanted[depth - 1];
        switch (whole ? item.type : -1) {
        case LINKSPAN_TYPE_NULL: need(linkspan_message_put_null(to, key)); break;
        case LINKSPAN_TYPE_BOOL: need(linkspan_message_put_bool(to, key, item.truth)); break;
        case LINKSPAN_TYPE_INT: need(linkspan_message_put_i64(to, key, item.integer)); break;
        case LINKSPAN_TYPE_UINT: need(linkspan_message_put_u64(to, key, item.unsigned_integer)); break;
        case LINKSPAN_TYPE_BIG_INT:
            need(linkspan_message_put_big_int(to, key, item.truth, item.bytes, item.length));
            break;
        case LINKSPAN_TYPE_FLOAT: need(linkspan_message_put_f64(to, key, item.number)); break;
        case LINKSPAN_TYPE_TEXT: need(linkspan_message_put_text(to, key, item.text, item.length)); break;
        case LINKSPAN_TYPE_BYTES: need(linkspan_message_put_bytes(to, key, item.bytes, item.length)); break;
        case LINKSPAN_TYPE_TIMESTAMP: need(linkspan_message_put_timestamp(to, key, item.integer)); break;
        case LINKSPAN_TYPE_UUID: need(linkspan_message_put_uuid(to, key, item.bytes)); break;
        case LINKSPAN_TYPE_DECIMAL: need(linkspan_message_put_decimal(to, key, item.text, item.length)); break;
        case LINKSPAN_TYPE_NDARRAY: need(linkspan_message_put_array(to, key, &item.array)); break;
        case LINKSPAN_TYPE_ARRAY: need(linkspan_message_begin_array(to, key)); wanted[depth++] = item.count; break;
        case LINKSPAN_TYPE_MAP: need(linkspan_message_begin_map(to, key)); wanted[depth++] = item.count; break;
        default: break;
        }
        free(copy);
        while (whole && depth > 0 && wanted[depth - 1] == 0) {
            need(linkspan_message_end(to));
            --depth;
        }
    }
    linkspan_walk_free(walk);
    return whole;
}

static void check_value(const linkspan_message *vectors, size_t row) {
    struct form forms[LINKSPAN_SMILE + 1];
    uint8_t *bytes;
    size_t length;
    linkspan_message *built;
    need(linkspan_message_new(&built));
    for (linkspan_encoding e = LINKSPAN_JSON; e <= LINKSPAN_SMILE; ++e) forms[e] = form_of(vectors, row, e);
    for (linkspan_encoding e = LINKSPAN_JSON; e <= LINKSPAN_SMILE; ++e) {
        linkspan_message *message;
        if (!check(linkspan_decode(forms[e].bytes, forms[e].length, e, &message) == LINKSPAN_OK, "decode")) continue;
        need(linkspan_message_clear(built));
        const bool rebuilt = rebuild(message, built);
        for (linkspan_encoding to = LINKSPAN_JSON; to <= LINKSPAN_SMILE; ++to) {
            if (check(linkspan_encode(message, to, &bytes, &length) == LINKSPAN_OK, "encode")) {
                check(is_form(bytes, length, forms[to]), linkspan_encoding_name(to));
                linkspan_free(bytes, length);
            }
            if (rebuilt && check(linkspan_encode(built, to, &bytes, &length) == LINKSPAN_OK, "encode, rebuilt")) {
                check(is_form(bytes, length, forms[to]), "rebuilt");
                linkspan_free(bytes, length);
            }
            if (check(linkspan_transcode(forms[e].bytes, forms[e].length, e, to, &bytes, &length) == LINKSPAN_OK,
                      "transcode")) {
                check(is_form(bytes, length, forms[to]), "transcoded");
                linkspan_free(bytes, length);
            }
        }
        linkspan_message_release(message);
    }
    for (linkspan_encoding e = LINKSPAN_JSON; e <= LINKSPAN_SMILE; ++e) free(forms[e].bytes);
    linkspan_message_release(built);
    ++values;
}

int main(int count, char **arguments) {
    FILE *file = fopen(count == 2 ? arguments[1] : "", "rb");
    if (file == NULL) {
        fprintf(stderr, "usage: vectors values.json\n");
        return 2;
    }
    static uint8_t text[8 << 20];
    const size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    linkspan_message *vectors;
    size_t rows;
    need(linkspan_decode(text, length, LINKSPAN_JSON, &vectors));
    need(linkspan_message_count(vectors, "", &rows));
    for (size_t row = 0; row < rows; ++row) {
        char path[64];
        const char *title;
        size_t title_length;
        snprintf(path, sizeof path, "%zu/name", row);
        need(linkspan_message_get_text(vectors, path, &title, &title_length));
        snprintf(name, sizeof name, "%.*s", (int)title_length, title);
        check_value(vectors, row);
    }
    linkspan_message_release(vectors);
    printf("%d values, %d checks, %d failed\n", values, checks, failures);
    return failures == 0 && values > 0 ? 0 : 1;
}

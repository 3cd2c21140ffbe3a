/* The vectors of invalid bytes: each is refused with code, offset and path, without a message.
 *
 * usage: invalid invalid.json
 */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

static const linkspan_message *law;
static size_t row;

static void need(linkspan_status status) {
    if (status != LINKSPAN_OK) {
        fprintf(stderr, "%s: %s\n", linkspan_status_name(status), linkspan_last_error_text());
        exit(2);
    }
}

/* Returns a text of this row, NULL for null. The caller frees it. */
static char *text_of(const char *column) {
    char path[64];
    linkspan_type type;
    const char *text;
    size_t length;
    snprintf(path, sizeof path, "%zu/%s", row, column);
    need(linkspan_message_get_type(law, path, &type));
    if (type == LINKSPAN_TYPE_NULL) return NULL;
    need(linkspan_message_get_text(law, path, &text, &length));
    char *copy = calloc(length + 1, 1);
    memcpy(copy, text, length);
    return copy;
}

static int64_t number_of(const char *column) {
    char path[64];
    int64_t number;
    snprintf(path, sizeof path, "%zu/%s", row, column);
    need(linkspan_message_get_i64(law, path, &number));
    return number;
}

static bool check(void) {
    char *name = text_of("encoding"), *hex = text_of("hex"), *where = text_of("path"), *why = text_of("why");
    const size_t length = strlen(hex) / 2;
    uint8_t *bytes = malloc(length + 1), *made;
    size_t made_length;
    linkspan_encoding encoding;
    linkspan_message *message;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    for (size_t i = 0; i < length; ++i) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    need(linkspan_encoding_from_name(name, &encoding));
    const linkspan_status status = linkspan_decode(bytes, length, encoding, &message);
    linkspan_last_error(&e);
    const bool same_path = where == NULL ? e.path == NULL : e.path != NULL && strcmp(e.path, where) == 0;
    bool right = status == number_of("code") && message == NULL && e.offset == number_of("offset") && same_path;
    right = right && linkspan_transcode(bytes, length, encoding, LINKSPAN_CBOR, &made, &made_length) == status;
    right = right && made == NULL && made_length == 0;
    if (!right) {
        fprintf(stderr, "row %zu, %s, %s (%s): %s, offset %lld, path %s: %s\n", row, name, hex, why,
                linkspan_status_name(status), (long long)e.offset, e.path == NULL ? "none" : e.path, e.text);
    }
    free(name), free(hex), free(where), free(why), free(bytes);
    return right;
}

int main(int count, char **arguments) {
    FILE *file = fopen(count == 2 ? arguments[1] : "", "rb");
    if (file == NULL) {
        fprintf(stderr, "usage: invalid invalid.json\n");
        return 2;
    }
    static uint8_t text[8 << 20];
    const size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    linkspan_message *vectors;
    size_t rows, failed = 0;
    need(linkspan_decode(text, length, LINKSPAN_JSON, &vectors));
    need(linkspan_message_count(vectors, "", &rows));
    law = vectors;
    for (row = 0; row < rows; ++row) failed += !check();
    linkspan_message_release(vectors);
    printf("%zu refused, %zu failed\n", rows - failed, failed);
    return failed == 0 && rows > 0 ? 0 : 1;
}

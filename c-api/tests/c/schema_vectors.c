/* The schema vectors: valid and invalid texts, compatible and different schemas, accepted and refused values.
 *
 * usage: schema_vectors DIRECTORY
 */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define SOON (INT64_C(20) * 1000000000)
#define AT "unix:test/schemas"

static linkspan_message *law;
static size_t row;
static const char *text_of_row[8];
static unsigned checks, failed;

/* Returns a text of this row, NUL-terminated and valid until the next row. */
static const char *text(const char *column) {
    char path[64];
    const char *found;
    size_t length;
    snprintf(path, sizeof path, "%zu/%s", row, column);
    if (linkspan_message_get_text(law, path, &found, &length) != LINKSPAN_OK) return NULL;
    char *copy = calloc(length + 1, 1);
    CHECK(copy != NULL);
    memcpy(copy, found, length);
    for (size_t i = 0; i < sizeof text_of_row / sizeof *text_of_row; ++i) {
        if (text_of_row[i] == NULL) return text_of_row[i] = copy;
    }
    CHECK(!"more texts in a row than there is room for");
    return NULL;
}

static linkspan_status code(void) {
    char path[64];
    int64_t number;
    snprintf(path, sizeof path, "%zu/code", row);
    return linkspan_message_get_i64(law, path, &number) == LINKSPAN_OK ? (linkspan_status)number : LINKSPAN_OK;
}

static void expect(linkspan_status expected, linkspan_status status, const char *part) {
    ++checks;
    if (status == expected && (part == NULL || strstr(linkspan_last_error_text(), part) != NULL)) return;
    ++failed;
    fprintf(stderr, "row %zu: %s, %s; expected %s, %s\n", row, linkspan_status_name(status), linkspan_last_error_text(),
            linkspan_status_name(expected), part == NULL ? "" : part);
}

static linkspan_publisher *publisher(const char *schema, const char *validate) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_publisher *out = NULL;
    options.schema = schema;
    options.validate = validate;
    expect(LINKSPAN_OK, linkspan_publisher_new(AT, &options, &out), NULL);
    return out;
}

static void check_text(void) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_publisher *out = NULL;
    options.schema = text("toml");
    expect(code(), linkspan_publisher_new(AT, &options, &out), text("text"));
    linkspan_publisher_free(out);
}

static void check_pair(void) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_subscriber *in = NULL;
    linkspan_message *message = NULL;
    linkspan_publisher *out = publisher(text("writer"), NULL);
    const char *difference = text("differences/0");
    options.schema = text("reader");
    OK(linkspan_message_new(&message));
    OK(linkspan_publisher_send(out, message, NULL));
    linkspan_message_release(message);
    OK(linkspan_subscriber_new(AT, &options, &in));
    const linkspan_status status = linkspan_subscriber_recv(in, SOON, &message);
    expect(difference == NULL ? LINKSPAN_OK : LINKSPAN_SCHEMA_MISMATCH, status, difference);
    if (status == LINKSPAN_OK) linkspan_message_release(message);
    linkspan_subscriber_free(in);
    linkspan_publisher_free(out);
}

static void check_value(void) {
    static linkspan_publisher *out;
    linkspan_message *message;
    linkspan_error error = LINKSPAN_ERROR_INIT;
    const char *json = text("json"), *path = text("path");
    if (row == 0) out = publisher(text("schema"), "send");
    OK(linkspan_decode((const uint8_t *)json, strlen(json), LINKSPAN_JSON, &message));
    const linkspan_status status = linkspan_publisher_send(out, message, NULL);
    expect(code(), status, text("text"));
    linkspan_last_error(&error);
    if (code() != LINKSPAN_OK) {
        ++checks;
        if (strcmp(path, error.path == NULL ? "" : error.path) != 0) {
            ++failed;
            fprintf(stderr, "row %zu: the path is %s\n", row, error.path == NULL ? "none" : error.path);
        }
    }
    linkspan_message_release(message);
    size_t rows;
    OK(linkspan_message_count(law, "", &rows));
    if (row + 1 == rows) linkspan_publisher_free(out);
}

static void rows_of(const char *directory, const char *name, void (*check)(void)) {
    static uint8_t bytes[1 << 20];
    char path[4096];
    size_t rows;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    CHECK(length < sizeof bytes);
    fclose(file);
    OK(linkspan_decode(bytes, length, LINKSPAN_JSON, &law));
    OK(linkspan_message_count(law, "", &rows));
    for (row = 0; row < rows; ++row) {
        check();
        for (size_t i = 0; i < sizeof text_of_row / sizeof *text_of_row; ++i) {
            free((void *)text_of_row[i]);
            text_of_row[i] = NULL;
        }
    }
    linkspan_message_release(law);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    rows_of(arguments[1], "schema_texts.json", check_text);
    rows_of(arguments[1], "schema_pairs.json", check_pair);
    rows_of(arguments[1], "schema_values.json", check_value);
    printf("%u checks, %u failed\n", checks, failed);
    return failed == 0 && checks > 0 ? 0 : 1;
}

/* Messages: building, reading by path, walking, errors with their places, the codecs. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static bool is_text(const char *text, size_t length, const char *expected) {
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

static linkspan_message *reading(void) {
    linkspan_message *m;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_f64(m, "celsius", 21.4));
    OK(linkspan_message_put_i64(m, "count", -7));
    OK(linkspan_message_put_u64(m, "large", UINT64_MAX));
    OK(linkspan_message_put_bool(m, "ok", true));
    OK(linkspan_message_put_null(m, "none"));
    OK(linkspan_message_put_text(m, "name", LINKSPAN_ZSTR("gr\xc3\xbc\xc3\x9f")));
    OK(linkspan_message_put_bytes(m, "raw", (const uint8_t *)"\0\1\2", 3));
    OK(linkspan_message_put_timestamp(m, "at", 1251082000250000000));
    const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    OK(linkspan_message_put_uuid(m, "id", uuid));
    OK(linkspan_message_put_decimal(m, "price", LINKSPAN_ZSTR("1.10")));
    const uint8_t magnitude[9] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    OK(linkspan_message_put_big_int(m, "big", true, magnitude, sizeof magnitude));
    OK(linkspan_message_begin_array(m, "rows"));
    OK(linkspan_message_begin_map(m, NULL));
    OK(linkspan_message_put_f64(m, "x", 1.5));
    OK(linkspan_message_put_text(m, "a/b", "yes", 3));
    OK(linkspan_message_end(m));
    OK(linkspan_message_put_i64(m, NULL, 8));
    OK(linkspan_message_end(m));
    const double wave[6] = {0, 1, 2, 3, 4, 5};
    const linkspan_array array = {LINKSPAN_F64, LINKSPAN_ROW, 2, {2, 3}, wave, 0};
    OK(linkspan_message_put_array(m, "wave", &array));
    return m;
}

static void check_reading(const linkspan_message *m) {
    double x;
    int64_t i;
    uint64_t u;
    bool b;
    const char *text;
    const uint8_t *bytes;
    uint8_t uuid[16];
    size_t n;
    linkspan_type type;
    linkspan_array a;
    OK(linkspan_message_get_f64(m, "celsius", &x));
    CHECK(x == 21.4);
    OK(linkspan_message_get_i64(m, "count", &i));
    CHECK(i == -7);
    OK(linkspan_message_get_f64(m, "count", &x));
    CHECK(x == -7.0);
    OK(linkspan_message_get_u64(m, "large", &u));
    CHECK(u == UINT64_MAX);
    OK(linkspan_message_get_bool(m, "ok", &b));
    CHECK(b);
    OK(linkspan_message_get_type(m, "none", &type));
    CHECK(type == LINKSPAN_TYPE_NULL);
    OK(linkspan_message_get_text(m, "name", &text, &n));
    CHECK(is_text(text, n, "gr\xc3\xbc\xc3\x9f"));
    OK(linkspan_message_get_bytes(m, "raw", &bytes, &n));
    CHECK(n == 3 && bytes[2] == 2);
    OK(linkspan_message_get_timestamp(m, "at", &i));
    CHECK(i == 1251082000250000000);
    OK(linkspan_message_get_uuid(m, "id", uuid));
    CHECK(uuid[0] == 1 && uuid[15] == 16);
    OK(linkspan_message_get_decimal(m, "price", &text, &n));
    CHECK(is_text(text, n, "1.10"));
    OK(linkspan_message_get_big_int(m, "big", &b, &bytes, &n));
    CHECK(b && n == 9 && bytes[0] == 1);
    OK(linkspan_message_get_f64(m, "rows/0/x", &x));
    CHECK(x == 1.5);
    OK(linkspan_message_get_text(m, "rows/0/a~1b", &text, &n));
    CHECK(is_text(text, n, "yes"));
    OK(linkspan_message_count(m, "rows", &n));
    CHECK(n == 2);
    OK(linkspan_message_count(m, "", &n));
    CHECK(n == 13);
    OK(linkspan_message_get_key(m, "", 12, &text, &n));
    CHECK(is_text(text, n, "wave"));
    OK(linkspan_message_get_array(m, "wave", &a));
    CHECK(a.dtype == LINKSPAN_F64 && a.order == LINKSPAN_ROW && a.rank == 2 && a.dims[0] == 2 && a.dims[1] == 3);
    CHECK(a.length == 48 && ((const double *)a.data)[5] == 5.0);
    CHECK((uintptr_t)a.data % sizeof(double) == 0);
}

static void arrays_keep_their_indices_in_another_order(const linkspan_message *m) {
    linkspan_array a;
    OK(linkspan_message_get_array(m, "wave", &a));
    double column[6];
    linkspan_array to = a;
    to.order = LINKSPAN_COLUMN;
    to.data = column;
    OK(linkspan_array_copy(&a, &to));
    const double expected[6] = {0, 3, 1, 4, 2, 5};
    CHECK(memcmp(column, expected, sizeof expected) == 0);
    to.dtype = LINKSPAN_F32;
    CHECK(linkspan_array_copy(&a, &to) == LINKSPAN_WRONG_TYPE);
    const uint8_t bytes[3] = {0, 127, 255};
    int32_t wide[3];
    const linkspan_array small = {LINKSPAN_U8, LINKSPAN_ROW, 1, {3}, bytes, 0};
    const linkspan_array large = {LINKSPAN_I32, LINKSPAN_ROW, 1, {3}, wide, 0};
    OK(linkspan_array_copy(&small, &large));
    CHECK(wide[0] == 0 && wide[1] == 127 && wide[2] == 255);
    const int8_t negative[2] = {-1, 1};
    const linkspan_array below = {LINKSPAN_I8, LINKSPAN_ROW, 1, {2}, negative, 0};
    const linkspan_array above = {LINKSPAN_I32, LINKSPAN_ROW, 1, {2}, wide, 0};
    OK(linkspan_array_copy(&below, &above));
    CHECK(wide[0] == -1 && wide[1] == 1);
    CHECK(linkspan_array_copy(&below, &large) == LINKSPAN_WRONG_TYPE);
}

static void walks_visit_everything_once(linkspan_message *m) {
    linkspan_walk *walk;
    linkspan_item item = LINKSPAN_ITEM_INIT;
    char seen[256] = "";
    int values = 0;
    linkspan_status status;
    OK(linkspan_walk_new(m, "", &walk));
    while ((status = linkspan_walk_next(walk, &item)) == LINKSPAN_OK) {
        ++values;
        char part[64];
        snprintf(part, sizeof part, "%u%.*s ", item.depth, (int)item.key_length, item.key == NULL ? "" : item.key);
        strcat(seen, part);
    }
    CHECK(status == LINKSPAN_EMPTY);
    CHECK(linkspan_walk_next(walk, &item) == LINKSPAN_EMPTY);
    linkspan_walk_free(walk);
    CHECK(values == 18);
    CHECK(strcmp(seen, "0 1celsius 1count 1large 1ok 1none 1name 1raw 1at 1id 1price 1big 1rows 2 3x 3a/b 2 1wave ") == 0);
    OK(linkspan_walk_new(m, "rows/1", &walk));
    OK(linkspan_walk_next(walk, &item));
    CHECK(item.depth == 0 && item.type == LINKSPAN_TYPE_INT && item.integer == 8);
    CHECK(linkspan_walk_next(walk, &item) == LINKSPAN_EMPTY);
    linkspan_walk_free(walk);
    CHECK(linkspan_walk_new(m, "nowhere", &walk) == LINKSPAN_MISSING && walk == NULL);
}

static void errors_say_what_and_where(linkspan_message *m) {
    double x = 1;
    const char *text;
    size_t n;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    CHECK(linkspan_message_get_f64(m, "rows/7/x", &x) == LINKSPAN_MISSING);
    CHECK(x == 0.0);
    CHECK(linkspan_last_error(&e) == LINKSPAN_MISSING);
    CHECK(strcmp(e.path, "rows/7/x") == 0 && e.endpoint == NULL && e.offset == -1 && !e.retryable);
    CHECK(strstr(e.text, "rows/7/x") != NULL);
    CHECK(linkspan_message_get_text(m, "celsius", &text, &n) == LINKSPAN_WRONG_TYPE);
    linkspan_last_error(&e);
    CHECK(strstr(e.text, "found a float") != NULL && strstr(e.text, "expected text") != NULL);
    CHECK(linkspan_message_get_i64(m, "large", &(int64_t){0}) == LINKSPAN_OUT_OF_RANGE);
    CHECK(linkspan_message_put_text(m, "bad", "\xff", 1) == LINKSPAN_MALFORMED);
    CHECK(linkspan_message_put_i64(NULL, "x", 1) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_message_end(m) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_message_put_i64(m, NULL, 1) == LINKSPAN_INVALID_STATE);
    linkspan_array nonsense = {99, 0, 1, {1}, &x, 0};
    CHECK(linkspan_message_put_array(m, "a", &nonsense) == LINKSPAN_WRONG_TYPE);
    nonsense.dtype = LINKSPAN_F64;
    nonsense.rank = 16;
    CHECK(linkspan_message_put_array(m, "a", &nonsense) == LINKSPAN_TOO_LARGE);
    linkspan_message *cut;
    CHECK(linkspan_decode((const uint8_t *)"\x01\x02", 2, LINKSPAN_CBOR, &cut) == LINKSPAN_MALFORMED);
    CHECK(cut == NULL && linkspan_last_error(&e) == LINKSPAN_MALFORMED && e.offset == 1);
    CHECK(linkspan_decode((const uint8_t *)"1", 1, 42, &cut) == LINKSPAN_UNSUPPORTED);
    CHECK(strcmp(linkspan_status_name(LINKSPAN_TIMEOUT), "Timeout") == 0);
    CHECK(strcmp(linkspan_status_name(101), "Unknown") == 0);
    CHECK(linkspan_version()[0] != '\0');
}

static void unfinished_and_whole_messages(void) {
    linkspan_message *m, *inner;
    uint8_t *bytes;
    size_t n;
    OK(linkspan_message_new(&m));
    OK(linkspan_encode(m, LINKSPAN_JSON, &bytes, &n));
    CHECK(is_text((char *)bytes, n, "null"));
    linkspan_free(bytes, n);
    OK(linkspan_message_begin_array(m, NULL));
    OK(linkspan_message_begin_map(m, NULL));
    CHECK(linkspan_encode(m, LINKSPAN_JSON, &bytes, &n) == LINKSPAN_INVALID_STATE);
    CHECK(bytes == NULL && n == 0);
    OK(linkspan_message_end(m));
    OK(linkspan_message_end(m));
    CHECK(linkspan_message_put_i64(m, NULL, 1) == LINKSPAN_INVALID_STATE);
    OK(linkspan_encode(m, LINKSPAN_JSON, &bytes, &n));
    CHECK(is_text((char *)bytes, n, "[{}]"));
    linkspan_free(bytes, n);
    OK(linkspan_message_clear(m));
    OK(linkspan_message_put_i64(m, "n", 1));
    OK(linkspan_message_put_i64(m, "n", 2));
    OK(linkspan_message_new(&inner));
    OK(linkspan_message_put_message(inner, "in", m));
    OK(linkspan_message_put_message(inner, "in2", inner));
    OK(linkspan_encode(inner, LINKSPAN_JSON, &bytes, &n));
    CHECK(is_text((char *)bytes, n, "{\"in\":{\"n\":2},\"in2\":{\"in\":{\"n\":2}}}"));
    linkspan_free(bytes, n);
    linkspan_message *part;
    OK(linkspan_message_get_message(inner, "in2/in", &part));
    OK(linkspan_message_retain(part));
    linkspan_message_release(part);
    OK(linkspan_encode(part, LINKSPAN_JSON, &bytes, &n));
    CHECK(is_text((char *)bytes, n, "{\"n\":2}"));
    linkspan_free(bytes, n);
    linkspan_message_release(part);
    OK(linkspan_message_clear(m));
    int depth = 0;
    while (linkspan_message_begin_array(m, NULL) == LINKSPAN_OK) ++depth;
    CHECK(depth == 64 && linkspan_last_error(NULL) == LINKSPAN_TOO_LARGE);
    linkspan_message_release(inner);
    linkspan_message_release(m);
    linkspan_message_release(NULL);
}

static void is_json(const linkspan_message *m, const char *expected) {
    uint8_t *bytes;
    size_t n;
    OK(linkspan_encode(m, LINKSPAN_JSON, &bytes, &n));
    CHECK(is_text((char *)bytes, n, expected));
    linkspan_free(bytes, n);
}

/* A short map of scalars is built in place, and becomes a tree if necessary. */
static void maps_of_scalars_take_any_value(void) {
    linkspan_message *m;
    int64_t i;
    const char *text;
    size_t n;
    OK(linkspan_message_new(&m));
    for (int round = 0; round < 3; ++round) {
        OK(linkspan_message_clear(m));
        is_json(m, "null");
        OK(linkspan_message_put_i64(m, "n", round));
        OK(linkspan_message_put_text(m, "t", LINKSPAN_ZSTR("text")));
        OK(linkspan_message_get_i64(m, "n", &i));
        OK(linkspan_message_get_text(m, "t", &text, &n));
        CHECK(i == round && is_text(text, n, "text"));
        CHECK(linkspan_message_get_i64(m, "x", &i) == LINKSPAN_MISSING);
        /* After another put, values are read again. */
        OK(linkspan_message_count(m, "", &n));
        CHECK(n == 2);
        OK(linkspan_message_put_f64(m, "x", 0.5));
        OK(linkspan_message_count(m, "", &n));
        CHECK(n == 3);
        CHECK(linkspan_message_put_i64(m, NULL, 1) == LINKSPAN_INVALID_STATE);
        CHECK(linkspan_message_end(m) == LINKSPAN_INVALID_STATE);
        OK(linkspan_message_put_null(m, "t"));
        OK(linkspan_message_put_bool(m, "a/b", true));
        OK(linkspan_message_begin_array(m, "list"));
        OK(linkspan_message_put_i64(m, NULL, 1));
        OK(linkspan_message_end(m));
        OK(linkspan_message_put_i64(m, "last", 9));
        char expected[100];
        snprintf(expected, sizeof expected, "{\"n\":%d,\"t\":null,\"x\":0.5,\"a/b\":true,\"list\":[1],\"last\":9}", round);
        is_json(m, expected);
    }
    /* More entries than are built in place, and long keys and texts. */
    char key[400], longest[400];
    memset(longest, 'x', sizeof longest);
    OK(linkspan_message_clear(m));
    for (int k = 0; k < 40; ++k) {
        snprintf(key, sizeof key, "%d%.*s", k, k * 9, longest);
        OK(linkspan_message_put_text(m, key, longest, (size_t)k * 9));
        OK(linkspan_message_get_text(m, key, &text, &n));
        CHECK(n == (size_t)k * 9 && memcmp(text, longest, n) == 0);
        OK(linkspan_message_count(m, "", &n));
        CHECK(n == (size_t)k + 1);
    }
    linkspan_message_release(m);
    /* A new message has no part of the previous one. */
    OK(linkspan_message_new(&m));
    is_json(m, "null");
    OK(linkspan_message_put_i64(m, NULL, 5));
    is_json(m, "5");
    linkspan_message_release(m);
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", 5));
    linkspan_message_release(m);
    OK(linkspan_message_new(&m));
    is_json(m, "null");
    linkspan_message_release(m);
}

int main(void) {
    linkspan_message *m = reading();
    check_reading(m);
    arrays_keep_their_indices_in_another_order(m);
    walks_visit_everything_once(m);
    errors_say_what_and_where(m);
    for (linkspan_encoding e = LINKSPAN_JSON; linkspan_encoding_name(e) != NULL; ++e) {
        uint8_t *bytes;
        size_t n;
        linkspan_message *back;
        linkspan_encoding again;
        OK(linkspan_encoding_from_name(linkspan_encoding_name(e), &again));
        CHECK(again == e);
        OK(linkspan_encode(m, e, &bytes, &n));
        OK(linkspan_decode(bytes, n, e, &back));
        check_reading(back);
        uint8_t *json;
        size_t json_length;
        OK(linkspan_transcode(bytes, n, e, LINKSPAN_JSON, &json, &json_length));
        CHECK(json_length > 0 && json[0] == '{');
        linkspan_free(json, json_length);
        linkspan_free(bytes, n);
        linkspan_message_release(back);
    }
    linkspan_message_release(m);
    unfinished_and_whole_messages();
    maps_of_scalars_take_any_value();
    puts("ok");
    return 0;
}

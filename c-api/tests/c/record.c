/* Structs with a table, as in generated code: encoding, decoding, parts of other values, invalid tables. */
#include <linkspan.h>
#include <linkspan/record.h>

#include <math.h>

#include "check.h"

typedef enum { OFF, ON } mode;

typedef struct {
    double x;
    bool has_note;
    linkspan_text note;
} point;

typedef struct {
    int32_t count;
    mode state;
    bool has_at;
    int64_t at;
    struct {
        point *items;
        size_t count;
    } path;
    struct {
        struct {
            linkspan_text key;
            double value;
        } * items;
        size_t count;
    } sums;
    uint16_t limits[2];
} reading;

#define TYPE(k, of) &(const linkspan_record_type){.kind = LINKSPAN_RECORD_##k, .size = sizeof(of)}
#define MEMBER(of, member) (((of *)0)->member)

static const linkspan_record_field point_fields[] = {
    {.key = "x", .offset = offsetof(point, x), .of = TYPE(F64, double)},
    {.key = "note", .offset = offsetof(point, note), .of = TYPE(TEXT, linkspan_text), .optional = true, .presence = offsetof(point, has_note)},
};
static const linkspan_record_type point_type = {.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(point), .fields = point_fields, .count = 2};

static const linkspan_record_field fields[] = {
    {.key = "count", .offset = offsetof(reading, count), .of = TYPE(I32, int32_t), .aliases = (const char *const[]){"n", "number", NULL}},
    {.key = "state",
     .offset = offsetof(reading, state),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_ENUM, .size = sizeof(mode), .names = (const char *const[]){"OFF", "ON"}, .count = 2},
     .default_value = (const uint8_t *)"\142ON",
     .default_length = 3},
    {.key = "at", .offset = offsetof(reading, at), .of = TYPE(TIMESTAMP, int64_t), .optional = true, .presence = offsetof(reading, has_at)},
    {.key = "path",
     .offset = offsetof(reading, path),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_LIST,
                                         .size = sizeof(MEMBER(reading, path)),
                                         .item_size = sizeof(point),
                                         .of = &point_type}},
    {.key = "sums",
     .offset = offsetof(reading, sums),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_MAP,
                                         .size = sizeof(MEMBER(reading, sums)),
                                         .item_size = sizeof(MEMBER(reading, sums.items[0])),
                                         .of = TYPE(F64, double)}},
    {.key = "limits",
     .offset = offsetof(reading, limits),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_ELEMENTS,
                                         .size = sizeof(MEMBER(reading, limits)),
                                         .dtype = LINKSPAN_U16,
                                         .order = -1,
                                         .rank = 1,
                                         .dims = (const uint64_t[]){2}}},
};
static const linkspan_record_type type = {.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(reading), .fields = fields, .count = 6};
static linkspan_record record = {.size = sizeof(linkspan_record), .of = &type};

static linkspan_status from_json(reading *to, const char *json) {
    return linkspan_record_decode(&record, to, (const uint8_t *)json, strlen(json), LINKSPAN_JSON);
}

static bool is_json(const reading *from, const char *json) {
    uint8_t *bytes;
    size_t length;
    bool same;
    OK(linkspan_record_encode(&record, from, LINKSPAN_JSON, &bytes, &length));
    same = length == strlen(json) && memcmp(bytes, json, length) == 0;
    if (!same) fprintf(stderr, "%.*s\n", (int)length, (const char *)bytes);
    linkspan_free(bytes, length);
    return same;
}

#define LIMITS "{\"$ndarray\":{\"dtype\":\"u16\",\"shape\":[2],\"order\":\"row\",\"data\":\"AQACAA==\"}}"
#define WHOLE                                                                                                                              \
    "{\"count\":-7,\"state\":\"OFF\",\"at\":{\"$time\":\"1970-01-01T00:00:00.000000005Z\"},\"path\":[{\"x\":1.5},{\"x\":2.5,\"note\":\"a\"}],"      \
    "\"sums\":{\"a\":1.5,\"\":2.5},\"limits\":" LIMITS "}"
#define LEAST "{\"n\":1,\"newer\":[{\"x\":1}],\"limits\":" LIMITS ",\"at\":null,\"path\":[],\"sums\":{}}"

static void a_struct_keeps_what_it_is_given(void) {
    reading value;
    OK(linkspan_record_init(&record, &value));
    CHECK(value.count == 0 && value.state == ON && !value.has_at && value.path.items == NULL);
    OK(from_json(&value, WHOLE));
    CHECK(value.count == -7 && value.state == OFF && value.has_at && value.at == 5 && value.limits[1] == 2);
    CHECK(value.path.count == 2 && value.path.items[1].has_note && strcmp(value.path.items[1].note.data, "a") == 0);
    CHECK(value.sums.count == 2 && strcmp(value.sums.items[0].key.data, "a") == 0 && value.sums.items[1].value == 2.5);
    CHECK(is_json(&value, WHOLE));
    /* The old content is freed, and missing fields get their defaults. */
    OK(from_json(&value, LEAST));
    CHECK(value.count == 1 && value.state == ON && !value.has_at && value.path.count == 0 && value.sums.count == 0);
    OK(linkspan_record_free(&record, &value));
    CHECK(value.count == 0);
    OK(linkspan_record_free(&record, NULL));
}

static void messages_hold_structs(void) {
    reading value, back;
    linkspan_message *message;
    int64_t count;
    uint8_t *bytes;
    size_t length;
    OK(linkspan_record_init(&record, &value));
    OK(linkspan_record_init(&record, &back));
    OK(from_json(&value, WHOLE));
    OK(linkspan_message_new(&message));
    OK(linkspan_record_put(&record, &value, message));
    OK(linkspan_message_get_record(message, "", &record, &back));
    CHECK(is_json(&back, WHOLE));
    OK(linkspan_message_get_i64(message, "count", &count));
    CHECK(count == -7);
    CHECK(linkspan_message_put_i64(message, "count", 1) == LINKSPAN_INVALID_STATE);
    value.count = 8;
    OK(linkspan_record_put(&record, &value, message));
    OK(linkspan_message_get_i64(message, "count", &count));
    CHECK(count == 8);
    OK(linkspan_encode(message, LINKSPAN_JSON, &bytes, &length));
    CHECK(length == strlen(WHOLE) - 1);
    linkspan_free(bytes, length);
    OK(linkspan_message_clear(message));
    OK(linkspan_message_put_i64(message, "count", 3));
    CHECK(linkspan_message_get_record(message, "", &record, &back) == LINKSPAN_MISSING);
    CHECK(strstr(linkspan_last_error_text(), "path is missing") != NULL);
    linkspan_message_release(message);
    OK(linkspan_record_free(&record, &value));
    OK(linkspan_record_free(&record, &back));
}

static void structs_are_parts_of_other_values(void) {
    reading value, back;
    linkspan_message *message;
    int64_t count;
    int i;
    OK(linkspan_record_init(&record, &value));
    OK(linkspan_record_init(&record, &back));
    OK(from_json(&value, WHOLE));
    OK(linkspan_message_new(&message));
    OK(linkspan_message_put_i64(message, "before", 1));
    OK(linkspan_message_put_record(message, "it", &record, &value));
    OK(linkspan_message_begin_array(message, "a/list"));
    for (i = 0; i < 2; i++) OK(linkspan_message_put_record(message, NULL, &record, &value));
    OK(linkspan_message_end(message));
    OK(linkspan_message_get_record(message, "it", &record, &back));
    CHECK(is_json(&back, WHOLE));
    OK(linkspan_message_get_record(message, "a~1list/1", &record, &back));
    CHECK(is_json(&back, WHOLE));
    OK(linkspan_message_get_i64(message, "it/count", &count));
    CHECK(count == -7);
    CHECK(linkspan_message_get_record(message, "none", &record, &back) == LINKSPAN_MISSING);
    CHECK(strstr(linkspan_last_error_text(), "none") != NULL);
    CHECK(linkspan_message_put_record(message, NULL, &record, &value) == LINKSPAN_INVALID_STATE);
    /* Errors have the full path in both directions. */
    OK(linkspan_message_begin_map(message, "other"));
    OK(linkspan_message_put_text(message, "count", LINKSPAN_ZSTR("many")));
    OK(linkspan_message_end(message));
    CHECK(linkspan_message_get_record(message, "other", &record, &back) == LINKSPAN_WRONG_TYPE);
    CHECK(strstr(linkspan_last_error_text(), "at path other/count") != NULL);
    value.sums.items[1].key.data[0] = 'a';
    value.sums.items[1].key.length = 1;
    CHECK(linkspan_message_put_record(message, "it", &record, &value) == LINKSPAN_MALFORMED);
    CHECK(strstr(linkspan_last_error_text(), "it/sums") != NULL);
    /* The previous value under the key remains. */
    OK(linkspan_message_get_record(message, "it", &record, &back));
    CHECK(is_json(&back, WHOLE));
    value.sums.items[1].key.length = 0;
    OK(linkspan_message_clear(message));
    OK(linkspan_message_put_record(message, NULL, &record, &value));
    OK(linkspan_message_get_record(message, "", &record, &back));
    CHECK(is_json(&back, WHOLE));
    linkspan_message_release(message);
    OK(linkspan_record_free(&record, &value));
    OK(linkspan_record_free(&record, &back));
}

static void what_does_not_fit_is_refused(void) {
    static const struct {
        const char *json;
        linkspan_status status;
        const char *text;
    } refused[] = {
        {"[1]", LINKSPAN_WRONG_TYPE, "a map is expected"},
        {"{\"count\":2147483648}", LINKSPAN_OUT_OF_RANGE, "count"},
        {"{\"count\":1,\"count\":1}", LINKSPAN_MALFORMED, "occurs twice"},
        {"{\"n\":1,\"n\":1}", LINKSPAN_MALFORMED, "occurs twice"},
        {"{\"n\":1,\"number\":1}", LINKSPAN_WRONG_TYPE, "count comes twice"},
        {"{\"n\":1,\"count\":1}", LINKSPAN_WRONG_TYPE, "count comes twice"},
        {"{\"newer\":1,\"newer\":1}", LINKSPAN_MALFORMED, "occurs twice"},
        {"{\"path\":[{\"x\":1},{}]}", LINKSPAN_MISSING, "path/1"},
        {"{\"path\":[{\"x\":1,\"note\":1}]}", LINKSPAN_WRONG_TYPE, "path/0/note"},
        {"{\"sums\":{\"a\":1,\"a\":1}}", LINKSPAN_MALFORMED, "occurs twice"},
        {"{\"sums\":{\"a\\u0000\":1}}", LINKSPAN_UNSUPPORTED, "NUL"},
        {"{\"limits\":{\"$ndarray\":{\"dtype\":\"u16\",\"shape\":[1],\"data\":\"AQA=\"}}}", LINKSPAN_WRONG_TYPE, "limits"},
        {"{\"path\":[{\"x\":1", LINKSPAN_MALFORMED, ""},
    };
    size_t i;
    reading value;
    uint8_t *bytes;
    size_t length;
    OK(linkspan_record_init(&record, &value));
    for (i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        linkspan_status status = from_json(&value, refused[i].json);
        if (status != refused[i].status) fprintf(stderr, "%s: %d\n", refused[i].json, (int)status);
        CHECK(status == refused[i].status && strstr(linkspan_last_error_text(), refused[i].text) != NULL);
    }
    OK(from_json(&value, WHOLE));
    value.state = (mode)2;
    CHECK(linkspan_record_encode(&record, &value, LINKSPAN_CBOR, &bytes, &length) == LINKSPAN_OUT_OF_RANGE && bytes == NULL);
    CHECK(strstr(linkspan_last_error_text(), "state") != NULL);
    value.state = ON;
    value.path.items[1].note.data[0] = '\xff';
    CHECK(linkspan_record_encode(&record, &value, LINKSPAN_CBOR, &bytes, &length) == LINKSPAN_MALFORMED);
    CHECK(strstr(linkspan_last_error_text(), "path/1/note") != NULL);
    OK(linkspan_record_free(&record, &value));
}

static void tables_that_lead_out_of_their_struct_are_refused(void) {
    linkspan_record_field field = {.key = "x", .offset = 0, .of = TYPE(F64, double)};
    linkspan_record_type whole = {.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(double), .fields = &field, .count = 1};
    linkspan_record_type list = {.kind = LINKSPAN_RECORD_LIST, .size = sizeof(MEMBER(reading, path)), .item_size = 4, .of = TYPE(F64, double)};
    linkspan_record table = {.size = sizeof(linkspan_record), .of = &whole};
    double place = NAN;
#define REFUSED                                                                                                                            \
    CHECK(linkspan_record_init(&table, &place) == LINKSPAN_INVALID_STATE && table.prepared == NULL && isnan(place));                          \
    CHECK(strstr(linkspan_last_error_text(), "the table of a record") != NULL)
    field.offset = 1;
    REFUSED;
    field.offset = SIZE_MAX;
    REFUSED;
    field.offset = 0;
    field.optional = true;
    field.presence = sizeof(double);
    REFUSED;
    field.optional = false;
    field.of = TYPE(F64, float);
    REFUSED;
    field.of = NULL;
    REFUSED;
    field.of = &whole;
    REFUSED;
    field.of = &list;
    REFUSED;
    field.of = TYPE(F64, double);
    whole.kind = 99;
    REFUSED;
    whole.kind = LINKSPAN_RECORD_STRUCT;
    table.size = 1;
    REFUSED;
    CHECK(linkspan_record_init(NULL, &place) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_record_init(&record, NULL) == LINKSPAN_INVALID_STATE);
}

int main(void) {
    a_struct_keeps_what_it_is_given();
    messages_hold_structs();
    structs_are_parts_of_other_values();
    what_does_not_fit_is_refused();
    tables_that_lead_out_of_their_struct_are_refused();
    puts("ok");
    return 0;
}

/* Structs of scalars, encoded without a walk: bytes and errors equal those of a tree. */
#include <linkspan.h>
#include <linkspan/record.h>

#include <math.h>

#include "check.h"

typedef struct {
    bool on;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    linkspan_text text;
    linkspan_bytes bytes;
    int64_t at;
    uint8_t mode;
    bool has_note;
    linkspan_text note;
    int16_t wide;
} flat;

#define TYPE(k, of) &(const linkspan_record_type){.kind = LINKSPAN_RECORD_##k, .size = sizeof(of)}
#define FIELD(name, kind, of_c) {.key = #name, .offset = offsetof(flat, name), .of = TYPE(kind, of_c)}

static const linkspan_record_field fields[] = {
    FIELD(on, BOOL, bool),
    FIELD(i8, I8, int8_t),
    FIELD(i16, I16, int16_t),
    FIELD(i32, I32, int32_t),
    FIELD(i64, I64, int64_t),
    FIELD(u8, U8, uint8_t),
    FIELD(u16, U16, uint16_t),
    FIELD(u32, U32, uint32_t),
    FIELD(u64, U64, uint64_t),
    FIELD(f32, F32, float),
    FIELD(f64, F64, double),
    {.key = "a key that is longer than those which are copied at once", .offset = offsetof(flat, text), .of = TYPE(TEXT, linkspan_text)},
    FIELD(bytes, BYTES, linkspan_bytes),
    FIELD(at, TIMESTAMP, int64_t),
    {.key = "mode",
     .offset = offsetof(flat, mode),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_ENUM, .size = 1, .names = (const char *const[]){"OFF", "ON"}, .count = 2}},
    {.key = "note", .offset = offsetof(flat, note), .of = TYPE(TEXT, linkspan_text), .optional = true, .presence = offsetof(flat, has_note)},
    {.key = "wide", .offset = offsetof(flat, wide), .of = TYPE(U8, int16_t)},
};
enum { COUNT = sizeof fields / sizeof fields[0] };
static const linkspan_record_type type = {.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(flat), .fields = fields, .count = COUNT};
static linkspan_record record = {.size = sizeof(linkspan_record), .of = &type};

/* Encodes a struct through the tree of a message. */
static linkspan_status walk(linkspan_record *table, const void *from, uint8_t **bytes, size_t *length) {
    linkspan_message *message;
    linkspan_status status;
    OK(linkspan_message_new(&message));
    status = linkspan_message_put_record(message, NULL, table, from);
    if (status == LINKSPAN_OK) status = linkspan_encode(message, LINKSPAN_CBOR, bytes, length);
    linkspan_message_release(message);
    return status;
}

/* Returns the text of the last error without the name of its function. */
static const char *reason(void) {
    const char *text = linkspan_last_error_text(), *colon = strstr(text, ": ");
    return strncmp(text, "linkspan_", 9) == 0 && colon != NULL ? colon + 2 : text;
}

/* Encodes a struct as bytes, as a message and through a tree, and compares the results. */
static linkspan_status encode_each_way(linkspan_record *table, const void *from) {
    uint8_t *bytes, *other;
    size_t length, other_length;
    linkspan_message *message;
    char text[256];
    linkspan_status status = linkspan_record_encode(table, from, LINKSPAN_CBOR, &bytes, &length);
    if (status != LINKSPAN_OK) {
        snprintf(text, sizeof text, "%s", reason());
        CHECK(walk(table, from, &other, &other_length) == status);
        CHECK(strcmp(reason(), text) == 0);
        return status;
    }
    OK(walk(table, from, &other, &other_length));
    CHECK(length == other_length && memcmp(bytes, other, length) == 0);
    linkspan_free(other, other_length);
    OK(linkspan_message_new(&message));
    OK(linkspan_record_put(table, from, message));
    OK(linkspan_encode(message, LINKSPAN_CBOR, &other, &other_length));
    CHECK(length == other_length && memcmp(bytes, other, length) == 0);
    linkspan_free(other, other_length);
    linkspan_free(bytes, length);
    linkspan_message_release(message);
    return LINKSPAN_OK;
}

/* A pseudorandom sequence that starts with the seed; its high bits vary more than its low bits. */
static uint64_t state;
static uint64_t next(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> (state >> 58) ^ state << 7;
}

static void structs_of_any_content_are_encoded_alike(void) {
    static char letters[600];
    int i;
    memset(letters, 'x', sizeof letters);
    state = getenv("LINKSPAN_SEED") != NULL ? strtoull(getenv("LINKSPAN_SEED"), NULL, 10) : 5;
    fprintf(stderr, "LINKSPAN_SEED=%llu\n", (unsigned long long)state);
    for (i = 0; i < 2000; i++) {
        flat value;
        memset(&value, 0, sizeof value);
        value.on = next() % 2 != 0;
        value.i8 = (int8_t)next();
        value.i16 = (int16_t)next();
        value.i32 = (int32_t)next();
        value.i64 = (int64_t)next();
        value.u8 = (uint8_t)next();
        value.u16 = (uint16_t)next();
        value.u32 = (uint32_t)next();
        value.u64 = next();
        value.f32 = next() % 5 == 0 ? (float)NAN : (float)next() / 3;
        value.f64 = next() % 5 == 0 ? -INFINITY : (double)next() / 3;
        value.text.data = letters;
        value.text.length = (size_t)(next() % sizeof letters);
        value.bytes.data = (uint8_t *)letters;
        value.bytes.length = (size_t)(next() % 30);
        value.at = (int64_t)next();
        value.mode = (uint8_t)(next() % 2);
        value.has_note = next() % 2 != 0;
        value.note.data = letters;
        value.note.length = (size_t)(next() % 3);
        value.wide = (int16_t)(next() % 256);
        OK(encode_each_way(&record, &value));
    }
}

static void what_a_walk_refuses_is_refused_alike(void) {
    flat value;
    memset(&value, 0, sizeof value);
    value.text.data = (char *)"\xff";
    OK(encode_each_way(&record, &value));
    value.text.length = 1;
    CHECK(encode_each_way(&record, &value) == LINKSPAN_MALFORMED);
    value.text.length = 0;
    value.mode = 2;
    CHECK(encode_each_way(&record, &value) == LINKSPAN_OUT_OF_RANGE);
    value.mode = 1;
    value.has_note = true;
    value.note.length = 1;
    CHECK(encode_each_way(&record, &value) != LINKSPAN_OK);
    CHECK(strstr(linkspan_last_error_text(), "note") != NULL);
    value.note.length = 0;
    OK(encode_each_way(&record, &value));
}

/* A flat record cannot count this many fields, so such a struct is walked. */
static void structs_of_many_fields_are_encoded_alike(void) {
    static char keys[24][4];
    static linkspan_record_field many[24];
    static const linkspan_record_type number = {.kind = LINKSPAN_RECORD_I32, .size = sizeof(int32_t)};
    static int32_t values[24];
    static linkspan_record_type wholes[25];
    static linkspan_record tables[25];
    size_t i, count;
    for (i = 0; i < 24; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", (int)i);
        many[i].key = keys[i];
        many[i].offset = i * sizeof(int32_t);
        many[i].of = &number;
        values[i] = (int32_t)i * -1000;
    }
    for (count = 0; count <= 24; count++) {
        wholes[count].kind = LINKSPAN_RECORD_STRUCT;
        wholes[count].size = sizeof values;
        wholes[count].fields = many;
        wholes[count].count = count;
        tables[count].size = sizeof tables[count];
        tables[count].of = &wholes[count];
        OK(encode_each_way(&tables[count], values));
    }
}

int main(void) {
    structs_of_any_content_are_encoded_alike();
    what_a_walk_refuses_is_refused_alike();
    structs_of_many_fields_are_encoded_alike();
    puts("ok");
    return 0;
}

/* Tables with access functions, which may be missing or run out of memory. */
#include <linkspan.h>
#include <linkspan/record.h>

#include "check.h"

/* The library knows neither the text of at most 7 bytes nor the fields counted by hand. */
typedef struct {
    char bytes[7];
    unsigned char length;
} word;

typedef struct {
    word name;
    double *there; /* optional */
    double room;
    struct {
        int32_t items[4];
        size_t count;
    } numbers;
    struct {
        word keys[2];
        int32_t values[2];
        size_t count;
    } sums;
    unsigned bits, bit_count;
    linkspan_array array;
    double elements[4];
} thing;

static const void *view_word(const void *at, size_t which, size_t *count) {
    const word *from = at;
    CHECK(which == 7);
    *count = from->length;
    return from->bytes;
}

static bool assign_word(void *at, size_t which, const void *bytes, size_t count) {
    word *to = at;
    CHECK(which == 7);
    if (count > sizeof to->bytes) return false;
    memcpy(to->bytes, bytes, count);
    to->length = (unsigned char)count;
    return true;
}

static const void *find_there(const void *at, size_t which) {
    const thing *from = at;
    (void)which;
    return from->there;
}

static void *make_there(void *at, size_t which) {
    thing *to = at;
    (void)which;
    to->there = &to->room;
    return to->there;
}

static const void *view_numbers(const void *at, size_t which, size_t *count) {
    const thing *from = at;
    (void)which;
    *count = from->numbers.count;
    return from->numbers.items;
}

static void *resize_numbers(void *at, size_t which, size_t count) {
    thing *to = at;
    (void)which;
    if (count > 4) return NULL;
    to->numbers.count = count;
    return to->numbers.items;
}

static const void *view_sums(const void *at, size_t which, size_t *count) {
    const thing *from = at;
    (void)which;
    *count = from->sums.count;
    return NULL;
}

static void *clear_sums(void *at, size_t which, size_t count) {
    thing *to = at;
    (void)which;
    CHECK(count == 0);
    to->sums.count = 0;
    return at;
}

static unsigned visited;

static void each_sum(const void *at, size_t which, bool (*visit)(void *, const void *, size_t, const void *), void *context) {
    const thing *from = at;
    size_t i;
    (void)which;
    for (i = 0; i < from->sums.count; i++) {
        visited++;
        if (!visit(context, from->sums.keys[i].bytes, from->sums.keys[i].length, &from->sums.values[i])) return;
    }
}

static void *insert_sum(void *at, size_t which, const void *key, size_t length) {
    thing *to = at;
    (void)which;
    if (to->sums.count == 2 || !assign_word(&to->sums.keys[to->sums.count], 7, key, length)) return NULL;
    return &to->sums.values[to->sums.count++];
}

static const void *view_bits(const void *at, size_t which, size_t *count) {
    const thing *from = at;
    (void)which;
    *count = from->bit_count;
    return at;
}

static void *resize_bits(void *at, size_t which, size_t count) {
    thing *to = at;
    (void)which;
    if (count > 32) return NULL;
    to->bits = 0;
    to->bit_count = (unsigned)count;
    return at;
}

static bool get_bit(const void *at, size_t which, size_t position) {
    (void)which;
    return (((const thing *)at)->bits >> position & 1U) != 0;
}

static void put_bit(void *at, size_t which, size_t position, bool value) {
    (void)which;
    if (value) ((thing *)at)->bits |= 1U << position;
}

static bool view_array(const void *at, size_t which, linkspan_array *to) {
    const thing *from = at;
    (void)which;
    if (from->array.data == NULL) return false;
    to->order = from->array.order;
    to->rank = from->array.rank;
    if (to->rank <= LINKSPAN_MAX_RANK) memcpy(to->dims, from->array.dims, sizeof to->dims);
    to->data = from->array.data;
    to->length = from->array.length;
    return true;
}

/* Always in column order. */
static void *resize_array(void *at, size_t which, linkspan_array *like) {
    thing *to = at;
    (void)which;
    if (like->length > sizeof to->elements) return NULL;
    like->order = LINKSPAN_COLUMN;
    to->array = *like;
    to->array.data = to->elements;
    return to->elements;
}

static linkspan_record_access words = {.view = view_word, .assign = assign_word};
static linkspan_record_access optional = {.find = find_there, .make = make_there};
static linkspan_record_access numbers = {.view = view_numbers, .resize = resize_numbers};
static linkspan_record_access sums = {.view = view_sums, .resize = clear_sums, .each = each_sum, .insert = insert_sum};
static linkspan_record_access bits = {.view = view_bits, .resize = resize_bits, .get_bool = get_bit, .put_bool = put_bit};
static linkspan_record_access arrays = {.view_array = view_array, .resize_array = resize_array};

#define PLAIN(k, of) &(const linkspan_record_type){.kind = LINKSPAN_RECORD_##k, .size = sizeof(of)}

/* All but the first get the address of the struct. */
static const linkspan_record_field fields[] = {
    {.key = "name",
     .offset = offsetof(thing, name),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_TEXT, .size = sizeof(word), .access = &words, .which = 7}},
    {.key = "there", .of = PLAIN(F64, double), .optional = true, .access = &optional},
    {.key = "numbers",
     .of = &(const linkspan_record_type){
         .kind = LINKSPAN_RECORD_LIST, .item_size = sizeof(int32_t), .of = PLAIN(I32, int32_t), .access = &numbers}},
    {.key = "sums", .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_MAP, .of = PLAIN(I32, int32_t), .access = &sums}},
    {.key = "bits",
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_BOOLS, .access = &bits},
     .default_value = (const uint8_t *)"\202\365\364",
     .default_length = 3},
    {.key = "array",
     .of = &(const linkspan_record_type){
         .kind = LINKSPAN_RECORD_ARRAY, .dtype = LINKSPAN_F64, .order = -1, .rank = -1, .access = &arrays}},
};
static const linkspan_record_type type = {.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(thing), .fields = fields, .count = 6};
static linkspan_record record = {.size = sizeof(linkspan_record), .of = &type};

#define ARRAY(shape, data) "\"array\":{\"$ndarray\":{\"dtype\":\"f64\",\"shape\":" shape ",\"data\":\"" data "\"}}"
/* 1 and 2 in one row. */
#define ONE ARRAY("[1,2]", "AAAAAAAA8D8AAAAAAAAAQA==")
#define WHOLE                                                                                                \
    "{\"name\":\"ab\",\"there\":0.5,\"numbers\":[1,-2],\"sums\":{\"x\":1,\"y\":2},\"bits\":[true,false,true]," ONE "}"

static linkspan_status from_json(thing *to, const char *json) {
    memset(to, 0, sizeof *to);
    return linkspan_record_decode(&record, to, (const uint8_t *)json, strlen(json), LINKSPAN_JSON);
}

static linkspan_status encoded(const thing *from) {
    uint8_t *bytes;
    size_t length;
    linkspan_status status = linkspan_record_encode(&record, from, LINKSPAN_CBOR, &bytes, &length);
    if (status == LINKSPAN_OK) linkspan_free(bytes, length);
    return status;
}

static bool error_has(const char *text) { return strstr(linkspan_last_error_text(), text) != NULL; }

static void values_go_through_functions_both_ways(void) {
    thing value, again;
    uint8_t *bytes;
    size_t length;
    OK(from_json(&value, WHOLE));
    CHECK(value.name.length == 2 && memcmp(value.name.bytes, "ab", 2) == 0 && value.there == &value.room && value.room == 0.5);
    CHECK(value.numbers.count == 2 && value.numbers.items[1] == -2 && value.sums.count == 2 && value.sums.values[1] == 2);
    CHECK(value.bits == 5 && value.bit_count == 3 && value.array.rank == 2 && value.elements[1] == 2.0);
    OK(linkspan_record_encode(&record, &value, LINKSPAN_CBOR, &bytes, &length));
    memset(&again, 0, sizeof again);
    OK(linkspan_record_decode(&record, &again, bytes, length, LINKSPAN_CBOR));
    linkspan_free(bytes, length);
    CHECK(again.bits == 5 && again.numbers.items[0] == 1 && again.sums.keys[1].bytes[0] == 'y' && again.there == &again.room);
    OK(from_json(&value, "{\"name\":\"\",\"there\":null,\"numbers\":[],\"sums\":{}," ONE "}"));
    CHECK(value.there == NULL && value.bit_count == 2 && value.bits == 1 && value.numbers.count == 0);
    OK(linkspan_record_encode(&record, &value, LINKSPAN_JSON, &bytes, &length));
    CHECK(length > 20 && memcmp(bytes, "{\"name\":\"\",\"numbers\":[],", 24) == 0);
    linkspan_free(bytes, length);
}

static void elements_come_in_the_order_that_is_asked_for(void) {
    thing value;
    /* [[1, 2], [3, 4]] in rows. */
    OK(from_json(&value, "{\"name\":\"\",\"numbers\":[],\"sums\":{}," ARRAY("[2,2]", "AAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEA=") "}"));
    CHECK(value.elements[0] == 1.0 && value.elements[1] == 3.0 && value.elements[2] == 2.0 && value.elements[3] == 4.0);
}

static void want_of_memory_is_told_with_its_path(void) {
    static const struct {
        const char *json, *text;
    } wants[] = {
        {"{\"name\":\"longer than it\"}", "name"},
        {"{\"numbers\":[1,2,3,4,5]}", "numbers"},
        {"{\"sums\":{\"a\":1,\"b\":2,\"c\":3}}", "sums"},
        {"{\"sums\":{\"longer than it\":1}}", "sums"},
        {"{" ARRAY("[5]", "AAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEAAAAAAAAAUQA==") "}", "array"},
    };
    size_t i;
    thing value;
    for (i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        CHECK(from_json(&value, wants[i].json) == LINKSPAN_OUT_OF_MEMORY);
        CHECK(error_has("no memory") && error_has(wants[i].text));
    }
}

static void what_cannot_be_written_is_refused(void) {
    thing value;
    OK(from_json(&value, WHOLE));
    value.name.bytes[1] = '\xff';
    CHECK(encoded(&value) == LINKSPAN_MALFORMED && error_has("name"));
    OK(from_json(&value, WHOLE));
    value.sums.keys[0].bytes[0] = '\xff';
    visited = 0;
    CHECK(encoded(&value) == LINKSPAN_MALFORMED && error_has("sums"));
    /* The first error ends the visit. */
    CHECK(visited == 1);
    OK(from_json(&value, WHOLE));
    value.array.length -= 8;
    CHECK(encoded(&value) == LINKSPAN_OUT_OF_RANGE && error_has("another number of elements"));
    value.array.rank = LINKSPAN_MAX_RANK + 1;
    CHECK(encoded(&value) == LINKSPAN_TOO_LARGE && error_has("array"));
    value.array.data = NULL;
    CHECK(encoded(&value) == LINKSPAN_MISSING && error_has("array"));
}

#define LACKS(of, function, call)                                                                            \
    do {                                                                                                     \
        linkspan_record_access kept = of;                                                                    \
        of.function = NULL;                                                                                  \
        CHECK((call) == LINKSPAN_INVALID_STATE && error_has(#function) && error_has("generate it again"));             \
        of = kept;                                                                                           \
    } while (0)

static void functions_that_lack_are_named(void) {
    thing value, other;
    OK(from_json(&value, WHOLE));
    LACKS(words, view, encoded(&value));
    LACKS(optional, find, encoded(&value));
    LACKS(optional, make, from_json(&other, WHOLE));
    LACKS(numbers, view, encoded(&value));
    LACKS(numbers, resize, from_json(&other, WHOLE));
    LACKS(sums, each, encoded(&value));
    LACKS(sums, resize, from_json(&other, WHOLE));
    LACKS(bits, get_bool, encoded(&value));
    LACKS(bits, put_bool, from_json(&other, WHOLE));
    LACKS(arrays, view_array, encoded(&value));
    LACKS(arrays, resize_array, from_json(&other, WHOLE));
    OK(encoded(&value));
}

static void the_program_makes_and_frees_such_structs(void) {
    thing value;
    memset(&value, 1, sizeof value);
    CHECK(linkspan_record_init(&record, &value) == LINKSPAN_INVALID_STATE && error_has("made and freed by the program"));
    CHECK(linkspan_record_free(&record, &value) == LINKSPAN_INVALID_STATE && value.bits != 0);
    OK(linkspan_record_free(&record, NULL));
}

static void wrong_tables_are_refused(void) {
    thing value;
    linkspan_record_field one = {.key = "x", .of = PLAIN(I32, int32_t)};
    linkspan_record_type whole = {.kind = LINKSPAN_RECORD_UNION, .size = sizeof value, .fields = &one, .count = 1};
    linkspan_record table = {.size = sizeof table, .of = &whole};
    memset(&value, 0, sizeof value);
    /* Neither a number nor a function selects the variant. */
    CHECK(linkspan_record_decode(&table, &value, (const uint8_t *)"{}", 2, LINKSPAN_JSON) == LINKSPAN_INVALID_STATE);
    whole.kind = LINKSPAN_RECORD_STRUCT;
    one.of = PLAIN(BOOLS, thing);
    CHECK(linkspan_record_decode(&table, &value, (const uint8_t *)"{}", 2, LINKSPAN_JSON) == LINKSPAN_INVALID_STATE);
    CHECK(error_has("no function reaches"));
    one.of = PLAIN(I32, int32_t);
    one.access = &optional;
    one.offset = sizeof value + 1;
    CHECK(linkspan_record_decode(&table, &value, (const uint8_t *)"{}", 2, LINKSPAN_JSON) == LINKSPAN_INVALID_STATE);
    whole.kind = LINKSPAN_RECORD_MAP;
    whole.item_size = sizeof(int32_t);
    one.offset = 0;
    CHECK(linkspan_record_decode(&table, &value, (const uint8_t *)"{}", 2, LINKSPAN_JSON) == LINKSPAN_INVALID_STATE);
    CHECK(error_has("no key and value"));
}

int main(void) {
    values_go_through_functions_both_ways();
    elements_come_in_the_order_that_is_asked_for();
    want_of_memory_is_told_with_its_path();
    what_cannot_be_written_is_refused();
    functions_that_lack_are_named();
    the_program_makes_and_frees_such_structs();
    wrong_tables_are_refused();
    puts("ok");
    return 0;
}

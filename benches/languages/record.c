/*
 * Records of ten fields by generated code, compared with the same work through a message, and with a copy.
 *
 * usage: ours-record WHAT, one of the words of `works` below.
 */
#include <linkspan.h>

#include "../peers/worker.h"
#include "boiler_reading.h"
#include "imu_sample.h"
#include "motor_state.h"

/* As in the Rust rows: one operation is shorter than the clock can measure. */
enum { PER = 16 };

static linkspan_message *message;
static boiler_reading reading;
static uint8_t *bytes;
static size_t length;
static imu_sample sample, other_sample;
static motor_state state, other_state;
static uint8_t packed[128];

static void check(linkspan_status status) {
    if (status != LINKSPAN_OK) fail("linkspan", linkspan_last_error_text());
}

/* Makes the compiler treat memory as read and written here. */
static inline void used(const void *memory) {
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static void encode(void) {
    uint8_t *out;
    size_t size;
    used(&reading);
    check(boiler_reading_to_bytes(&reading, LINKSPAN_CBOR, &out, &size));
    linkspan_free(out, size);
}

static void put_fields(void) {
    const boiler_reading *from = &reading;
    used(from);
    check(linkspan_message_clear(message));
    check(linkspan_message_put_u64(message, "id", from->id));
    check(linkspan_message_put_text(message, "name", from->name.data, from->name.length));
    check(linkspan_message_put_f64(message, "temperature", from->temperature));
    check(linkspan_message_put_f64(message, "pressure", from->pressure));
    check(linkspan_message_put_text(message, "unit", from->unit.data, from->unit.length));
    check(linkspan_message_put_bool(message, "ok", from->ok));
    check(linkspan_message_put_text(message, "station", from->station.data, from->station.length));
    check(linkspan_message_put_u64(message, "count", from->count));
    check(linkspan_message_put_f64(message, "time", from->time));
    if (from->has_note) check(linkspan_message_put_text(message, "note", from->note.data, from->note.length));
}

static void message_encode(void) {
    uint8_t *out;
    size_t size;
    put_fields();
    check(linkspan_encode(message, LINKSPAN_CBOR, &out, &size));
    linkspan_free(out, size);
}

static void decode(void) {
    used(bytes);
    check(boiler_reading_from_bytes(&reading, bytes, length, LINKSPAN_CBOR));
}

static void get_text(linkspan_message *from, const char *path, linkspan_text *to) {
    const char *text;
    size_t size;
    check(linkspan_message_get_text(from, path, &text, &size));
    if (!linkspan_text_set(to, text, size)) fail("malloc", "no memory");
}

static void message_decode(void) {
    linkspan_message *from;
    uint64_t number;
    used(bytes);
    check(linkspan_decode(bytes, length, LINKSPAN_CBOR, &from));
    check(linkspan_message_get_u64(from, "id", &number));
    reading.id = (uint32_t)number;
    get_text(from, "name", &reading.name);
    check(linkspan_message_get_f64(from, "temperature", &reading.temperature));
    check(linkspan_message_get_f64(from, "pressure", &reading.pressure));
    get_text(from, "unit", &reading.unit);
    check(linkspan_message_get_bool(from, "ok", &reading.ok));
    get_text(from, "station", &reading.station);
    check(linkspan_message_get_u64(from, "count", &reading.count));
    check(linkspan_message_get_f64(from, "time", &reading.time));
    get_text(from, "note", &reading.note);
    linkspan_message_release(from);
}

static void pack(void) {
    used(&state);
    motor_state_pack(&state, packed);
    used(packed);
}

static void unpack(void) {
    used(packed);
    if (!motor_state_unpack(&state, packed)) fail("linkspan", "a packed record does not fit");
    used(&state);
}

static void copy(void) {
    used(&state);
    other_state = state;
    used(&other_state);
}

static void unpack_numbers(void) {
    used(packed);
    if (!imu_sample_unpack(&sample, packed)) fail("linkspan", "a packed record does not fit");
    used(&sample);
}

static void copy_numbers(void) {
    used(&sample);
    other_sample = sample;
    used(&other_sample);
}

static const struct {
    const char *name;
    void (*work)(void);
} works[] = {
    {"encode", encode},         {"message-encode", message_encode}, {"decode", decode},
    {"message-decode", message_decode}, {"pack", pack},             {"unpack", unpack},
    {"copy", copy},             {"unpack-numbers", unpack_numbers}, {"copy-numbers", copy_numbers},
};

static void (*work)(void);

static void once(void) {
    int i;
    for (i = 0; i < PER; i++) work();
}

int main(int argc, char **argv) {
    size_t i;
    for (i = 0; argc > 1 && i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(argv[1], works[i].name) == 0) work = works[i].work;
    }
    if (work == NULL) fail(argv[0], "usage: WHAT");
    if (!boiler_reading_init(&reading)) fail("malloc", "no memory");
    reading.id = 123456;
    reading.temperature = 71.25;
    reading.pressure = 2.125;
    reading.ok = true;
    reading.count = 98765;
    reading.time = 1251082000.25;
    reading.has_note = true;
    if (!linkspan_text_set(&reading.name, LINKSPAN_ZSTR("boiler-7")) || !linkspan_text_set(&reading.unit, LINKSPAN_ZSTR("bar")) ||
        !linkspan_text_set(&reading.station, LINKSPAN_ZSTR("hall/3")) || !linkspan_text_set(&reading.note, LINKSPAN_ZSTR("warm"))) {
        fail("malloc", "no memory");
    }
    check(linkspan_message_new(&message));
    check(boiler_reading_to_bytes(&reading, LINKSPAN_CBOR, &bytes, &length));
    pin("together", 0);
    serve(once, PER, NULL, NULL);
    boiler_reading_free(&reading);
    linkspan_free(bytes, length);
    linkspan_message_release(message);
    return 0;
}

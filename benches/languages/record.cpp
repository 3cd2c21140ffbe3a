// Records of ten fields by generated C++ code, compared with a message built field by field, and with a copy.
//
// usage: ours-record-cpp WHAT; `works` below lists the words.
#include <linkspan.hpp>
#include <optional>

#include "../peers/worker.h"
#include "boiler_reading.hpp"
#include "imu_sample.hpp"
#include "motor_state.hpp"

// As in the Rust rows: one operation is shorter than the clock can measure.
constexpr unsigned long per = 16;

static std::optional<linkspan::message> message;
static BoilerReading reading;
static std::vector<std::uint8_t> bytes;
static ImuSample sample, other_sample;
static MotorState state, other_state;
static std::uint8_t packed[128];

// Makes the compiler treat memory as read and written here.
static inline void used(const void *memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

static void encode() {
    used(&reading);
    used(reading.to_bytes(linkspan::encoding::cbor).data());
}

static void message_encode() {
    used(&reading);
    message->clear()
        .put("id", reading.id)
        .put("name", reading.name)
        .put("temperature", reading.temperature)
        .put("pressure", reading.pressure)
        .put("unit", reading.unit)
        .put("ok", reading.ok)
        .put("station", reading.station)
        .put("count", reading.count)
        .put("time", reading.time);
    if (reading.note) message->put("note", *reading.note);
    used(linkspan::encode(*message, linkspan::encoding::cbor).data());
}

static void decode() {
    used(bytes.data());
    reading = BoilerReading::from_bytes(bytes, linkspan::encoding::cbor);
    used(&reading);
}

static void message_decode() {
    used(bytes.data());
    const linkspan::message from = linkspan::decode(bytes, linkspan::encoding::cbor);
    reading.id = from.get<std::uint32_t>("id");
    reading.name = from.get<std::string>("name");
    reading.temperature = from.get<double>("temperature");
    reading.pressure = from.get<double>("pressure");
    reading.unit = from.get<std::string>("unit");
    reading.ok = from.get<bool>("ok");
    reading.station = from.get<std::string>("station");
    reading.count = from.get<std::uint64_t>("count");
    reading.time = from.get<double>("time");
    reading.note = from.get<std::string>("note");
    used(&reading);
}

static void pack() {
    used(&state);
    state.pack(packed);
    used(packed);
}

static void unpack() {
    used(packed);
    if (!state.unpack(packed)) fail("linkspan", "a packed record does not fit");
    used(&state);
}

static void copy() {
    used(&state);
    other_state = state;
    used(&other_state);
}

static void unpack_numbers() {
    used(packed);
    if (!sample.unpack(packed)) fail("linkspan", "a packed record does not fit");
    used(&sample);
}

static void copy_numbers() {
    used(&sample);
    other_sample = sample;
    used(&other_sample);
}

static const struct {
    const char *name;
    void (*work)();
} works[] = {
    {"encode", encode},         {"message-encode", message_encode}, {"decode", decode},
    {"message-decode", message_decode}, {"pack", pack},             {"unpack", unpack},
    {"copy", copy},             {"unpack-numbers", unpack_numbers}, {"copy-numbers", copy_numbers},
};

static void (*work)();

static void once() {
    for (unsigned long i = 0; i < per; i++) work();
}

int main(int argc, char **argv) try {
    for (const auto &known : works) {
        if (argc > 1 && std::strcmp(argv[1], known.name) == 0) work = known.work;
    }
    if (work == nullptr) fail(argv[0], "usage: WHAT");
    reading.id = 123456;
    reading.name = "boiler-7";
    reading.temperature = 71.25;
    reading.pressure = 2.125;
    reading.unit = "bar";
    reading.ok = true;
    reading.station = "hall/3";
    reading.count = 98765;
    reading.time = 1251082000.25;
    reading.note = "warm";
    message.emplace();
    bytes = reading.to_bytes(linkspan::encoding::cbor);
    pin("together", 0);
    serve(once, per, nullptr, nullptr);
} catch (const linkspan::error &error) {
    fail("linkspan", error.what());
}

// Reads the next message of a name as the generated struct, whole and at a path: `get ENDPOINT PATH` prints each value
// or error.
#include "meter.hpp"

#include <linkspan.hpp>

#include <cstdio>
#include <optional>

namespace {

template <class Read> void print(Read read) {
    try {
        std::printf("%.1f\n", read().pressure);
    } catch (const linkspan::schema_mismatch &error) {
        std::printf("SchemaMismatch %s\n", error.what());
    }
}

} // namespace

int main(int, char **argv) {
    const linkspan::subscriber in(argv[1]);
    const linkspan::message message = in.recv(std::chrono::seconds(60));
    if (*argv[2] != '\0') {
        print([&] { return message.get<Meter>(argv[2]); });
        return 0;
    }
    print([&] { return message.get<Meter>(); });
    print([&] { return message.get<std::optional<Meter>>().value(); });
    print([&] { return message.get_or("", Meter{}); });
    return 0;
}

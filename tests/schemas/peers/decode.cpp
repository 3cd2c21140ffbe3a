// Decodes the next and the newest message of a name: `decode ENDPOINT [SCHEMA]` prints each value, or the error's kind
// and text.
#include "meter.hpp"

#include <linkspan.hpp>

#include <cstdio>

namespace {

void decoded(const linkspan::message &message) {
    try {
        std::printf("%.1f\n", Meter::decode(message).pressure);
    } catch (const linkspan::schema_mismatch &error) {
        std::printf("SchemaMismatch %s\n", error.what());
    }
}

} // namespace

int main(int argc, char **argv) {
    linkspan::options options;
    if (argc > 2) options.schema = argv[2];
    const linkspan::subscriber in(argv[1], options);
    decoded(in.recv(std::chrono::seconds(60)));
    decoded(linkspan::latest(argv[1], options, std::chrono::seconds(60)));
    return 0;
}

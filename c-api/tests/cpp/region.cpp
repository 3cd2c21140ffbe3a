// Reads the structs that the C test `region` writes to shared memory: `region SOURCE`.
#include <linkspan.hpp>

#include <cstdio>
#include <cstdlib>

#include "check.hpp"

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *layout = "u32 writes; f64 celsius; char name[16]; i16 raw[2][4]; bool valid";
    linkspan::region region(arguments[1]);
    const std::uint64_t size = region.length() / 2;
    const auto first = region.read(layout);
    CHECK(first.get<double>("celsius") == 21.25 && first.get<std::string>("name") == "first");
    const auto second = region.read_stable(layout, "writes", size);
    CHECK(second.get<double>("celsius") == -40.5 && second.get<bool>("valid"));
    const auto raw = second.get<linkspan::array_view<std::int16_t>>("raw");
    CHECK(raw.rank() == 2 && raw.dim(1) == 4 && raw(1, 3) == -107 && raw(0, 0) == -100);
    CHECK(region.text(16) == "first" && region.text(2 * size).empty());
    CHECK(region.bytes(0, 4) == (std::vector<std::uint8_t>{2, 0, 0, 0}));
    for (const std::uint64_t offset : {2 * size, 3 * size}) {
        try {
            region.bytes(offset, 1);
            CHECK(false);
        } catch (const linkspan::out_of_range &e) {
            CHECK(e.endpoint() == arguments[1]);
        }
    }
    try {
        linkspan::region nobody("posix:/linkspan-nobody");
        CHECK(false);
    } catch (const linkspan::not_found &) {
    }
    const linkspan::region moved = std::move(region);
    CHECK(moved.length() == 2 * size);
    std::puts("ok");
    return 0;
}

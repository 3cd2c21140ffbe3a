// Long messages without memory: the library's exception or std::bad_alloc, and the program continues.
#include <linkspan.hpp>

#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

// The library keeps no block of this length, and ROOM fits neither a copy nor a view.
constexpr std::size_t LONG = 40u << 20, ROOM = 12u << 20;

// Limits further data, or addresses, of this process to ROOM during its life.
class limited {
public:
    explicit limited(__rlimit_resource of) : of_(of) {
        std::ifstream statm("/proc/self/statm");
        std::size_t pages[6];
        for (auto &count : pages) statm >> count;
        CHECK(getrlimit(of, &before_) == 0);
        rlimit now = before_;
        now.rlim_cur = pages[of == RLIMIT_AS ? 0 : 5] * 4096 + ROOM;
        CHECK(setrlimit(of, &now) == 0);
    }
    ~limited() { setrlimit(of_, &before_); }

private:
    __rlimit_resource of_;
    rlimit before_;
};

enum class outcome { done, refused };

// Calls `f` with little memory. Other exceptions end the program.
template <class F> outcome in_room(__rlimit_resource of, F &&f) {
    const limited limit(of);
    try {
        f();
    } catch (const linkspan::out_of_memory &) {
        return outcome::refused;
    } catch (const std::bad_alloc &) {
        return outcome::refused;
    }
    return outcome::done;
}

template <class F> void refused(F &&f) { CHECK(in_room(RLIMIT_DATA, f) == outcome::refused); }

struct contents {
    std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(LONG, 7);
    std::string text = std::string(LONG, 'x');
    std::vector<double> numbers = std::vector<double>(LONG / 8, 0.5);
    std::vector<std::string> list = std::vector<std::string>(LONG / 200, std::string(200, 'y'));
};

void built_and_encoded(const contents &all, const linkspan::channel &channel) {
    linkspan::message m;
    m.put("before", 1);
    refused([&] { m.put("c", linkspan::bytes_view(all.bytes)); });
    refused([&] { m.put("c", all.text); });
    refused([&] { m.put("c", all.numbers); });
    // An error leaves the message unchanged.
    CHECK(m.count() == 1 && m.get<int>("before") == 1);
    m.put("c", linkspan::bytes_view(all.bytes));
    refused([&] { linkspan::encode(m, linkspan::encoding::cbor); });
    const auto encoded = linkspan::encode(m, linkspan::encoding::cbor);
    refused([&] { linkspan::decode(encoded, linkspan::encoding::cbor); });
    refused([&] { linkspan::transcode(encoded, linkspan::encoding::cbor, linkspan::encoding::smile); });
    // Memory kept by the library may serve the first loans.
    CHECK(in_room(RLIMIT_AS, [&] {
              std::vector<decltype(channel.loan_bytes(1))> loans;
              for (int i = 0; i < 6; ++i) loans.push_back(channel.loan_bytes(LONG));
          }) == outcome::refused);
    CHECK(in_room(RLIMIT_AS, [&] {
              std::vector<decltype(channel.loan<double>({1}))> loans;
              for (int i = 0; i < 6; ++i) loans.push_back(channel.loan<double>({LONG / 8}));
          }) == outcome::refused);
    const auto decoded = linkspan::decode(encoded, linkspan::encoding::cbor);
    CHECK(decoded.get<linkspan::bytes_view>("c").size() == LONG);
}

template <class T> std::size_t size_of(const linkspan::message &m) { return m.get<T>("c").size(); }

void received(const contents &all) {
    linkspan::listener listener("shm:memory/test");
    const auto one = linkspan::channel::connect("shm:memory/test", {}, 20s);
    const auto two = listener.accept(20s);
    one.send(linkspan::message(), 20s);
    two.recv(20s);
    for (int kind = 0; kind < 3; ++kind) {
        linkspan::message m;
        if (kind == 0) m.put("c", linkspan::bytes_view(all.bytes));
        if (kind == 1) m.put("c", all.text);
        if (kind == 2) m.put("c", all.list);
        // The message is in a slot, which the limit below does not count.
        one.send(m, 60s);
        one.send(linkspan::message().put("next", kind), 60s);
        refused([&] { two.recv(60s); });
        refused([&] { two.try_recv(); });
        // The message stays the next one.
        const auto got = two.recv(60s);
        CHECK(two.recv(60s).get<int>("next") == kind);
        if (kind == 0) {
            CHECK(in_room(RLIMIT_DATA, [&] { size_of<linkspan::bytes_view>(got); }) == outcome::done);
            refused([&] { got.get<linkspan::bytes_view>("c").copy(); });
            CHECK(got.get<linkspan::bytes_view>("c").copy() == all.bytes);
        } else if (kind == 1) {
            refused([&] { size_of<std::string>(got); });
            CHECK(got.get<std::string>("c") == all.text);
        } else {
            // The values of a list are read one by one.
            CHECK(got.get<std::vector<std::string>>("c") == all.list);
            // The strings may fit memory that the allocator has kept.
            in_room(RLIMIT_DATA, [&] { size_of<std::vector<std::string>>(got); });
            CHECK(got.count("c") == all.list.size());
        }
    }
    CHECK(two.stats().get<int>("missed") == 0);
}

} // namespace

int main() {
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 17) == 1);
    const contents all;
    {
        linkspan::listener listener("shm:memory/built");
        built_and_encoded(all, linkspan::channel::connect("shm:memory/built", {}, 20s));
    }
    received(all);
    std::puts("ok");
}

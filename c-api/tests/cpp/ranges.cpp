// Loops over messages as C++20 ranges; maps, bytes and a complex number; assignment.
#include <linkspan.hpp>

#include <complex>
#include <cstdio>
#include <ranges>

#include "check.hpp"

using namespace std::chrono_literals;

static_assert(std::ranges::input_range<linkspan::subscriber>);
static_assert(std::ranges::input_range<linkspan::server>);
static_assert(std::ranges::input_range<linkspan::walk>);

namespace {

template <class T> bool is_wrong(const linkspan::message &m, const char *path) {
    try {
        m.get<T>(path);
    } catch (const linkspan::wrong_type &e) {
        return e.path() == path;
    }
    return false;
}

void values() {
    linkspan::message m;
    const std::vector<std::byte> file{std::byte(1), std::byte(0), std::byte(255)};
    m.put("text", "").put("number", 1).put("map", std::map<std::string, int>{}).put("list", std::vector<std::string>{});
    m.put("file", file).put("z", std::complex<double>(1, -2)).put("w", std::complex<float>(3, 4)).put("x", 2.5);
    CHECK((is_wrong<std::map<std::string, int>>(m, "text")));
    CHECK((is_wrong<std::map<std::string, int>>(m, "number")));
    CHECK((m.get<std::map<std::string, int>>("map").empty()));
    CHECK((is_wrong<std::map<std::string, int>>(m, "list")));
    CHECK(m.type_at("file") == linkspan::type::bytes && m.get<std::vector<std::byte>>("file") == file);
    CHECK(is_wrong<std::vector<std::byte>>(m, "text"));
    CHECK(m.get<std::complex<double>>("z") == std::complex<double>(1, -2));
    CHECK(m.get<std::complex<double>>("w") == std::complex<double>(3, 4));
    CHECK(m.get<std::complex<float>>("z") == std::complex<float>(1, -2));
    CHECK(m.get<std::complex<double>>("x") == std::complex<double>(2.5, 0));
    CHECK(is_wrong<std::complex<double>>(m, "text"));
    int count = 0;
    for (const linkspan::item &i : m.walk() | std::views::filter([](const auto &i) { return i.depth() == 1; })) count += i.depth() == 1;
    CHECK(count == 8);
}

void messages() {
    linkspan::publisher out("shm:test/ranges");
    linkspan::subscriber in("shm:test/ranges");
    CHECK(!in.poll());
    out.wait_for_subscribers(1, 20s);
    for (int n = 1; n <= 5; ++n) out.send(linkspan::message().put("n", n));
    int sum = 0;
    for (linkspan::message &m : in | std::views::take(2)) sum += m.get<int>("n");
    CHECK(sum == 3);
    out.close(0s);
}

// Assignment closes the old object at once, so its name can be opened again.
void assignment() {
    linkspan::publisher x("shm:test/ranges/x");
    linkspan::publisher y("shm:test/ranges/y");
    x = std::move(y);
    const linkspan::publisher again("shm:test/ranges/x");
    CHECK(x.stats().contains("subscribers"));
    try {
        const linkspan::publisher taken("shm:test/ranges/y");
        CHECK(false);
    } catch (const linkspan::address_in_use &) {
    }
    linkspan::publisher &itself = x;
    x = std::move(itself);
    CHECK(x.subscribers() == 0);
    linkspan::message a, b;
    a.put("n", 1);
    b.put("n", 2);
    a = std::move(b);
    CHECK(a.get<int>("n") == 2);
}

} // namespace

int main() {
    values();
    messages();
    assignment();
    std::puts("ok");
    return 0;
}

// A record whose array is sent without a copy: the program builds the message with put and a loan. The peer views or
// decodes it.
#include <linkspan.hpp>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "lab_reading.hpp"

#define CHECK(condition) \
    if (!(condition)) std::fprintf(stderr, "%d: not so: %s\n", __LINE__, #condition), std::exit(1)

// An array of a record owns its elements: the compiler refuses to assign a loan or a view to it.
using array = decltype(LabReading::wave);
static_assert(!std::is_assignable_v<array &, linkspan::loan<double>>);
static_assert(!std::is_assignable_v<array &, linkspan::array_view<double>>);

int main() {
    linkspan::options options;
    options.schema = LabReading::schema();
    options.validate = "both";
    const linkspan::listener listener("shm:test/reading", options);
    const auto one = linkspan::channel::connect("shm:test/reading", options);
    const auto two = listener.accept();
    LabReading first;
    first.wave.shape = {1, 2};
    first.wave.elements = {1, 2};
    linkspan::message message;
    first.encode(message);
    one.send(message);
    CHECK(LabReading::decode(two.recv()).wave == first.wave);

    auto wave = one.loan<double>({3, 4096});
    for (double &element : wave) element = 1.5;
    wave(2, 4095) = -1;
    const double *place = wave.data();
    message = linkspan::message();
    message.put("celsius", 21.4).put("wave", std::move(wave));
    CHECK(message.get<linkspan::array_view<double>>("wave").data() == place);
    one.send(message);
    CHECK(one.stats().get<int>("arrays_in_slots") == 1);
    const auto received = two.recv();
    const auto view = received.get<linkspan::array_view<double>>("wave");
    CHECK(view(2, 4095) == -1 && view(0, 0) == 1.5);
    const auto second = LabReading::decode(received);
    CHECK(second.celsius == 21.4 && second.wave.shape == (std::vector<std::uint64_t>{3, 4096}) && second.wave.elements.back() == -1);
    // The schema also applies to such a message.
    try {
        one.send(linkspan::message().put("celsius", 21.4).put("wave", one.loan<double>({4096})));
        CHECK(false);
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "wave");
    }
    std::puts("ok");
}

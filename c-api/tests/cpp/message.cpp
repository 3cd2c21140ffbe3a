// Messages in C++: put and get of every type, walking, exceptions, views of arrays, the codecs.
#include <linkspan.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "check.hpp"

namespace {

template <class E, class F> E thrown(F &&f) {
    try {
        f();
    } catch (const E &e) {
        return e;
    }
    std::fprintf(stderr, "nothing was thrown\n");
    std::exit(1);
}

linkspan::message reading() {
    linkspan::message m;
    m.put("celsius", 21.4).put("count", -7).put("large", UINT64_MAX).put("ok", true).put("none", nullptr);
    m.put("name", "grüß").put("string", std::string("s")).put("view", std::string_view("v"));
    m.put("at", linkspan::timestamp(std::chrono::nanoseconds(1251082000250000000)));
    m.put("id", linkspan::uuid{1, 2, 3}).put("price", linkspan::decimal{"1.10"});
    m.put("big", linkspan::big_int{true, {1, 0, 0, 0, 0, 0, 0, 0, 0}});
    const std::vector<std::uint8_t> raw{0, 1, 2};
    m.put("raw", linkspan::bytes_view(raw));
    m.begin_array("rows").begin_map().put("x", 1.5).end().put(8).end();
    const double wave[6] = {0, 1, 2, 3, 4, 5};
    m.put("wave", linkspan::array_view<double>(wave, {2, 3}));
    m.put("samples", std::vector<float>{1, 2, 3});
    m.put("words", std::vector<std::string>{"a", "b"});
    return m;
}

void check_reading(const linkspan::message &m) {
    CHECK(m.get<double>("celsius") == 21.4);
    CHECK(m.get<int>("count") == -7 && m.get<std::int64_t>("count") == -7 && m.get<double>("count") == -7.0);
    CHECK(m.get<std::uint64_t>("large") == UINT64_MAX);
    CHECK(m.get<bool>("ok") && m.type_at("none") == linkspan::type::null);
    CHECK(m.get<std::string>("name") == "grüß" && m.get<std::string_view>("view") == "v");
    CHECK(m.get<linkspan::timestamp>("at").time_since_epoch().count() == 1251082000250000000);
    CHECK(m.get<linkspan::uuid>("id")[2] == 3 && m.get<linkspan::decimal>("price").text == "1.10");
    CHECK(m.get<linkspan::big_int>("big").negative && m.get<linkspan::big_int>("big").magnitude.size() == 9);
    CHECK(m.get<linkspan::bytes_view>("raw").size() == 3);
    CHECK(m.get<double>("rows/0/x") == 1.5 && m.get<int>("rows/1") == 8 && m.count("rows") == 2);
    const auto wave = m.get<linkspan::array_view<double>>("wave");
    CHECK(wave.rank() == 2 && wave.dim(0) == 2 && wave.dim(1) == 3 && wave(1, 0) == 3 && wave(0, 2) == 2);
    double sum = 0;
    for (double x : wave) sum += x;
    CHECK(sum == 15);
    const std::vector<double> column = wave.copy(linkspan::order::column);
    const linkspan::array_view<double> same(column.data(), {2, 3}, linkspan::order::column);
    for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 3; ++j) CHECK(same(i, j) == wave(i, j));
    CHECK((m.get<std::vector<double>>("samples") == std::vector<double>{1, 2, 3}));
    const auto list = linkspan::from_json_text("{\"n\":[1,2.5,3],\"mixed\":[1,\"two\"]}");
    CHECK((list.get<std::vector<double>>("n") == std::vector<double>{1, 2.5, 3}));
    CHECK(thrown<linkspan::wrong_type>([&] { list.get<std::vector<double>>("mixed"); }).path() == "mixed/1");
    CHECK((m.get<std::vector<std::string>>("words") == std::vector<std::string>{"a", "b"}));
    CHECK(m.keys().front() == "celsius" && m.keys().size() == m.count());
    CHECK(m.get_or("nowhere", 5) == 5 && m.get_or("count", 5) == -7 && !m.contains("rows/2"));
    CHECK(m.get<linkspan::message>("rows/0").get<double>("x") == 1.5);
    std::size_t values = 0;
    for (const linkspan::item &i : m.walk("rows")) {
        if (i.key() == "x") CHECK(i.number() == 1.5 && i.depth() == 2);
        ++values;
    }
    CHECK(values == 4);
}

void errors_are_classes_of_their_kind() {
    linkspan::message m = reading();
    const auto missing = thrown<linkspan::missing>([&] { m.get<double>("rows/7/x"); });
    CHECK(missing.code() == 104 && missing.path() == "rows/7/x" && std::string(missing.kind()) == "Missing");
    const auto wrong = thrown<linkspan::wrong_type>([&] { m.get<std::string>("celsius"); });
    CHECK(std::string(wrong.what()).find("found a float") != std::string::npos);
    const auto range = thrown<linkspan::out_of_range>([&] { m.put("n", 300).get<std::int8_t>("n"); });
    CHECK(range.path() == "n" && range.code() == LINKSPAN_OUT_OF_RANGE);
    thrown<linkspan::out_of_range>([&] { m.get<std::int64_t>("large"); });
    const auto view = thrown<linkspan::wrong_type>([&] { m.get<linkspan::array_view<double>>("samples"); });
    CHECK(std::string(view.what()).find("f32") != std::string::npos);
    thrown<linkspan::wrong_type>([&] { m.get<std::vector<float>>("wave"); });
    const std::uint8_t trailing[] = {1, 2};
    const auto bad = thrown<linkspan::malformed>([&] { linkspan::decode({trailing, 2}, linkspan::encoding::cbor); });
    CHECK(bad.offset() == 1);
    thrown<linkspan::unsupported>([] { linkspan::encoding_of("xml"); });
    thrown<std::out_of_range>([&] { m.get<linkspan::array_view<double>>("wave")(2, 0); });
    thrown<linkspan::error>([&] { m.end(); });
}

void every_encoding_carries_it() {
    const linkspan::message m = reading();
    check_reading(m);
    for (auto e : {linkspan::encoding::json, linkspan::encoding::cbor, linkspan::encoding::bson,
                   linkspan::encoding::smile}) {
        const auto bytes = linkspan::encode(m, e);
        check_reading(linkspan::decode(bytes, e));
        CHECK(linkspan::transcode(bytes, e, linkspan::encoding::cbor) ==
              linkspan::encode(m, linkspan::encoding::cbor));
        CHECK(linkspan::encoding_of(linkspan::name(e)) == e);
    }
    CHECK(linkspan::json_text(linkspan::from_json_text("{\"a\":[1,2.5]}")) == "{\"a\":[1,2.5]}");
}

void references_and_moves() {
    linkspan::message a;
    a.put("x", 1);
    linkspan::message b = a.share();
    b.put("y", 2);
    CHECK(a.get<int>("y") == 2);
    linkspan::message c = std::move(a);
    a = std::move(b);
    CHECK(c.get<int>("x") == 1 && a.get<int>("x") == 1);
    c.clear();
    CHECK(a.type_at() == linkspan::type::null);
}

} // namespace

int main() {
    static_assert(!std::is_copy_constructible_v<linkspan::message>, "a message is moved");
    static_assert(std::is_nothrow_move_constructible_v<linkspan::message>, "moving is cheap");
    static_assert(std::is_base_of_v<linkspan::error, linkspan::timeout>, "one base");
    errors_are_classes_of_their_kind();
    every_encoding_carries_it();
    references_and_moves();
    std::puts("ok");
    return 0;
}

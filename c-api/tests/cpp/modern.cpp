// std::span of C++20 in messages and loans, std::optional, and std::expected of C++23.
#include <linkspan.hpp>

#include <cstdio>
#include <span>

#include "check.hpp"

int main() {
    const std::vector<double> wave{1.5, 2.5, 3.5};
    linkspan::message m;
    m.put("wave", std::span(wave));
    m.put("some", std::optional<int>(7)).put("none", std::optional<int>());
    m.put("grid", linkspan::array_view<double>(wave.data(), {3, 1}));
    const auto view = m.get<std::span<const double>>("wave");
    CHECK(view.size() == 3 && view[2] == 3.5);
    CHECK(m.get<linkspan::array_view<double>>("wave").span().data() == view.data());
    CHECK(m.get<std::optional<int>>("some") == 7);
    CHECK(!m.get<std::optional<int>>("none") && !m.get<std::optional<int>>("nowhere"));
    CHECK(m.get<std::optional<std::span<const double>>>("wave")->size() == 3);
    CHECK(linkspan::message().put("x", 2.5).get<std::optional<double>>("x") == 2.5);
    // A span of std::byte is a view of bytes, not an array of numbers.
    const std::vector<std::byte> file{std::byte(1), std::byte(255)};
    m.put("file", std::span(file));
    const auto bytes = m.get<std::span<const std::byte>>("file");
    CHECK(bytes.size() == 2 && bytes[1] == std::byte(255) && m.type_at("file") == linkspan::type::bytes);
    const std::span<const std::byte> same = m.get<linkspan::bytes_view>("file");
    CHECK(same.data() == bytes.data() && linkspan::bytes_view(bytes).size() == 2);
    try {
        m.get<std::span<const std::byte>>("wave");
        CHECK(false);
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "wave");
    }
    // A value of another type is not missing.
    try {
        m.get<std::optional<int>>("wave");
        CHECK(false);
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "wave");
    }
    try {
        m.get<std::span<const double>>("grid");
        CHECK(false);
    } catch (const linkspan::wrong_type &e) {
        CHECK(std::string(e.what()).find("2; ask for a linkspan::array_view, at path grid") != std::string::npos);
    }
    const linkspan::publisher out("unix:test/span");
    auto lent = out.loan<double>({2, 2});
    for (double &x : lent.span()) x = 4;
    CHECK(lent.view()(1, 1) == 4);
    m.clear().put("lent", std::move(lent));
    CHECK(m.get<linkspan::array_view<double>>("lent").size() == 4);
    // The error for a moved-from message uses the words of C++.
    const linkspan::message moved(std::move(m));
    try {
        m.get<int>("x");
        CHECK(false);
    } catch (const linkspan::invalid_state &e) {
        CHECK(std::string(e.what()).find("this linkspan::message was moved from") == 0);
    }
    try {
        linkspan::message().put("some", moved).put("other", m);
        CHECK(false);
    } catch (const linkspan::invalid_state &e) {
        CHECK(e.what() == std::string("this linkspan::message was moved from (linkspan_message_put_message), at path other"));
    }
    const char *nothing = nullptr;
    try {
        const linkspan::channel nowhere(nothing);
        CHECK(false);
    } catch (const linkspan::invalid_state &e) {
        CHECK(e.what() == std::string("endpoint is a null pointer (linkspan_channel_open)"));
    }
    // The error of a refused narrowing has the path.
    m = linkspan::message();
    m.put("some", linkspan::message().put("wave", std::span(wave)));
    try {
        m.get<std::vector<float>>("some/wave");
        CHECK(false);
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "some/wave" && std::string(e.what()).find(", at path some/wave") != std::string::npos);
    }
#ifdef __cpp_lib_expected
    const auto found = linkspan::attempt([&] { return m.get<std::vector<double>>("some/wave"); });
    CHECK(found && found->size() == 3);
    const auto none = linkspan::attempt([&] { return m.get<double>("none"); });
    CHECK(!none && none.error().code() == LINKSPAN_MISSING && none.error().path() == "none");
    CHECK(linkspan::attempt([&] { m.clear(); }).has_value());
    CHECK(linkspan::attempt([] { return linkspan::message().put("n", 1).get<int>("n"); }).value_or(0) == 1);
    bool passes = false;
    try {
        (void)linkspan::attempt([]() -> int { throw std::length_error("of others"); });
    } catch (const std::length_error &) {
        passes = true;
    }
    CHECK(passes);
    std::puts("expected");
#endif
    std::puts("ok");
}

// Limits of values: floats that do not fit, keys with a NUL, containers with invalid parts, time-outs, views of
// temporaries, a slow subscription.
#include <linkspan.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <type_traits>
#include <unordered_map>

#include "check.hpp"

using namespace std::chrono_literals;

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

// A view of a temporary would dangle, so there is no such function.
template <class M, class T, class = void> struct gives : std::false_type {};
template <class M, class T>
struct gives<M, T, std::void_t<decltype(std::declval<M>().template get<T>(""))>> : std::true_type {};
template <class M, class = void> struct gives_keys : std::false_type {};
template <class M> struct gives_keys<M, std::void_t<decltype(std::declval<M>().keys())>> : std::true_type {};
static_assert(gives<linkspan::message &, linkspan::array_view<double>>::value);
static_assert(gives<const linkspan::message &, std::string_view>::value);
static_assert(!gives<linkspan::message, linkspan::array_view<double>>::value);
static_assert(!gives<linkspan::message, std::string_view>::value);
static_assert(!gives<linkspan::message, linkspan::bytes_view>::value);
static_assert(!gives<linkspan::message, std::vector<std::string_view>>::value);
static_assert(gives<linkspan::message, std::string>::value && gives<linkspan::message, std::vector<double>>::value);
static_assert(gives_keys<linkspan::message &>::value && !gives_keys<linkspan::message>::value);

void numbers() {
    const auto m = linkspan::message()
                       .put("large", 1e300)
                       .put("small", -1e300)
                       .put("infinite", std::numeric_limits<double>::infinity())
                       .put("fits", 0.5)
                       .put("list", std::vector<std::int32_t>{1, -2})
                       .put("wide", std::vector<std::int64_t>{(1LL << 53) + 1});
    thrown<linkspan::out_of_range>([&] { m.get<float>("large"); });
    try {
        m.get<float>("large");
    } catch (const linkspan::out_of_range &e) {
        CHECK(std::string(e.what()) == "1e+300 does not fit a float; ask for a double, at path large");
    }
    CHECK(thrown<linkspan::out_of_range>([&] { m.get<float>("small"); }).path() == "small");
    CHECK(std::isinf(m.get<float>("infinite")) && m.get<float>("fits") == 0.5f && m.get<double>("large") == 1e300);
    // The advice in the text works.
    const auto advice = std::string(thrown<linkspan::wrong_type>([&] { m.get<linkspan::array_view<double>>("list"); }).what());
    CHECK(advice.find("a view of i32, or for a std::vector") != std::string::npos);
    CHECK(m.get<linkspan::array_view<std::int32_t>>("list")[1] == -2);
    CHECK((m.get<std::vector<double>>("list") == std::vector<double>{1, -2}));
    thrown<linkspan::out_of_range>([&] { m.get<std::vector<double>>("wide"); });
}

void texts() {
    const std::string cut("ab\0cd", 5);
    linkspan::message m;
    m.put("ab", 1);
    CHECK(std::string(thrown<linkspan::malformed>([&] { m.put(cut, 2); }).what()).find("byte 2") != std::string::npos);
    thrown<linkspan::malformed>([&] { m.get<int>(cut); });
    thrown<linkspan::malformed>([&] { linkspan::subscriber s("shm:test/" + cut); });
    linkspan::options o;
    o.client_id = cut;
    thrown<linkspan::malformed>([&] { linkspan::subscriber s("shm:test/cut", o); });
}

void null_pointers() {
    const char *none = nullptr;
    char *changeable = nullptr;
    linkspan::message m;
    CHECK(thrown<linkspan::invalid_state>([&] { m.put("k", none); }).path() == "k");
    CHECK(thrown<linkspan::invalid_state>([&] { m.put("k", changeable); }).path() == "k");
    thrown<linkspan::invalid_state>([&] { m.put("k", std::optional<const char *>(none)); });
    thrown<linkspan::invalid_state>([&] { linkspan::message().put("k", std::vector<const char *>{"a", none}); });
    thrown<linkspan::invalid_state>([&] { m.put(none, 1); });
    thrown<linkspan::invalid_state>([&] { linkspan::message().begin_map(none); });
    thrown<linkspan::invalid_state>([&] { linkspan::message().begin_array(none); });
    thrown<linkspan::invalid_state>([&] { m.get<int>(none); });
    CHECK(m.type_at() == linkspan::type::null);
    CHECK(m.put("k", nullptr).type_at("k") == linkspan::type::null);
}

void containers() {
    linkspan::message m;
    const std::string_view letters = "abcdefghijklmnopqrstuvwxyz", key = letters.substr(1, 20), other = letters.substr(3, 2);
    m.put(key, 3).put(other, std::map<std::string, int>{{"a/b", 1}, {"~x", 2}}).put("none", std::map<std::string, int>());
    CHECK(m.get<int>(key) == 3 && m.get<int>("de/a~1b") == 1 && m.contains(other) && !m.contains(letters));
    CHECK((m.get<std::map<std::string, int>>(other) == std::map<std::string, int>{{"a/b", 1}, {"~x", 2}}));
    CHECK((m.get<std::unordered_map<std::string, double>>("de").at("~x") == 2 && m.get<std::map<std::string, int>>("none").empty()));
    thrown<linkspan::wrong_type>([&] { m.get<std::map<std::string, int>>(key); });
    m.put("wave", std::array<double, 3>{1, 2, 3}).put("mask", std::array<bool, 2>{true, false});
    m.put("words", std::array<std::string, 2>{"x", "y"}).put("maps", std::vector<std::map<std::string, int>>{{{"n", 1}}, {{"n", 2}}});
    CHECK(m.type_at("wave") == linkspan::type::ndarray);
    CHECK((m.get<std::array<double, 3>>("wave") == std::array<double, 3>{1, 2, 3}));
    CHECK((m.get<std::array<bool, 2>>("mask") == std::array<bool, 2>{true, false}));
    CHECK((m.get<std::array<std::string, 2>>("words") == std::array<std::string, 2>{"x", "y"}));
    CHECK((m.get<std::vector<std::map<std::string, int>>>("maps")[1].at("n") == 2));
    CHECK(thrown<linkspan::wrong_type>([&] { m.get<std::array<double, 2>>("wave"); }).path() == "wave");
    CHECK(thrown<linkspan::wrong_type>([&] { m.get<std::array<std::string, 3>>("words"); }).path() == "words");
    // A view of a temporary would dangle here as well.
    static_assert(!gives<linkspan::message, std::map<std::string, std::string_view>>::value);
    static_assert(!gives<linkspan::message, std::array<std::string_view, 2>>::value);
}

// A failed put leaves no part in the old value, in the next put, or in the sent message.
template <class T> void leaves_it_as_it_was(const T &value) {
    linkspan::message m;
    m.put("notes", "before");
    thrown<linkspan::malformed>([&] { m.put("notes", value); });
    thrown<linkspan::malformed>([&] { m.put("more", value); });
    m.put("next", 7);
    CHECK(m.count() == 2 && m.get<std::string>("notes") == "before" && m.get<int>("next") == 7);
    linkspan::encode(m, linkspan::encoding::cbor);

    linkspan::message whole;
    thrown<linkspan::malformed>([&] { whole.put(value); });
    CHECK(whole.type_at() == linkspan::type::null && whole.put("z", 1).template get<int>("z") == 1);

    linkspan::message list;
    list.begin_array().put(1);
    thrown<linkspan::malformed>([&] { list.put(value); });
    list.put(2).end();
    CHECK(list.count() == 2 && list.get<int>("1") == 2);
}

void values_that_cannot_be_put() {
    using texts = std::map<std::string, std::string>;
    const std::string no_text = "\xff\xfe", no_key("a\0b", 3);
    leaves_it_as_it_was(texts{{"one", "ok"}, {"two", no_text}});
    leaves_it_as_it_was(texts{{"a", "ok"}, {no_key, "ok"}});
    leaves_it_as_it_was(texts{{"a", "ok"}, {no_text, "ok"}});
    leaves_it_as_it_was(std::unordered_map<std::string, texts>{{"inner", texts{{"one", "ok"}, {"two", no_text}}}});
    leaves_it_as_it_was(std::map<std::string, std::vector<std::string>>{{"inner", {"ok", no_text}}});
    leaves_it_as_it_was(std::vector<std::string>{"ok", no_text});
    leaves_it_as_it_was(std::vector<std::vector<std::string>>{{"ok"}, {"ok", no_text}});
    leaves_it_as_it_was(std::array<std::string, 2>{"ok", no_text});
    leaves_it_as_it_was(std::vector<std::optional<texts>>{std::nullopt, texts{{"two", no_text}}});
    leaves_it_as_it_was(std::optional<texts>(texts{{"two", no_text}}));
}

void shapes() {
    const int one = 1;
    const std::vector<std::size_t> sixteen(16, 1);
    thrown<linkspan::too_large>([&] { linkspan::array_view<int>(&one, sixteen); });
    const linkspan::array_view<int> view(&one, {1, 1});
    thrown<std::out_of_range>([&] { static_cast<void>(view.dim(2)); });
    // An empty array keeps its shape in every conversion, and both orders are equal.
    const auto m = linkspan::message().put("none", linkspan::array_view<double>(nullptr, {0, 3}, linkspan::order::column));
    for (const auto e : {linkspan::encoding::cbor, linkspan::encoding::json, linkspan::encoding::bson, linkspan::encoding::smile}) {
        const auto back = linkspan::decode(linkspan::encode(m, e), e);
        const auto empty = back.get<linkspan::array_view<double>>("none");
        CHECK(empty.empty() && (empty.shape() == std::vector<std::size_t>{0, 3}));
        CHECK(empty.order() == linkspan::order::row);
        CHECK(back.get<std::vector<double>>("none").empty() && empty.copy(linkspan::order::column).empty());
    }
}

void timeouts() {
    const linkspan::publisher out("shm:test/zero");
    const linkspan::subscriber in("shm:test/zero");
    const auto negative = thrown<linkspan::out_of_range>([&] { in.recv(-1s); });
    CHECK(std::string(negative.what()).find("linkspan::forever") != std::string::npos);
    thrown<linkspan::out_of_range>([&] { in.recv(std::chrono::duration<double>(std::nan(""))); });
    thrown<linkspan::out_of_range>([&] { in.recv(std::chrono::duration<double>(1e30)); });
    thrown<linkspan::out_of_range>([&] { in.recv(std::chrono::hours::max()); });
    thrown<linkspan::timeout>([&] { in.recv(0s); });
    bool waited = false;
    linkspan::options o;
    o.timeout = 0s;
    o.on_wait = [&] { return !(waited = true); };
    const linkspan::subscriber quick("shm:test/zero", o);
    thrown<linkspan::timeout>([&] { quick.recv(); });
    CHECK(!waited);
    thrown<linkspan::cancelled>([&] { quick.recv(linkspan::forever); });
}

void a_loop_over_a_slow_subscription_goes_on() {
    linkspan::options small;
    small.buffer = 65536;
    const linkspan::publisher out("shm:test/slow", small);
    const linkspan::subscriber in("shm:test/slow");
    thrown<linkspan::empty>([&] { in.try_recv(); });
    const std::vector<std::uint8_t> body(4000);
    for (int i = 0; i < 500; ++i) out.send(linkspan::message().put(linkspan::bytes_view(body)));
    std::uint64_t got = 0, missed = 0;
    for (const auto &m : in) {
        got += 1;
        missed += linkspan::info(m).missed;
        if (linkspan::info(m).sequence == 500) break;
    }
    CHECK(missed > 0 && got + missed == 500);
}

} // namespace

int main() {
    numbers();
    texts();
    null_pointers();
    containers();
    values_that_cannot_be_put();
    shapes();
    timeouts();
    a_loop_over_a_slow_subscription_goes_on();
    std::puts("ok");
}

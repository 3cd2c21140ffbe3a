// C++ structs with a table, as in generated code: failed allocations inside the library, keys with NULs, one table in
// many threads, parts of other values.
#include <linkspan.hpp>

#include <new>
#include <thread>

#include "check.hpp"

namespace {

namespace of = linkspan::record;

/// The number of structs that can still be created; negative for any number.
thread_local long left = -1;

/// A struct whose allocation can fail.
struct Part {
    double x = 0;
    Part() {
        if (left == 0) throw std::bad_alloc();
        if (left > 0) left--;
    }

    static const linkspan_record_type *layout_() {
        static const Part at{};
        static const linkspan_record_field fields[] = {of::required<of::f64>("x", &at, at.x)};
        static const linkspan_record_type type = of::of_fields<Part>(LINKSPAN_RECORD_STRUCT, fields);
        return &type;
    }
};

using held = of::structure<Part>;

/// One member for each place in which the library creates values.
struct Parts {
    std::vector<Part> list{};
    std::map<std::string, Part> map{};
    std::optional<Part> optional;
    std::variant<double, Part> either{};

    static linkspan_record *table_() {
        static linkspan_record record = of::table(layout_());
        return &record;
    }
    static const linkspan_record_type *layout_() {
        static const Parts at{};
        static const linkspan_record_field variants[] = {
            of::variant<of::f64, 0>("number", &at.either, at.either),
            of::variant<held, 1>("part", &at.either, at.either),
        };
        static const linkspan_record_type either = of::of_fields<decltype(at.either)>(LINKSPAN_RECORD_UNION, variants);
        static linkspan_record_field fields[] = {
            of::required<of::list<held>>("list", &at, at.list),
            of::required<of::map<held>>("map", &at, at.map),
            of::optional<held>("optional", &at, at.optional),
            of::field<of::f64>("either", &at, at.either),
        };
        fields[3].of = &either;
        static const linkspan_record_type type = of::of_fields<Parts>(LINKSPAN_RECORD_STRUCT, fields);
        return &type;
    }
};

struct Reading {
    std::string name{};
    std::vector<std::string> words{};
    std::vector<bool> switches{};
    std::map<std::string, std::vector<std::int32_t>> sums{};
    std::optional<std::vector<std::uint8_t>> block;
    std::variant<double, std::string> either{};
    linkspan::ndarray<double> wave{};
    std::shared_ptr<linkspan::message> any{};

    static linkspan_record *table_() {
        static linkspan_record record = of::table(layout_());
        return &record;
    }
    static const linkspan_record_type *layout_() {
        static const Reading at{};
        static const linkspan_record_field variants[] = {
            of::variant<of::f64, 0>("number", &at.either, at.either),
            of::variant<of::text, 1>("text", &at.either, at.either),
        };
        static const linkspan_record_type either = of::of_fields<decltype(at.either)>(LINKSPAN_RECORD_UNION, variants);
        static linkspan_record_field fields[] = {
            of::required<of::text>("name", &at, at.name),
            of::required<of::list<of::text>>("words", &at, at.words),
            of::required<of::list<of::boolean>>("switches", &at, at.switches),
            of::required<of::map<of::list<of::i32>>>("sums", &at, at.sums),
            of::optional<of::bytes>("block", &at, at.block),
            of::required<of::array<double, LINKSPAN_F64, -1, 1, UINT64_MAX>>("wave", &at, at.wave),
            of::required<of::any>("any", &at, at.any),
            of::field<of::f64>("either", &at, at.either),
        };
        fields[7].of = &either;
        static const linkspan_record_type type = of::of_fields<Reading>(LINKSPAN_RECORD_STRUCT, fields);
        return &type;
    }
};

/// Each text exceeds the internal buffer of a std::string.
Reading full() {
    Reading r;
    r.name = std::string(40, 'n');
    r.words = {std::string(30, 'a'), "", std::string(30, 'b')};
    r.switches.assign(100, true);
    r.switches[99] = false;
    r.sums = {{"", {}}, {std::string("nul\0inside", 10), {1, -1}}, {std::string(33, 'k'), {7}}};
    r.block = std::vector<std::uint8_t>(300, 7);
    r.either = std::string(50, 'e');
    r.wave.shape = {3};
    r.wave.elements = {0.5, 1.5, 2.5};
    r.any = std::make_shared<linkspan::message>(linkspan::message().put("deep", 1));
    return r;
}

bool same(const Reading &a, const Reading &b) {
    return a.name == b.name && a.words == b.words && a.switches == b.switches && a.sums == b.sums && a.block == b.block &&
           a.either == b.either && a.wave == b.wave && a.any->get<int>("deep") == b.any->get<int>("deep");
}

void values_are_kept() {
    for (const linkspan::encoding e : {linkspan::encoding::cbor, linkspan::encoding::json, linkspan::encoding::smile}) {
        const Reading value = full();
        Reading again;
        of::decode(Reading::table_(), &again, of::encode(Reading::table_(), &value, e), e);
        CHECK(same(value, again));
    }
    const Reading value = full();
    linkspan::message message;
    of::put(Reading::table_(), &value, message);
    CHECK(message.get<std::string>("name") == value.name);
    Reading again;
    of::get(Reading::table_(), &again, message, "");
    CHECK(same(value, again));
    message.clear().begin_array();
    for (int i = 0; i < 2; i++) of::put(Reading::table_(), &value, message, nullptr);
    message.end();
    CHECK(message.count() == 2);
    for (const char *const path : {"0", "1"}) {
        Reading part;
        of::get(Reading::table_(), &part, message, path);
        CHECK(same(value, part));
    }
}

/// Each creation fails once.
///
/// The call returns an error with the path, and no exception passes the library.
void want_of_memory_is_an_error() {
    const std::string json = R"({"list":[{"x":1},{"x":2}],"map":{"a":{"x":3}},"optional":{"x":4},"either":{"part":{"x":5}}})";
    const char *const paths[] = {"list", "list", "map", "optional", "either"};
    for (long more = 0; more <= 5; more++) {
        Parts parts;
        const linkspan::bytes_view bytes(reinterpret_cast<const std::uint8_t *>(json.data()), json.size());
        // Creates the table before the failures.
        Parts::table_();
        left = more;
        try {
            of::decode(Parts::table_(), &parts, bytes, linkspan::encoding::json);
            left = -1;
            CHECK(more == 5 && parts.list[1].x == 2 && parts.map["a"].x == 3 && parts.optional->x == 4);
            CHECK(std::get<1>(parts.either).x == 5);
        } catch (const linkspan::out_of_memory &error) {
            left = -1;
            CHECK(more < 5 && std::string(error.what()).find(paths[more]) != std::string::npos);
        }
    }
}

void what_does_not_fit_is_refused() {
    Reading value = full();
    value.wave.shape = {4};
    try {
        of::encode(Reading::table_(), &value, linkspan::encoding::cbor);
        CHECK(false);
    } catch (const linkspan::out_of_range &error) {
        CHECK(std::string(error.what()).find("wave") != std::string::npos);
    }
    value.wave.shape.assign(16, 1);
    value.wave.elements.resize(1);
    try {
        of::encode(Reading::table_(), &value, linkspan::encoding::cbor);
        CHECK(false);
    } catch (const linkspan::too_large &) {
    }
    value = full();
    value.sums["\xff"] = {};
    try {
        of::encode(Reading::table_(), &value, linkspan::encoding::cbor);
        CHECK(false);
    } catch (const linkspan::malformed &error) {
        CHECK(std::string(error.what()).find("sums") != std::string::npos);
    }
}

void a_table_is_made_once_for_all_threads() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([] {
            const Reading value = full();
            Reading again;
            of::decode(Reading::table_(), &again, of::encode(Reading::table_(), &value, linkspan::encoding::cbor), linkspan::encoding::cbor);
            CHECK(same(value, again));
        });
    }
    for (std::thread &thread : threads) thread.join();
}

} // namespace

int main() {
    a_table_is_made_once_for_all_threads();
    values_are_kept();
    want_of_memory_is_an_error();
    what_does_not_fit_is_refused();
    std::puts("ok");
}

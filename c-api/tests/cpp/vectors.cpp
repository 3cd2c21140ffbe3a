// The value vectors in C++: every value in every encoding, converted to every other, and rebuilt.
//
// usage: vectors values.json
#include <linkspan.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace {

using linkspan::encoding;
constexpr encoding all[] = {encoding::json, encoding::cbor, encoding::bson, encoding::smile};

int checks = 0;
int failures = 0;

void check(bool condition, const std::string &what) {
    ++checks;
    if (!condition) {
        ++failures;
        std::fprintf(stderr, "%s\n", what.c_str());
    }
}

std::vector<std::uint8_t> form(const linkspan::message &vectors, std::size_t row, encoding e) {
    const auto text = vectors.get<std::string>(std::to_string(row) + "/" + linkspan::name(e));
    if (e == encoding::json) return {text.begin(), text.end()};
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

template <class T> void put_array(linkspan::message &to, const linkspan::item &i, const std::string *key) {
    const linkspan::array_view<T> view(i.c().array);
    key == nullptr ? to.put(view) : to.put(*key, view);
}

template <class T> void put(linkspan::message &to, const std::string *key, const T &value) {
    key == nullptr ? to.put(value) : to.put(*key, value);
}

/// Puts one value of a walk.
void put_item(linkspan::message &to, const linkspan::item &i, const std::string *key) {
    using linkspan::type;
    switch (i.type()) {
    case type::null: return put(to, key, nullptr);
    case type::boolean: return put(to, key, i.truth());
    case type::integer: return put(to, key, i.integer());
    case type::unsigned_integer: return put(to, key, i.unsigned_integer());
    case type::big_int: return put(to, key, linkspan::big_int{i.truth(), i.bytes().copy()});
    case type::floating: return put(to, key, i.number());
    case type::text: return put(to, key, i.text());
    case type::bytes: return put(to, key, i.bytes());
    case type::timestamp: return put(to, key, i.timestamp());
    case type::uuid: {
        linkspan::uuid u;
        std::copy(i.bytes().begin(), i.bytes().end(), u.begin());
        return put(to, key, u);
    }
    case type::decimal: return put(to, key, linkspan::decimal{std::string(i.text())});
    case type::array: key == nullptr ? to.begin_array() : to.begin_array(*key); return;
    case type::map: key == nullptr ? to.begin_map() : to.begin_map(*key); return;
    case type::ndarray: break;
    }
    switch (static_cast<linkspan::dtype>(i.c().array.dtype)) {
    case linkspan::dtype::boolean: return put_array<bool>(to, i, key);
    case linkspan::dtype::i8: return put_array<std::int8_t>(to, i, key);
    case linkspan::dtype::i16: return put_array<std::int16_t>(to, i, key);
    case linkspan::dtype::i32: return put_array<std::int32_t>(to, i, key);
    case linkspan::dtype::i64: return put_array<std::int64_t>(to, i, key);
    case linkspan::dtype::u8: return put_array<std::uint8_t>(to, i, key);
    case linkspan::dtype::u16: return put_array<std::uint16_t>(to, i, key);
    case linkspan::dtype::u32: return put_array<std::uint32_t>(to, i, key);
    case linkspan::dtype::u64: return put_array<std::uint64_t>(to, i, key);
    case linkspan::dtype::f32: return put_array<float>(to, i, key);
    case linkspan::dtype::f64: return put_array<double>(to, i, key);
    case linkspan::dtype::c64: return put_array<std::complex<float>>(to, i, key);
    case linkspan::dtype::c128: return put_array<std::complex<double>>(to, i, key);
    }
}

/// Rebuilds a value from a walk; nothing if a key has a NUL, which C cannot represent.
std::optional<linkspan::message> rebuilt(const linkspan::message &from) {
    linkspan::message to;
    std::vector<std::size_t> wanted;
    for (const linkspan::item &i : from.walk()) {
        const std::string key(i.key());
        if (key.find('\0') != std::string::npos) return std::nullopt;
        if (!wanted.empty()) --wanted.back();
        put_item(to, i, i.c().key == nullptr ? nullptr : &key);
        if (i.type() == linkspan::type::array || i.type() == linkspan::type::map) wanted.push_back(i.count());
        while (!wanted.empty() && wanted.back() == 0) {
            to.end();
            wanted.pop_back();
        }
    }
    return to;
}

void check_value(const linkspan::message &vectors, std::size_t row) {
    const auto name = vectors.get<std::string>(std::to_string(row) + "/name");
    for (const encoding from : all) {
        const auto bytes = form(vectors, row, from);
        const auto message = linkspan::decode(bytes, from);
        const auto again = rebuilt(message);
        for (const encoding to : all) {
            const auto expected = form(vectors, row, to);
            const std::string what = name + ": " + linkspan::name(from) + " to " + linkspan::name(to);
            check(linkspan::encode(message, to) == expected, what);
            check(linkspan::transcode(bytes, from, to) == expected, what + ", transcoded");
            if (again) check(linkspan::encode(*again, to) == expected, what + ", rebuilt");
        }
    }
}

} // namespace

int main(int count, char **arguments) {
    if (count != 2) {
        std::fprintf(stderr, "usage: vectors values.json\n");
        return 2;
    }
    std::ifstream file(arguments[1], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    try {
        const auto vectors = linkspan::from_json_text(text);
        for (std::size_t row = 0; row < vectors.count(); ++row) check_value(vectors, row);
        std::printf("%zu values, %d checks, %d failed\n", vectors.count(), checks, failures);
    } catch (const linkspan::error &e) {
        std::fprintf(stderr, "%s: %s\n", e.kind(), e.what());
        return 1;
    }
    return failures == 0 && checks > 0 ? 0 : 1;
}

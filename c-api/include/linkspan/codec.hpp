// The codecs by themselves: messages to bytes and back, bytes of one encoding to another.
#ifndef LINKSPAN_CODEC_HPP
#define LINKSPAN_CODEC_HPP

#include <linkspan/message.hpp>

namespace linkspan {

/// How a message's body is written.
enum class encoding : linkspan_encoding {
    raw = LINKSPAN_RAW,
    json = LINKSPAN_JSON,
    cbor = LINKSPAN_CBOR,
    bson = LINKSPAN_BSON,
    smile = LINKSPAN_SMILE,
};

/// The encoding's name: `"cbor"`.
inline const char *name(encoding e) { return linkspan_encoding_name(static_cast<linkspan_encoding>(e)); }

/// The encoding of a name; throws `unsupported` where there is none.
inline encoding encoding_of(zstring name) {
    linkspan_encoding e;
    check(linkspan_encoding_from_name(name.c_str(), &e));
    return static_cast<encoding>(e);
}

namespace detail {

/// Copies what C gave into a vector and frees it, whatever happens.
inline std::vector<std::uint8_t> taken(std::uint8_t *bytes, std::size_t length) {
    struct guard {
        std::uint8_t *bytes;
        std::size_t length;
        ~guard() { linkspan_free(bytes, length); }
    } guard{bytes, length};
    return {bytes, bytes + length};
}

} // namespace detail

/// Writes a message's value in an encoding.
inline std::vector<std::uint8_t> encode(const message &m, encoding e) {
    std::uint8_t *bytes;
    std::size_t length;
    check(linkspan_encode(m.c(), static_cast<linkspan_encoding>(e), &bytes, &length));
    return detail::taken(bytes, length);
}

/// Reads the value that bytes of an encoding hold.
inline message decode(bytes_view bytes, encoding e) {
    linkspan_message *m;
    check(linkspan_decode(bytes.data(), bytes.size(), static_cast<linkspan_encoding>(e), &m));
    return message(m);
}

/// Writes the value that bytes of one encoding hold in another.
inline std::vector<std::uint8_t> transcode(bytes_view bytes, encoding from, encoding to) {
    std::uint8_t *result;
    std::size_t length;
    check(linkspan_transcode(bytes.data(), bytes.size(), static_cast<linkspan_encoding>(from),
                             static_cast<linkspan_encoding>(to), &result, &length));
    return detail::taken(result, length);
}

/// The message as JSON text.
inline std::string json_text(const message &m) {
    const auto bytes = encode(m, encoding::json);
    return {bytes.begin(), bytes.end()};
}

/// The message that JSON text writes.
inline message from_json_text(std::string_view text) {
    return decode({reinterpret_cast<const std::uint8_t *>(text.data()), text.size()}, encoding::json);
}

#ifdef NLOHMANN_JSON_VERSION_MAJOR
/// The message as nlohmann's JSON, where its header was included before; what JSON has no form for comes as the
/// escapes of Linkspan's JSON (`{"$bytes": …}`).
inline nlohmann::json to_nlohmann(const message &m) { return nlohmann::json::parse(json_text(m)); }

/// The message that nlohmann's JSON says, with Linkspan's escapes understood.
inline message from_nlohmann(const nlohmann::json &json) { return from_json_text(json.dump()); }
#endif

} // namespace linkspan

#endif

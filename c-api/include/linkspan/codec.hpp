// The codecs without a channel.
#ifndef LINKSPAN_CODEC_HPP
#define LINKSPAN_CODEC_HPP

#include <linkspan/message.hpp>

namespace linkspan {

/// The encoding of a message's body.
enum class encoding : linkspan_encoding {
    raw = LINKSPAN_RAW,
    json = LINKSPAN_JSON,
    cbor = LINKSPAN_CBOR,
    bson = LINKSPAN_BSON,
    smile = LINKSPAN_SMILE,
};

/// The encoding's name: `"cbor"`.
inline const char *name(encoding e) { return linkspan_encoding_name(static_cast<linkspan_encoding>(e)); }

/// The encoding with this name; throws `unsupported` for other names.
inline encoding encoding_of(zstring name) {
    linkspan_encoding e;
    check(linkspan_encoding_from_name(name.c_str(), &e));
    return static_cast<encoding>(e);
}

namespace detail {

/// Copies bytes from C into a vector and frees them, also if the copy fails.
inline std::vector<std::uint8_t> taken(std::uint8_t *bytes, std::size_t length) {
    struct guard {
        std::uint8_t *bytes;
        std::size_t length;
        ~guard() { linkspan_free(bytes, length); }
    } guard{bytes, length};
    return {bytes, bytes + length};
}

} // namespace detail

/// Encodes a message's value.
inline std::vector<std::uint8_t> encode(const message &m, encoding e) {
    std::uint8_t *bytes;
    std::size_t length;
    check(linkspan_encode(m.c(), static_cast<linkspan_encoding>(e), &bytes, &length));
    return detail::taken(bytes, length);
}

/// Decodes bytes into a message.
inline message decode(bytes_view bytes, encoding e) {
    linkspan_message *m;
    check(linkspan_decode(bytes.data(), bytes.size(), static_cast<linkspan_encoding>(e), &m));
    return message(m);
}

/// Converts bytes of one encoding to another.
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

/// Parses JSON text into a message.
inline message from_json_text(std::string_view text) {
    return decode({reinterpret_cast<const std::uint8_t *>(text.data()), text.size()}, encoding::json);
}

#ifdef NLOHMANN_JSON_VERSION_MAJOR
/// Converts a message to nlohmann's JSON, if its header is included before this one.
///
/// Values without a form in JSON become escapes of Linkspan's JSON (`{"$bytes": …}`).
inline nlohmann::json to_nlohmann(const message &m) { return nlohmann::json::parse(json_text(m)); }

/// Decodes Linkspan's escapes.
inline message from_nlohmann(const nlohmann::json &json) { return from_json_text(json.dump()); }
#endif

} // namespace linkspan

#endif

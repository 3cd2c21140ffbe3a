// Errors: one exception class per kind, all derived from linkspan::error. linkspan.h describes the kinds.
#ifndef LINKSPAN_ERROR_HPP
#define LINKSPAN_ERROR_HPP

#if !defined(__cpp_exceptions)
#error "Linkspan's C++ headers report errors as exceptions: compile without -fno-exceptions, or use the C interface, linkspan.h"
#endif

#include <linkspan.h>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus > 202002L
#include <version>
#ifdef __cpp_lib_expected
#include <expected>
#endif
#endif

namespace linkspan {

namespace detail {
template <class...> inline constexpr bool never = false;
} // namespace detail

/// The error from the peer's handler, in the terms of JSON-RPC 2.0.
struct remote_failure {
    /// A code of the handler or of JSON-RPC.
    std::int64_t code = 0;
    /// A dotted type such as `spectrum.window_too_long`.
    std::string type;
    std::string text;
    /// One value in CBOR, or empty.
    std::vector<std::uint8_t> data;
};

/// The exception of every failed call: `what()` names the failed action, its object, and the remedy.
class error : public std::runtime_error {
public:
    explicit error(const linkspan_error &e)
        : std::runtime_error(worded(e)), code_(e.status), retryable_(e.retryable), endpoint_(text(e.endpoint)),
          path_(text(e.path)), offset_(e.offset), missed_(e.missed), sent_(e.sent), os_error_(e.os_error) {
        if (e.status == LINKSPAN_REMOTE) {
            remote_.code = e.remote_code;
            remote_.type = text(e.remote_type);
            remote_.text = text(e.remote_text);
            if (e.remote_data != nullptr) remote_.data.assign(e.remote_data, e.remote_data + e.remote_data_length);
        }
    }

    /// The code in the table of errors, 100 to 127.
    linkspan_status code() const noexcept { return code_; }
    /// The kind's name: `"Timeout"`.
    const char *kind() const noexcept { return linkspan_status_name(code_); }
    /// Whether an equal call can succeed later without a change to the program.
    bool retryable() const noexcept { return retryable_; }
    /// The endpoint of the call, or `""`.
    const std::string &endpoint() const noexcept { return endpoint_; }
    /// The path in the value, or `""`.
    const std::string &path() const noexcept { return path_; }
    /// The offset in the bytes, from zero, or -1.
    std::int64_t offset() const noexcept { return offset_; }
    /// The number of messages that a subscriber missed.
    std::uint64_t missed() const noexcept { return missed_; }
    /// The number of messages that `send_many` sent before the error.
    std::uint64_t sent() const noexcept { return sent_; }
    /// The error number of the system, or 0.
    int os_error() const noexcept { return os_error_; }
    /// The error from the peer's handler, for linkspan::remote.
    const remote_failure &failure() const noexcept { return remote_; }

private:
    /// Returns the text; for a NULL handle in the words of C++.
    static std::string worded(const linkspan_error &e) {
        const std::string t(text(e.text));
        const auto colon = t.find(": "), end = t.find(" is NULL");
        if (e.status != LINKSPAN_INVALID_STATE || t.compare(0, 9, "linkspan_") != 0 || end == std::string::npos || colon > end) return t;
        // A path may follow.
        const std::string what = t.substr(colon + 2, end - colon - 2), in = " (" + t.substr(0, colon) + ")" + t.substr(end + 8);
        // A parameter has the name of its class, except for messages.
        for (const char *name : {"request", "reply", "value", "written"}) {
            if (what == name) return "this linkspan::message was moved from" + in;
        }
        for (const char *name : {"channel", "controller", "listener", "message", "publisher", "region", "server", "service", "subscriber"}) {
            if (what == name) return "this linkspan::" + what + " was moved from" + in;
        }
        return what + " is a null pointer" + in;
    }

    static std::string text(const char *t) { return t == nullptr ? std::string() : std::string(t); }

    linkspan_status code_;
    bool retryable_;
    std::string endpoint_;
    std::string path_;
    std::int64_t offset_;
    std::uint64_t missed_;
    std::uint64_t sent_;
    int os_error_;
    remote_failure remote_;
};

class transport_unavailable : public error { using error::error; };
class disconnected : public error { using error::error; };
class not_found : public error { using error::error; };
class missing : public error { using error::error; };
class address_in_use : public error { using error::error; };
class invalid_state : public error { using error::error; };
class invalid_endpoint : public error { using error::error; };
/// A copy for the program, as by `get<std::string>`, throws `std::bad_alloc` instead.
class out_of_memory : public error { using error::error; };
class wrong_type : public error { using error::error; };
class timeout : public error { using error::error; };
class full : public error { using error::error; };
class empty : public error { using error::error; };
class permission_denied : public error { using error::error; };
class too_large : public error { using error::error; };
class malformed : public error { using error::error; };
class unsupported : public error { using error::error; };
class schema_mismatch : public error { using error::error; };
class version_mismatch : public error { using error::error; };
class cancelled : public error { using error::error; };
class interrupted : public error { using error::error; };
class stalled : public error { using error::error; };
class remote : public error { using error::error; };
class out_of_range : public error { using error::error; };
class no_space : public error { using error::error; };
class lagged : public error { using error::error; };
class corrupt : public error { using error::error; };
class internal : public error { using error::error; };

namespace detail {

[[noreturn]] inline void throw_as_kind(const linkspan_error &detail) {
    switch (detail.status) {
    case LINKSPAN_TRANSPORT_UNAVAILABLE: throw transport_unavailable(detail);
    case LINKSPAN_DISCONNECTED: throw disconnected(detail);
    case LINKSPAN_NOT_FOUND: throw not_found(detail);
    case LINKSPAN_MISSING: throw missing(detail);
    case LINKSPAN_ADDRESS_IN_USE: throw address_in_use(detail);
    case LINKSPAN_INVALID_STATE: throw invalid_state(detail);
    case LINKSPAN_INVALID_ENDPOINT: throw invalid_endpoint(detail);
    case LINKSPAN_OUT_OF_MEMORY: throw out_of_memory(detail);
    case LINKSPAN_WRONG_TYPE: throw wrong_type(detail);
    case LINKSPAN_TIMEOUT: throw timeout(detail);
    case LINKSPAN_FULL: throw full(detail);
    case LINKSPAN_EMPTY: throw empty(detail);
    case LINKSPAN_PERMISSION_DENIED: throw permission_denied(detail);
    case LINKSPAN_TOO_LARGE: throw too_large(detail);
    case LINKSPAN_MALFORMED: throw malformed(detail);
    case LINKSPAN_UNSUPPORTED: throw unsupported(detail);
    case LINKSPAN_SCHEMA_MISMATCH: throw schema_mismatch(detail);
    case LINKSPAN_VERSION_MISMATCH: throw version_mismatch(detail);
    case LINKSPAN_CANCELLED: throw cancelled(detail);
    case LINKSPAN_INTERRUPTED: throw interrupted(detail);
    case LINKSPAN_STALLED: throw stalled(detail);
    case LINKSPAN_REMOTE: throw remote(detail);
    case LINKSPAN_OUT_OF_RANGE: throw out_of_range(detail);
    case LINKSPAN_NO_SPACE: throw no_space(detail);
    case LINKSPAN_LAGGED: throw lagged(detail);
    case LINKSPAN_CORRUPT: throw corrupt(detail);
    case LINKSPAN_INTERNAL: throw internal(detail);
    default: throw error(detail);
    }
}

} // namespace detail

[[noreturn]] inline void throw_last_error() {
    linkspan_error last = LINKSPAN_ERROR_INIT;
    linkspan_last_error(&last);
    detail::throw_as_kind(last);
}

/// Throws if the status is not LINKSPAN_OK.
inline void check(linkspan_status status) {
    if (status != LINKSPAN_OK) throw_last_error();
}

#ifdef __cpp_lib_expected
/// Returns the result of a call, or its error instead of an exception; other exceptions pass.
///
/// `linkspan::attempt([&] { return channel.recv(1s); })` is a `std::expected<linkspan::message, linkspan::error>`.
template <class F> auto attempt(F &&call) -> std::expected<decltype(std::forward<F>(call)()), error> {
    try {
        if constexpr (std::is_void_v<decltype(std::forward<F>(call)())>) {
            std::forward<F>(call)();
            return {};
        } else {
            return std::forward<F>(call)();
        }
    } catch (const error &e) {
        return std::unexpected(e);
    }
}
#endif

namespace detail {

/// `path` is NULL or empty for the whole value.
template <class E> [[noreturn]] void refuse(linkspan_status code, const std::string &text, const char *path = nullptr) {
    const bool is_whole = path == nullptr || *path == '\0';
    const std::string full = is_whole ? text : text + ", at path " + path;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    e.status = code;
    e.text = full.c_str();
    e.path = is_whole ? nullptr : path;
    throw E(e);
}

} // namespace detail

} // namespace linkspan

#endif

// Messages: built with put, read by path with get, walked with a loop.
#ifndef LINKSPAN_MESSAGE_HPP
#define LINKSPAN_MESSAGE_HPP

#include <linkspan/array.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace linkspan {

/// Nanoseconds since 1970-01-01T00:00:00Z.
using timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

inline timestamp now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

/// 16 bytes, most significant first.
using uuid = std::array<std::uint8_t, 16>;

/// A view of bytes.
struct bytes_view {
    const std::uint8_t *first = nullptr;
    std::size_t length = 0;

    bytes_view() = default;
    bytes_view(const std::uint8_t *data, std::size_t size) : first(data), length(size) {}
    bytes_view(const std::vector<std::uint8_t> &v) : first(v.data()), length(v.size()) {}
#ifdef __cpp_lib_span
    bytes_view(std::span<const std::byte> bytes)
        : first(reinterpret_cast<const std::uint8_t *>(bytes.data())), length(bytes.size()) {}
    operator std::span<const std::byte>() const noexcept { return {reinterpret_cast<const std::byte *>(first), length}; }
#endif
    const std::uint8_t *data() const noexcept { return first; }
    std::size_t size() const noexcept { return length; }
    const std::uint8_t *begin() const noexcept { return first; }
    const std::uint8_t *end() const noexcept { return first + length; }
    std::vector<std::uint8_t> copy() const { return {begin(), end()}; }
};

/// An exact decimal number such as 1.10.
struct decimal {
    std::string text;
};

/// An integer beyond 64 bits: its sign and its magnitude, most significant byte first.
struct big_int {
    bool negative = false;
    std::vector<std::uint8_t> magnitude;
};

// gcc 12 warns that enumerators of a scoped enumeration shadow names of the namespace.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
/// The type of a value.
enum class type : linkspan_type {
    null = LINKSPAN_TYPE_NULL,
    boolean = LINKSPAN_TYPE_BOOL,
    integer = LINKSPAN_TYPE_INT,
    unsigned_integer = LINKSPAN_TYPE_UINT,
    big_int = LINKSPAN_TYPE_BIG_INT,
    floating = LINKSPAN_TYPE_FLOAT,
    text = LINKSPAN_TYPE_TEXT,
    bytes = LINKSPAN_TYPE_BYTES,
    timestamp = LINKSPAN_TYPE_TIMESTAMP,
    uuid = LINKSPAN_TYPE_UUID,
    decimal = LINKSPAN_TYPE_DECIMAL,
    ndarray = LINKSPAN_TYPE_NDARRAY,
    array = LINKSPAN_TYPE_ARRAY,
    map = LINKSPAN_TYPE_MAP,
};
#pragma GCC diagnostic pop

/// A key, path or endpoint: NUL-terminated, valid for the call.
///
/// A std::string_view is copied. Throws `malformed` for a text with a NUL inside.
class zstring {
public:
    zstring(const char *text) : text_(text) {}
    zstring(const std::string &text) : text_(text.c_str()) { check(text); }
    zstring(std::string_view text) : copy_(std::in_place, text) { check(text); }
    /// NULL for a null pointer, which the called function refuses.
    const char *c_str() const noexcept { return copy_ ? copy_->c_str() : text_; }
    /// Throws `invalid_state` for a null pointer, because NULL would mean no key.
    const char *key() const {
        if (!copy_ && text_ == nullptr) detail::refuse<invalid_state>(LINKSPAN_INVALID_STATE, "the key is a null pointer");
        return c_str();
    }

private:
    static void check(std::string_view text) {
        const std::size_t at = text.find('\0');
        if (at != std::string_view::npos) {
            detail::refuse<malformed>(LINKSPAN_MALFORMED, "a key, path or name has a NUL character at byte " +
                                                              std::to_string(at) +
                                                              ", where C's texts end; use one without it");
        }
    }

    const char *text_ = nullptr;
    std::optional<std::string> copy_;
};

/// One value of a walk; texts, bytes and arrays are views into the message.
class item {
public:
    explicit item(const linkspan_item &c) : c_(c) {}
    linkspan::type type() const noexcept { return static_cast<linkspan::type>(c_.type); }
    /// 0 for the start of the walk, and one more for each further level.
    std::size_t depth() const noexcept { return c_.depth; }
    /// The key in the enclosing map; empty in an array.
    std::string_view key() const noexcept { return {c_.key == nullptr ? "" : c_.key, c_.key_length}; }
    std::size_t position() const noexcept { return c_.position; }
    /// The number of values in an array or map.
    std::size_t count() const noexcept { return c_.count; }
    bool truth() const noexcept { return c_.truth; }
    std::int64_t integer() const noexcept { return c_.integer; }
    std::uint64_t unsigned_integer() const noexcept { return c_.unsigned_integer; }
    double number() const noexcept { return c_.number; }
    linkspan::timestamp timestamp() const { return linkspan::timestamp(std::chrono::nanoseconds(c_.integer)); }
    std::string_view text() const noexcept { return {c_.text == nullptr ? "" : c_.text, c_.length}; }
    bytes_view bytes() const noexcept { return {c_.bytes, c_.length}; }
    const linkspan_item &c() const noexcept { return c_; }

private:
    linkspan_item c_;
};

/// A loop over values: `for (const item &i : message.walk("rows"))`.
class walk {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = item;
        using difference_type = std::ptrdiff_t;
        using pointer = const item *;
        using reference = const item &;

        iterator() = default;
        explicit iterator(linkspan_walk *walk) : walk_(walk) { step(); }
        reference operator*() const { return *item_; }
        pointer operator->() const { return &*item_; }
        iterator &operator++() {
            step();
            return *this;
        }
        void operator++(int) { step(); }
        bool operator==(const iterator &other) const noexcept { return walk_ == other.walk_; }
        bool operator!=(const iterator &other) const noexcept { return walk_ != other.walk_; }

    private:
        void step() {
            linkspan_item next = LINKSPAN_ITEM_INIT;
            const linkspan_status status = linkspan_walk_next(walk_, &next);
            if (status == LINKSPAN_EMPTY) {
                walk_ = nullptr;
                return;
            }
            check(status);
            item_.emplace(next);
        }

        linkspan_walk *walk_ = nullptr;
        std::optional<item> item_;
    };

    explicit walk(linkspan_walk *c) : c_(c) {}
    walk(walk &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    walk &operator=(walk &&other) noexcept {
        walk taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    walk(const walk &) = delete;
    walk &operator=(const walk &) = delete;
    ~walk() { linkspan_walk_free(c_); }
    iterator begin() { return iterator(c_); }
    iterator end() { return {}; }

private:
    linkspan_walk *c_;
};

namespace detail {

/// Whether a `T` points into its message.
template <class T> inline constexpr bool is_view = false;
template <> inline constexpr bool is_view<std::string_view> = true;
template <> inline constexpr bool is_view<bytes_view> = true;
template <class E> inline constexpr bool is_view<array_view<E>> = true;
template <class E> inline constexpr bool is_view<std::vector<E>> = is_view<E>;
template <class E> inline constexpr bool is_view<std::optional<E>> = is_view<E>;
template <class E, std::size_t N> inline constexpr bool is_view<std::array<E, N>> = is_view<E>;
template <class K, class V, class C, class A> inline constexpr bool is_view<std::map<K, V, C, A>> = is_view<K> || is_view<V>;
template <class K, class V, class H, class E, class A>
inline constexpr bool is_view<std::unordered_map<K, V, H, E, A>> = is_view<K> || is_view<V>;
#ifdef __cpp_lib_span
template <class E> inline constexpr bool is_view<std::span<E>> = true;
#endif
template <class T> inline constexpr bool is_span = false;
#ifdef __cpp_lib_span
template <class E> inline constexpr bool is_span<std::span<E>> = true;
#endif
/// A std::span of std::byte is bytes, not an array of numbers.
template <class T> inline constexpr bool is_byte_span = false;
#ifdef __cpp_lib_span
template <> inline constexpr bool is_byte_span<std::span<std::byte>> = true;
template <> inline constexpr bool is_byte_span<std::span<const std::byte>> = true;
#endif

} // namespace detail

/// A message: one value, and for a received message its origin. `share()` returns another reference.
class message {
public:
    /// An empty message with the value null.
    message() { check(linkspan_message_new(&c_)); }
    /// Takes ownership of a reference from C.
    explicit message(linkspan_message *c) noexcept : c_(c) {}
    message(message &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    message &operator=(message &&other) noexcept {
        message taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    message(const message &) = delete;
    message &operator=(const message &) = delete;
    ~message() { linkspan_message_release(c_); }

    message share() const {
        check(linkspan_message_retain(c_));
        return message(c_);
    }
    /// Clears the message, to build another value.
    message &clear() { return done(linkspan_message_clear(c_)); }

    // Each function returns the message for chaining: a reference, or a temporary that moves.

    /// Puts a value under a key; the first key makes the message a map.
    ///
    /// An error leaves the message unchanged.
    template <class T> message &put(zstring key, const T &value) & { return put_at(key.key(), value); }
    template <class T> message &&put(zstring key, const T &value) && { return std::move(put(key, value)); }
    /// Puts a value at the end of the open array, or as the whole value of an empty message.
    template <class T> message &put(const T &value) & { return put_at(nullptr, value); }
    template <class T> message &&put(const T &value) && { return std::move(put(value)); }
    /// Moves a loan into the message without a copy. After an error the caller still has it.
    template <class E> message &put(zstring key, loan<E> &&value) & {
        return done(linkspan_message_put_loan(c_, key.key(), value.c()));
    }
    template <class E> message &&put(zstring key, loan<E> &&value) && { return std::move(put(key, std::move(value))); }
    template <class E> message &put(loan<E> &&value) & { return done(linkspan_message_put_loan(c_, nullptr, value.c())); }
    template <class E> message &&put(loan<E> &&value) && { return std::move(put(std::move(value))); }
    /// Moves a loan of bytes, like a loan of an array.
    message &put(zstring key, bytes_loan &&value) & {
        return done(linkspan_message_put_loan_bytes(c_, key.key(), value.c(), value.size()));
    }
    message &&put(zstring key, bytes_loan &&value) && { return std::move(put(key, std::move(value))); }
    message &put(bytes_loan &&value) & {
        return done(linkspan_message_put_loan_bytes(c_, nullptr, value.c(), value.size()));
    }
    message &&put(bytes_loan &&value) && { return std::move(put(std::move(value))); }
    message &begin_map(zstring key) & { return done(linkspan_message_begin_map(c_, key.key())); }
    message &&begin_map(zstring key) && { return std::move(begin_map(key)); }
    message &begin_map() & { return done(linkspan_message_begin_map(c_, nullptr)); }
    message &&begin_map() && { return std::move(begin_map()); }
    message &begin_array(zstring key) & { return done(linkspan_message_begin_array(c_, key.key())); }
    message &&begin_array(zstring key) && { return std::move(begin_array(key)); }
    message &begin_array() & { return done(linkspan_message_begin_array(c_, nullptr)); }
    message &&begin_array() && { return std::move(begin_array()); }
    /// Ends the innermost open map or array.
    message &end() & { return done(linkspan_message_end(c_)); }
    message &&end() && { return std::move(end()); }

    // A path has keys and zero-based positions, joined by `/`: `rows/0/name`; `""` is the whole value. In a key, `~1`
    // means `/` and `~0` means `~`.

    /// Reads the value at a path as a `T`.
    ///
    /// Scalars: bool, integers, floating point, std::complex, timestamp, uuid, decimal, big_int, std::string,
    /// std::string_view, bytes_view. Arrays: array_view<E>, std::span<const E>, std::vector<E>, std::array<E, N>. With
    /// std::byte, a span or vector is bytes; 16 bytes in an array are a uuid. Also std::map and std::unordered_map of
    /// these by key, message, structs generated from a schema, and std::optional, empty for a missing or null value.
    ///
    /// Throws `missing`, `wrong_type`, or `out_of_range` for a number that does not fit; `schema_mismatch` for a
    /// generated struct of the whole message.
    ///
    /// std::string_view, bytes_view, std::span and array_view are views into the message, so a temporary does not
    /// return them.
    template <class T> T get(zstring path = "") const & { return read<T>(path); }
    template <class T, std::enable_if_t<!detail::is_view<T>, int> = 0> T get(zstring path = "") const && {
        return read<T>(path);
    }
    template <class T, std::enable_if_t<detail::is_view<T>, int> = 0> T get(zstring path = "") const && = delete;
    /// Returns the value at a path, or `otherwise` without one.
    template <class T> T get_or(zstring path, T otherwise) const & {
        return contains(path) ? read<T>(path) : std::move(otherwise);
    }
    template <class T, std::enable_if_t<!detail::is_view<T>, int> = 0> T get_or(zstring path, T otherwise) const && {
        return contains(path) ? read<T>(path) : std::move(otherwise);
    }
    template <class T, std::enable_if_t<detail::is_view<T>, int> = 0> T get_or(zstring path, T otherwise) const && = delete;
    bool contains(zstring path) const {
        linkspan_type t;
        const linkspan_status status = linkspan_message_get_type(c_, path.c_str(), &t);
        // Only maps and arrays contain values.
        if (status == LINKSPAN_MISSING || status == LINKSPAN_WRONG_TYPE) return false;
        check(status);
        return true;
    }
    linkspan::type type_at(zstring path = "") const {
        linkspan_type t;
        check(linkspan_message_get_type(c_, path.c_str(), &t));
        return static_cast<linkspan::type>(t);
    }
    /// The number of values in the array or map at a path.
    std::size_t count(zstring path = "") const {
        std::size_t n;
        check(linkspan_message_count(c_, path.c_str(), &n));
        return n;
    }
    /// Returns the keys of the map at a path, in order: views into the message.
    std::vector<std::string_view> keys(zstring path = "") const && = delete;
    std::vector<std::string_view> keys(zstring path = "") const & {
        const char *key;
        std::size_t length;
        // Refuses values without keys, although their count is zero.
        if (type_at(path) != type::map) check(linkspan_message_get_key(c_, path.c_str(), 0, &key, &length));
        std::vector<std::string_view> all(count(path));
        for (std::size_t i = 0; i < all.size(); ++i) {
            check(linkspan_message_get_key(c_, path.c_str(), i, &key, &length));
            all[i] = {key, length};
        }
        return all;
    }
    linkspan::walk walk(zstring path = "") const {
        linkspan_walk *w;
        check(linkspan_walk_new(c_, path.c_str(), &w));
        return linkspan::walk(w);
    }

    linkspan_message *c() const noexcept { return c_; }

private:
    message &done(linkspan_status status) {
        check(status);
        return *this;
    }

    template <class T> message &put_at(const char *key, const T &value);
    template <class T> void put_parts(const char *key, const T &value);
    template <class T> T read(const zstring &path) const;

    /// The elements of an N-d array in C's order.
    template <class E> std::vector<E> get_elements(const char *path) const {
        linkspan_array from;
        check(linkspan_message_get_array(c_, path, &from));
        std::vector<E> result(array_view<E>(from).size());
        linkspan_array to = from;
        to.dtype = detail::dtype_of<E>();
        to.order = LINKSPAN_ROW;
        to.data = result.data();
        check(linkspan_message_get_array_into(c_, path, &to));
        return result;
    }
    static std::string below(const char *path, std::string_view key) {
        std::string full(path);
        if (!full.empty()) full += '/';
        for (const char letter : key) letter == '~' ? full += "~0" : letter == '/' ? full += "~1" : full += letter;
        return full;
    }
    template <class E> std::vector<E> get_items(const char *path) const {
        std::vector<E> result;
        const std::string prefix = *path == '\0' ? std::string() : std::string(path) + "/";
        for (std::size_t i = 0, n = count(path); i < n; ++i) result.push_back(get<E>(prefix + std::to_string(i)));
        return result;
    }

    linkspan_message *c_ = nullptr;
};

namespace detail {

template <class T, class = void> inline constexpr bool is_generated = false;
template <class T>
inline constexpr bool is_generated<T, std::void_t<decltype(std::declval<const T &>().put_(std::declval<message &>(), nullptr))>> = true;
/// Whether a `T` is the type of a schema's whole message, and so has its fingerprint.
template <class T, class = void> inline constexpr bool has_fingerprint = false;
template <class T>
inline constexpr bool has_fingerprint<T, std::enable_if_t<std::is_same_v<decltype(T::fingerprint), const char *const>>> = true;
template <class T> struct is_array_view : std::false_type {};
template <class E> struct is_array_view<array_view<E>> : std::true_type {};
template <class T> struct is_vector : std::false_type {};
template <class E> struct is_vector<std::vector<E>> : std::true_type {};
template <class T> struct is_std_array : std::false_type {};
template <class E, std::size_t N> struct is_std_array<std::array<E, N>> : std::true_type {};
template <class T> struct is_map : std::false_type {};
template <class K, class V, class C, class A> struct is_map<std::map<K, V, C, A>> : std::true_type {};
template <class K, class V, class H, class E, class A> struct is_map<std::unordered_map<K, V, H, E, A>> : std::true_type {};
template <class T> struct is_optional : std::false_type {};
template <class E> struct is_optional<std::optional<E>> : std::true_type {};
/// `has_elements` means contiguous elements of an N-d array.
template <class T> inline constexpr bool is_sequence = is_vector<T>::value || is_std_array<T>::value;
template <class T, bool = is_sequence<T>> inline constexpr bool has_elements = false;
template <class T>
inline constexpr bool has_elements<T, true> =
    is_element<typename T::value_type> && !(std::is_same_v<typename T::value_type, bool> && is_vector<T>::value);
template <class T> inline constexpr bool is_complex = false;
template <> inline constexpr bool is_complex<std::complex<float>> = true;
template <> inline constexpr bool is_complex<std::complex<double>> = true;
template <class T> inline constexpr bool is_byte_vector = false;
template <class A> inline constexpr bool is_byte_vector<std::vector<std::byte, A>> = true;
/// Whether a `T` is put value by value.
template <class T> inline constexpr bool has_parts = is_map<T>::value || (is_sequence<T> && !has_elements<T> && !is_byte_vector<T>);

template <class N> std::string does_not_fit(N number, std::size_t size, const char *sign) {
    return std::to_string(number) + " does not fit an integer of " + std::to_string(size * 8) + " bits " + sign +
           " a sign";
}

} // namespace detail

template <class T> message &message::put_at(const char *key, const T &value) {
    if constexpr (std::is_same_v<T, std::nullptr_t>) {
        return done(linkspan_message_put_null(c_, key));
    } else if constexpr (std::is_same_v<T, bool>) {
        return done(linkspan_message_put_bool(c_, key, value));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        return done(linkspan_message_put_i64(c_, key, value));
    } else if constexpr (std::is_integral_v<T>) {
        return done(linkspan_message_put_u64(c_, key, value));
    } else if constexpr (std::is_floating_point_v<T>) {
        static_assert(sizeof(T) <= sizeof(double), "a long double does not fit; say which double it is to be");
        return done(linkspan_message_put_f64(c_, key, value));
    } else if constexpr (std::is_convertible_v<T, std::string_view>) {
        if constexpr (std::is_pointer_v<T>) {
            if (value == nullptr) {
                detail::refuse<invalid_state>(LINKSPAN_INVALID_STATE,
                                              "the text is a null pointer: give \"\" for an empty text, or nullptr for null", key);
            }
        }
        const std::string_view text = value;
        return done(linkspan_message_put_text(c_, key, text.data(), text.size()));
    } else if constexpr (std::is_same_v<T, bytes_view>) {
        return done(linkspan_message_put_bytes(c_, key, value.data(), value.size()));
    } else if constexpr (std::is_same_v<T, uuid>) {
        return done(linkspan_message_put_uuid(c_, key, value.data()));
    } else if constexpr (std::is_same_v<T, decimal>) {
        return done(linkspan_message_put_decimal(c_, key, value.text.data(), value.text.size()));
    } else if constexpr (std::is_same_v<T, big_int>) {
        return done(
            linkspan_message_put_big_int(c_, key, value.negative, value.magnitude.data(), value.magnitude.size()));
    } else if constexpr (std::is_convertible_v<T, timestamp>) {
        const timestamp at = value;
        return done(linkspan_message_put_timestamp(c_, key, at.time_since_epoch().count()));
    } else if constexpr (detail::is_complex<T>) {
        linkspan_array one = LINKSPAN_ARRAY_INIT;
        one.dtype = detail::dtype_of<T>();
        one.data = &value;
        return done(linkspan_message_put_array(c_, key, &one));
    } else if constexpr (detail::is_byte_vector<T>) {
        return done(linkspan_message_put_bytes(c_, key, reinterpret_cast<const std::uint8_t *>(value.data()), value.size()));
    } else if constexpr (detail::is_array_view<T>::value) {
        return done(linkspan_message_put_array(c_, key, &value.c()));
    } else if constexpr (detail::is_byte_span<T>) {
        return put_at(key, bytes_view(value));
    } else if constexpr (detail::is_span<T>) {
        return put_at(key, array_view<typename T::value_type>(value.data(), value.size()));
    } else if constexpr (detail::is_optional<T>::value) {
        return value ? put_at(key, *value) : put_at(key, nullptr);
    } else if constexpr (detail::has_elements<T>) {
        return put_at(key, array_view<typename T::value_type>(value.data(), value.size()));
    } else if constexpr (detail::has_parts<T>) {
        // Built separately, so that a failing value leaves this message unchanged.
        message whole;
        whole.put_parts(nullptr, value);
        return done(linkspan_message_put_message(c_, key, whole.c_));
    } else if constexpr (std::is_same_v<T, message>) {
        return done(linkspan_message_put_message(c_, key, value.c()));
    } else if constexpr (detail::is_generated<T>) {
        value.put_(*this, key);
        return *this;
    } else {
        static_assert(detail::never<T>, "this type has no form in a message; put its parts");
    }
}

/// An error leaves the container open.
template <class T> void message::put_parts(const char *key, const T &value) {
    if constexpr (detail::is_optional<T>::value) {
        value ? put_parts(key, *value) : put_parts(key, nullptr);
    } else if constexpr (detail::is_map<T>::value) {
        check(linkspan_message_begin_map(c_, key));
        for (const auto &[name, entry] : value) put_parts(zstring(name).key(), entry);
        end();
    } else if constexpr (detail::has_parts<T>) {
        using E = typename T::value_type;
        check(linkspan_message_begin_array(c_, key));
        for (const auto &element : value) put_parts(nullptr, static_cast<const E &>(element));
        end();
    } else {
        put_at(key, value);
    }
}

template <class T> T message::read(const zstring &path) const {
    const char *p = path.c_str();
    if constexpr (detail::is_optional<T>::value) {
        if (!contains(path) || type_at(path) == type::null) return std::nullopt;
        return read<typename T::value_type>(path);
    } else if constexpr (detail::is_byte_span<T> && std::is_convertible_v<bytes_view, T>) {
        return read<bytes_view>(path);
    } else if constexpr (detail::is_span<T>) {
        static_assert(std::is_const_v<typename T::element_type>, "a message is read: ask for a std::span<const E>");
        const auto view = read<array_view<typename T::value_type>>(path);
        if (view.rank() != 1) {
            detail::refuse<wrong_type>(LINKSPAN_WRONG_TYPE,
                                       "a std::span has 1 dimension, found an array of " + std::to_string(view.rank()) +
                                           "; ask for a linkspan::array_view",
                                       p);
        }
        return {view.data(), view.size()};
    } else if constexpr (std::is_same_v<T, bool>) {
        bool v;
        check(linkspan_message_get_bool(c_, p, &v));
        return v;
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        std::int64_t v;
        check(linkspan_message_get_i64(c_, p, &v));
        if (v < std::numeric_limits<T>::min() || v > std::numeric_limits<T>::max()) {
            detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE, detail::does_not_fit(v, sizeof(T), "with"), p);
        }
        return static_cast<T>(v);
    } else if constexpr (std::is_integral_v<T>) {
        std::uint64_t v;
        check(linkspan_message_get_u64(c_, p, &v));
        if (v > std::numeric_limits<T>::max()) {
            detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE, detail::does_not_fit(v, sizeof(T), "without"), p);
        }
        return static_cast<T>(v);
    } else if constexpr (std::is_floating_point_v<T>) {
        double v;
        check(linkspan_message_get_f64(c_, p, &v));
        if constexpr (sizeof(T) < sizeof(double)) {
            constexpr double most = std::numeric_limits<T>::max();
            if (v < -most || v > most) {
                if (v >= -std::numeric_limits<double>::max() && v <= std::numeric_limits<double>::max()) {
                    char number[32];
                    std::snprintf(number, sizeof number, "%.9g", v);
                    detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE,
                                                 std::string(number) + " does not fit a float; ask for a double", p);
                }
            }
        }
        return static_cast<T>(v);
    } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
        const char *text;
        std::size_t length;
        check(linkspan_message_get_text(c_, p, &text, &length));
        return T(text, length);
    } else if constexpr (std::is_same_v<T, bytes_view>) {
        const std::uint8_t *data;
        std::size_t length;
        check(linkspan_message_get_bytes(c_, p, &data, &length));
        return bytes_view(data, length);
    } else if constexpr (detail::is_byte_vector<T>) {
        const auto view = read<bytes_view>(path);
        const auto *first = reinterpret_cast<const std::byte *>(view.data());
        return T(first, first + view.size());
    } else if constexpr (detail::is_complex<T>) {
        T v;
        linkspan_array to = LINKSPAN_ARRAY_INIT;
        to.dtype = detail::dtype_of<T>();
        to.data = &v;
        check(linkspan_message_get_array_into(c_, p, &to));
        return v;
    } else if constexpr (std::is_same_v<T, timestamp>) {
        std::int64_t ns;
        check(linkspan_message_get_timestamp(c_, p, &ns));
        return timestamp(std::chrono::nanoseconds(ns));
    } else if constexpr (std::is_same_v<T, uuid>) {
        uuid v;
        check(linkspan_message_get_uuid(c_, p, v.data()));
        return v;
    } else if constexpr (std::is_same_v<T, decimal>) {
        const char *text;
        std::size_t length;
        check(linkspan_message_get_decimal(c_, p, &text, &length));
        return decimal{std::string(text, length)};
    } else if constexpr (std::is_same_v<T, big_int>) {
        big_int v;
        const std::uint8_t *magnitude;
        std::size_t length;
        check(linkspan_message_get_big_int(c_, p, &v.negative, &magnitude, &length));
        v.magnitude.assign(magnitude, magnitude + length);
        return v;
    } else if constexpr (detail::is_array_view<T>::value) {
        using E = typename T::value_type;
        linkspan_array a;
        check(linkspan_message_get_array(c_, p, &a));
        if (a.dtype != detail::dtype_of<E>()) {
            const std::string text = std::string("expected an array of ") + detail::dtype_name(detail::dtype_of<E>()) +
                                     " for a view, found one of " + detail::dtype_name(a.dtype) +
                                     "; request a view of " + detail::dtype_name(a.dtype) +
                                     ", or for a std::vector whose elements hold each of its values";
            detail::refuse<wrong_type>(LINKSPAN_WRONG_TYPE, text, p);
        }
        return array_view<E>(a);
    } else if constexpr (detail::is_vector<T>::value) {
        using E = typename T::value_type;
        if constexpr (std::is_arithmetic_v<E> && !std::is_same_v<E, bool>) {
            // A list of numbers is what languages without typed arrays send.
            return type_at(path) == type::array ? get_items<E>(p) : get_elements<E>(p);
        } else if constexpr (is_element<E> && !std::is_same_v<E, bool>) {
            return get_elements<E>(p);
        } else {
            return get_items<E>(p);
        }
    } else if constexpr (detail::is_std_array<T>::value) {
        using E = typename T::value_type;
        T result;
        if constexpr (is_element<E>) {
            if (type_at(path) == type::ndarray) {
                linkspan_array to = LINKSPAN_ARRAY_INIT;
                to.dtype = detail::dtype_of<E>();
                to.rank = 1;
                to.dims[0] = result.size();
                to.data = result.data();
                check(linkspan_message_get_array_into(c_, p, &to));
                return result;
            }
        }
        auto items = get_items<E>(p);
        if (items.size() != result.size()) {
            detail::refuse<wrong_type>(LINKSPAN_WRONG_TYPE,
                                       "a std::array has " + std::to_string(result.size()) + " elements, found an array of " +
                                           std::to_string(items.size()),
                                       p);
        }
        std::move(items.begin(), items.end(), result.begin());
        return result;
    } else if constexpr (detail::is_map<T>::value) {
        T result;
        for (const std::string_view key : keys(path)) {
            result.emplace(typename T::key_type(key), read<typename T::mapped_type>(below(p, key)));
        }
        return result;
    } else if constexpr (std::is_same_v<T, message>) {
        linkspan_message *v;
        check(linkspan_message_get_message(c_, p, &v));
        return message(v);
    } else if constexpr (detail::is_generated<T>) {
        // The whole message, as `T::decode` reads it. Parts of a message have no schema.
        if constexpr (detail::has_fingerprint<T>) {
            if (*p == '\0') check(linkspan_message_check_fingerprint(c_, T::fingerprint));
        }
        return T::get_(*this, p);
    } else {
        static_assert(detail::never<T>, "this type can't be read from a message");
    }
}

/// Generated code calls this in `decode`; see `linkspan_message_check_fingerprint`.
inline void check_fingerprint(const message &m, const char *fingerprint) {
    check(linkspan_message_check_fingerprint(m.c(), fingerprint));
}

} // namespace linkspan

#endif

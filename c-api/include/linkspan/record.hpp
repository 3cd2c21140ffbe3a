// Writers and readers that process values event by event, without a tree, and N-d arrays that a struct owns.
#ifndef LINKSPAN_RECORD_HPP
#define LINKSPAN_RECORD_HPP

#include <linkspan/message.hpp>

#include <cstring>
#include <map>
#include <memory>

namespace linkspan {

/// An N-d array that a struct owns, with as many elements as `shape` requires. The elements of an array of
/// bool are bytes, 0 or 1.
template <class T> struct ndarray {
    std::vector<std::uint64_t> shape;
    std::vector<T> elements;
    linkspan::order order = linkspan::order::row;

    friend bool operator==(const ndarray &a, const ndarray &b) {
        return a.shape == b.shape && a.elements == b.elements && a.order == b.order;
    }
};

/// Writes values one by one. Reuse one for many messages: it keeps its memory. The first error stays, and
/// `finish` throws it.
class writer {
public:
    writer() { check(linkspan_writer_new(&c_)); }
    writer(writer &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    writer &operator=(writer &&other) noexcept {
        std::swap(c_, other.c_);
        return *this;
    }
    writer(const writer &) = delete;
    writer &operator=(const writer &) = delete;
    ~writer() { linkspan_writer_free(c_); }

    // The key of a value in a map; null for the values of an array and for the whole value.

    void put_null(const char *key) { linkspan_writer_put_null(c_, key); }
    void put_bool(const char *key, bool value) { linkspan_writer_put_bool(c_, key, value); }
    void put_i64(const char *key, std::int64_t value) { linkspan_writer_put_i64(c_, key, value); }
    void put_u64(const char *key, std::uint64_t value) { linkspan_writer_put_u64(c_, key, value); }
    void put_f64(const char *key, double value) { linkspan_writer_put_f64(c_, key, value); }
    void put_text(const char *key, std::string_view text) {
        linkspan_writer_put_text(c_, key, text.data(), text.size());
    }
    void put_bytes(const char *key, bytes_view bytes) {
        linkspan_writer_put_bytes(c_, key, bytes.data(), bytes.size());
    }
    void put_timestamp(const char *key, timestamp at) {
        linkspan_writer_put_timestamp(c_, key, at.time_since_epoch().count());
    }
    void put_uuid(const char *key, const uuid &value) { linkspan_writer_put_uuid(c_, key, value.data()); }
    void put_decimal(const char *key, const decimal &value) {
        linkspan_writer_put_decimal(c_, key, value.text.data(), value.text.size());
    }
    /// Puts any value; null for an empty pointer.
    void put_message(const char *key, const std::shared_ptr<message> &value) {
        linkspan_writer_put_message(c_, key, value ? value->c() : nullptr);
    }
    void put_array(const char *key, linkspan::dtype dtype, linkspan::order order, const std::uint64_t *shape, std::size_t rank,
                   const void *elements) {
        if (rank > LINKSPAN_MAX_RANK) {
            refuse(key, LINKSPAN_TOO_LARGE, "an array has at most 15 dimensions");
            return;
        }
        linkspan_array array = LINKSPAN_ARRAY_INIT;
        array.dtype = static_cast<linkspan_dtype>(dtype);
        array.order = static_cast<linkspan_order>(order);
        array.rank = rank;
        std::copy(shape, shape + rank, array.dims);
        array.data = elements;
        linkspan_writer_put_array(c_, key, &array);
    }
    template <class T> void put_array(const char *key, linkspan::dtype dtype, const ndarray<T> &array) {
        std::uint64_t count = 1;
        for (const std::uint64_t length : array.shape) count *= length;
        if (count != array.elements.size()) {
            refuse(key, LINKSPAN_OUT_OF_RANGE, "the array has another number of elements than its shape says");
            return;
        }
        put_array(key, dtype, array.order, array.shape.data(), array.shape.size(), array.elements.data());
    }
    void begin_map(const char *key) { linkspan_writer_begin_map(c_, key); }
    void begin_array(const char *key) { linkspan_writer_begin_array(c_, key); }
    void end() { linkspan_writer_end(c_); }
    /// Refuses the value that is being written.
    void refuse(const char *key, linkspan_status status, const char *text) {
        linkspan_writer_refuse(c_, key, status, text);
    }
    /// Writes the name of an enum's value; null for an invalid value.
    void put_name(const char *key, const char *name) {
        if (name == nullptr) {
            refuse(key, LINKSPAN_OUT_OF_RANGE, "the number is none of this enum's values");
        } else {
            put_text(key, name);
        }
    }
    /// Makes the written value that of `to`, and starts a new one. Throws the first error.
    void finish(message &to) { check(linkspan_writer_finish(c_, to.c())); }
    linkspan_writer *c() const noexcept { return c_; }

private:
    linkspan_writer *c_ = nullptr;
};

/// Names of fields, variants or enum values, padded to one width, and the rule of a reader for each field.
struct name_table {
    const char *names;
    std::size_t width;
    std::size_t count;
    const std::int32_t *rules;
};

/// Reads values one by one. Reuse one for many messages: it keeps its memory. The first error stays, and
/// `finish` throws it; until then, calls return zeros and empty values.
class reader {
public:
    reader() { check(linkspan_reader_new(&c_)); }
    reader(reader &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    reader &operator=(reader &&other) noexcept {
        std::swap(c_, other.c_);
        return *this;
    }
    reader(const reader &) = delete;
    reader &operator=(const reader &) = delete;
    ~reader() { linkspan_reader_free(c_); }

    /// Begins with the value of a message.
    void begin(const message &from) { linkspan_reader_message(c_, from.c()); }
    /// Throws the first error.
    void finish() { check(linkspan_reader_finish(c_)); }
    /// Refuses the value that is being read.
    void refuse(linkspan_status status, const char *text) { linkspan_reader_refuse(c_, status, text); }

    bool get_null() { return get<bool>(linkspan_reader_get_null); }
    bool get_bool() { return get<bool>(linkspan_reader_get_bool); }
    double get_f64() { return get<double>(linkspan_reader_get_f64); }
    float get_f32() { return get<float>(linkspan_reader_get_f32); }
    /// An integer that fits `T`.
    template <class T> T get_integer() {
        if constexpr (std::is_signed_v<T>) {
            std::int64_t value = 0;
            linkspan_reader_get_i64(c_, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), &value);
            return static_cast<T>(value);
        } else {
            std::uint64_t value = 0;
            linkspan_reader_get_u64(c_, std::numeric_limits<T>::max(), &value);
            return static_cast<T>(value);
        }
    }
    std::string get_text() { return view(linkspan_reader_get_text); }
    std::string get_key() { return view(linkspan_reader_get_key); }
    decimal get_decimal() { return decimal{view(linkspan_reader_get_decimal)}; }
    std::vector<std::uint8_t> get_bytes() {
        const std::uint8_t *bytes = nullptr;
        std::size_t length = 0;
        linkspan_reader_get_bytes(c_, &bytes, &length);
        return bytes_view(bytes, length).copy();
    }
    timestamp get_timestamp() { return timestamp(std::chrono::nanoseconds(get<std::int64_t>(linkspan_reader_get_timestamp))); }
    uuid get_uuid() {
        uuid value{};
        linkspan_reader_get_uuid(c_, value.data());
        return value;
    }
    /// Any value.
    std::shared_ptr<message> get_message() {
        linkspan_message *value = nullptr;
        linkspan_reader_get_message(c_, &value);
        return value == nullptr ? nullptr : std::make_shared<message>(value);
    }
    /// An array of this element type; of any order if `order` is -1, of any shape if `rank` is -1. UINT64_MAX
    /// is any length.
    template <class T>
    ndarray<T> get_array(linkspan::dtype dtype, linkspan_order order, std::int32_t rank, const std::uint64_t *shape) {
        ndarray<T> array;
        linkspan_array there = LINKSPAN_ARRAY_INIT;
        if (linkspan_reader_get_array(c_, static_cast<linkspan_dtype>(dtype), order, rank, shape, &there) == LINKSPAN_OK) {
            array.shape.assign(there.dims, there.dims + there.rank);
            array.order = static_cast<linkspan::order>(there.order);
            array.elements.resize(there.length / sizeof(T));
            if (there.length > 0) std::memcpy(static_cast<void *>(array.elements.data()), there.data, there.length);
        }
        return array;
    }
    /// An array of a fixed shape, copied in C's order.
    void get_elements(linkspan::dtype dtype, const std::uint64_t *shape, std::size_t rank, void *to) {
        linkspan_array there = LINKSPAN_ARRAY_INIT, here = LINKSPAN_ARRAY_INIT;
        const auto type = static_cast<linkspan_dtype>(dtype);
        if (linkspan_reader_get_array(c_, type, -1, static_cast<std::int32_t>(rank), shape, &there) != LINKSPAN_OK) return;
        here.dtype = type;
        here.rank = rank;
        std::copy(shape, shape + rank, here.dims);
        here.data = to;
        if (linkspan_array_copy(&there, &here) != LINKSPAN_OK) refuse(LINKSPAN_WRONG_TYPE, linkspan_last_error_text());
    }
    void begin_map() { linkspan_reader_begin_map(c_, nullptr); }
    /// Begins a map and returns the number of its values.
    std::size_t begin_entries() { return get<std::size_t>(linkspan_reader_begin_map); }
    std::size_t begin_array() { return get<std::size_t>(linkspan_reader_begin_array); }
    void end() { linkspan_reader_end(c_); }
    /// The position of the next field, -1 after the last.
    std::int32_t get_field(const name_table &table) {
        std::int32_t field = -1;
        linkspan_reader_get_field(c_, table.names, table.width, table.count, table.rules, &field);
        return field;
    }
    /// Begins a union and returns the position of its variant, -1 after an error.
    std::int32_t get_variant(const name_table &table) {
        std::int32_t variant = -1;
        linkspan_reader_get_variant(c_, table.names, table.width, table.count, &variant);
        return variant;
    }
    /// The position of an enum's name; `unknown` for a name that is not in the table, if `unknown` is not
    /// negative.
    std::int32_t get_enum(const name_table &table, std::int32_t unknown) {
        std::int32_t value = 0;
        linkspan_reader_get_enum(c_, table.names, table.width, table.count, unknown, &value);
        return value;
    }
    linkspan_reader *c() const noexcept { return c_; }

private:
    template <class T, class F> T get(F function) {
        T value{};
        function(c_, &value);
        return value;
    }
    template <class F> std::string view(F function) {
        const char *text = nullptr;
        std::size_t length = 0;
        function(c_, &text, &length);
        return text == nullptr ? std::string() : std::string(text, length);
    }

    linkspan_reader *c_ = nullptr;
};

} // namespace linkspan

#endif

// Tables to encode or decode a generated struct in one call, and its N-d arrays.
#ifndef LINKSPAN_TABLE_HPP
#define LINKSPAN_TABLE_HPP

#include <linkspan/codec.hpp>
#include <linkspan/message.hpp>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <variant>

namespace linkspan {

/// An N-d array that a struct owns. Elements of bool are bytes, 0 or 1.
template <class T> struct ndarray {
    std::vector<std::uint64_t> shape;
    std::vector<T> elements;
    linkspan::order order = linkspan::order::row;

    friend bool operator==(const ndarray &a, const ndarray &b) {
        return a.shape == b.shape && a.elements == b.elements && a.order == b.order;
    }
};

/// The parts of the tables: each has its C++ type as `value`, and describes it with `type()`.
///
/// Functions reach values whose layout C does not know. They run inside a call of the library, so they do not throw.
namespace record {

/// A type of this kind, with zero in the other members.
inline linkspan_record_type of_kind(std::int32_t kind, std::size_t size, const linkspan_record_access *access = nullptr) {
    linkspan_record_type type{};
    type.kind = kind;
    type.size = size;
    type.access = access;
    return type;
}

/// Returns an empty result if memory runs out.
template <class F> auto attempt(F &&function) noexcept -> decltype(function()) {
    try {
        return function();
    } catch (...) {
        return {};
    }
}

/// A value whose layout the library knows.
template <class T, std::int32_t Kind> struct plain {
    using value = T;
    static const linkspan_record_type *type() {
        static_assert(std::is_trivially_copyable_v<T>, "it lies in its own bytes");
        static const linkspan_record_type type = of_kind(Kind, sizeof(T));
        return &type;
    }
};

using boolean = plain<bool, LINKSPAN_RECORD_BOOL>;
using i8 = plain<std::int8_t, LINKSPAN_RECORD_I8>;
using i16 = plain<std::int16_t, LINKSPAN_RECORD_I16>;
using i32 = plain<std::int32_t, LINKSPAN_RECORD_I32>;
using i64 = plain<std::int64_t, LINKSPAN_RECORD_I64>;
using u8 = plain<std::uint8_t, LINKSPAN_RECORD_U8>;
using u16 = plain<std::uint16_t, LINKSPAN_RECORD_U16>;
using u32 = plain<std::uint32_t, LINKSPAN_RECORD_U32>;
using u64 = plain<std::uint64_t, LINKSPAN_RECORD_U64>;
using f32 = plain<float, LINKSPAN_RECORD_F32>;
using f64 = plain<double, LINKSPAN_RECORD_F64>;
using instant = plain<timestamp, LINKSPAN_RECORD_TIMESTAMP>;
using id = plain<uuid, LINKSPAN_RECORD_UUID>;

/// The values of an enum; `name_of` returns their names.
template <class E, std::size_t Count> struct enumeration {
    using value = E;
    static const linkspan_record_type *type() {
        static const linkspan_record_type type = [] {
            static const char *names[Count];
            for (std::size_t at = 0; at < Count; at++) names[at] = name_of(static_cast<E>(at));
            linkspan_record_type made = of_kind(LINKSPAN_RECORD_ENUM, sizeof(E));
            made.names = names;
            made.count = Count;
            return made;
        }();
        return &type;
    }
};

/// A container of bytes: a text, bytes, a decimal number.
template <class T, std::int32_t Kind> struct characters {
    using value = T;
    static const linkspan_record_type *type() {
        static const linkspan_record_access access = [] {
            linkspan_record_access made{};
            made.view = [](const void *at, std::size_t, std::size_t *count) -> const void * {
                const auto &from = held(static_cast<const T *>(at));
                *count = from.size();
                return from.data();
            };
            made.assign = [](void *at, std::size_t, const void *bytes, std::size_t count) {
                return attempt([&] {
                    auto &to = held(static_cast<T *>(at));
                    const auto *first = static_cast<const typename std::decay_t<decltype(to)>::value_type *>(bytes);
                    to.assign(first, first + count);
                    return true;
                });
            };
            return made;
        }();
        static const linkspan_record_type type = of_kind(Kind, sizeof(T), &access);
        return &type;
    }

private:
    template <class U> static auto &held(U *of) {
        if constexpr (Kind == LINKSPAN_RECORD_DECIMAL) {
            return of->text;
        } else {
            return *of;
        }
    }
};

using text = characters<std::string, LINKSPAN_RECORD_TEXT>;
using bytes = characters<std::vector<std::uint8_t>, LINKSPAN_RECORD_BYTES>;
using number = characters<decimal, LINKSPAN_RECORD_DECIMAL>;

struct any {
    using value = std::shared_ptr<message>;
    static const linkspan_record_type *type() {
        static const linkspan_record_access access = [] {
            linkspan_record_access made{};
            made.find = [](const void *at, std::size_t) -> const void * {
                const auto &from = *static_cast<const value *>(at);
                return from ? from->c() : nullptr;
            };
            made.take_message = [](void *at, std::size_t, linkspan_message *taken) {
                return attempt([&] {
                    message owned(taken);
                    *static_cast<value *>(at) = std::make_shared<message>(std::move(owned));
                    return true;
                });
            };
            return made;
        }();
        static const linkspan_record_type type = of_kind(LINKSPAN_RECORD_ANY, sizeof(value), &access);
        return &type;
    }
};

template <class Of> struct list {
    using item = typename Of::value;
    using value = std::vector<item>;
    static const linkspan_record_type *type() {
        static const linkspan_record_access access = [] {
            linkspan_record_access made{};
            made.view = [](const void *at, std::size_t, std::size_t *count) -> const void * {
                const auto &from = *static_cast<const value *>(at);
                *count = from.size();
                // A vector's booleans have no addresses.
                if constexpr (std::is_same_v<item, bool>) {
                    return at;
                } else {
                    return from.data();
                }
            };
            made.resize = [](void *at, std::size_t, std::size_t count) {
                return attempt([&]() -> void * {
                    auto &to = *static_cast<value *>(at);
                    to.clear();
                    to.resize(count);
                    if constexpr (std::is_same_v<item, bool>) {
                        return at;
                    } else {
                        return to.data();
                    }
                });
            };
            if constexpr (std::is_same_v<item, bool>) {
                made.get_bool = [](const void *at, std::size_t, std::size_t position) -> bool {
                    return (*static_cast<const value *>(at))[position];
                };
                made.put_bool = [](void *at, std::size_t, std::size_t position, bool put) {
                    (*static_cast<value *>(at))[position] = put;
                };
            }
            return made;
        }();
        static const linkspan_record_type type = [] {
            constexpr bool bits = std::is_same_v<item, bool>;
            auto made = of_kind(bits ? LINKSPAN_RECORD_BOOLS : LINKSPAN_RECORD_LIST, sizeof(value), &access);
            made.item_size = sizeof(item);
            made.of = Of::type();
            return made;
        }();
        return &type;
    }
};

template <class Of> struct map {
    using value = std::map<std::string, typename Of::value>;
    static const linkspan_record_type *type() {
        static const linkspan_record_access access = [] {
            linkspan_record_access made{};
            made.view = [](const void *at, std::size_t, std::size_t *count) {
                *count = static_cast<const value *>(at)->size();
                return at;
            };
            made.resize = [](void *at, std::size_t, std::size_t) {
                static_cast<value *>(at)->clear();
                return at;
            };
            made.each = [](const void *at, std::size_t, auto visit, void *context) {
                for (const auto &[key, item] : *static_cast<const value *>(at)) {
                    if (!visit(context, key.data(), key.size(), &item)) return;
                }
            };
            made.insert = [](void *at, std::size_t, const void *key, std::size_t length) {
                return attempt([&]() -> void * {
                    auto &to = *static_cast<value *>(at);
                    // Keys from C++ maps arrive sorted.
                    return &to.try_emplace(to.end(), std::string(static_cast<const char *>(key), length))->second;
                });
            };
            return made;
        }();
        static const linkspan_record_type type = [] {
            auto made = of_kind(LINKSPAN_RECORD_MAP, sizeof(value), &access);
            made.of = Of::type();
            return made;
        }();
        return &type;
    }
};

/// An N-d array that owns its memory.
///
/// `Order` -1 means any order, `Rank` -1 any shape, and UINT64_MAX any length.
template <class T, linkspan_dtype Dtype, linkspan_order Order, std::int32_t Rank, std::uint64_t... Dims> struct array {
    using value = ndarray<T>;
    static const linkspan_record_type *type() {
        static const linkspan_record_access access = [] {
            linkspan_record_access made{};
            made.view_array = [](const void *at, std::size_t, linkspan_array *to) {
                const auto &from = *static_cast<const value *>(at);
                to->order = static_cast<linkspan_order>(from.order);
                to->rank = from.shape.size();
                if (to->rank <= LINKSPAN_MAX_RANK) std::copy(from.shape.begin(), from.shape.end(), to->dims);
                to->data = from.elements.data();
                to->length = from.elements.size() * sizeof(T);
                return true;
            };
            made.resize_array = [](void *at, std::size_t, linkspan_array *like) {
                return attempt([&]() -> void * {
                    auto &to = *static_cast<value *>(at);
                    to.shape.assign(like->dims, like->dims + like->rank);
                    to.order = static_cast<linkspan::order>(like->order);
                    to.elements.resize(like->length / sizeof(T));
                    return to.elements.data();
                });
            };
            return made;
        }();
        static const linkspan_record_type type = [] {
            static constexpr std::uint64_t dims[] = {Dims..., 0};
            auto made = of_kind(LINKSPAN_RECORD_ARRAY, sizeof(value), &access);
            made.dtype = Dtype;
            made.order = Order;
            made.rank = Rank;
            made.dims = dims;
            return made;
        }();
        return &type;
    }
};

/// An array of a fixed shape: `T` is a `std::array`, possibly nested.
template <class T, linkspan_dtype Dtype, std::uint64_t... Dims> struct elements {
    using value = T;
    static const linkspan_record_type *type() {
        static const linkspan_record_type type = [] {
            static constexpr std::uint64_t dims[] = {Dims...};
            auto made = of_kind(LINKSPAN_RECORD_ELEMENTS, sizeof(T));
            made.dtype = Dtype;
            made.rank = sizeof...(Dims);
            made.dims = dims;
            return made;
        }();
        return &type;
    }
};

template <class T> struct structure {
    using value = T;
    static const linkspan_record_type *type() { return T::layout_(); }
};

template <class T, std::size_t Count>
linkspan_record_type of_fields(std::int32_t kind, const linkspan_record_field (&fields)[Count]) {
    linkspan_record_type type = of_kind(kind, sizeof(T));
    type.fields = fields;
    type.count = Count;
    return type;
}

struct more {
    const char *const *aliases = nullptr;
    const char *fallback = nullptr;
    std::size_t length = 0;
};

/// `part` of `whole`. Older keys end with a null; a default is in CBOR.
template <class Of, class T> linkspan_record_field field(const char *key, const void *whole, const T &part, more with = {}) {
    linkspan_record_field field{};
    field.key = key;
    field.aliases = with.aliases;
    field.offset = reinterpret_cast<std::uintptr_t>(&part) - reinterpret_cast<std::uintptr_t>(whole);
    field.of = Of::type();
    field.default_value = reinterpret_cast<const std::uint8_t *>(with.fallback);
    field.default_length = with.length;
    return field;
}

template <class Of, class T> linkspan_record_field required(const char *key, const void *whole, const T &part, more with = {}) {
    static_assert(std::is_same_v<T, typename Of::value>, "the field is what its type says");
    return field<Of>(key, whole, part, with);
}

template <class Of>
linkspan_record_field optional(const char *key, const void *whole, const std::optional<typename Of::value> &part, more with = {}) {
    using value = std::optional<typename Of::value>;
    static const linkspan_record_access access = [] {
        linkspan_record_access made{};
        made.find = [](const void *at, std::size_t) -> const void * {
            const auto &from = *static_cast<const value *>(at);
            return from ? &*from : nullptr;
        };
        made.make = [](void *at, std::size_t) { return attempt([&]() -> void * { return &static_cast<value *>(at)->emplace(); }); };
        return made;
    }();
    linkspan_record_field made = field<Of>(key, whole, part, with);
    made.optional = true;
    made.access = &access;
    return made;
}

template <class Of, std::size_t At, class T>
linkspan_record_field variant(const char *key, const void *whole, const T &part) {
    static_assert(std::is_same_v<std::variant_alternative_t<At, T>, typename Of::value>, "the variant is what its type says");
    static const linkspan_record_access access = [] {
        linkspan_record_access made{};
        made.find = [](const void *at, std::size_t) -> const void * { return std::get_if<At>(static_cast<const T *>(at)); };
        made.make = [](void *at, std::size_t) { return attempt([&]() -> void * { return &static_cast<T *>(at)->template emplace<At>(); }); };
        return made;
    }();
    linkspan_record_field made = field<Of>(key, whole, part);
    made.access = &access;
    return made;
}

inline linkspan_record table(const linkspan_record_type *of) { return {sizeof(linkspan_record), of, nullptr}; }

inline void put(linkspan_record *table, const void *from, message &to) { check(linkspan_record_put(table, from, to.c())); }
inline void put(linkspan_record *table, const void *from, message &to, const char *key) {
    check(linkspan_message_put_record(to.c(), key, table, from));
}
inline void get(linkspan_record *table, void *to, const message &from, const char *path) {
    check(linkspan_message_get_record(from.c(), path, table, to));
}
inline std::vector<std::uint8_t> encode(linkspan_record *table, const void *from, encoding e) {
    std::uint8_t *made;
    std::size_t length;
    check(linkspan_record_encode(table, from, static_cast<linkspan_encoding>(e), &made, &length));
    return detail::taken(made, length);
}
inline void decode(linkspan_record *table, void *to, bytes_view from, encoding e) {
    check(linkspan_record_decode(table, to, from.data(), from.size(), static_cast<linkspan_encoding>(e)));
}

} // namespace record

} // namespace linkspan

#endif

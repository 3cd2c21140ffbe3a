// N-d arrays: views with element type, shape and order.
#ifndef LINKSPAN_ARRAY_HPP
#define LINKSPAN_ARRAY_HPP

#include <linkspan/error.hpp>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <array>
#include <version>
#ifdef __cpp_lib_span
#include <span>
#endif
#ifdef __cpp_lib_mdspan
#include <mdspan>
#endif
#endif

namespace linkspan {

/// The type of an array's elements.
enum class dtype : linkspan_dtype {
    boolean = LINKSPAN_BOOL,
    i8 = LINKSPAN_I8,
    i16 = LINKSPAN_I16,
    i32 = LINKSPAN_I32,
    i64 = LINKSPAN_I64,
    u8 = LINKSPAN_U8,
    u16 = LINKSPAN_U16,
    u32 = LINKSPAN_U32,
    u64 = LINKSPAN_U64,
    f32 = LINKSPAN_F32,
    f64 = LINKSPAN_F64,
    c64 = LINKSPAN_C64,
    c128 = LINKSPAN_C128,
};

/// The order of an array's elements in memory.
enum class order : linkspan_order {
    /// The last index runs fastest: C.
    row = LINKSPAN_ROW,
    /// The first index runs fastest: Fortran.
    column = LINKSPAN_COLUMN,
};

namespace detail {

/// -1 for types that are no elements.
template <class T> constexpr linkspan_dtype dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, bool>) return LINKSPAN_BOOL;
    else if constexpr (std::is_same_v<U, std::complex<float>>) return LINKSPAN_C64;
    else if constexpr (std::is_same_v<U, std::complex<double>>) return LINKSPAN_C128;
    else if constexpr (std::is_same_v<U, float>) return LINKSPAN_F32;
    else if constexpr (std::is_same_v<U, double>) return LINKSPAN_F64;
    else if constexpr (std::is_integral_v<U> && !std::is_same_v<U, char> && !std::is_same_v<U, wchar_t> &&
                       !std::is_same_v<U, char16_t> && !std::is_same_v<U, char32_t>) {
        constexpr bool s = std::is_signed_v<U>;
        if constexpr (sizeof(U) == 1) return s ? LINKSPAN_I8 : LINKSPAN_U8;
        else if constexpr (sizeof(U) == 2) return s ? LINKSPAN_I16 : LINKSPAN_U16;
        else if constexpr (sizeof(U) == 4) return s ? LINKSPAN_I32 : LINKSPAN_U32;
        else if constexpr (sizeof(U) == 8) return s ? LINKSPAN_I64 : LINKSPAN_U64;
        else return -1;
    } else return -1;
}

inline const char *dtype_name(linkspan_dtype d) {
    static constexpr const char *names[] = {"bool", "i8",  "i16", "i32", "i64", "u8",  "u16",
                                            "u32",  "u64", "f32", "f64", "c64", "c128"};
    return d >= 0 && d <= LINKSPAN_C128 ? names[d] : "an unknown type";
}

} // namespace detail

template <class T> inline constexpr bool is_element = detail::dtype_of<T>() >= 0;

/// A view of an N-d array without gaps, valid until its message changes or is released.
template <class T> class array_view {
    static_assert(is_element<T>, "an array's elements are bool, integers, float, double or std::complex of those");

public:
    using value_type = std::remove_cv_t<T>;
    using size_type = std::size_t;
    using iterator = const T *;

    array_view() = default;
    /// An array of one dimension.
    array_view(const T *data, std::size_t length) : array_view(data, {length}) {}
    /// An array of up to 15 dimensions; throws `too_large` for more.
    array_view(const T *data, std::initializer_list<std::size_t> shape, linkspan::order o = order::row)
        : array_view(data, shape.begin(), shape.size(), o) {}
    /// An array of up to 15 dimensions; throws `too_large` for more.
    array_view(const T *data, const std::vector<std::size_t> &shape, linkspan::order o = order::row)
        : array_view(data, shape.data(), shape.size(), o) {}

#ifdef __cpp_lib_span
    /// An array of one dimension.
    array_view(std::span<const T> elements) : array_view(elements.data(), elements.size()) {}
    /// The elements in memory order.
    std::span<const T> span() const noexcept { return {data(), size_}; }
#endif
#ifdef __cpp_lib_mdspan
    /// The array with `Rank` dimensions, in either order; throws std::out_of_range for another rank.
    template <std::size_t Rank> auto mdspan() const {
        if (Rank != c_.rank) bad_rank();
        std::array<std::size_t, Rank> lengths, strides;
        std::size_t step = 1;
        for (std::size_t n = 0; n < Rank; ++n) {
            const std::size_t i = order() == linkspan::order::column ? n : Rank - 1 - n;
            lengths[i] = dim(i);
            strides[i] = step;
            step *= lengths[i];
        }
        using extents = std::dextents<std::size_t, Rank>;
        return std::mdspan<const T, extents, std::layout_stride>(data(), {extents(lengths), strides});
    }
#endif

    explicit array_view(const linkspan_array &c) : c_(c) {
        size_ = 1;
        for (std::size_t i = 0; i < c.rank; ++i) size_ *= static_cast<std::size_t>(c.dims[i]);
    }

    const T *data() const noexcept { return static_cast<const T *>(c_.data); }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t rank() const noexcept { return c_.rank; }
    /// The length of a dimension; throws std::out_of_range for others.
    std::size_t dim(std::size_t i) const { return i < c_.rank ? static_cast<std::size_t>(c_.dims[i]) : bad_rank(); }
    std::vector<std::size_t> shape() const { return {c_.dims, c_.dims + c_.rank}; }
    /// The order in memory; a read array has `row` if both orders are equal in memory.
    linkspan::order order() const noexcept { return static_cast<linkspan::order>(c_.order); }

    iterator begin() const noexcept { return data(); }
    iterator end() const noexcept { return data() + size_; }
    /// The element at this position in memory.
    const T &operator[](std::size_t i) const noexcept { return data()[i]; }

    /// The element at these indexes, in either order; throws std::out_of_range for a wrong rank or index.
    template <class... I> const T &operator()(I... indices) const {
        const std::size_t at[sizeof...(I) + 1] = {static_cast<std::size_t>(indices)..., 0};
        if (sizeof...(I) != c_.rank) bad_rank();
        std::size_t position = 0;
        for (std::size_t n = 0; n < c_.rank; ++n) {
            const std::size_t i = order() == linkspan::order::row ? n : c_.rank - 1 - n;
            if (at[i] >= c_.dims[i]) throw std::out_of_range("an index of a linkspan::array_view");
            position = position * static_cast<std::size_t>(c_.dims[i]) + at[i];
        }
        return data()[position];
    }

    /// A copy in the given order; each element keeps its indexes.
    std::vector<value_type> copy(linkspan::order o = order::row) const {
        static_assert(!std::is_same_v<value_type, bool>, "std::vector<bool> has no memory to copy to");
        std::vector<value_type> result(size_);
        linkspan_array to = c_;
        to.order = static_cast<linkspan_order>(o);
        to.data = result.data();
        check(linkspan_array_copy(&c_, &to));
        return result;
    }

    /// The C struct.
    const linkspan_array &c() const noexcept { return c_; }

private:
    template <class N> array_view(const T *data, const N *shape, std::size_t rank, linkspan::order o) {
        if (rank > LINKSPAN_MAX_RANK) {
            detail::refuse<too_large>(LINKSPAN_TOO_LARGE, "over the rank limit: " + std::to_string(rank) +
                                                              " dimensions asked, 15 allowed");
        }
        c_.dtype = detail::dtype_of<T>();
        c_.order = static_cast<linkspan_order>(o);
        c_.rank = rank;
        size_ = 1;
        for (std::size_t i = 0; i < rank; ++i) {
            c_.dims[i] = shape[i];
            size_ *= shape[i];
        }
        c_.data = data;
        c_.length = size_ * sizeof(T);
    }
    [[noreturn]] static std::size_t bad_rank() { throw std::out_of_range("the rank of a linkspan::array_view"); }

    linkspan_array c_ = LINKSPAN_ARRAY_INIT;
    std::size_t size_ = 0;
};

/// Memory for an array, lent by a channel, a request or a publisher, to write and move into a message.
///
/// The destructor releases an unmoved loan. It stays valid if the channel is closed.
template <class T> class loan {
    static_assert(is_element<T> && !std::is_const_v<T>, "a loan's elements are numbers, which are written");

public:
    using value_type = T;
    using size_type = std::size_t;
    using iterator = T *;
    using const_iterator = const T *;

    /// Takes ownership of a loan from C.
    explicit loan(const linkspan_array &c) : c_(c) {}
    loan(loan &&other) noexcept : c_(other.c_) { other.c_ = LINKSPAN_ARRAY_INIT; }
    loan &operator=(loan &&other) noexcept {
        loan taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    loan(const loan &) = delete;
    loan &operator=(const loan &) = delete;
    ~loan() { linkspan_loan_free(&c_); }

    T *data() noexcept { return static_cast<T *>(const_cast<void *>(c_.data)); }
    const T *data() const noexcept { return static_cast<const T *>(c_.data); }
    /// The number of elements; 0 after a move.
    std::size_t size() const noexcept { return c_.length / sizeof(T); }
    bool empty() const noexcept { return size() == 0; }
    std::vector<std::size_t> shape() const { return {c_.dims, c_.dims + c_.rank}; }
    linkspan::order order() const noexcept { return static_cast<linkspan::order>(c_.order); }

    iterator begin() noexcept { return data(); }
    iterator end() noexcept { return data() + size(); }
    const_iterator begin() const noexcept { return data(); }
    const_iterator end() const noexcept { return data() + size(); }
    T &operator[](std::size_t i) noexcept { return data()[i]; }
    const T &operator[](std::size_t i) const noexcept { return data()[i]; }
    /// The element at these indexes; throws std::out_of_range for a wrong rank or index.
    template <class... I> T &operator()(I... indices) { return const_cast<T &>(view()(indices...)); }
    template <class... I> const T &operator()(I... indices) const { return view()(indices...); }
#ifdef __cpp_lib_span
    /// The elements in memory order, writable.
    std::span<T> span() noexcept { return {data(), size()}; }
#endif
    /// A view, valid as long as the loan.
    array_view<T> view() const { return array_view<T>(c_); }

    linkspan_array *c() noexcept { return &c_; }

private:
    linkspan_array c_;
};

/// Memory for bytes, such as a camera frame, to write and move into a message; see `loan`.
class bytes_loan {
public:
    using value_type = std::uint8_t;

    /// Takes ownership of a loan of `size` bytes from C.
    bytes_loan(std::uint8_t *bytes, std::size_t size) : bytes_(bytes), size_(size) {}
    bytes_loan(bytes_loan &&other) noexcept : bytes_(other.bytes_), size_(other.size_) { other.bytes_ = nullptr; }
    bytes_loan &operator=(bytes_loan &&other) noexcept {
        bytes_loan taken(std::move(other));
        std::swap(bytes_, taken.bytes_);
        std::swap(size_, taken.size_);
        return *this;
    }
    bytes_loan(const bytes_loan &) = delete;
    bytes_loan &operator=(const bytes_loan &) = delete;
    ~bytes_loan() { linkspan_loan_bytes_free(&bytes_); }

    std::uint8_t *data() noexcept { return bytes_; }
    const std::uint8_t *data() const noexcept { return bytes_; }
    /// The number of bytes; 0 after a move.
    std::size_t size() const noexcept { return bytes_ == nullptr ? 0 : size_; }
    bool empty() const noexcept { return size() == 0; }
    std::uint8_t *begin() noexcept { return data(); }
    std::uint8_t *end() noexcept { return data() + size(); }
    std::uint8_t &operator[](std::size_t i) noexcept { return bytes_[i]; }
#ifdef __cpp_lib_span
    /// The bytes, writable.
    std::span<std::byte> span() noexcept { return {reinterpret_cast<std::byte *>(data()), size()}; }
#endif
    /// Keeps only the first `count` bytes; throws std::out_of_range if there are fewer.
    void truncate(std::size_t count) {
        if (count > size()) throw std::out_of_range("a loan of " + std::to_string(size()) + " bytes has no " + std::to_string(count));
        size_ = count;
    }

    std::uint8_t **c() noexcept { return &bytes_; }

private:
    std::uint8_t *bytes_;
    std::size_t size_;
};

namespace detail {

template <class F> bytes_loan lent_bytes(std::size_t size, F &&call) {
    std::uint8_t *bytes;
    check(call(size, &bytes));
    return bytes_loan(bytes, size);
}

template <class T, class F> loan<T> lent(const std::vector<std::size_t> &shape, linkspan::order o, F &&call) {
    const std::vector<std::uint64_t> dims(shape.begin(), shape.end());
    linkspan_array array;
    check(call(dtype_of<T>(), dims.size(), dims.data(), &array));
    array.order = static_cast<linkspan_order>(o);
    return loan<T>(array);
}

} // namespace detail

} // namespace linkspan

#endif

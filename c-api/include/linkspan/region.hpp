// Regions: shared memory of other programs, read-only.
#ifndef LINKSPAN_REGION_HPP
#define LINKSPAN_REGION_HPP

#include <linkspan/codec.hpp>
#include <linkspan/options.hpp>

namespace linkspan {

/// Read-only shared memory of another program. Every call copies the current contents.
class region : public detail::handle<linkspan_region> {
public:
    /// Opens `posix:/name`, `sysv:0x1234` (a key) or a path; throws `not_found`.
    explicit region(zstring source) : handle(opened(source), nullptr) {}

    /// The current length in bytes.
    std::uint64_t length() const {
        std::uint64_t length;
        check(linkspan_region_length(c(), &length));
        return length;
    }
    /// Copies bytes at an offset; throws `out_of_range` if the region does not have all of them.
    std::vector<std::uint8_t> bytes(std::uint64_t offset, std::size_t length) const {
        // Checked before the allocation, because a wrong length may be huge.
        const std::uint64_t there = this->length();
        if (offset > there || length > there - offset) {
            check(linkspan_region_bytes(c(), offset, &length, length));
        }
        std::vector<std::uint8_t> bytes(length);
        check(linkspan_region_bytes(c(), offset, bytes.data(), length));
        return bytes;
    }
    /// The text at an offset, up to the first NUL or the end; throws `malformed` for invalid UTF-8.
    std::string text(std::uint64_t offset = 0) const {
        char *text;
        std::size_t length;
        check(linkspan_region_text(c(), offset, &text, &length));
        const auto bytes = detail::taken(reinterpret_cast<std::uint8_t *>(text), length);
        return {bytes.begin(), bytes.end()};
    }
    /// The fields of the struct at an offset, as a map: `read("u32 count; f64 celsius; char name[16]")`.
    message read(zstring layout, std::uint64_t offset = 0) const { return fields(layout, offset, nullptr); }
    /// Reads a struct whose owner makes `counter` odd while it writes.
    ///
    /// Throws `stalled` if the owner writes too often.
    message read_stable(zstring layout, zstring counter, std::uint64_t offset = 0) const {
        return fields(layout, offset, counter.c_str());
    }

private:
    static linkspan_region *opened(zstring source) {
        linkspan_region *r;
        linkspan::check(linkspan_region_open(source.c_str(), &r));
        return r;
    }
    message fields(zstring layout, std::uint64_t offset, const char *counter) const {
        linkspan_message *m;
        check(linkspan_region_read(c(), layout.c_str(), offset, counter, &m));
        return message(m);
    }
};

} // namespace linkspan

#endif

// Waiting for several objects at once.
#ifndef LINKSPAN_WAIT_HPP
#define LINKSPAN_WAIT_HPP

#include <linkspan/options.hpp>

#include <initializer_list>
#include <memory>
#include <vector>

namespace linkspan {

/// An object with `fileno()`, or a descriptor of the program.
class waitable {
public:
    waitable(int descriptor) : descriptor_(descriptor) {}
    template <class Object, class = decltype(std::declval<const Object &>().fileno())>
    waitable(const Object &object) : descriptor_(object.fileno()) {}
    int descriptor() const noexcept { return descriptor_; }

private:
    int descriptor_;
};

/// Waits until one or more objects are ready, and returns the positions of the ready objects.
///
/// `for (auto ready : linkspan::wait({readings, orders}, 1s))`. A ready object may still have nothing: query it without
/// waiting (`try_recv`, a time-out of 0). Throws `timeout` if none is ready in time, by default 30 s.
inline std::vector<std::size_t> wait(const std::vector<waitable> &objects, timeout_value t = {}) {
    std::vector<int> descriptors;
    for (const waitable &object : objects) descriptors.push_back(object.descriptor());
    const std::unique_ptr<bool[]> ready(new bool[objects.size() + 1]);
    check(linkspan_wait(descriptors.data(), descriptors.size(), t.nanoseconds(), ready.get()));
    std::vector<std::size_t> positions;
    for (std::size_t at = 0; at < objects.size(); ++at) {
        if (ready[at]) positions.push_back(at);
    }
    return positions;
}

} // namespace linkspan

#endif

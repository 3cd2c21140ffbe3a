// A subscriber in a C++20 coroutine, over an event loop on poll. Prints three readings of `first/publish`.
#include <linkspan.hpp>

#include <cstdio>
#include <exception>
#include <poll.h>
#include <vector>

/// The event loop. Any other event loop with this function works.
class event_loop {
public:
    void on_readable(int fd, std::function<void()> callback) { watched_.push_back({fd, std::move(callback)}); }
    void turn() {
        std::vector<pollfd> descriptors;
        for (const watched &one : watched_) descriptors.push_back({one.fd, POLLIN, 0});
        if (poll(descriptors.data(), descriptors.size(), -1) <= 0) return;
        auto watched_before = std::exchange(watched_, {});
        for (std::size_t at = 0; at < descriptors.size(); ++at) {
            if (descriptors[at].revents != 0) watched_before[at].callback();
            else watched_.push_back(std::move(watched_before[at]));
        }
    }

private:
    struct watched {
        int fd;
        std::function<void()> callback;
    };
    std::vector<watched> watched_;
};

/// A coroutine that starts at once and ends the program with its exception.
struct task {
    struct promise_type {
        task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { throw; }
    };
    std::coroutine_handle<promise_type> handle;
};

static task subscribe(event_loop &loop) {
    const linkspan::subscriber readings("first/publish");
    for (int received = 0; received < 3; ++received) {
        const auto reading = co_await linkspan::recv_async(readings, loop);
        std::printf("%g\n", reading.get<double>("celsius"));
    }
}

int main() {
    try {
        event_loop loop;
        const task subscribing = subscribe(loop);
        while (!subscribing.handle.done()) loop.turn();
        subscribing.handle.destroy();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

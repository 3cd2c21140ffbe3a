// Prints each changed value that a coroutine receives, and "told" for each event about messages that are neither
// received nor counted.
// Usage: `awaiting name NAME`, or `awaiting list NAME`.
#include <linkspan.hpp>

#include <cstdio>
#include <map>
#include <poll.h>
#include <string>
#include <vector>

namespace {

struct loop {
    std::map<int, std::function<void()>> watched;

    void on_readable(int fd, std::function<void()> callback) { watched[fd] = std::move(callback); }
    void turn() {
        std::vector<pollfd> all;
        for (const auto &one : watched) all.push_back({one.first, POLLIN, 0});
        // Attempts only follow a readable descriptor.
        if (poll(all.data(), all.size(), -1) <= 0) return;
        for (const pollfd &one : all) {
            if (one.revents == 0) continue;
            const auto callback = std::move(watched.at(one.fd));
            watched.erase(one.fd);
            callback();
        }
    }
};

struct task {
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

task receive(loop &events, const linkspan::subscriber &readings) {
    for (long last = -1;;) {
        try {
            const auto value = (co_await linkspan::recv_async(readings, events)).get<long>();
            if (value != last) std::printf("%ld\n", last = value);
            std::fflush(stdout);
        } catch (const linkspan::lagged &) {
        } catch (const linkspan::disconnected &) {
        }
        const auto happened = readings.events();
        for (std::size_t i = 0; i < happened.count(); i++)
            if (happened.get<std::string>(std::to_string(i) + "/text").find("neither received nor counted") != std::string::npos) std::puts("told");
        std::fflush(stdout);
    }
}

} // namespace

int main(int, char **argv) {
    loop events;
    const auto readings = std::string(argv[1]) == "list" ? linkspan::subscriber(std::vector<std::string>{argv[2]}) : linkspan::subscriber(argv[2]);
    receive(events, readings);
    for (;;) events.turn();
}

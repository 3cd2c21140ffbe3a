// Publish and subscribe in C++ between two processes.
#include <linkspan.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

/// Counts readings until a stop signal, and confirms each on another endpoint.
int subscriber(const std::string &endpoint) {
    linkspan::publisher done(endpoint + "/done");
    int expected = 1;
    for (linkspan::message &m : linkspan::subscriber(endpoint)) {
        CHECK(m.get<int>("n") == expected);
        const auto wave = m.get<linkspan::array_view<float>>("wave");
        CHECK(wave.rank() == 2 && wave.dim(1) == 3 && wave(1, 2) == static_cast<float>(expected));
        // A received array is aligned for reading in place.
        CHECK(reinterpret_cast<std::uintptr_t>(wave.data()) % alignof(float) == 0);
        done.send(linkspan::message().put("n", expected));
        ++expected;
    }
    CHECK(expected == 6);
    return 0;
}

/// flush reports unread messages. A subscriber with a socket has already been sent them.
void flush_says_how_much_is_left(const std::string &endpoint) {
    linkspan::publisher out(endpoint);
    linkspan::subscriber in(endpoint);
    CHECK(!in.poll());
    out.wait_for_subscribers(1, 20s);
    for (int n = 1; n <= 3; ++n) out.send(linkspan::message().put("n", n));
    if (endpoint.rfind("shm:", 0) == 0) {
        try {
            out.flush(20ms);
            CHECK(false);
        } catch (const linkspan::timeout &e) {
            CHECK(e.missed() == 3);
        }
    }
    for (int n = 1; n <= 3; ++n) CHECK(in.recv(20s).get<int>("n") == n);
    out.flush();
}

} // namespace

int main(int count, char **arguments) {
    const std::string endpoint = std::string(count > 1 ? arguments[1] : "shm") + ":test/readings";
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) std::exit(subscriber(endpoint));
    linkspan::publisher out(endpoint);
    out.wait_for_subscribers(1, 20s);
    try {
        out.wait_for_subscribers(2, 1ms);
        CHECK(false);
    } catch (const linkspan::timeout &) {
    }
    linkspan::subscriber done(endpoint + "/done");
    for (int n = 1; n <= 5; ++n) {
        const std::vector<float> wave(6, static_cast<float>(n));
        linkspan::message m;
        m.put("n", n).put("wave", linkspan::array_view<float>(wave.data(), {2, 3}));
        CHECK(out.send(m) == static_cast<std::uint64_t>(n));
        CHECK(linkspan::latest(endpoint, {}, 5s).get<int>("n") == n);
        CHECK(done.recv(20s).get<int>("n") == n);
    }
    CHECK(out.subscribers() == 1);
    CHECK(kill(child, SIGTERM) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    out.close();
    try {
        linkspan::latest(endpoint, {}, 0s);
        CHECK(false);
    } catch (const linkspan::not_found &e) {
        CHECK(e.endpoint() == endpoint);
    }
    flush_says_how_much_is_left(endpoint);
    std::puts("ok");
    return 0;
}

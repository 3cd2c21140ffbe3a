// Waiting for several objects, and servers with several threads.
#include <linkspan.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

void first_of_several(const std::string &transport) {
    const std::string names[] = {transport + ":test/wait0", transport + ":test/wait1"};
    const linkspan::publisher first(names[0]), second(names[1]);
    const linkspan::subscriber left(names[0]), right(names[1]);
    const linkspan::server server(transport + ":test/wait2");
    first.wait_for_subscribers(1, 20s);
    second.wait_for_subscribers(1, 20s);
    for (int turn = 0; turn < 4; ++turn) {
        (turn % 2 == 0 ? first : second).send(linkspan::message().put(turn));
        std::optional<int> got;
        while (!got) {
            for (const std::size_t ready : linkspan::wait({left, right, server}, 20s)) {
                try {
                    if (ready < 2) got = (ready == 0 ? left : right).try_recv().get<int>();
                    else server.next(0s);
                } catch (const linkspan::empty &) {
                } catch (const linkspan::timeout &) {
                }
            }
        }
        CHECK(got == turn);
    }
    try {
        linkspan::wait({}, 0s);
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
}

/// Two handlers of one server wait for each other, so two threads must run them.
void workers(const std::string &transport) {
    const std::string endpoint = transport + ":test/workers";
    const linkspan::server server(endpoint);
    std::mutex mutex;
    std::condition_variable changed;
    int inside = 0;
    std::thread serving([&] {
        server.run(
            [&](const linkspan::message &request) {
                const auto what = request.get<std::string>("do");
                if (what == "text") throw std::runtime_error("\xff no text");
                if (what == "other") throw 7;
                std::unique_lock<std::mutex> lock(mutex);
                ++inside;
                changed.notify_all();
                CHECK(changed.wait_for(lock, 60s, [&] { return inside >= 2; }));
                return linkspan::message().put(std::string_view("inside"), inside);
            },
            2);
    });
    {
        const auto channel = linkspan::channel::connect(endpoint);
        const auto one = channel.start_call(linkspan::message().put("do", "meet"));
        const auto two = channel.start_call(linkspan::message().put("do", "meet"));
        CHECK(channel.finish_call(one, 60s).get<int>("inside") == 2 && channel.finish_call(two, 60s).get<int>("inside") == 2);
        // Failures with invalid UTF-8, and of other types than std::exception, are answered, and the server continues.
        for (const char *what : {"text", "other", "text"}) {
            try {
                channel.call(linkspan::message().put("do", what), 60s);
                CHECK(false);
            } catch (const linkspan::remote &e) {
                CHECK(e.failure().text.find(*what == 't' ? "\xef\xbf\xbd no text" : "not a std::exception") != std::string::npos);
            }
        }
    }
    server.close(10s);
    serving.join();
    try {
        server.run([](const linkspan::message &) { return linkspan::message(); }, 0);
        CHECK(false);
    } catch (const linkspan::out_of_range &) {
    }
}

} // namespace

int main(int, char **arguments) {
    first_of_several(arguments[1]);
    workers(arguments[1]);
    std::puts("ok");
}

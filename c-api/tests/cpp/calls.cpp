// Calls in two steps: several pending requests, answered in reverse order between other messages.
#include <linkspan.hpp>

#include <cstdio>

#include "check.hpp"

using namespace std::chrono_literals;

int main(int, char **arguments) {
    const std::string endpoint = std::string(arguments[1]) + ":test/calls";
    const linkspan::listener listener(endpoint);
    const auto near = linkspan::channel::connect(endpoint);
    const auto far = listener.accept();
    std::vector<linkspan::pending_reply> pending;
    for (int i = 0; i < 3; ++i) pending.push_back(near.start_call(linkspan::message().put("n", i)));
    const auto answer = [&](const linkspan::message &request) {
        far.reply(request, linkspan::message().put("n", request.get<int>("n") + 100));
    };
    const auto requests = far.recv_many(1), others = far.recv_many(1), last = far.recv_many(1);
    // The request stays pending.
    try {
        near.finish_call(pending[0], 0s);
        CHECK(false);
    } catch (const linkspan::timeout &) {
    }
    answer(last[0]);
    answer(others[0]);
    far.send(linkspan::message().put("n", 7));
    // It comes after two replies, which are kept.
    CHECK(near.recv().get<int>("n") == 7);
    answer(requests[0]);
    for (int i = 0; i < 3; ++i) CHECK(near.finish_call(pending[static_cast<std::size_t>(i)], 10s).get<int>("n") == 100 + i);
    CHECK(near.stats().get<int>("dropped") == 0);
    // A finished or dropped request is not pending.
    try {
        near.finish_call(pending[0]);
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
    { const auto dropped = near.start_call(linkspan::message().put("n", 8)); }
    const auto kept = near.start_call(linkspan::message().put("n", 9));
    CHECK(far.recv().get<int>("n") == 9);
    const auto refused = near.start_call(linkspan::message().put("n", 1));
    near.close(0s);
    try {
        near.finish_call(refused, 10s);
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
    std::puts("ok");
}

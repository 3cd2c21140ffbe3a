// Channels in C++ between two processes.
#include <linkspan.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

struct too_large : std::runtime_error {
    using std::runtime_error::runtime_error;
};

int serve(const std::string &endpoint) {
    auto server = linkspan::server(endpoint);
    for (linkspan::message &request : server) {
        if (request.contains("n")) {
            server.reply(request, linkspan::message().put("twice", 2 * request.get<int>("n")));
        } else if (request.contains("quit")) {
            server.reply(request, request);
            break;
        } else {
            const linkspan::message known = linkspan::message().put("known", "n, quit");
            server.fail(request, -32601, "test.unknown", "no such operation", &known);
        }
    }
    server.close(5s);
    // With a handler, under another name: a client that connects during the close of the first server may get a link
    // to it.
    auto again = linkspan::server(endpoint + "/handler");
    try {
        again.run([&](const linkspan::message &request) {
            if (request.contains("large")) throw too_large("too large");
            if (request.contains("quit")) std::raise(SIGTERM); // the loop ends once this is answered
            return linkspan::message().put("sum", request.get<std::vector<double>>("wave").at(3));
        });
    } catch (const linkspan::error &e) {
        std::fprintf(stderr, "server: %s\n", e.what());
        return 1;
    }
    return 0;
}

void call(const std::string &endpoint) {
    auto channel = linkspan::channel::connect(endpoint, {}, 10s);
    CHECK(channel.role() == linkspan::role::connector && channel.endpoint() == endpoint && channel.writable());
    for (int n = 0; n < 20; ++n) {
        const auto reply = channel.call(linkspan::message().put("n", n), 10s);
        CHECK(reply.get<int>("twice") == 2 * n && linkspan::info(reply).sequence > 0);
        CHECK(linkspan::decode(linkspan::body(reply), linkspan::encoding::cbor).get<int>("twice") == 2 * n);
    }
    try {
        channel.call(linkspan::message().put("what", 1), 10s);
        CHECK(false);
    } catch (const linkspan::remote &e) {
        CHECK(e.failure().code == -32601 && e.failure().type == "test.unknown" && e.endpoint() == endpoint);
        CHECK(linkspan::decode(e.failure().data, linkspan::encoding::cbor).get<std::string>("known") == "n, quit");
    }
    CHECK(channel.events().get<std::string>("0/kind") == "connected");
    channel.call(linkspan::message().put("quit", 1), 10s);
    channel.close(5s);

    auto next = linkspan::channel::connect(endpoint + "/handler", {}, 10s);
    const double wave[] = {1, 2, 3, 4};
    linkspan::message request;
    request.put("wave", linkspan::array_view<double>(wave, 4));
    CHECK(next.call(request, 10s).get<double>("sum") == 4);
    try {
        next.call(linkspan::message().put("large", true), 10s);
        CHECK(false);
    } catch (const linkspan::remote &e) {
        CHECK(e.failure().type == "std::exception" && e.failure().text == "too large");
    }
    try {
        next.call(linkspan::message().put("empty", true), 10s);
        CHECK(false);
    } catch (const linkspan::remote &e) {
        CHECK(e.failure().type == "Missing" && e.failure().code == LINKSPAN_MISSING);
    }
    request.clear().put("quit", true).put("wave", std::vector<double>{0, 0, 0, 7});
    CHECK(next.call(request, 10s).get<double>("sum") == 7);
}

void a_server_answers_and_fails(const std::string &endpoint) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(serve(endpoint));
    call(endpoint);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void messages_go_both_ways(const std::string &endpoint) {
    // Before any thread exists, which a fork would not copy.
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        {
            const auto there = linkspan::channel::connect(endpoint, {}, 10s);
            const auto got = there.recv(10s);
            there.send(got, 10s);
            there.close(10s);
        }
        _exit(0);
    }
    const auto listener = linkspan::listener(endpoint);
    pollfd ready{listener.fileno(), POLLIN, 0};
    CHECK(poll(&ready, 1, 10000) == 1);
    auto here = listener.accept(10s);
    try {
        here.try_recv();
        CHECK(false);
    } catch (const linkspan::empty &) {
    }
    linkspan::message m;
    m.put("hello");
    CHECK(here.send(m) == 1);
    ready.fd = here.fileno();
    CHECK(poll(&ready, 1, 10000) == 1 && here.poll());
    CHECK(here.recv(0s).get<std::string>() == "hello");
    here.close(10s);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void callbacks_end_waits_and_their_exceptions_come_out() {
    int ticks = 0;
    linkspan::options options;
    options.on_wait = [&] { return ++ticks < 2; };
    try {
        linkspan::channel::connect("unix:nobody", options, linkspan::forever);
        CHECK(false);
    } catch (const linkspan::cancelled &) {
        CHECK(ticks == 2);
    }
    options.on_wait = []() -> bool { throw too_large("from the callback"); };
    try {
        linkspan::channel::connect("unix:nobody", options, linkspan::forever);
        CHECK(false);
    } catch (const too_large &e) {
        CHECK(std::string(e.what()) == "from the callback");
    }
    try {
        linkspan::channel::connect("unix:nobody", {}, 0s);
        CHECK(false);
    } catch (const linkspan::not_found &e) {
        CHECK(e.retryable() && e.endpoint() == "unix:nobody");
    }
    try {
        linkspan::channel::connect("unix:nobody", {}, -1s);
        CHECK(false);
    } catch (const linkspan::out_of_range &) {
    }
}

void batches_go_and_come(const std::string &endpoint) {
    const auto there = linkspan::channel(endpoint);
    const auto here = linkspan::channel::connect(endpoint);
    std::vector<linkspan::message> batch;
    for (int i = 0; i < 100; i++) batch.push_back(linkspan::message().put("n", i));
    CHECK(here.send_many(batch) == 100);
    for (int next = 0; next < 100;) {
        const auto taken = there.recv_many(7, 5s);
        CHECK(!taken.empty() && taken.size() <= 7);
        for (const auto &m : taken) CHECK(m.get<int>("n") == next++);
    }
    try {
        there.recv_many(7, 0s);
        CHECK(false);
    } catch (const linkspan::timeout &e) {
        CHECK(e.sent() == 0);
    }
    linkspan::publisher out(endpoint + "/values");
    const linkspan::subscriber in(endpoint + "/values");
    CHECK(out.send_many(batch) == 100);
    for (std::size_t taken = 0; taken < 100;) {
        for (const auto &m : in.recv_many(1000, 5s)) CHECK(m.get<std::size_t>("n") == taken++);
    }
}

/// The listener and its options are gone when the callbacks run.
void channel_keeps_the_callbacks_of_its_listener(const std::string &endpoint) {
    std::uint64_t missed = 0;
    std::optional<linkspan::channel> there, here;
    {
        linkspan::options options;
        options.on_wait = []() -> bool { throw too_large("from the callback"); };
        options.on_unconsumed = [&](std::uint64_t count) { missed += count; };
        const linkspan::listener listener(endpoint, options);
        there = linkspan::channel::connect(endpoint);
        here = listener.accept();
    }
    try {
        here->recv(linkspan::forever);
        CHECK(false);
    } catch (const too_large &) {
    }
    here->send(linkspan::message().put("n", 1));
    auto moved = std::move(*here);
    here.reset();
    CHECK(missed == 0);
    { const auto gone = std::move(moved); }
    CHECK(missed == 1);
}

} // namespace

int main(int count, char **arguments) {
    static_assert(!std::is_copy_constructible_v<linkspan::channel>, "a channel is moved");
    const std::string transport = count > 1 ? arguments[1] : "unix";
    a_server_answers_and_fails(transport + ":test/server");
    messages_go_both_ways(transport + ":test/channel");
    batches_go_and_come(transport + ":test/batch");
    callbacks_end_waits_and_their_exceptions_come_out();
    channel_keeps_the_callbacks_of_its_listener(transport + ":test/kept");
    std::puts("ok");
    return 0;
}

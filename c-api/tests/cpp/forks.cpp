// Forks of a busy program. In a child each call of each object throws `invalid_state` at once and ends nothing of the
// parent; new objects work.
#include <linkspan.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int forks = 8;
constexpr unsigned child_seconds = 100;

struct Objects {
    explicit Objects(const std::string &transport)
        : out(transport + ":test/forks-topic"), in(transport + ":test/forks-topic"),
          several(std::vector<std::string>{transport + ":test/forks-topic"}), listener(transport + ":test/forks-pair"),
          near(linkspan::channel::connect(transport + ":test/forks-pair", {}, 20s)), far(listener.accept(20s)),
          server(transport + ":test/forks-asked"), client(linkspan::channel::connect(transport + ":test/forks-asked", {}, 20s)) {
        pending.emplace(client.start_call(linkspan::message().put("n", 1)));
        request = server.next(20s);
        out.send(linkspan::message().put("n", 0));
        CHECK(in.recv(20s).get<int>("n") == 0 && several.recv(20s).get<int>("n") == 0);
    }

    linkspan::publisher out;
    linkspan::subscriber in, several;
    linkspan::listener listener;
    linkspan::channel near, far;
    linkspan::server server;
    linkspan::channel client;
    std::optional<linkspan::pending_reply> pending;
    std::optional<linkspan::message> request;
};

void refused(const char *what, const std::function<void()> &call) {
    try {
        call();
    } catch (const linkspan::invalid_state &) {
        return;
    } catch (const linkspan::error &error) {
        std::fprintf(stderr, "%s: %s\n", what, error.what());
    }
    std::fprintf(stderr, "%s was not refused in a child\n", what);
    _exit(1);
}

#define REFUSED(call) refused(#call, [&] { (void)(call); })

void child(const std::string &transport, std::optional<Objects> &objects, int number) {
    alarm(child_seconds);
    Objects &o = *objects;
    const linkspan::message value = linkspan::message().put("n", 1);
    for (const linkspan::subscriber *in : {&o.in, &o.several}) {
        REFUSED(in->recv(1s));
        REFUSED(in->try_recv());
        REFUSED(in->poll());
        REFUSED(in->fileno());
        REFUSED(in->ack());
    }
    for (const linkspan::channel *channel : {&o.near, &o.far, &o.client}) {
        REFUSED(channel->send(value, 1s));
        REFUSED(channel->call(value, 1s));
        REFUSED(channel->start_call(value));
        REFUSED(channel->recv(1s));
        REFUSED(channel->try_recv());
        REFUSED(channel->poll());
        REFUSED(channel->fileno());
        REFUSED(channel->flush(1s));
        REFUSED(channel->ack());
    }
    REFUSED(o.out.send(value));
    REFUSED(o.out.flush(1s));
    REFUSED(o.out.wait_for_subscribers(1, 1s));
    REFUSED(o.listener.accept(1s));
    REFUSED(o.listener.fileno());
    REFUSED(o.server.next(1s));
    REFUSED(o.server.fileno());
    REFUSED(o.server.reply(*o.request, value));
    REFUSED(o.server.ack(*o.request));
    REFUSED(o.client.finish_call(*o.pending, 1s));
    objects.reset();
    {
        const std::string name = transport + ":test/forks-child-" + std::to_string(number);
        const linkspan::publisher own(name);
        own.send(linkspan::message().put("n", number));
        CHECK(linkspan::latest(name, {}, 20s).get<int>("n") == number);
    }
    if (number % 2 == 0) _exit(0);
    std::exit(0);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const std::string transport = argv[1];
    std::optional<Objects> objects(std::in_place, transport);
    std::atomic<bool> ends{false}, is_answered{false};
    {
        const std::string topic = transport + ":test/forks-busy", asked = transport + ":test/forks-served";
        const linkspan::publisher out(topic);
        const linkspan::subscriber in(topic);
        linkspan::server server(asked);
        const linkspan::channel client = linkspan::channel::connect(asked, {}, 20s);
        std::vector<std::thread> threads;
        threads.emplace_back([&] { while (!ends) out.send(linkspan::message().put("text", std::string(2000, 'x'))); });
        threads.emplace_back([&] {
            while (!ends) {
                try {
                    in.recv(100ms);
                } catch (const linkspan::timeout &) {
                } catch (const linkspan::lagged &) {
                }
            }
        });
        threads.emplace_back([&] { while (!ends) CHECK(client.call(linkspan::message().put("n", 1), 20s).get<int>("n") == 1); });
        threads.emplace_back([&] {
            while (!is_answered) {
                try {
                    if (const auto request = server.next(100ms)) server.reply(*request, *request);
                } catch (const linkspan::timeout &) {
                }
            }
        });
        for (int number = 0; number < forks; ++number) {
            const pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid == 0) child(transport, objects, number);
            int status = 0;
            CHECK(waitpid(pid, &status, 0) == pid);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        ends = true;
        // The caller first: its last request must be answered.
        threads[2].join();
        is_answered = true;
        for (const std::size_t at : {0u, 1u, 3u}) threads[at].join();
    }
    // The children have not sent, consumed or ended anything.
    objects->out.send(linkspan::message().put("n", 7));
    CHECK(objects->in.recv(20s).get<int>("n") == 7 && objects->several.recv(20s).get<int>("n") == 7);
    objects->near.send(linkspan::message().put("n", 8), 20s);
    CHECK(objects->far.recv(20s).get<int>("n") == 8);
    objects->server.reply(*objects->request, linkspan::message().put("n", 9));
    CHECK(objects->client.finish_call(*objects->pending, 20s).get<int>("n") == 9);
    std::puts("ok");
}

// A service in C++: alone without arguments; `serve NAME` as one that `control NAME` asks and tells through a controller.
#include <linkspan.hpp>

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                     \
            std::exit(1);                                                                                    \
        }                                                                                                    \
    } while (0)

using namespace std::chrono_literals;

namespace {

template <class E, class F> std::string thrown(F &&call) {
    try {
        call();
    } catch (const E &e) {
        return e.what();
    }
    std::fprintf(stderr, "nothing was thrown, or something else\n");
    std::exit(1);
}

void what_cannot_be_is_refused() {
    thrown<linkspan::invalid_endpoint>([] { linkspan::service("unix:power"); });
    linkspan::service_options options;
    options.commands = {"calibrate", "PAUSE"};
    CHECK(thrown<linkspan::out_of_range>([&] { linkspan::service("power", options); }).find("PAUSE") != std::string::npos);
}

void tasks_are_pulled() {
    linkspan::service_options options;
    options.every = 0s;
    options.handle_signals = false;
    std::mutex mutex;
    std::condition_variable changed;
    bool given_up = false;
    options.on_cancel = [&] {
        const std::lock_guard lock(mutex);
        given_up = true;
        changed.notify_all();
    };
    linkspan::service other("lab/other");
    linkspan::service service("lab/power", options);
    std::swap(service, other); // the callback goes with it
    CHECK(other.state() == linkspan::state::starting && std::string_view(name(other.state())) == "STARTING");
    {
        auto task = other.next(10s);
        CHECK(task && task->verb() == linkspan::verb::step && task->name() == "STEP" && task->id().empty());
        CHECK(task->before() == linkspan::state::running && task->left() == std::chrono::nanoseconds::max());
        CHECK(task->arguments().type_at() == linkspan::type::null);
        thrown<linkspan::invalid_state>([&] { other.next(0s); });
        auto moved = std::move(*task);
        moved.done(linkspan::message());
    }
    other.next(10s); // dropped: it counts as done
    CHECK(other.stats().get<int>("steps") == 2 && other.epoch() != 0 && !other.is_connected() && other.fileno() >= 0);
    other.log("two steps");
    other.reason("noisy");
    auto task = other.next(10s);
    other.shutdown();
    other.shutdown();
    CHECK(other.is_cancelled() && other.state() == linkspan::state::stopping);
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, 20s, [&] { return given_up; }));
    task->done();
    task = other.next();
    CHECK(task->verb() == linkspan::verb::shutdown && task->before() == linkspan::state::running);
    task->done();
    CHECK(!other.next() && other.state() == linkspan::state::stopped);
    service.close();
}

/// Counts what is asked of it, and ends itself at the third step.
struct counting : linkspan::service_hooks {
    int starts = 0, steps = 0, pauses = 0, fails_at = 0;
    linkspan::state seen = linkspan::state::failed;

    void on_start() override { ++starts; }
    void step() override {
        if (++steps == fails_at) throw std::runtime_error("the sensor is gone");
        if (steps == 1) seen = running().state();
        CHECK(left() == std::chrono::nanoseconds::max());
        if (steps == 3) std::raise(SIGTERM);
    }
    void on_pause() override { ++pauses; }
};

void hooks_are_called_until_a_signal_or_a_failure() {
    linkspan::service_options options;
    options.every = 0s;
    counting hooks;
    linkspan::run(hooks, "power", options);
    CHECK(hooks.starts == 1 && hooks.steps >= 3 && hooks.pauses == 1 && hooks.seen == linkspan::state::running);
    counting failing;
    failing.fails_at = 2;
    CHECK(thrown<std::runtime_error>([&] { linkspan::run(failing, "power", options); }) == "the sensor is gone");
    CHECK(failing.steps == 2 && failing.pauses == 0);
}

} // namespace

int main() {
    what_cannot_be_is_refused();
    tasks_are_pulled();
    hooks_are_called_until_a_signal_or_a_failure();
    std::puts("ok");
}

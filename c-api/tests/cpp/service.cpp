// A service in C++: without arguments it needs no other program; `control NAME` commands a `serve NAME`.
#include <linkspan.hpp>

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "check.hpp"

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
        CHECK(task && task->command() == linkspan::command::step && task->name() == "STEP" && task->id().empty());
        CHECK(task->before() == linkspan::state::running && task->remaining() == std::chrono::nanoseconds::max());
        CHECK(task->arguments().type_at() == linkspan::type::null);
        thrown<linkspan::invalid_state>([&] { other.next(0s); });
        auto moved = std::move(*task);
        moved.done(linkspan::message());
    }
    other.next(10s); // dropped, so it counts as done
    CHECK(other.stats().get<int>("steps") == 2 && other.epoch() != 0 && !other.is_connected() && other.fileno() >= 0);
    other.log("two steps");
    thrown<linkspan::out_of_range>([&] { other.log("two steps", "loud"); });
    other.set_reason("noisy");
    auto task = other.next(10s);
    other.shutdown();
    other.shutdown();
    CHECK(other.is_cancelled() && other.state() == linkspan::state::stopping);
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, 20s, [&] { return given_up; }));
    task->done();
    task = other.next();
    CHECK(task->command() == linkspan::command::shutdown && task->before() == linkspan::state::running);
    task->done();
    CHECK(!other.next() && other.state() == linkspan::state::stopped);
    service.close();
}

struct counting : linkspan::service_hooks {
    int starts = 0, steps = 0, pauses = 0, fails_at = 0;
    linkspan::state seen = linkspan::state::failed;

    void on_start() override { ++starts; }
    void step() override {
        if (++steps == fails_at) throw std::runtime_error("the sensor is gone");
        if (steps == 1) seen = running().state();
        CHECK(remaining() == std::chrono::nanoseconds::max());
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

/// Counts steps. Its commands double, hold until cancelled, break, and return an odd value.
class counter : public linkspan::service_hooks {
public:
    void on_start() override { running().log("it counts"); }
    void step() override { ++steps_; }
    void on_pause() override { open_ = false; }
    void on_resume() override { open_ = true; }
    void on_checkpoint() override { ++checkpoints_; }
    linkspan::message data() override {
        return linkspan::message().put("steps", steps_).put("checkpoints", checkpoints_).put("open", open_);
    }
    linkspan::message on_config(const linkspan::message &settings) override { return settings.share(); }
    linkspan::message command(std::string_view name, const linkspan::message &arguments) override {
        CHECK(remaining() > 0s && remaining() < 1h);
        if (name == "double") return linkspan::message().put("twice", 2 * arguments.get<int>("n"));
        if (name == "hold") {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return given_up_; });
            throw std::runtime_error("it was held, and given up");
        }
        if (name == "break") linkspan::detail::refuse<linkspan::no_space>(LINKSPAN_NO_SPACE, "the disk is full", "disk");
        if (name == "odd") throw std::runtime_error("the sensor is odd");
        return service_hooks::command(name, arguments);
    }
    void give_up() {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
        changed_.notify_all();
    }

private:
    std::uint64_t steps_ = 0, checkpoints_ = 0;
    bool open_ = true, given_up_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
};

void serve(const char *name) {
    counter service;
    linkspan::service_options options;
    options.every = 10ms;
    options.description = "counts";
    options.commands = {"double", "hold", "break", "odd", "forgotten", "CONFIG"};
    options.on_cancel = [&] { service.give_up(); };
    linkspan::run(service, name, options);
}

void becomes(const linkspan::controller &controller, const std::string &name, const char *what, const char *word) {
    for (;;) {
        const auto push = controller.next(20s);
        if (push.get<std::string_view>("what") == "service" && push.get<std::string>("service/name") == name &&
            push.get<std::string_view>("service/" + std::string(what)) == word) {
            return;
        }
    }
}

template <class E, class F> void fails(const char *words, F &&call) {
    const std::string text = thrown<E>(call);
    CHECK(text.find(words) != std::string::npos);
}

void control(const std::string &name) {
    const linkspan::controller controller({}, 20s);
    const auto send = [&](const char *command) { return controller.command(name, command, 20s); };
    const auto state = [&] { return controller.status(name).get<std::string>("state"); };
    thrown<linkspan::invalid_state>([&] { controller.next(0s); });
    controller.watch(20ms, {name});
    becomes(controller, name, "state", "RUNNING");
    for (bool counts = false; !counts;) {
        const auto push = controller.next(20s);
        counts = push.get<std::string_view>("what") == "data" && push.get<int>("value/steps") > 0;
    }
    CHECK(controller.services().count() == 1 && controller.services().get<std::string>("0/name") == name);
    CHECK(controller.fileno() >= 0 && controller.stats().get<int>("services") == 1);

    fails<linkspan::invalid_state>("RUNNING", [&] { send("RUN"); });
    send("PAUSE");
    CHECK(state() == "PAUSED" && !send("GET_DATA").get<bool>("open"));
    fails<linkspan::invalid_state>("PAUSED", [&] { send("CHECKPOINT"); });
    send("RUN");
    send("CHECKPOINT");
    CHECK(state() == "RUNNING" && send("GET_DATA").get<bool>("open") && send("GET_DATA").get<int>("checkpoints") == 1);

    const auto n = linkspan::message().put("n", 21);
    CHECK(controller.command(name, "double", n, 20s).get<int>("twice") == 42);
    CHECK(controller.command(name, "CONFIG", n).get<int>("n") == 21);
    fails<linkspan::no_space>("the disk is full", [&] { send("break"); });
    fails<linkspan::remote>("the sensor is odd", [&] { send("odd"); });
    fails<linkspan::unsupported>("forgotten", [&] { send("forgotten"); });
    fails<linkspan::unsupported>("BACKUP", [&] { send("BACKUP"); });
    fails<linkspan::not_found>(name.c_str(), [&] { controller.command("lab/nobody", "PAUSE"); });
    const auto begun = controller.begin(name, "GET_DATA");
    linkspan::command_request order;
    order.service = name;
    order.command = "double";
    order.arguments = &n;
    order.id = "mine";
    controller.begin(order);
    send("GET_DATA"); // waits after them
    CHECK(controller.answer(name, begun.get<std::string>("id")).get<std::string>("outcome") == "DONE");
    CHECK(controller.answer(name, "mine").get<int>("value/twice") == 42);
    order.until_done = true;
    CHECK(controller.begin(order).get<std::string>("id") == "mine"); // it is not carried out again
    order.id = "";
    CHECK(controller.begin(order).get<int>("value/twice") == 42);
    order.epoch = controller.status(name).get<std::uint64_t>("epoch") ^ 1;
    CHECK(controller.begin(order).get<std::string>("outcome") == "REJECTED");

    thrown<linkspan::timeout>([&] { controller.command(name, "hold", 300ms); });
    CHECK(send("STATUS").get<std::string>("doing") == "hold"); // the library answers this
    send("CANCEL");
    send("GET_DATA");
    const auto log = controller.log(name);
    bool logged = false;
    for (std::size_t i = 0; i < log.count(); ++i) logged |= log.get<std::string>(std::to_string(i) + "/text") == "it counts";
    CHECK(logged && controller.log(10).count() > 0);
    thrown<linkspan::invalid_state>([&] { controller.forget(name); });
    send("SHUTDOWN");
    becomes(controller, name, "view", "GONE");
    controller.forget(name);
    controller.close();
    CHECK(linkspan::controller("unix:controller", {}, 20s).services().count() == 0);
}

} // namespace

int main(int count, char **arguments) {
    if (count > 2 && std::string_view(arguments[1]) == "serve") {
        serve(arguments[2]);
    } else if (count > 2) {
        control(arguments[2]);
    } else {
        what_cannot_be_is_refused();
        tasks_are_pulled();
        hooks_are_called_until_a_signal_or_a_failure();
    }
    std::puts("ok");
}

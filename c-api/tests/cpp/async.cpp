// Coroutines: each awaited call over each transport, time-outs, and destruction during a wait.
#include <linkspan.hpp>

#include <cstdio>
#include <map>
#include <poll.h>
#include <sys/epoll.h>
#include <string>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

/// An event loop on poll. Its watches end with their destructor.
class loop {
public:
    /// Whether a turn of the loop runs only one ready callback, which shows attempts for other calls.
    bool is_one_at_a_time = false;

    class watch {
    public:
        watch(loop *of, int number) : of_(of), number_(number) {}
        watch(watch &&other) noexcept : of_(std::exchange(other.of_, nullptr)), number_(other.number_) {}
        ~watch() {
            if (of_ != nullptr) of_->watched_.erase(number_);
        }

    private:
        loop *of_;
        int number_;
    };

    watch on_readable(int fd, std::function<void()> callback) {
        watched_[++last_] = {fd, std::move(callback)};
        return {this, last_};
    }
    std::size_t watched() const { return watched_.size(); }
    int turns = 0;
    /// Waits until a descriptor is readable, then runs the callbacks.
    void turn() {
        ++turns;
        std::vector<pollfd> all;
        std::vector<int> numbers;
        for (const auto &[number, one] : watched_) {
            all.push_back({one.fd, POLLIN, 0});
            numbers.push_back(number);
        }
        CHECK(poll(all.data(), all.size(), 60'000) > 0);
        for (std::size_t tried = 0; tried < all.size(); ++tried) {
            const std::size_t at = (tried + static_cast<std::size_t>(turns)) % all.size();
            const auto found = watched_.find(numbers[at]);
            if (all[at].revents == 0 || found == watched_.end()) continue;
            const auto callback = std::move(found->second.callback);
            watched_.erase(found);
            callback();
            if (is_one_at_a_time) return;
        }
    }

private:
    struct one {
        int fd;
        std::function<void()> callback;
    };
    std::map<int, one> watched_;
    int last_ = 0;
};

/// Like `loop`, but nothing can end its watches.
struct plain_loop {
    loop inner;
    std::vector<loop::watch> kept;
    void on_readable(int fd, std::function<void()> callback) { kept.push_back(inner.on_readable(fd, std::move(callback))); }
    void turn() { inner.turn(); }
};

/// The loop of docs/how-to/event-loops.md: epoll accepts a descriptor only once, so it watches duplicates.
struct epoll_loop {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    std::map<int, std::function<void()>> callbacks;

    ~epoll_loop() {
        for (const auto &one : callbacks) close(one.first);
        close(epoll);
    }
    void on_readable(int descriptor, std::function<void()> callback) {
        const int own = dup(descriptor);
        epoll_event event{EPOLLIN, {}};
        event.data.fd = own;
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, own, &event) == 0);
        callbacks[own] = std::move(callback);
    }
    void turn() {
        epoll_event ready;
        CHECK(epoll_wait(epoll, &ready, 1, 60'000) == 1);
        const auto node = callbacks.extract(ready.data.fd);
        // Without this, epoll watches the closed descriptor: the object has a second descriptor of the file.
        epoll_ctl(epoll, EPOLL_CTL_DEL, ready.data.fd, nullptr);
        close(ready.data.fd);
        node.mapped()();
    }
};

/// A coroutine that runs at once until its first wait, and ends with this object.
class task {
public:
    struct promise_type {
        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { failed = std::current_exception(); }
        std::exception_ptr failed;
    };
    task(task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    ~task() {
        if (handle_) handle_.destroy();
    }
    bool done() const {
        if (handle_.done() && handle_.promise().failed) std::rethrow_exception(handle_.promise().failed);
        return handle_.done();
    }

private:
    explicit task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

template <class E> void run(E &events, const task &one) {
    while (!one.done()) events.turn();
}
template <class E, class... Tasks> void run_all(E &events, const Tasks &...all) {
    while (!(all.done() && ...)) events.turn();
}

template <class E> task serve(E &events, const linkspan::server &server, int count) {
    for (int served = 0; served < count; ++served) {
        const auto request = co_await linkspan::next_async(server, events);
        CHECK(request);
        server.reply(*request, linkspan::message().put(request->template get<int>() + 1));
    }
}

template <class E> task calls(E &events, const linkspan::channel &channel, int count) {
    for (int at = 0; at < count; ++at) {
        const auto reply = co_await linkspan::call_async(channel, linkspan::message().put(at), events, 60s);
        CHECK(reply.template get<int>() == at + 1);
    }
}

/// Two coroutines call over one channel; the server runs in this thread.
template <class E> void answers(const std::string &transport) {
    E events;
    const linkspan::server server(transport + ":test/async1");
    const auto channel = linkspan::channel::connect(transport + ":test/async1", {}, 60s);
    const task serving = serve(events, server, 60), first = calls(events, channel, 30), second = calls(events, channel, 30);
    run_all(events, serving, first, second);
}

/// An attempt that receives for another call wakes that call, even if the descriptor is not ready.
void answers_of_others(const std::string &transport) {
    loop events;
    events.is_one_at_a_time = true;
    const linkspan::server server(transport + ":test/async9");
    const auto channel = linkspan::channel::connect(transport + ":test/async9", {}, 60s);
    const task serving = serve(events, server, 500);
    const task first = calls(events, channel, 100), second = calls(events, channel, 100), third = calls(events, channel, 100),
               fourth = calls(events, channel, 100), fifth = calls(events, channel, 100);
    run_all(events, serving, first, second, third, fourth, fifth);
}

task accept(loop &events, const linkspan::listener &listener, std::optional<linkspan::channel> &to) {
    to.emplace(co_await linkspan::accept_async(listener, events, 60s));
}

task send(loop &events, const linkspan::channel &channel, int count) {
    for (int at = 0; at < count; ++at) {
        const auto number = co_await linkspan::send_async(channel, linkspan::message().put(std::string(20'000, char('a' + at % 26))), events, 60s);
        CHECK(number == static_cast<std::uint64_t>(at) + 1);
    }
}

task receive(loop &events, const linkspan::channel &channel, int count) {
    for (int at = 0; at < count; ++at) {
        const auto got = co_await linkspan::recv_async(channel, events);
        CHECK(got.get<std::string>() == std::string(20'000, char('a' + at % 26)));
    }
}

/// A sender without enough room and a receiver share one thread.
void room(const std::string &transport) {
    loop events;
    const linkspan::listener listener(transport + ":test/async2");
    std::optional<linkspan::channel> accepted;
    const task accepting = accept(events, listener, accepted);
    const auto channel = linkspan::channel::connect(transport + ":test/async2", {}, 60s);
    run(events, accepting);
    // Unread messages make the descriptor readable, but do not announce room.
    accepted->send(linkspan::message().put(1));
    CHECK(channel.poll());
    const task sending = send(events, channel, 400);
    const int turns = events.turns;
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < 40ms) events.turn();
    CHECK(!sending.done() && events.turns - turns < 40);
    const task receiving = receive(events, *accepted, 400);
    run_all(events, sending, receiving);
}

task count(loop &events, const linkspan::subscriber &readings, int &got, bool by_next) {
    for (;;) {
        std::optional<linkspan::message> reading;
        if (by_next) reading = co_await linkspan::next_async(readings, events);
        else reading = co_await linkspan::recv_async(readings, events);
        CHECK(reading && reading->get<int>() == got + 1);
        ++got;
    }
}

/// After a coroutine is destroyed in a wait, the next one continues.
void dropped(const std::string &transport) {
    loop events;
    const std::string endpoint = transport + ":test/async3";
    const linkspan::publisher publisher(endpoint);
    const linkspan::subscriber readings(endpoint);
    publisher.wait_for_subscribers(1, 60s);
    int got = 0;
    for (int sent = 1; sent <= 40; ++sent) {
        const task early = count(events, readings, got, sent % 2 == 0);
        CHECK(!early.done() && events.watched() == 1);
        { const task dropped_at_once = count(events, readings, got, true); }
        publisher.send(linkspan::message().put(sent));
        if (sent % 3 == 0) continue;
        while (got < sent) events.turn();
    }
    const task last = count(events, readings, got, false);
    while (got < 40) events.turn();
}

template <class Kind, class Call> task refused(Call call, bool &was, std::string *text = nullptr) {
    try {
        co_await call();
        CHECK(false);
    } catch (const Kind &e) {
        was = true;
        if (text != nullptr) *text = e.what();
    }
}

/// Checks the kind of the error, and its text if `said` is not empty.
template <class Kind, class Call> void ends_with(loop &events, Call call, const std::string &said = "") {
    bool was = false;
    std::string text;
    const task one = refused<Kind>(std::move(call), was, &text);
    run(events, one);
    CHECK(was && events.watched() == 0);
    if (!said.empty() && text != said) std::fprintf(stderr, "%s\n", text.c_str());
    CHECK(said.empty() || text == said);
}

/// Awaited calls report time-outs like blocking calls.
void time_outs(const std::string &transport) {
    loop events;
    const std::string endpoint = transport + ":test/async4";
    const linkspan::server server(endpoint);
    const auto channel = linkspan::channel::connect(endpoint, {}, 60s);
    const linkspan::message seven = linkspan::message().put(7);
    const std::string within = " within the time-out of the awaited call; ", again = within + "try again, or give a longer one";
    ends_with<linkspan::timeout>(events, [&] { return linkspan::next_async(server, events, 20ms); }, endpoint + ": no request has arrived" + again);
    // The deadline also withdraws the request.
    ends_with<linkspan::timeout>(events, [&] { return linkspan::call_async(channel, seven, events, 20ms); },
                                 endpoint + ": no answer has arrived" + within +
                                     "the request is withdrawn, and the server may have carried it out all the same: call again where that does no harm, or give a longer one");
    ends_with<linkspan::timeout>(events, [&] { return linkspan::next_async(server, events, 20ms); });
    ends_with<linkspan::timeout>(events, [&] { return linkspan::next_async(server, events, 0s); });
    const linkspan::subscriber nobody(transport + ":test/async5");
    ends_with<linkspan::not_found>(events, [&] { return linkspan::recv_async(nobody, events, 20ms); });
    ends_with<linkspan::not_found>(events, [&] { return linkspan::next_async(nobody, events, 20ms); });
    const linkspan::listener listener(transport + ":test/async6");
    const linkspan::channel alone(transport + ":test/async9");
    ends_with<linkspan::timeout>(events, [&] { return linkspan::send_async(alone, seven, events, 20ms); },
                                 transport + ":test/async9: the message was not sent: no program was connected, or it had no room," + again);
    ends_with<linkspan::timeout>(events, [&] { return linkspan::accept_async(listener, events, 20ms); }, transport + ":test/async6: no program has connected" + again);
    ends_with<linkspan::timeout>(events, [&] { return linkspan::until_async(listener, events, [] { return std::optional<int>(); }, 20ms); },
                                 "the attempt has found nothing" + again);
    const auto silent = linkspan::channel::connect(transport + ":test/async6", {}, 60s);
    ends_with<linkspan::timeout>(events, [&] { return linkspan::recv_async(silent, events, 20ms); }, transport + ":test/async6: no message has arrived" + again);
    ends_with<linkspan::timeout>(events, [&] {
        return linkspan::until_async(server, events, [&]() -> std::optional<int> { throw linkspan::timeout(linkspan_error(LINKSPAN_ERROR_INIT)); }, 20ms);
    });
    channel.close();
    ends_with<linkspan::invalid_state>(events, [&] { return linkspan::recv_async(channel, events); });
}

/// A server ends during a call, and is closed while a coroutine waits for requests.
void ends(const std::string &transport) {
    loop events;
    const std::string endpoint = transport + ":test/async7";
    std::optional<linkspan::server> server(endpoint);
    const auto channel = linkspan::channel::connect(endpoint, {}, 60s);
    const linkspan::message seven = linkspan::message().put(7);
    bool was = false;
    const task calling = refused<linkspan::disconnected>([&] { return linkspan::call_async(channel, seven, events, 60s); }, was);
    {
        // The reset must precede the request's destructor, which would answer it.
        const auto request = server->next(60s);
        CHECK(request);
        server.reset();
        run(events, calling);
    }
    CHECK(was);

    // The end of a connection does not wake coroutines repeatedly.
    const int turns = events.turns;
    ends_with<linkspan::not_found>(events, [&] { return linkspan::recv_async(channel, events, 100ms); });
    CHECK(events.turns - turns < 20);

    server.emplace(transport + ":test/async8");
    bool is_over = false;
    const auto until_closed = [](loop &of, const linkspan::server &one, bool &over) -> task {
        over = !co_await linkspan::next_async(one, of);
    };
    const task waiting = until_closed(events, *server, is_over);
    server->close();
    run(events, waiting);
    CHECK(is_over);
}

} // namespace

int main() {
    for (const std::string transport : {"shm", "unix", "fifo"}) {
        answers<loop>(transport);
        answers<plain_loop>(transport);
        answers<epoll_loop>(transport);
        answers_of_others(transport);
        room(transport);
        ends(transport);
        // A named pipe cannot have subscribers.
        if (transport == "fifo") continue;
        dropped(transport);
        time_outs(transport);
    }
    std::puts("ok");
}

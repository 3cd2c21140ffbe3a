// Coroutines of C++20: calls that suspend until they can proceed, over the program's event loop.
#ifndef LINKSPAN_ASYNC_HPP
#define LINKSPAN_ASYNC_HPP

#include <linkspan/channel.hpp>
#include <linkspan/publish.hpp>

#if !defined(__cpp_impl_coroutine)
#error "linkspan/async.hpp needs coroutines: compile as C++20, or use linkspan::wait"
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/timerfd.h>
#include <unistd.h>

namespace linkspan {

/// Resumes coroutines from the program's event loop.
///
/// `on_readable(fd, callback)` makes the loop call the callback once, later, when the descriptor is readable. Two
/// callbacks never run at once. Several calls may name one descriptor. The result is kept until the callback ran or the
/// wait ended, so its destructor can stop watching. A later call of the callback does nothing.
template <class E>
concept executor = requires(E &loop, int fd, std::function<void()> callback) { loop.on_readable(fd, std::move(callback)); };

namespace detail {

/// A descriptor that becomes readable at a set time.
class timer {
public:
    timer() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
        if (fd_ < 0) {
            refuse<out_of_memory>(LINKSPAN_OUT_OF_MEMORY,
                                  std::string("timerfd_create, for the deadline of a coroutine: ") + std::strerror(errno));
        }
    }
    timer(const timer &) = delete;
    timer &operator=(const timer &) = delete;
    ~timer() { ::close(fd_); }

    int fd() const noexcept { return fd_; }
    /// Sets the time and makes it unreadable until then; without a time, for ever.
    void set(std::optional<std::chrono::steady_clock::time_point> at) noexcept {
        const auto ns = at ? std::max<std::int64_t>(1, std::chrono::nanoseconds(at->time_since_epoch()).count()) : 0;
        itimerspec when{};
        when.it_value.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
        when.it_value.tv_nsec = static_cast<long>(ns % 1'000'000'000);
        // Cannot fail for a time in range.
        ::timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr);
    }

private:
    int fd_;
};

/// The coroutines that wait on channels.
///
/// An attempt may receive the answer to another call, or the end of the connection, and so silence the descriptor. The
/// other coroutines therefore look again.
class channel_waits {
public:
    void add(const channel &of, timer &woken) {
        const std::lock_guard<std::mutex> lock(mutex_);
        waits_[of.c()].timers.push_back(&woken);
    }
    void remove(const channel &of, timer &woken) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waits_.find(of.c());
        auto &timers = found->second.timers;
        timers.erase(std::find(timers.begin(), timers.end(), &woken));
        if (timers.empty()) waits_.erase(found);
    }
    /// Makes the others look again if something was received since their look, or the connection failed.
    void share(const channel &of, const timer *own, bool has_failed) {
        if (!has_others(of, own)) return;
        const auto received = of.stats().get<std::uint64_t>("received");
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waits_.find(of.c());
        if (found == waits_.end() || (std::exchange(found->second.received, received) == received && !has_failed)) return;
        for (timer *other : found->second.timers) {
            if (other != own) other->set(std::chrono::steady_clock::now());
        }
    }

private:
    bool has_others(const channel &of, const timer *own) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waits_.find(of.c());
        return found != waits_.end() && (found->second.timers.size() > 1 || found->second.timers.front() != own);
    }

    struct waiting {
        std::vector<timer *> timers;
        std::uint64_t received = 0;
    };
    std::mutex mutex_;
    std::map<const linkspan_channel *, waiting> waits_;
};
inline channel_waits all_channel_waits;

inline bool is_nothing(linkspan_status status) noexcept {
    return status == LINKSPAN_EMPTY || status == LINKSPAN_FULL || status == LINKSPAN_TIMEOUT || status == LINKSPAN_STALLED ||
           status == LINKSPAN_NOT_FOUND;
}

/// The result of `on_readable`, or a value for void.
template <class E> struct watching {
    using type = decltype(std::declval<E &>().on_readable(0, std::function<void()>()));
    using kept = std::conditional_t<std::is_void_v<type>, bool, type>;

    static kept begin(E &loop, int fd, std::function<void()> callback) {
        if constexpr (std::is_void_v<type>) {
            loop.on_readable(fd, std::move(callback));
            return true;
        } else {
            return loop.on_readable(fd, std::move(callback));
        }
    }
};

/// A waiting coroutine.
///
/// `Call` has `attempt`, whose last call throws the reason; `fileno`; and `pauses`: whether no descriptor can announce
/// the next success.
template <class E, class Call> class waiting : public std::enable_shared_from_this<waiting<E, Call>> {
public:
    using clock = std::chrono::steady_clock;
    using result = typename Call::result;

    waiting(E &loop, Call call, timeout_value t) : loop_(loop), call_(std::move(call)) {
        const auto ns = t.nanoseconds();
        // Without a time-out it waits for ever. The longest times exceed the clock.
        if (ns >= 0 && clock::now() < clock::time_point::max() - std::chrono::nanoseconds(ns)) deadline_ = clock::now() + std::chrono::nanoseconds(ns);
    }

    waiting(const waiting &) = delete;
    waiting &operator=(const waiting &) = delete;
    ~waiting() {
        if constexpr (is_of_channel) {
            if (shares_) all_channel_waits.remove(call_.object, *timer_);
        }
    }

    /// Makes an attempt; returns whether the wait is over.
    bool look() {
        try {
            found_ = call_.attempt(deadline_ && clock::now() >= *deadline_);
        } catch (...) {
            share(true);
            throw;
        }
        share(false);
        return found_.has_value();
    }

    /// Suspends unless the wait is over. Looks again for arrivals before the descriptor was armed.
    bool suspend(std::coroutine_handle<> waiter) {
        const int fd = call_.object.fileno();
        if (is_of_channel || deadline_ || call_.pauses()) {
            timer_.emplace();
            timer_->set(deadline_);
        }
        if constexpr (is_of_channel) {
            all_channel_waits.add(call_.object, *timer_);
            shares_ = true;
        }
        if (look()) return false;
        waiter_ = waiter;
        watch(fd);
        return true;
    }

    result take() {
        if (failed_) std::rethrow_exception(failed_);
        return std::move(*found_);
    }

private:
    using watched = typename watching<E>::kept;
    /// Whether other coroutines may wait for results of this channel's attempts.
    static constexpr bool is_of_channel = std::is_same_v<std::remove_cvref_t<decltype(std::declval<Call>().object)>, channel>;
    /// The interval of attempts without a descriptor.
    static constexpr std::chrono::milliseconds pause{2};

    void watch(int fd) {
        // Free room has no descriptor, and the object's descriptor may always be readable.
        const bool pauses = call_.pauses();
        if (!pauses && !of_object_) of_object_.emplace(begin(fd, [](waiting &self) { self.of_object_.reset(); }));
        if (pauses) timer_->set(std::min(clock::now() + pause, deadline_.value_or(clock::time_point::max())));
        if (timer_ && !of_timer_) of_timer_.emplace(begin(timer_->fd(), [](waiting &self) { self.of_timer_.reset(); }));
    }

    void share([[maybe_unused]] bool has_failed) {
        if constexpr (is_of_channel) all_channel_waits.share(call_.object, shares_ ? &*timer_ : nullptr, has_failed);
    }

    watched begin(int fd, void (*ended)(waiting &)) {
        // The coroutine may already be destroyed.
        return watching<E>::begin(loop_, fd, [weak = this->weak_from_this(), ended] {
            if (const auto self = weak.lock()) {
                ended(*self);
                self->readable();
            }
        });
    }

    void readable() {
        if (!waiter_) return;
        try {
            // Before the attempt, because another coroutine may set the timer during it.
            if (timer_) timer_->set(deadline_);
            if (!look()) {
                watch(call_.object.fileno());
                return;
            }
        } catch (...) {
            failed_ = std::current_exception();
        }
        of_object_.reset();
        of_timer_.reset();
        std::exchange(waiter_, nullptr).resume();
    }

    E &loop_;
    Call call_;
    std::optional<clock::time_point> deadline_;
    std::optional<result> found_;
    std::exception_ptr failed_;
    std::coroutine_handle<> waiter_;
    bool shares_ = false;
    /// Declared before the watches, so that they end first.
    std::optional<timer> timer_;
    std::optional<watched> of_object_;
    std::optional<watched> of_timer_;
};

} // namespace detail

/// An awaited call: `co_await linkspan::recv_async(readings, loop)`, once and in this expression.
///
/// A coroutine that is destroyed while it waits takes no message.
template <class E, class Call> class [[nodiscard]] awaitable {
public:
    awaitable(E &loop, Call call, timeout_value t) : waiting_(std::make_shared<detail::waiting<E, Call>>(loop, std::move(call), t)) {}

    bool await_ready() { return waiting_->look(); }
    bool await_suspend(std::coroutine_handle<> waiter) { return waiting_->suspend(waiter); }
    typename Call::result await_resume() { return waiting_->take(); }

private:
    std::shared_ptr<detail::waiting<E, Call>> waiting_;
};

namespace detail {

/// The error of an awaited call after its time-out.
struct late {
    const char *what;
    const char *advice = "try again, or give a longer one";
    bool retryable = true;

    [[noreturn]] void refuse(const std::string &endpoint) const {
        const std::string text = (endpoint.empty() ? endpoint : endpoint + ": ") + what + " within the time-out of the awaited call; " + advice;
        linkspan_error e = LINKSPAN_ERROR_INIT;
        e.status = LINKSPAN_TIMEOUT;
        e.text = text.c_str();
        e.endpoint = endpoint.empty() ? nullptr : endpoint.c_str();
        e.retryable = retryable;
        throw linkspan::timeout(e);
    }
};

/// Returns the result of a non-waiting call, or nothing if it found nothing yet; the last call throws.
template <class F> auto given(bool is_last, const late &over, F call) -> std::optional<decltype(call())> {
    try {
        return call();
    } catch (const error &e) {
        if (!is_nothing(e.code())) throw;
        if (!is_last) return std::nullopt;
        if (e.code() == LINKSPAN_NOT_FOUND || e.code() == LINKSPAN_STALLED) throw;
        over.refuse(e.endpoint());
    }
}

/// Like `given`, for a C call whose result `made()` returns. Makes no exception for a mere wait.
template <class F> auto given(linkspan_status status, bool is_last, const late &over, F made) -> std::optional<decltype(made())> {
    if (status == LINKSPAN_OK) return made();
    if (is_nothing(status) && !is_last) return std::nullopt;
    return given(is_last, over, []() -> decltype(made()) { throw_last_error(); });
}

template <class Object, class Attempt> struct call_of {
    using result = typename std::invoke_result_t<Attempt &, bool>::value_type;
    const Object &object;
    Attempt attempt;
    bool pauses_;

    bool pauses() const noexcept { return pauses_; }
};

template <class E, class Object, class Attempt>
auto until(E &loop, const Object &object, timeout_value t, bool pauses, Attempt attempt) {
    using call = call_of<Object, Attempt>;
    return awaitable<E, call>(loop, call{object, std::move(attempt), pauses}, t);
}

/// A request that waits for room, then for its reply. Dropping it withdraws an unanswered request.
class calling {
public:
    using result = message;
    const channel &object;
    calling(const channel &of, const message &request) : object(of), request_(request) {}

    std::optional<message> attempt(bool is_last) {
        if (!started_) {
            const late unsent{"the request was not sent: no program was connected, or it had no room,"};
            auto started = given(is_last, unsent, [&] { return object.start_call(request_, std::chrono::seconds(0)); });
            if (!started) return std::nullopt;
            started_.emplace(std::move(*started));
        }
        linkspan_message *m = nullptr;
        const auto status = linkspan_channel_finish_call(object.c(), started_->c(), 0, &m);
        const late over{"no answer has arrived",
                        "the request is withdrawn, and the server may have carried it out all the same: call again where that does no harm, "
                        "or give a longer one",
                        false};
        return given(status, is_last, over, [&] { return message(m); });
    }
    bool pauses() const noexcept { return !started_; }

private:
    const message &request_;
    std::optional<pending_reply> started_;
};

} // namespace detail

/// Awaits the next message of a channel. Without a time-out it waits for ever, as all these calls do.
template <executor E> auto recv_async(const channel &object, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [&object](bool is_last) {
        linkspan_message *m = nullptr;
        const auto status = is_last ? linkspan_channel_recv(object.c(), 0, &m) : linkspan_channel_try_recv(object.c(), &m);
        return detail::given(status, is_last, detail::late{"no message has arrived"}, [&] { return message(m); });
    });
}
/// Awaits the next message of a subscriber. Throws `lagged` once after missed messages, then continues.
template <executor E> auto recv_async(const subscriber &object, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [&object](bool is_last) {
        linkspan_message *m = nullptr;
        const auto status = is_last ? linkspan_subscriber_recv(object.c(), 0, &m) : linkspan_subscriber_try_recv(object.c(), &m);
        return detail::given(status, is_last, detail::late{"no message has arrived"}, [&] { return message(m); });
    });
}
/// Awaits the next message or request; nothing after close or a stop signal.
///
/// `while (auto request = co_await linkspan::next_async(server, loop)) server.reply(*request, …);`
template <executor E> auto next_async(const subscriber &object, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [&object](bool is_last) {
        linkspan_message *m = nullptr;
        return detail::given(linkspan_subscriber_next(object.c(), 0, &m), is_last, detail::late{"no message has arrived"},
                             [&] { return m == nullptr ? std::nullopt : std::optional<message>(message(m)); });
    });
}
template <executor E> auto next_async(const server &object, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [&object](bool is_last) {
        linkspan_message *m = nullptr;
        return detail::given(linkspan_server_next(object.c(), 0, &m), is_last, detail::late{"no request has arrived"},
                             [&] { return m == nullptr ? std::nullopt : std::optional<message>(message(m)); });
    });
}
/// Awaits room, sends a message and returns its number. A failed or dropped send has sent nothing.
template <executor E> auto send_async(const channel &object, const message &m, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, true, [&object, &m](bool is_last) {
        std::uint64_t sequence = 0;
        const auto status = is_last ? linkspan_channel_send(object.c(), m.c(), 0, &sequence) : linkspan_channel_try_send(object.c(), m.c(), &sequence);
        const detail::late unsent{"the message was not sent: no program was connected, or it had no room,"};
        return detail::given(status, is_last, unsent, [&] { return sequence; });
    });
}
/// Sends a request and awaits its reply; any number of coroutines may call over one channel.
///
/// Destroying the coroutine withdraws the request, but the server may have carried it out.
template <executor E> auto call_async(const channel &object, const message &request, E &loop, timeout_value t = {}) {
    return awaitable<E, detail::calling>(loop, detail::calling(object, request), t);
}
/// Awaits the next peer of a listener and returns its channel.
template <executor E> auto accept_async(const listener &object, E &loop, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [&object](bool is_last) {
        return detail::given(is_last, detail::late{"no program has connected"}, [&] { return object.accept(std::chrono::seconds(0)); });
    });
}
/// Awaits any call of an object with `fileno()`, such as a service or a controller.
///
/// `attempt` does not wait. If it finds nothing, it returns an empty std::optional, or throws `empty`, `full`,
/// `timeout`, `stalled` or `not_found`.
template <executor E, class Object, class Attempt>
auto until_async(const Object &object, E &loop, Attempt attempt, timeout_value t = {}) {
    return detail::until(loop, object, t, false, [attempt = std::move(attempt)](bool is_last) mutable {
        const detail::late over{"the attempt has found nothing"};
        auto found = detail::given(is_last, over, [&] { return attempt(); });
        if (is_last && !(found && *found)) over.refuse({});
        return found ? std::move(*found) : std::nullopt;
    });
}

} // namespace linkspan

#endif

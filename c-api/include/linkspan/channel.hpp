// Channels, listeners and servers. Descriptors of `fileno` belong to their object.
#ifndef LINKSPAN_CHANNEL_HPP
#define LINKSPAN_CHANNEL_HPP

#include <linkspan/options.hpp>

#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <vector>

namespace linkspan {

/// The origin of a message; the text is a view into it.
struct message_info {
    /// The number of the message in the sender's session, from 1.
    std::uint64_t sequence;
    timestamp sent;
    /// The number of messages missed directly before this one.
    std::uint64_t missed;
    linkspan::encoding encoding;
    /// Whether the sender waits for a reply.
    bool is_request;
    std::string_view source;
    /// The publisher's endpoint, for a subscriber to a pattern; empty otherwise.
    std::string_view name;
};

/// Returns the origin of a message; throws `invalid_state` if it was built or decoded here.
inline message_info info(const message &m) {
    linkspan_message_info c = LINKSPAN_MESSAGE_INFO_INIT;
    check(linkspan_message_get_info(m.c(), &c));
    return {c.sequence,
            timestamp(std::chrono::nanoseconds(c.sent)),
            c.missed,
            static_cast<encoding>(c.encoding),
            c.is_request,
            {c.source, c.source_length},
            c.name ? std::string_view(c.name, c.name_length) : std::string_view()};
}

/// Returns the encoded value as received: a view.
///
/// Throws `invalid_state` if the message was built or decoded here.
inline bytes_view body(const message &m) {
    const std::uint8_t *bytes;
    std::size_t length;
    check(linkspan_message_get_body(m.c(), &bytes, &length));
    return {bytes, length};
}

namespace detail {

template <class Messages, class F> std::size_t send_many(const Messages &range, F &&call) {
    std::vector<const linkspan_message *> messages;
    for (auto it = std::begin(range); it != std::end(range); ++it) messages.push_back(it->c());
    std::size_t sent;
    check(call(messages.data(), messages.size(), &sent));
    return sent;
}

template <class F> std::vector<message> recv_many(std::size_t max, F &&call) {
    // A larger `max` means all available messages.
    constexpr std::size_t most = 1024;
    std::vector<linkspan_message *> room(max < most ? max : most);
    std::vector<message> messages;
    messages.reserve(room.size());
    std::size_t count;
    linkspan_message *none;
    check(call(room.size(), room.empty() ? &none : room.data(), &count));
    for (std::size_t i = 0; i < count; ++i) messages.push_back(message(room[i]));
    return messages;
}

} // namespace detail

/// The end of a channel.
enum class role : linkspan_role { listener = LINKSPAN_ROLE_LISTENER, connector = LINKSPAN_ROLE_CONNECTOR };

/// A request of `channel::start_call`, for `channel::finish_call`.
///
/// Its destructor withdraws an unfinished one.
class pending_reply : public detail::handle<linkspan_pending_reply> {
private:
    friend class channel;
    explicit pending_reply(linkspan_pending_reply *c) noexcept : handle(c, nullptr) {}
};

/// One end of a channel: messages in both directions, requests and replies.
///
/// Any number of threads may send and call. Only one at a time may receive; another gets `invalid_state`.
class channel : public detail::handle<linkspan_channel> {
public:
    /// Connects if a program listens at the endpoint; otherwise listens.
    explicit channel(zstring endpoint, const options &o = {}, timeout_value t = {})
        : channel(detail::opened<linkspan_channel>(
              o, [&](auto *c, auto **to) { return linkspan_channel_open(endpoint.c_str(), c, t.nanoseconds(), to); })) {}
    template <class... A> static void open(A &&...) {
        static_assert(detail::never<A...>, "write linkspan::channel(endpoint, options, timeout)");
    }
    template <class... A> static void listen(A &&...) {
        static_assert(detail::never<A...>, "write linkspan::listener(endpoint, options).accept()");
    }
    /// Waits until a program listens, and connects; reconnects when the peer restarts.
    static channel connect(zstring endpoint, const options &o = {}, timeout_value t = {}) {
        return channel(detail::opened<linkspan_channel>(
            o, [&](auto *c, auto **to) { return linkspan_channel_connect(endpoint.c_str(), c, t.nanoseconds(), to); }));
    }

    /// Lends memory for an array to fill and send: `auto wave = channel.loan<double>({3, 4096});`.
    ///
    /// Over `shm:` the peer views it without a copy; see `linkspan_channel_loan`.
    template <class T> linkspan::loan<T> loan(const std::vector<std::size_t> &shape, order o = order::row) const {
        return detail::lent<T>(shape, o, [&](linkspan_dtype d, std::size_t rank, const std::uint64_t *dims, linkspan_array *to) {
            return linkspan_channel_loan(c(), d, rank, dims, to);
        });
    }
    /// Lends memory for `size` bytes, such as a camera frame; see `linkspan_channel_loan_bytes`.
    linkspan::bytes_loan loan_bytes(std::size_t size) const {
        return detail::lent_bytes(size, [&](std::size_t length, std::uint8_t **to) { return linkspan_channel_loan_bytes(c(), length, to); });
    }
    /// Sends a message and returns its number. A failed send leaves the message unchanged.
    std::uint64_t send(const message &m, timeout_value t = {}) const {
        std::uint64_t sequence;
        check(linkspan_channel_send(c(), m.c(), t.nanoseconds(), &sequence));
        return sequence;
    }
    /// Sends without waiting; throws `full` without room.
    std::uint64_t try_send(const message &m) const {
        std::uint64_t sequence;
        check(linkspan_channel_try_send(c(), m.c(), &sequence));
        return sequence;
    }
    /// Sends each message of a range in order; returns their number.
    ///
    /// `error::sent` is the number of messages sent before an error.
    template <class Messages> std::size_t send_many(const Messages &messages, timeout_value t = {}) const {
        return detail::send_many(messages, [&](auto **all, std::size_t count, std::size_t *sent) {
            return linkspan_channel_send_many(c(), all, count, t.nanoseconds(), sent);
        });
    }
    message recv(timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_channel_recv(c(), t.nanoseconds(), &m));
        return message(m);
    }
    /// Waits for a message and returns it with those that arrived after it, at most `max`.
    ///
    /// They count as consumed at the next receiving call.
    std::vector<message> recv_many(std::size_t max, timeout_value t = {}) const {
        return detail::recv_many(max, [&](std::size_t most, auto **room, std::size_t *count) {
            return linkspan_channel_recv_many(c(), most, t.nanoseconds(), room, count);
        });
    }
    /// Receives without waiting; throws `empty` without a message.
    message try_recv() const {
        linkspan_message *m;
        check(linkspan_channel_try_recv(c(), &m));
        return message(m);
    }
    bool poll() const {
        bool there;
        check(linkspan_channel_poll(c(), &there));
        return there;
    }
    /// Sends a request and waits for its reply; throws `remote` if the handler failed.
    message call(const message &request, timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_channel_call(c(), request.c(), t.nanoseconds(), &m));
        return message(m);
    }
    /// Sends a request without waiting for its reply; see `linkspan_channel_start_call`.
    pending_reply start_call(const message &request, timeout_value t = {}) const {
        linkspan_pending_reply *pending;
        check(linkspan_channel_start_call(c(), request.c(), t.nanoseconds(), &pending));
        return pending_reply(pending);
    }
    /// Waits for the reply to a request of `start_call`; throws as `call` does.
    ///
    /// With a time-out of 0, `timeout` means: call again. A longer one gives the request up.
    message finish_call(const pending_reply &pending, timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_channel_finish_call(c(), pending.c(), t.nanoseconds(), &m));
        return message(m);
    }
    /// Replies to a request from `recv`.
    void reply(const message &request, const message &answer, timeout_value t = {}) const {
        check(linkspan_channel_reply(c(), request.c(), answer.c(), t.nanoseconds()));
    }
    /// Acknowledges all received messages, with the option `ack` `"manual"`.
    void ack() const { check(linkspan_channel_ack(c())); }
    /// Returns the events since the last call: an array of maps with `kind`, `at`, `missed` and `text`.
    message events() const {
        linkspan_message *m;
        check(linkspan_channel_events(c(), &m));
        return message(m);
    }
    message stats() const {
        linkspan_message *m;
        check(linkspan_channel_stats(c(), &m));
        return message(m);
    }
    linkspan::role role() const { return static_cast<linkspan::role>(info().role); }
    bool writable() const { return info().writable; }
    std::string_view endpoint() const {
        const auto now = info();
        return {now.endpoint, now.endpoint_length};
    }
    /// Readable if `recv` would not wait.
    int fileno() const {
        int fd;
        check(linkspan_channel_fileno(c(), &fd));
        return fd;
    }
    /// Waits until the peer has consumed all sent messages.
    ///
    /// The `missed` of its error is the number of unconsumed messages. `invalid_state`: another thread closed the
    /// channel.
    void flush(timeout_value t = {}) const { check(linkspan_channel_flush(c(), t.nanoseconds())); }
    /// Closes the channel after the peer has consumed all sent messages.
    void close(timeout_value t = {}) const { check(linkspan_channel_close(c(), t.nanoseconds())); }

private:
    friend class listener;
    explicit channel(std::pair<linkspan_channel *, std::shared_ptr<detail::callbacks>> made) noexcept
        : handle(made.first, std::move(made.second)) {}
    linkspan_channel_info info() const {
        linkspan_channel_info now = LINKSPAN_CHANNEL_INFO_INIT;
        check(linkspan_channel_get_info(c(), &now));
        return now;
    }
};

/// Accepts peers at an endpoint. Its channels keep the callbacks in its options.
class listener : public detail::handle<linkspan_listener> {
public:
    explicit listener(zstring endpoint, const options &o = {})
        : listener(detail::opened<linkspan_listener>(
              o, [&](auto *c, auto **to) { return linkspan_listener_listen(endpoint.c_str(), c, to); })) {}
    template <class... A> static void listen(A &&...) {
        static_assert(detail::never<A...>, "write linkspan::listener(endpoint, options)");
    }
    channel accept(timeout_value t = {}) const {
        linkspan_channel *ch;
        check(linkspan_listener_accept(c(), t.nanoseconds(), &ch));
        return channel({ch, callbacks_});
    }
    /// Returns the events since the last call. A channel reports the events of its peer.
    message events() const {
        linkspan_message *m;
        check(linkspan_listener_events(c(), &m));
        return message(m);
    }
    message stats() const {
        linkspan_message *m;
        check(linkspan_listener_stats(c(), &m));
        return message(m);
    }
    /// Readable if `accept` would not wait.
    int fileno() const {
        int fd;
        check(linkspan_listener_fileno(c(), &fd));
        return fd;
    }
    void close() const { check(linkspan_listener_close(c())); }

private:
    explicit listener(std::pair<linkspan_listener *, std::shared_ptr<detail::callbacks>> made) noexcept
        : handle(made.first, std::move(made.second)) {}
};

namespace detail {

/// The end of a loop. Messages cannot be copied into an iterator.
struct end_of_loop {};

/// A loop over the results of `Owner::next()`, until it returns nothing.
template <class Owner> class next_iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = message;
    using difference_type = std::ptrdiff_t;
    using pointer = message *;
    using reference = message &;

    next_iterator() = default;
    explicit next_iterator(const Owner *owner) : owner_(owner) { ++*this; }
    reference operator*() const { return *current_; }
    pointer operator->() const { return &*current_; }
    next_iterator &operator++() {
        current_.reset();
        current_ = owner_->next();
        if (!current_) owner_ = nullptr;
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const next_iterator &at, end_of_loop) noexcept { return at.owner_ == nullptr; }
    friend bool operator!=(const next_iterator &at, end_of_loop) noexcept { return at.owner_ != nullptr; }
    friend bool operator==(end_of_loop, const next_iterator &at) noexcept { return at.owner_ == nullptr; }
    friend bool operator!=(end_of_loop, const next_iterator &at) noexcept { return at.owner_ != nullptr; }

private:
    const Owner *owner_ = nullptr;
    mutable std::optional<message> current_;
};

} // namespace detail

namespace detail {

/// Threads that each handle one message at a time. The destructor waits for the taken messages.
class workers {
public:
    template <class F> workers(std::size_t count, F handle) {
        try {
            for (std::size_t at = 0; at < count; ++at) threads_.emplace_back([this, handle] { work(handle); });
        } catch (...) {
            end();
            throw;
        }
    }
    workers(const workers &) = delete;
    workers &operator=(const workers &) = delete;
    ~workers() { end(); }

    void wait_for_free() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return free_ > 0; });
    }
    void take(message &&taken) {
        const std::lock_guard<std::mutex> lock(mutex_);
        --free_;
        next_.push_back(std::move(taken));
        changed_.notify_all();
    }

private:
    template <class F> void work(const F &handle) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            ++free_;
            changed_.notify_all();
            changed_.wait(lock, [this] { return ended_ || !next_.empty(); });
            if (next_.empty()) return;
            {
                const message taken = std::move(next_.front());
                next_.pop_front();
                lock.unlock();
                handle(taken);
            }
            lock.lock();
        }
    }
    void end() noexcept {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ended_ = true;
            changed_.notify_all();
        }
        for (std::thread &thread : threads_) thread.join();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<message> next_;
    /// Threads without a message.
    std::size_t free_ = 0;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

} // namespace detail

/// Answers the requests of any number of clients.
///
/// `for (auto &request : server) server.reply(request, …);`
class server : public detail::handle<linkspan_server> {
public:
    using iterator = detail::next_iterator<server>;

    explicit server(zstring endpoint, const options &o = {})
        : server(detail::opened<linkspan_server>(
              o, [&](auto *c, auto **to) { return linkspan_server_serve(endpoint.c_str(), c, to); })) {}
    template <class... A> static void serve(A &&...) {
        static_assert(detail::never<A...>, "write linkspan::server(endpoint, options)");
    }
    /// Waits for the next request; returns nothing after close or a stop signal (`linkspan_server_next`).
    ///
    /// Without a time-out it waits for ever. Dropping an unanswered request answers it with `remote`.
    std::optional<message> next(timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_server_next(c(), t.nanoseconds(), &m));
        return m == nullptr ? std::nullopt : std::optional<message>(message(m));
    }
    /// Lends memory for an array of the reply, like `channel::loan`.
    template <class T>
    linkspan::loan<T> loan(const message &request, const std::vector<std::size_t> &shape, order o = order::row) const {
        return detail::lent<T>(shape, o, [&](linkspan_dtype d, std::size_t rank, const std::uint64_t *dims, linkspan_array *to) {
            return linkspan_request_loan(request.c(), d, rank, dims, to);
        });
    }
    /// Lends memory for bytes of the reply.
    linkspan::bytes_loan loan_bytes(const message &request, std::size_t size) const {
        return detail::lent_bytes(size, [&](std::size_t length, std::uint8_t **to) { return linkspan_request_loan_bytes(request.c(), length, to); });
    }
    void reply(const message &request, const message &answer) const {
        check(linkspan_request_reply(request.c(), answer.c()));
    }
    /// Answers with an error: a code, a dotted type, a text for people, and a value for the program.
    void fail(const message &request, std::int64_t code, zstring type, zstring text,
              const message *data = nullptr) const {
        check(linkspan_request_fail(request.c(), code, type.c_str(), text.c_str(), data == nullptr ? nullptr : data->c()));
    }
    /// Acknowledges this request and its sender's earlier ones, with the option `ack` `"manual"`.
    void ack(const message &request) const { check(linkspan_request_ack(request.c())); }
    /// Replies to every request with the result of `handler`, until close or a stop signal.
    ///
    /// An exception of the handler is sent as an error. The handler also gets messages that need no reply.
    template <class F> void run(F &&handler) const {
        for (message &request : *this) answer(handler, request);
    }
    /// Like `run`, with `workers` threads that run the handler. Throws `out_of_range` for 0.
    template <class F> void run(F &&handler, std::size_t workers) const {
        if (workers == 0) {
            detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE, "workers is 0: give the number of threads that run the handler, 1 or more");
        }
        detail::workers pool(workers, [&](const message &request) { answer(handler, request); });
        // Only as many requests are taken as threads are free. The senders of the others see that they wait.
        pool.wait_for_free();
        for (message &request : *this) {
            pool.take(std::move(request));
            pool.wait_for_free();
        }
    }
    iterator begin() const { return iterator(this); }
    detail::end_of_loop end() const { return {}; }
    message events() const {
        linkspan_message *m;
        check(linkspan_server_events(c(), &m));
        return message(m);
    }
    message stats() const {
        linkspan_message *m;
        check(linkspan_server_stats(c(), &m));
        return message(m);
    }
    /// Readable if `next` would not wait.
    int fileno() const {
        int fd;
        check(linkspan_server_fileno(c(), &fd));
        return fd;
    }
    void close(timeout_value t = {}) const { check(linkspan_server_close(c(), t.nanoseconds())); }

private:
    /// It does not matter if the sender is gone.
    template <class F> void answer(F &handler, const message &request) const {
        const bool is_awaited = info(request).is_request;
        const auto failed = [&](std::int64_t code, const char *type, const char *text) {
            if (is_awaited) static_cast<void>(linkspan_request_fail(request.c(), code, type, text, nullptr));
        };
        try {
            const message reply = handler(request);
            if (is_awaited) this->reply(request, reply);
        } catch (const error &e) {
            failed(e.code(), e.kind(), e.what());
        } catch (const std::exception &e) {
            failed(-32603, "std::exception", e.what());
        } catch (...) {
            failed(-32603, "unknown", "an object that is not a std::exception was thrown");
        }
    }
    explicit server(std::pair<linkspan_server *, std::shared_ptr<detail::callbacks>> made) noexcept
        : handle(made.first, std::move(made.second)) {}
};

} // namespace linkspan

#endif

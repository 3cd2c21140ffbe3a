// Publishers, subscribers, and the newest value.
#ifndef LINKSPAN_PUBLISH_HPP
#define LINKSPAN_PUBLISH_HPP

#include <linkspan/channel.hpp>

namespace linkspan {

/// Sends to any number of subscribers and never waits for a slow one. Any number of threads may send.
class publisher : public detail::handle<linkspan_publisher> {
public:
    explicit publisher(zstring endpoint, const options &o = {})
        : publisher(detail::opened<linkspan_publisher>(
              o, [&](auto *c, auto **to) { return linkspan_publisher_new(endpoint.c_str(), c, to); })) {}

    /// Lends memory for an array to publish, like `channel::loan`.
    template <class T> linkspan::loan<T> loan(const std::vector<std::size_t> &shape, order o = order::row) const {
        return detail::lent<T>(shape, o, [&](linkspan_dtype d, std::size_t rank, const std::uint64_t *dims, linkspan_array *to) {
            return linkspan_publisher_loan(c(), d, rank, dims, to);
        });
    }
    /// Lends memory for bytes to publish, like `channel::loan_bytes`.
    linkspan::bytes_loan loan_bytes(std::size_t size) const {
        return detail::lent_bytes(size, [&](std::size_t length, std::uint8_t **to) { return linkspan_publisher_loan_bytes(c(), length, to); });
    }
    /// Publishes a message and returns its number.
    std::uint64_t send(const message &m) const {
        std::uint64_t sequence;
        check(linkspan_publisher_send(c(), m.c(), &sequence));
        return sequence;
    }
    /// Publishes each message of a range in order, like `channel::send_many`.
    template <class Messages> std::size_t send_many(const Messages &messages) const {
        return detail::send_many(messages, [&](auto **all, std::size_t count, std::size_t *sent) {
            return linkspan_publisher_send_many(c(), all, count, sent);
        });
    }
    std::size_t subscribers() const { return stats().get<std::size_t>("subscribers"); }
    /// Waits until `count` subscribers are connected and will get the following messages.
    ///
    /// Throws `timeout` if fewer are connected in time, `invalid_state` if another thread closes the publisher.
    void wait_for_subscribers(std::size_t count = 1, timeout_value t = {}) const {
        check(linkspan_publisher_wait_for_subscribers(c(), count, t.nanoseconds()));
    }
    message events() const {
        linkspan_message *m;
        check(linkspan_publisher_events(c(), &m));
        return message(m);
    }
    message stats() const {
        linkspan_message *m;
        check(linkspan_publisher_stats(c(), &m));
        return message(m);
    }
    /// Waits until every connected subscriber has been given all published messages.
    ///
    /// The `missed` of `timeout`, or of `invalid_state` if another thread closes the publisher, is the number left for
    /// the slowest subscriber.
    void flush(timeout_value t = {}) const { check(linkspan_publisher_flush(c(), t.nanoseconds())); }
    /// Closes the publisher after its subscribers have received all messages, within the time-out.
    void close(timeout_value t = {}) const { check(linkspan_publisher_close(c(), t.nanoseconds())); }

private:
    explicit publisher(std::pair<linkspan_publisher *, std::shared_ptr<detail::callbacks>> made) noexcept
        : handle(made.first, std::move(made.second)) {}
};

/// Receives from publishers: `for (auto &m : linkspan::subscriber("lab/temperature"))`.
///
/// Only one thread at a time may use it; any thread may close it.
class subscriber : public detail::handle<linkspan_subscriber> {
public:
    using iterator = detail::next_iterator<subscriber>;

    /// The publisher may start later, and restart.
    explicit subscriber(zstring endpoint, const options &o = {})
        : subscriber(detail::opened<linkspan_subscriber>(
              o, [&](auto *c, auto **to) { return linkspan_subscriber_new(endpoint.c_str(), c, to); })) {}

    /// Subscribes to several names and patterns: `linkspan::subscriber({"lab/a", "sim/*"})`.
    explicit subscriber(std::initializer_list<const char *> names, const options &o = {})
        : subscriber(detail::opened<linkspan_subscriber>(o, [&](auto *c, auto **to) {
              return linkspan_subscriber_of(names.begin(), names.size(), c, to);
          })) {}
    explicit subscriber(const std::vector<std::string> &names, const options &o = {})
        : subscriber(detail::opened<linkspan_subscriber>(o, [&](auto *c, auto **to) {
              std::vector<const char *> texts;
              for (const std::string &name : names) texts.push_back(zstring(name).c_str());
              return linkspan_subscriber_of(texts.data(), texts.size(), c, to);
          })) {}

    /// Waits for the next message. Throws `lagged` once after missed messages, then continues.
    message recv(timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_subscriber_recv(c(), t.nanoseconds(), &m));
        return message(m);
    }
    /// Waits for messages, like `channel::recv_many`.
    std::vector<message> recv_many(std::size_t max, timeout_value t = {}) const {
        return detail::recv_many(max, [&](std::size_t most, auto **room, std::size_t *count) {
            return linkspan_subscriber_recv_many(c(), most, t.nanoseconds(), room, count);
        });
    }
    /// Receives without waiting; throws `empty` without a message.
    message try_recv() const {
        linkspan_message *m;
        check(linkspan_subscriber_try_recv(c(), &m));
        return message(m);
    }
    /// Waits for the next message; returns nothing after close or a stop signal.
    ///
    /// See `linkspan_subscriber_next`. Without a time-out it waits for ever. Missed messages are no error;
    /// `info(m).missed` counts those directly before this message.
    std::optional<message> next(timeout_value t = {}) const {
        linkspan_message *m;
        check(linkspan_subscriber_next(c(), t.nanoseconds(), &m));
        return m == nullptr ? std::nullopt : std::optional<message>(message(m));
    }
    iterator begin() const { return iterator(this); }
    detail::end_of_loop end() const { return {}; }
    bool poll() const {
        bool there;
        check(linkspan_subscriber_poll(c(), &there));
        return there;
    }
    /// Acknowledges all received messages, with the option `ack` `"manual"`.
    void ack() const { check(linkspan_subscriber_ack(c())); }
    message events() const {
        linkspan_message *m;
        check(linkspan_subscriber_events(c(), &m));
        return message(m);
    }
    message stats() const {
        linkspan_message *m;
        check(linkspan_subscriber_stats(c(), &m));
        return message(m);
    }
    /// Readable if `recv` would not wait. The subscriber owns it.
    int fileno() const {
        int fd;
        check(linkspan_subscriber_fileno(c(), &fd));
        return fd;
    }
    void close() const { check(linkspan_subscriber_close(c())); }

private:
    explicit subscriber(std::pair<linkspan_subscriber *, std::shared_ptr<detail::callbacks>> made) noexcept
        : handle(made.first, std::move(made.second)) {}
};

template <class... A> void subscribe(A &&...) {
    static_assert(detail::never<A...>, "write linkspan::subscriber(endpoint, options)");
}

/// Returns the newest value of a publisher; with a time-out it waits for one.
///
/// Throws `empty` if nothing was published yet, `not_found` if no program publishes.
inline message latest(zstring endpoint, const options &o = {}, timeout_value t = {}) {
    detail::c_options given(o);
    linkspan_message *m;
    detail::callbacks::check(linkspan_latest(endpoint.c_str(), given.c(), t.nanoseconds(), &m), given.kept);
    return message(m);
}

/// Returns the open names of this machine as maps, like `linkspan ls --json`.
inline message names() {
    linkspan_message *m;
    check(linkspan_names(&m));
    return message(m);
}

/// Returns the schema of the program that listens at the endpoint, or of its spool or journal.
///
/// The value is the canonical form of docs/schema.md. Waits at most 3 s. Throws `not_found` or `missing`.
inline message schema(zstring endpoint) {
    linkspan_message *m;
    check(linkspan_schema(endpoint.c_str(), &m));
    return message(m);
}

/// Returns the schema of a message of the endpoint; throws `corrupt` if the journal has lost it.
inline message schema(zstring endpoint, const message &written) {
    linkspan_message *m;
    check(linkspan_schema_of(endpoint.c_str(), written.c(), &m));
    return message(m);
}

/// The schema of the replies, like `schema`.
inline message reply_schema(zstring endpoint) {
    linkspan_message *m;
    check(linkspan_reply_schema(endpoint.c_str(), &m));
    return message(m);
}

} // namespace linkspan

#endif

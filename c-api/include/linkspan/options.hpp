// Options of objects, and time-outs of calls.
#ifndef LINKSPAN_OPTIONS_HPP
#define LINKSPAN_OPTIONS_HPP

#include <linkspan/codec.hpp>

#include <cstdio>
#include <functional>
#include <memory>

namespace linkspan {

struct forever_t {};
/// Waits for ever.
inline constexpr forever_t forever{};

/// The time-out of a call: any std::chrono duration, zero for no wait, or `forever`.
///
/// By default it is the time-out in the options, or 30 s without one; loops (`next` and range-for) wait for ever.
/// Throws `out_of_range` for a duration that is negative, not a number, or longer than 292 years.
class timeout_value {
public:
    constexpr timeout_value() = default;
    constexpr timeout_value(forever_t) : ns_(LINKSPAN_FOREVER) {}
    template <class R, class P>
    constexpr timeout_value(std::chrono::duration<R, P> d) : ns_(nanoseconds_of(d)) {}
    constexpr std::int64_t nanoseconds() const noexcept { return ns_; }

private:
    template <class R, class P> static constexpr std::int64_t nanoseconds_of(std::chrono::duration<R, P> d) {
        const long double seconds = std::chrono::duration<long double>(d).count();
        // This form also refuses NaN.
        if (!(seconds >= 0)) {
            detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE,
                                         "a time-out that is negative or not a number: give zero or more, or linkspan::forever");
        }
        if (seconds >= 9.2e9L) {
            detail::refuse<out_of_range>(LINKSPAN_OUT_OF_RANGE, "a time-out of more than 292 years: give linkspan::forever");
        }
        return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
    }

    std::int64_t ns_ = LINKSPAN_DEFAULT;
};

/// The options of an endpoint, as in `linkspan_options` and docs/options.md.
///
/// Unset members have their defaults.
struct options {
    std::optional<linkspan::encoding> encoding;
    /// The default time-out of calls.
    timeout_value timeout;
    /// A name of this program that survives restarts.
    std::string client_id;
    /// The capacity in bytes of a ring, queue or spool.
    std::uint64_t buffer = 0;
    /// The largest message in bytes.
    std::uint64_t max_message_size = 0;
    /// `"latest"`, `"best_effort"`, `"at_least_once"` or `"durable"`.
    std::string delivery;
    /// `"auto"` or `"manual"`.
    std::string ack;
    /// `"lines"` or `"raw"`, for peers without Linkspan.
    std::string framing;
    /// The access mode of created files and sockets.
    unsigned mode = 0;
    std::string group;
    std::vector<std::uint32_t> allow_uids;
    std::vector<std::uint32_t> allow_gids;
    /// The time to poll before parking; zero for none.
    std::optional<std::chrono::microseconds> spin;
    bool immutable = false;
    bool durable = false;
    /// The schema of the messages: the path of a schema file, or its text.
    std::string schema;
    /// Runs about every 100 ms while a call waits; false ends the wait with `cancelled`.
    ///
    /// An exception leaves the waiting call.
    std::function<bool()> on_wait;
    std::uint64_t replay_count = 0;
    /// The most bytes of unacknowledged messages.
    std::uint64_t replay_bytes = 0;
    std::uint64_t absent_clients = 0;
    /// The start of a new journal subscriber.
    ///
    /// `"first"`, `"newest"`, a message's number as text, or a time such as `"2026-11-20T12:00:00Z"`.
    std::string from;
    /// The size of a journal's segment in bytes.
    std::uint64_t segment_bytes = 0;
    /// The size of a journal in bytes.
    std::uint64_t retain_bytes = 0;
    /// The greatest age of a segment in seconds.
    double retain_seconds = 0;
    bool retain_consumed = false;
    bool idempotent = false;
    bool locked = false;
    bool shared = false;
    /// The values to check against the schema: `"send"`, `"receive"` or `"both"`.
    std::string validate;
    std::string reply_schema;
    bool replace = false;
    /// Keeps long byte strings over `shm:` in the sender's memory until the message is released.
    ///
    /// A hostile sender can change them while they are read, so copy them before parsing.
    bool view_bytes = false;
    /// The seconds that an unclosed channel waits at its end until the peer has consumed all messages.
    double linger = 0;
    /// Gets the number of unconsumed messages at the end of an unclosed channel.
    ///
    /// It runs in the destructor, or in `std::exit`; never in a forked child. Its exceptions only cause a line on
    /// stderr.
    std::function<void(std::uint64_t missed)> on_unconsumed;
};

namespace detail {

/// Callbacks that outlive their options, and the exception of `on_wait`.
struct callbacks {
    std::function<bool()> on_wait;
    std::function<void(std::uint64_t)> on_unconsumed;
    std::exception_ptr thrown;

    static bool wait(void *context) noexcept {
        auto *self = static_cast<callbacks *>(context);
        try {
            return self->on_wait();
        } catch (...) {
            self->thrown = std::current_exception();
            return false;
        }
    }

    /// Runs in destructors and at exit, which exceptions must not leave.
    static void report(void *context, std::uint64_t missed) noexcept {
        try {
            static_cast<callbacks *>(context)->on_unconsumed(missed);
        } catch (const std::exception &e) {
            std::fprintf(stderr, "linkspan: on_unconsumed threw an exception: %s\n", e.what());
        } catch (...) {
            std::fputs("linkspan: on_unconsumed threw an exception\n", stderr);
        }
    }

    /// Throws the callback's exception, else the last error.
    static void check(linkspan_status status, const std::shared_ptr<callbacks> &self) {
        if (status == LINKSPAN_OK) return;
        if (self && self->thrown) std::rethrow_exception(std::exchange(self->thrown, nullptr));
        throw_last_error();
    }
};

/// The options as a C struct, with the data behind its pointers.
class c_options {
public:
    explicit c_options(const options &o) {
        const auto text = [](const std::string &t) { return t.empty() ? nullptr : zstring(t).c_str(); };
        if (o.encoding) c_.encoding = name(*o.encoding);
        c_.timeout = o.timeout.nanoseconds();
        c_.client_id = text(o.client_id);
        c_.buffer = o.buffer;
        c_.max_message_size = o.max_message_size;
        c_.delivery = text(o.delivery);
        c_.ack = text(o.ack);
        c_.framing = text(o.framing);
        c_.mode = o.mode;
        c_.group = text(o.group);
        if (!o.allow_uids.empty()) c_.allow_uids = o.allow_uids.data();
        c_.allow_uids_count = o.allow_uids.size();
        if (!o.allow_gids.empty()) c_.allow_gids = o.allow_gids.data();
        c_.allow_gids_count = o.allow_gids.size();
        if (o.spin) c_.spin = o.spin->count() == 0 ? -1 : static_cast<std::int32_t>(o.spin->count());
        c_.immutable = o.immutable;
        c_.durable = o.durable;
        c_.schema = text(o.schema);
        c_.replay_count = o.replay_count;
        c_.replay_bytes = o.replay_bytes;
        c_.absent_clients = o.absent_clients;
        c_.from = text(o.from);
        c_.segment_bytes = o.segment_bytes;
        c_.retain_bytes = o.retain_bytes;
        c_.retain_seconds = o.retain_seconds;
        c_.retain_consumed = o.retain_consumed;
        c_.idempotent = o.idempotent;
        c_.locked = o.locked;
        c_.shared = o.shared;
        c_.validate = text(o.validate);
        c_.reply_schema = text(o.reply_schema);
        c_.replace = o.replace;
        c_.view_bytes = o.view_bytes;
        c_.linger = o.linger;
        if (o.on_wait || o.on_unconsumed) kept = std::make_shared<callbacks>(callbacks{o.on_wait, o.on_unconsumed, nullptr});
        if (o.on_wait) {
            c_.on_wait = callbacks::wait;
            c_.on_wait_context = kept.get();
        }
        if (o.on_unconsumed) {
            c_.on_unconsumed = callbacks::report;
            c_.on_unconsumed_context = kept.get();
        }
    }
    const linkspan_options *c() const noexcept { return &c_; }

    std::shared_ptr<callbacks> kept;

private:
    linkspan_options c_ = LINKSPAN_OPTIONS_INIT;
};

/// Frees an object of each kind; NULL is allowed.
inline void free(linkspan_channel *c) noexcept { static_cast<void>(linkspan_channel_free(c)); }
inline void free(linkspan_pending_reply *c) noexcept { static_cast<void>(linkspan_pending_reply_free(c)); }
inline void free(linkspan_listener *c) noexcept { static_cast<void>(linkspan_listener_free(c)); }
inline void free(linkspan_server *c) noexcept { static_cast<void>(linkspan_server_free(c)); }
inline void free(linkspan_publisher *c) noexcept { static_cast<void>(linkspan_publisher_free(c)); }
inline void free(linkspan_subscriber *c) noexcept { static_cast<void>(linkspan_subscriber_free(c)); }
inline void free(linkspan_service *c) noexcept { static_cast<void>(linkspan_service_free(c)); }
inline void free(linkspan_controller *c) noexcept { static_cast<void>(linkspan_controller_free(c)); }
inline void free(linkspan_region *c) noexcept { static_cast<void>(linkspan_region_free(c)); }

/// The owner of a C handle: moved, not copied, freed by the destructor.
template <class C> class handle {
public:
    handle(handle &&other) noexcept
        : callbacks_(std::move(other.callbacks_)), c_(std::exchange(other.c_, nullptr)) {}
    handle &operator=(handle &&other) noexcept {
        // The old handle is freed now instead of with the other object, so its name is free at once.
        handle taken(std::move(other));
        std::swap(c_, taken.c_);
        std::swap(callbacks_, taken.callbacks_);
        return *this;
    }
    handle(const handle &) = delete;
    handle &operator=(const handle &) = delete;
    ~handle() { free(c_); }

    C *c() const noexcept { return c_; }

protected:
    handle(C *c, std::shared_ptr<callbacks> kept) noexcept : callbacks_(std::move(kept)), c_(c) {}
    void check(linkspan_status status) const { callbacks::check(status, callbacks_); }

    std::shared_ptr<callbacks> callbacks_;

private:
    C *c_;
};

template <class C, class F> std::pair<C *, std::shared_ptr<callbacks>> opened(const options &o, F &&call) {
    c_options given(o);
    C *c = nullptr;
    callbacks::check(call(given.c(), &c), given.kept);
    return {c, std::move(given.kept)};
}

} // namespace detail

} // namespace linkspan

#endif

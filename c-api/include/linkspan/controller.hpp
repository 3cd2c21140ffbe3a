// Queries and commands of services, through `linkspan controller`.
#ifndef LINKSPAN_CONTROLLER_HPP
#define LINKSPAN_CONTROLLER_HPP

#include <linkspan/service.hpp>

namespace linkspan {

/// A command with all its options.
struct command_request {
    std::string service;
    /// The command: `"PAUSE"`, or a command of the service.
    std::string command;
    /// The arguments, or null. The caller owns them.
    const message *arguments = nullptr;
    /// The time-out of the command; 30 s by default.
    timeout_value within;
    /// The id; `""` for a random one. The service carries out an id once, and repeats its answer.
    std::string id;
    /// The incarnation of the service, from its record; 0 for any.
    std::uint64_t epoch = 0;
    /// Whether to wait until the command is done, instead of accepted or refused.
    bool until_done = false;
};

/// A connection to a controller: `controller().command("power", "PAUSE")`.
///
/// Records and answers are maps; see `linkspan_controller` in linkspan.h.
class controller : public detail::handle<linkspan_controller> {
public:
    /// Connects to `$LINKSPAN_CONTROLLER`, else `unix:controller`.
    explicit controller(const options &o = {}, timeout_value t = {}) : controller(opened(nullptr, o, t)) {}
    explicit controller(zstring endpoint, const options &o = {}, timeout_value t = {})
        : controller(opened(endpoint.c_str(), o, t)) {}

    /// The records of all services.
    message services(timeout_value t = {}) const {
        return given([&](auto **to) { return linkspan_controller_services(c(), t.nanoseconds(), to); });
    }
    /// The record of a service; throws `not_found` for an unknown one.
    message status(zstring service, timeout_value t = {}) const {
        return given([&](auto **to) { return linkspan_controller_status(c(), service.c_str(), t.nanoseconds(), to); });
    }
    /// Sends a command, `"PAUSE"` or one of the service, and returns its result when it is done.
    message command(zstring service, zstring command, timeout_value t = {}) const {
        return carried_out(service, command, nullptr, t);
    }
    message command(zstring service, zstring command, const message &arguments, timeout_value t = {}) const {
        return carried_out(service, command, arguments.c(), t);
    }
    /// Sends a command and waits until it is accepted or refused, or, if requested, done.
    ///
    /// The answer has the outcome, also of a failed command, and the `id` for `answer`.
    message begin(const command_request &o, timeout_value t = {}) const {
        linkspan_command_request whole = LINKSPAN_COMMAND_REQUEST_INIT;
        whole.service = o.service.c_str();
        whole.command = o.command.c_str();
        whole.arguments = o.arguments == nullptr ? nullptr : o.arguments->c();
        whole.within = o.within.nanoseconds();
        whole.id = o.id.empty() ? nullptr : o.id.c_str();
        whole.epoch = o.epoch;
        whole.until_done = o.until_done;
        return given([&](auto **to) { return linkspan_controller_begin(c(), &whole, t.nanoseconds(), to); });
    }
    /// Sends a command without waiting until it is done.
    message begin(zstring service, zstring command, timeout_value t = {}) const {
        command_request o;
        o.service = service.c_str();
        o.command = command.c_str();
        return begin(o, t);
    }
    message answer(zstring service, zstring id, timeout_value t = {}) const {
        return given([&](auto **to) {
            return linkspan_controller_answer(c(), service.c_str(), id.c_str(), t.nanoseconds(), to);
        });
    }
    message log(std::size_t lines = 100, timeout_value t = {}) const { return logged(nullptr, lines, t); }
    message log(zstring service, std::size_t lines = 100, timeout_value t = {}) const {
        return logged(service.c_str(), lines, t);
    }
    /// Watches these services, or all: `next` returns their states, and then their changes.
    ///
    /// `data_every` is the interval for reading data, zero for never.
    void watch(std::chrono::nanoseconds data_every = {}, const std::vector<std::string> &services = {}) const {
        std::vector<const char *> names;
        for (const std::string &name : services) names.push_back(name.c_str());
        check(linkspan_controller_watch(c(), data_every.count(), names.data(), names.size()));
    }
    /// Waits for the next event; without a time-out for ever. See `linkspan_controller_watch`.
    message next(timeout_value t = {}) const {
        return given([&](auto **to) { return linkspan_controller_next(c(), t.nanoseconds(), to); });
    }
    /// Removes a disconnected service.
    void forget(zstring service, timeout_value t = {}) const {
        check(linkspan_controller_forget(c(), service.c_str(), t.nanoseconds()));
    }
    message stats() const {
        return given([&](auto **to) { return linkspan_controller_stats(c(), to); });
    }
    /// Readable if `next` would not wait.
    int fileno() const {
        int fd;
        check(linkspan_controller_fileno(c(), &fd));
        return fd;
    }
    void close() const { check(linkspan_controller_close(c())); }

private:
    using made = std::pair<linkspan_controller *, std::shared_ptr<detail::callbacks>>;
    explicit controller(made m) noexcept : handle(m.first, std::move(m.second)) {}
    static made opened(const char *endpoint, const options &o, timeout_value t) {
        return detail::opened<linkspan_controller>(
            o, [&](auto *c, auto **to) { return linkspan_controller_connect(endpoint, c, t.nanoseconds(), to); });
    }

    template <class F> message given(F &&call) const {
        linkspan_message *m;
        check(call(&m));
        return message(m);
    }
    message carried_out(zstring service, zstring command, const linkspan_message *arguments, timeout_value t) const {
        return given([&](auto **to) {
            return linkspan_controller_command(c(), service.c_str(), command.c_str(), arguments, t.nanoseconds(), to);
        });
    }
    message logged(const char *service, std::size_t lines, timeout_value t) const {
        return given([&](auto **to) { return linkspan_controller_log(c(), service, lines, t.nanoseconds(), to); });
    }
};

} // namespace linkspan

#endif

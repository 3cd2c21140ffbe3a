// Services: programs that work in steps, and carry out commands of a controller between steps.
#ifndef LINKSPAN_SERVICE_HPP
#define LINKSPAN_SERVICE_HPP

#include <linkspan/channel.hpp>

namespace linkspan {

/// The state of a service.
enum class state : linkspan_state {
    starting = LINKSPAN_STATE_STARTING,
    ready = LINKSPAN_STATE_READY,
    running = LINKSPAN_STATE_RUNNING,
    pausing = LINKSPAN_STATE_PAUSING,
    paused = LINKSPAN_STATE_PAUSED,
    checkpointing = LINKSPAN_STATE_CHECKPOINTING,
    stopping = LINKSPAN_STATE_STOPPING,
    stopped = LINKSPAN_STATE_STOPPED,
    failed = LINKSPAN_STATE_FAILED
};
/// The name of a state: `"RUNNING"`.
inline const char *name(state s) noexcept { return linkspan_state_name(static_cast<linkspan_state>(s)); }

/// The commands for a service.
enum class command : linkspan_command {
    step = LINKSPAN_COMMAND_STEP,
    get_data = LINKSPAN_COMMAND_GET_DATA,
    pause = LINKSPAN_COMMAND_PAUSE,
    run = LINKSPAN_COMMAND_RUN,
    checkpoint = LINKSPAN_COMMAND_CHECKPOINT,
    shutdown = LINKSPAN_COMMAND_SHUTDOWN,
    config = LINKSPAN_COMMAND_CONFIG,
    backup = LINKSPAN_COMMAND_BACKUP,
    own = LINKSPAN_COMMAND_OWN
};

/// The options of a service. Unset members have their defaults.
struct service_options {
    /// The controller's endpoint; `""` for `$LINKSPAN_CONTROLLER`, else `unix:controller`.
    std::string controller;
    /// The period of the steps: zero for no pause, nothing for no steps.
    std::optional<std::chrono::nanoseconds> every;
    /// Whether the service waits in READY for the command RUN.
    bool paused = false;
    /// A description in one line.
    std::string description;
    /// The additional commands: `"CONFIG"`, `"BACKUP"`, names of the service.
    std::vector<std::string> commands;
    /// The options of the connection to the controller.
    options channel;
    /// Runs in a thread of the library when the current work is cancelled. It must not throw.
    std::function<void()> on_cancel;
    /// Whether the library handles SIGTERM and SIGINT.
    ///
    /// The first signal means SHUTDOWN, the second cancels the current work, and the third kills the program.
    bool handle_signals = true;
};

/// A command for the program to carry out; answer it once.
///
/// Dropped without an answer, a step counts as done and a command as failed.
class task {
public:
    task(task &&other) noexcept : service_(std::exchange(other.service_, nullptr)), c_(other.c_) {}
    task &operator=(task &&other) noexcept {
        std::swap(service_, other.service_);
        std::swap(c_, other.c_);
        return *this;
    }
    task(const task &) = delete;
    task &operator=(const task &) = delete;
    ~task() {
        if (service_ == nullptr) return;
        // A destructor cannot report a failure, which only means that the service is closed.
        if (c_.command == LINKSPAN_COMMAND_STEP) {
            static_cast<void>(linkspan_service_task_done(service_, &c_, nullptr));
        } else {
            static_cast<void>(linkspan_service_task_failed(service_, &c_, LINKSPAN_INTERNAL, "the program left it unanswered"));
        }
    }

    linkspan::command command() const noexcept { return static_cast<linkspan::command>(c_.command); }
    /// `"PAUSE"`, or a name of the service. Like `id`, a view until the task is answered.
    std::string_view name() const noexcept { return c_.name; }
    /// The id from its sender; `""` for a step, and for a shutdown by a signal.
    std::string_view id() const noexcept { return c_.id; }
    /// The state before the command. For SHUTDOWN, `paused` means that everything is already closed.
    state before() const noexcept { return static_cast<state>(c_.before); }
    /// When the task was taken; the maximum for no limit.
    std::chrono::nanoseconds remaining() const noexcept { return std::chrono::nanoseconds(c_.remaining); }
    /// The arguments; null for none.
    message arguments() const {
        auto *arguments = const_cast<linkspan_message *>(c_.arguments);
        check(linkspan_message_retain(arguments));
        return message(arguments);
    }

    void done() { answer(linkspan_service_task_done(service_, &c_, nullptr)); }
    /// Completes the command; its sender receives this value.
    void done(const message &value) { answer(linkspan_service_task_done(service_, &c_, value.c())); }
    /// Fails the command with a status and a text for people.
    ///
    /// `LINKSPAN_REMOTE` is for failures that are not errors of Linkspan.
    void failed(linkspan_status status, zstring text) {
        answer(linkspan_service_task_failed(service_, &c_, status, text.c_str()));
    }
    void failed(const error &why) { failed(why.code(), why.what()); }
    void failed(const std::exception &why) { failed(LINKSPAN_REMOTE, why.what()); }

    const linkspan_task &c() const noexcept { return c_; }

private:
    friend class service;
    task(linkspan_service *service, const linkspan_task &c) noexcept : service_(service), c_(c) {}
    void answer(linkspan_status status) {
        check(status);
        service_ = nullptr;
    }

    linkspan_service *service_;
    linkspan_task c_;
};

namespace detail {

/// Keeps a callback alive longer than the service: a base class before the one that frees the service.
class on_cancel {
protected:
    explicit on_cancel(std::unique_ptr<std::function<void()>> function) noexcept : function_(std::move(function)) {}
    on_cancel(on_cancel &&) noexcept = default;
    on_cancel &operator=(on_cancel &&other) noexcept {
        std::swap(function_, other.function_);
        return *this;
    }
    ~on_cancel() = default;

private:
    std::unique_ptr<std::function<void()>> function_;
};

} // namespace detail

/// A service with a task loop: `while (auto task = service.next()) …`. It outlives its tasks.
class service : private detail::on_cancel, public detail::handle<linkspan_service> {
public:
    /// Starts the service in STARTING. It connects to its controller in the background, and retries.
    explicit service(zstring name, const service_options &o = {}) : service(started(name, o)) {}

    /// Waits for the next task; returns nothing after STOPPED. Without a time-out it waits for ever.
    ///
    /// The first call makes the service READY, and then RUNNING unless `paused` is set.
    std::optional<task> next(timeout_value t = {}) const {
        linkspan_task next = LINKSPAN_TASK_INIT;
        check(linkspan_service_next(c(), t.nanoseconds(), &next));
        return next.command == LINKSPAN_COMMAND_END ? std::nullopt : std::optional<task>(task(c(), next));
    }
    /// Makes the service FAILED, with this reason.
    void fail(linkspan_status status, zstring text) const { check(linkspan_service_set_failed(c(), status, text.c_str())); }
    void fail(const error &why) const { fail(why.code(), why.what()); }
    void fail(const std::exception &why) const { fail(LINKSPAN_REMOTE, why.what()); }
    /// Sets the reason in the record of a service that continues with a problem; `""` removes it.
    void set_reason(zstring text) const { check(linkspan_service_set_reason(c(), text.c_str())); }
    /// Adds a line to the log. `level` is `debug`, `info`, `warning` or `error`, else `out_of_range`.
    void log(zstring text, zstring level = "info") const {
        check(linkspan_service_log(c(), text.c_str(), level.c_str()));
    }
    /// Acts like a stop signal; the second call cancels the current work.
    void shutdown() const { check(linkspan_service_shutdown(c())); }
    linkspan::state state() const { return static_cast<linkspan::state>(info().state); }
    bool is_cancelled() const { return info().is_cancelled; }
    bool is_connected() const { return info().is_connected; }
    /// The random number of this incarnation.
    std::uint64_t epoch() const { return info().epoch; }
    message stats() const {
        linkspan_message *m;
        check(linkspan_service_stats(c(), &m));
        return message(m);
    }
    /// Readable if `next` may have a task. The service owns it.
    int fileno() const {
        int fd;
        check(linkspan_service_fileno(c(), &fd));
        return fd;
    }
    /// Disconnects from the controller with the current state of the service.
    void close(timeout_value t = {}) const { check(linkspan_service_close(c(), t.nanoseconds())); }

private:
    struct made {
        linkspan_service *c = nullptr;
        std::shared_ptr<detail::callbacks> callbacks;
        std::unique_ptr<std::function<void()>> on_cancel;
    };
    explicit service(made &&m) noexcept : on_cancel(std::move(m.on_cancel)), handle(m.c, std::move(m.callbacks)) {}

    static made started(zstring name, const service_options &o) {
        detail::c_options channel(o.channel);
        std::vector<const char *> commands;
        for (const std::string &command : o.commands) commands.push_back(command.c_str());
        linkspan_service_options given = LINKSPAN_SERVICE_OPTIONS_INIT;
        given.controller = o.controller.empty() ? nullptr : o.controller.c_str();
        // In C, 0 means no steps and 1 ns means no pause between steps.
        if (o.every) given.every = o.every->count() == 0 ? 1 : o.every->count();
        given.paused = o.paused;
        given.leave_signals = !o.handle_signals;
        given.description = o.description.c_str();
        given.commands = commands.data();
        given.commands_count = commands.size();
        given.channel = channel.c();
        made m;
        if (o.on_cancel) {
            m.on_cancel = std::make_unique<std::function<void()>>(o.on_cancel);
            given.on_cancel = [](void *context) noexcept { (*static_cast<std::function<void()> *>(context))(); };
            given.on_cancel_context = m.on_cancel.get();
        }
        detail::callbacks::check(linkspan_service_start(name.c_str(), &given, &m.c), channel.kept);
        m.callbacks = std::move(channel.kept);
        return m;
    }
    linkspan_service_info info() const {
        linkspan_service_info now = LINKSPAN_SERVICE_INFO_INIT;
        check(linkspan_service_get_info(c(), &now));
        return now;
    }
};

/// The work of a service and its reactions to commands: derive from this, and `run` it.
///
/// All hooks run in the thread of `run`. The sender of a command gets an exception of its hook, and the state stays. An
/// exception of a start, a step or a stop makes the service FAILED and ends `run`.
class service_hooks {
public:
    virtual ~service_hooks() = default;

    /// Opens the resources of the service.
    virtual void on_start() {}
    virtual void step() = 0;
    /// Checkpoints and closes the written files, so that they can be copied.
    virtual void on_pause() {}
    /// Reopens the resources that `on_pause` closed.
    virtual void on_resume() { on_start(); }
    /// Writes the data to the disk, and continues.
    virtual void on_checkpoint() {}
    /// Ends the work. Not called if a pause has already closed the data.
    virtual void on_stop() { on_pause(); }
    /// Returns the data for controllers; changes nothing.
    virtual message data() { return message(); }
    /// Changes settings, and returns all. For `"CONFIG"` among the commands of the options.
    virtual message on_config(const message &settings) { return command("CONFIG", settings); }
    /// Writes a backup copy of the data. For `"BACKUP"`.
    virtual message on_backup(const message &arguments) { return command("BACKUP", arguments); }
    /// Carries out another command of the options.
    virtual message command(std::string_view name, const message &) {
        const std::string text = "the service names " + std::string(name) + " among its commands and does not carry it out";
        linkspan_error e = LINKSPAN_ERROR_INIT;
        e.status = LINKSPAN_UNSUPPORTED;
        e.text = text.c_str();
        throw unsupported(e);
    }

protected:
    /// The running service; only hooks may call this.
    const linkspan::service &running() const { return *service_; }
    std::chrono::nanoseconds remaining() const {
        if (deadline_ == clock::time_point::max()) return std::chrono::nanoseconds::max();
        return std::max<std::chrono::nanoseconds>(deadline_ - clock::now(), std::chrono::nanoseconds(0));
    }

private:
    using clock = std::chrono::steady_clock;
    friend void run(service_hooks &hooks, zstring name, service_options options);

    message carry_out(const task &t) {
        deadline_ = t.remaining() == std::chrono::nanoseconds::max() ? clock::time_point::max() : clock::now() + t.remaining();
        switch (t.command()) {
        case linkspan::command::step: step(); break;
        case linkspan::command::get_data: return data();
        case linkspan::command::pause: on_pause(); break;
        case linkspan::command::run:
            if (t.before() == state::failed) on_start();
            if (t.before() == state::paused) on_resume();
            break;
        case linkspan::command::checkpoint: on_checkpoint(); break;
        case linkspan::command::shutdown:
            if (t.before() != state::paused) on_stop();
            break;
        case linkspan::command::config: return on_config(t.arguments());
        case linkspan::command::backup: return on_backup(t.arguments());
        case linkspan::command::own: return command(t.name(), t.arguments());
        }
        return message();
    }

    const linkspan::service *service_ = nullptr;
    clock::time_point deadline_ = clock::time_point::max();
};

namespace detail {

/// Reports the current exception to `to`: `to.failed(…)`, `to.fail(…)`.
template <class F> void report_thrown(F &&report) {
    try {
        throw;
    } catch (const error &e) {
        report(e.code(), e.what());
    } catch (const std::exception &e) {
        report(LINKSPAN_REMOTE, e.what());
    } catch (...) {
        report(LINKSPAN_REMOTE, "an object that is not a std::exception was thrown");
    }
}

} // namespace detail

/// Runs a service until its controller or a signal shuts it down; one step per second by default.
///
/// Throws the exception of a start, a step or a stop, after it was reported to the controller.
inline void run(service_hooks &hooks, zstring name, service_options options = {}) {
    if (!options.every) options.every = std::chrono::seconds(1);
    const service running(name, options);
    hooks.service_ = &running;
    try {
        hooks.on_start();
        while (auto t = running.next()) {
            try {
                t->done(hooks.carry_out(*t));
            } catch (...) {
                // A cancelled step is not a failure. An incomplete shutdown is one, whatever cancelled it.
                const bool fatal = t->command() == linkspan::command::shutdown || (t->command() == linkspan::command::step && !running.is_cancelled());
                detail::report_thrown([&](linkspan_status status, const char *text) { t->failed(status, text); });
                if (fatal) throw;
            }
        }
    } catch (...) {
        if (running.state() != state::failed) {
            detail::report_thrown([&](linkspan_status status, const char *text) { running.fail(status, text); });
        }
        throw;
    }
}

} // namespace linkspan

#endif

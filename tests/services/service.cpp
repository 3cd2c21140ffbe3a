// The service in C++, with hooks. See README.md.
#include <linkspan.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <thread>

namespace {

class peer : public linkspan::service_hooks {
public:
    explicit peer(std::filesystem::path gates) : gates_(std::move(gates)) {}

    void on_start() override { pass("START"); }
    void step() override {
        pass("STEP");
        if (breaks_) throw std::runtime_error("asked to break");
        ++steps_;
    }
    void on_pause() override { pass("PAUSE"); }
    void on_resume() override { pass("RUN"); }
    void on_checkpoint() override { pass("CHECKPOINT"); }
    void on_stop() override { pass("SHUTDOWN"); }
    linkspan::message data() override {
        pass("GET_DATA");
        linkspan::message data;
        data.put("language", "cpp").put("steps", steps_);
        return data;
    }
    linkspan::message command(std::string_view name, const linkspan::message &arguments) override {
        if (name == "fail") throw std::runtime_error("asked to fail");
        if (name != "break") return arguments.share();
        breaks_ = true;
        return {};
    }

private:
    void pass(const char *name) const {
        while (std::filesystem::exists(gates_ / name)) {
            if (running().is_cancelled()) throw std::runtime_error("the wait at a gate was cancelled");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }

    std::filesystem::path gates_;
    std::uint64_t steps_ = 0;
    bool breaks_ = false;
};

} // namespace

int main(int count, char **words) {
    if (count < 3) return 2;
    linkspan::service_options options;
    options.every = std::chrono::milliseconds(20);
    options.paused = count > 3 && std::string_view(words[3]) == "ready";
    options.commands = {"CONFIG", "BACKUP", "echo", "fail", "break"};
    peer hooks(words[2]);
    try {
        linkspan::run(hooks, words[1], options);
    } catch (const std::exception &why) {
        std::cerr << why.what() << '\n';
        return 1;
    }
}

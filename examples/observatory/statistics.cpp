// Rolling statistics of the sensors: hears observatory/sensors, publishes observatory/statistics twice a second.
#include <linkspan.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <deque>
#include <iostream>
#include <map>
#include <string>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr auto span = 30s;     // what the statistics are over
constexpr auto period = 500ms; // how often they are told

volatile std::sig_atomic_t stopped = 0;

struct reading {
    clock_type::time_point heard;
    double value;
};

struct summary {
    double mean, sd, min, max;
};

// Two passes over some three hundred values: exact, where running sums would drift.
summary summarize(const std::deque<reading> &window) {
    const double n = static_cast<double>(window.size());
    summary s{0, 0, window.front().value, window.front().value};
    for (const auto &r : window) {
        s.mean += r.value / n;
        s.min = std::min(s.min, r.value);
        s.max = std::max(s.max, r.value);
    }
    for (const auto &r : window) s.sd += (r.value - s.mean) * (r.value - s.mean);
    s.sd = window.size() > 1 ? std::sqrt(s.sd / (n - 1)) : 0;
    return s;
}

void put(linkspan::message &m, const std::string &name, const std::deque<reading> &window) {
    const summary s = summarize(window);
    m.begin_map(name);
    m.put("count", static_cast<std::int64_t>(window.size()));
    m.put("mean", s.mean).put("sd", s.sd).put("min", s.min).put("max", s.max);
    m.end();
}

} // namespace

int main() {
    std::signal(SIGINT, [](int) { stopped = 1; });
    std::signal(SIGTERM, [](int) { stopped = 1; });
    try {
        const linkspan::subscriber sensors("observatory/sensors");
        const linkspan::publisher out("observatory/statistics");
        std::map<std::string, std::deque<reading>> windows;
        auto due = clock_type::now();

        while (!stopped) {
            try {
                const linkspan::message heard = sensors.recv(100ms);
                const auto now = clock_type::now();
                for (const auto &item : heard.walk("readings")) {
                    if (item.type() == linkspan::type::floating) {
                        windows[std::string(item.key())].push_back({now, item.number()});
                    }
                }
            } catch (const linkspan::error &e) {
                if (!e.retryable()) throw; // nobody publishes yet, or again: the subscriber dials by itself
            }
            if (clock_type::now() < due) continue;
            due = clock_type::now() + period;

            // Told even where there is nothing to tell, so that others see that this program lives.
            linkspan::message m;
            m.put("at", std::chrono::system_clock::now());
            m.put("seconds", static_cast<double>(span.count()));
            m.begin_map("statistics");
            for (auto &[name, window] : windows) {
                while (!window.empty() && window.front().heard < clock_type::now() - span) window.pop_front();
                if (!window.empty()) put(m, name, window);
            }
            m.end();
            out.send(m);
        }
    } catch (const linkspan::error &e) {
        std::cerr << "statistics: " << e.what() << '\n';
        return 1;
    }
}

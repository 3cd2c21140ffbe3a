// Rolling statistics of the sensors: subscribes to observatory/sensors, publishes observatory/statistics twice a second.
#include <linkspan.hpp>

#include "generated/observatory_sensors.hpp"
#include "generated/observatory_statistics.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <deque>
#include <iostream>
#include <map>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr auto span = 30s;     // what the statistics are over
constexpr auto period = 500ms; // how often they are published

volatile std::sig_atomic_t stopped = 0;

struct reading {
    clock_type::time_point heard;
    double value;
};

using summary = ObservatoryStatisticsStatistics;

// Two passes over some three hundred values: exact, where running sums would drift.
summary summarize(const std::deque<reading> &window) {
    const double n = static_cast<double>(window.size());
    summary s;
    s.count = static_cast<std::int64_t>(window.size());
    s.min = s.max = window.front().value;
    for (const auto &r : window) {
        s.mean += r.value / n;
        s.min = std::min(s.min, r.value);
        s.max = std::max(s.max, r.value);
    }
    for (const auto &r : window) s.sd += (r.value - s.mean) * (r.value - s.mean);
    s.sd = window.size() > 1 ? std::sqrt(s.sd / (n - 1)) : 0;
    return s;
}

linkspan::options with(const char *schema) {
    linkspan::options options;
    options.schema = schema;
    return options;
}

} // namespace

int main() {
    std::signal(SIGINT, [](int) { stopped = 1; });
    std::signal(SIGTERM, [](int) { stopped = 1; });
    try {
        const linkspan::subscriber sensors("observatory/sensors", with(ObservatorySensors::schema()));
        const linkspan::publisher out("observatory/statistics", with(ObservatoryStatistics::schema()));
        linkspan::reader decoder;
        linkspan::writer encoder;
        std::map<std::string, std::deque<reading>> windows;
        auto due = clock_type::now();

        while (!stopped) {
            try {
                const auto heard = ObservatorySensors::decode(decoder, sensors.recv(100ms)).readings;
                const auto now = clock_type::now();
                windows["cpu"].push_back({now, heard.cpu});
                windows["load"].push_back({now, heard.load});
                windows["memory"].push_back({now, heard.memory});
                windows["network"].push_back({now, heard.network});
                windows["disk"].push_back({now, heard.disk});
                if (heard.temperature) windows["temperature"].push_back({now, *heard.temperature});
            } catch (const linkspan::schema_mismatch &) {
                // A driver with other units: nothing of it is counted, and the page says why. The next one may fit.
                std::this_thread::sleep_for(100ms);
            } catch (const linkspan::error &e) {
                if (!e.retryable()) throw; // no publisher yet, or again: the subscriber dials by itself
            }
            if (clock_type::now() < due) continue;
            due = clock_type::now() + period;

            // Told even where there is nothing to tell, so that others see that this program lives.
            ObservatoryStatistics told;
            told.at = std::chrono::system_clock::now();
            told.seconds = static_cast<double>(span.count());
            for (auto &[name, window] : windows) {
                while (!window.empty() && window.front().heard < clock_type::now() - span) window.pop_front();
                if (!window.empty()) told.statistics[name] = summarize(window);
            }
            linkspan::message message;
            told.encode(encoder, message);
            out.send(message);
        }
    } catch (const linkspan::error &e) {
        std::cerr << "statistics: " << e.what() << '\n';
        return 1;
    }
}

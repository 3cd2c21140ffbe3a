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

constexpr auto span = 30s;     // the window of the statistics
constexpr auto period = 500ms; // the time between two publications

volatile std::sig_atomic_t stopped = 0;

struct reading {
    clock_type::time_point received_at;
    double value;
};

using summary = ObservatoryStatisticsStatistics;

// Two passes over about three hundred values are exact; running sums would drift.
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
        std::map<std::string, std::deque<reading>> windows;
        auto next_publication = clock_type::now();

        while (!stopped) {
            try {
                const auto received = ObservatorySensors::decode(sensors.recv(100ms)).readings;
                const auto now = clock_type::now();
                windows["cpu"].push_back({now, received.cpu});
                windows["load"].push_back({now, received.load});
                windows["memory"].push_back({now, received.memory});
                windows["network"].push_back({now, received.network});
                windows["disk"].push_back({now, received.disk});
                if (received.temperature) windows["temperature"].push_back({now, *received.temperature});
            } catch (const linkspan::schema_mismatch &) {
                // A publisher with other units: its values are not counted, and the page shows the reason. The next
                // one may fit.
                std::this_thread::sleep_for(100ms);
            } catch (const linkspan::error &e) {
                if (!e.retryable()) throw; // no publisher at this time: the subscriber connects by itself
            }
            if (clock_type::now() < next_publication) continue;
            next_publication = clock_type::now() + period;

            // Published also without values: a silent program is shown as missing.
            ObservatoryStatistics result;
            result.at = std::chrono::system_clock::now();
            result.seconds = static_cast<double>(span.count());
            for (auto &[name, window] : windows) {
                while (!window.empty() && window.front().received_at < clock_type::now() - span) window.pop_front();
                if (!window.empty()) result.statistics[name] = summarize(window);
            }
            linkspan::message message;
            result.encode(message);
            out.send(message);
        }
    } catch (const linkspan::error &e) {
        std::cerr << "statistics: " << e.what() << '\n';
        return 1;
    }
}

// The sensors of this machine's kernel, under the names of sensors.py.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

/// A measured quantity: its name and its unit.
using quantity = std::pair<std::string, std::string>;
using readings = std::map<quantity, double>;

/// Measures everything; counters since boot become rates since the last call of `read`.
class sensors {
public:
    readings read() {
        const auto now = std::chrono::steady_clock::now();
        const readings counted = counters();
        const double seconds = std::max(std::chrono::duration<double>(now - then_).count(), 1e-3);
        readings all;
        for (const auto &[what, count] : counted) all[what] = (count - before_[what]) / seconds;
        before_ = counted;
        then_ = now;
        gauges(all);
        return all;
    }

private:
    static readings counters() {
        readings all;
        std::string word;
        double busy = 0, ticks;
        std::ifstream cpu("/proc/stat");
        cpu >> word;
        for (int i = 0; i < 8 && cpu >> ticks; ++i) busy += i == 3 || i == 4 ? 0 : ticks; // neither idle nor waiting for a disk
        const double processors = std::max(1u, std::thread::hardware_concurrency());
        all[{"cpu", "%"}] = 100 * busy / (static_cast<double>(sysconf(_SC_CLK_TCK)) * processors);
        auto &in = all[{"network_in", "kB/s"}], &out = all[{"network_out", "kB/s"}];
        for (const std::string &line : lines("/proc/net/dev", 2)) {
            std::istringstream fields(line.substr(line.find(':') + 1));
            double field[9];
            for (double &f : field) fields >> f;
            in += field[0] / 1e3;
            out += field[8] / 1e3;
        }
        auto &read = all[{"disk_read", "kB/s"}], &written = all[{"disk_written", "kB/s"}];
        for (const std::string &line : lines("/proc/diskstats", 0)) {
            std::istringstream fields(line);
            std::string major, minor, disk;
            fields >> major >> minor >> disk;
            if (!std::filesystem::exists("/sys/block/" + disk)) continue; // a partition: its disk is counted
            double field[7];
            for (double &f : field) fields >> f;
            read += field[2] * 512 / 1e3; // /proc/diskstats counts sectors of 512 bytes, whatever the disk's own size
            written += field[6] * 512 / 1e3;
        }
        return all;
    }

    static void gauges(readings &all) {
        double load[1];
        if (getloadavg(load, 1) == 1) all[{"load", "tasks"}] = load[0];
        std::map<std::string, double> sizes;
        std::ifstream memory("/proc/meminfo");
        for (std::string name, rest; memory >> name >> sizes[name]; std::getline(memory, rest)) {}
        all[{"memory", "%"}] = 100 * (1 - sizes["MemAvailable:"] / sizes["MemTotal:"]);
        // The sensors of the board: the beginning of their files' names, the unit, and the kernel's part of the unit.
        const struct {
            const char *kind, *unit;
            double scale;
        } kinds[] = {{"temp", "°C", 1e-3}, {"fan", "rpm", 1}, {"in", "V", 1e-3}, {"power", "W", 1e-6}};
        for (const auto &chip : folders("/sys/class/hwmon")) {
            for (const auto &file : folders(chip)) {
                std::string name = file.filename();
                const auto end = name.find("_input");
                if (end == std::string::npos) continue;
                name.resize(end);
                const std::string letters = name.substr(0, name.find_first_of("0123456789"));
                for (const auto &kind : kinds) {
                    if (letters != kind.kind) continue;
                    const std::string label = text(chip / (name + "_label"));
                    sensor(all, file, kind.unit, kind.scale, text(chip / "name") + " " + (label.empty() ? name : label));
                }
            }
        }
        for (const auto &zone : folders("/sys/class/thermal")) {
            const std::string name = zone.filename();
            if (name.rfind("thermal_zone", 0) != 0) continue;
            sensor(all, zone / "temp", "°C", 1e-3, text(zone / "type") + " " + name.substr(8));
        }
    }

    /// Adds the value in one file of the kernel; nothing if the sensor is switched off.
    static void sensor(readings &all, const std::filesystem::path &file, const char *unit, double scale, std::string name) {
        double value;
        if (!(std::ifstream(file) >> value)) return;
        std::string plain;
        std::istringstream words(name);
        for (std::string word; words >> word;) plain += (plain.empty() ? "" : "_") + word;
        for (char &c : plain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
        all[{plain, unit}] = value * scale;
    }

    static std::vector<std::filesystem::path> folders(const std::filesystem::path &place) {
        std::error_code none;
        std::vector<std::filesystem::path> all;
        for (const auto &entry : std::filesystem::directory_iterator(place, none)) all.push_back(entry.path());
        std::sort(all.begin(), all.end());
        return all;
    }

    static std::vector<std::string> lines(const char *file, int after) {
        std::vector<std::string> all;
        std::ifstream from(file);
        for (std::string line; std::getline(from, line);) {
            if (after-- <= 0) all.push_back(line);
        }
        return all;
    }

    static std::string text(const std::filesystem::path &file) {
        std::string line;
        std::getline(std::ifstream(file), line);
        return line;
    }

    readings before_ = counters();
    std::chrono::steady_clock::time_point then_ = std::chrono::steady_clock::now();
};

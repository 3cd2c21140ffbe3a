// Tries each wait of the table: `waits TABLE TRANSPORT` prints the rows with their outcomes.
#include <linkspan.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

using namespace std::chrono_literals;

namespace {

const char *const kinds[] = {"none", "zero", "positive", "there", "forever", "negative", "nan"};

linkspan::timeout_value timeout_of(const std::string &kind) {
    if (kind == "none") return {};
    if (kind == "zero") return 0s;
    if (kind == "forever") return linkspan::forever;
    if (kind == "negative") return -1s;
    if (kind == "nan") return std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN());
    return 50ms;
}

std::string outcome(const std::function<std::string()> &call) {
    try {
        return call();
    } catch (const linkspan::error &error) {
        return linkspan_status_name(static_cast<linkspan_status>(error.code()));
    }
}

/// Opens the row's objects, sends the message if the row expects one, and calls.
std::string tried(const std::string &row, const std::string &name, const std::string &kind, bool there) {
    const linkspan::message one = linkspan::message().put("n", 1);
    linkspan::options options;
    options.timeout = 50ms;
    if (row.rfind("subscriber ", 0) == 0) {
        const linkspan::publisher out(name);
        const linkspan::subscriber reader(name, options);
        out.send(one);
        reader.recv(30s);
        if (there) out.send(one);
        return outcome([&] {
            if (row == "subscriber next") return std::string(reader.next(timeout_of(kind)) ? "message" : "done");
            reader.recv(timeout_of(kind));
            return std::string("message");
        });
    }
    if (row == "nobody recv") {
        const linkspan::subscriber reader(name, options);
        return outcome([&] { return reader.recv(timeout_of(kind)), std::string("message"); });
    }
    if (row.rfind("channel ", 0) == 0) {
        const linkspan::listener listener(name);
        const linkspan::channel near = linkspan::channel::connect(name, options, 30s), far = listener.accept(30s);
        if (row == "channel flush") near.send(one, 30s);
        if (there) far.send(one, 30s);
        return outcome([&] {
            if (row == "channel flush") return near.flush(timeout_of(kind)), std::string("done");
            if (row == "channel call") return near.call(one, timeout_of(kind)), std::string("message");
            return near.recv(timeout_of(kind)), std::string("message");
        });
    }
    if (row == "listener accept") {
        const linkspan::listener listener(name, options);
        std::optional<linkspan::channel> near;
        if (there) near.emplace(linkspan::channel::connect(name, {}, 30s));
        return outcome([&] { return listener.accept(timeout_of(kind)), std::string("done"); });
    }
    if (row == "server next") {
        const linkspan::server server(name, options);
        std::optional<linkspan::channel> near;
        if (there) near.emplace(linkspan::channel::connect(name, {}, 30s));
        if (there) near->send(one, 30s);
        return outcome([&] { return std::string(server.next(timeout_of(kind)) ? "message" : "done"); });
    }
    if (row == "publisher wait") {
        const linkspan::publisher out(name, options);
        out.send(one);
        std::optional<linkspan::subscriber> reader;
        if (there) reader.emplace(name);
        if (there) reader->recv(30s);
        return outcome([&] { return out.wait_for_subscribers(1, timeout_of(kind)), std::string("done"); });
    }
    if (row == "publisher latest" || row == "absent latest") {
        std::optional<linkspan::publisher> out;
        if (row == "publisher latest") out.emplace(name);
        if (there) out->send(one);
        return outcome([&] { return linkspan::latest(name, {}, timeout_of(kind)), std::string("message"); });
    }
    if (row == "absent connect") {
        return outcome([&] { return linkspan::channel::connect(name, {}, timeout_of(kind)), std::string("done"); });
    }
    std::fprintf(stderr, "no such row: %s\n", row.c_str());
    std::exit(1);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    std::ifstream table(argv[1]);
    int number = 0;
    for (std::string line; std::getline(table, line);) {
        std::istringstream words(line);
        std::string thing, operation, expected;
        if (line.empty() || line[0] == '#' || !(words >> thing >> operation)) continue;
        std::string row = thing + " " + operation, found = row;
        for (const char *kind : kinds) {
            words >> expected;
            const bool there = kind == std::string("there") || kind == std::string("forever");
            const std::string name = std::string(argv[2]) + ":waits/" + std::to_string(++number);
            found += " " + (expected == "-" ? expected : tried(row, name, kind, there));
        }
        std::puts(found.c_str());
    }
}

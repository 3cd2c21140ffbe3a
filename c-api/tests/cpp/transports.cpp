// One C++ program over every transport, between two processes: a table by message, call and publication.
#include <linkspan.hpp>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int rows = 1000;
constexpr auto soon = 60s;

struct transport {
    std::string name;
    bool channel, replies, publish, acknowledges, keeps_all;
};
const transport transports[] = {
    {"shm", true, true, true, true, false},     {"unix", true, true, true, true, false},
    {"tcp", true, true, true, true, false},     {"fifo", true, true, false, true, false},
    {"spool", true, true, false, true, false},  {"dgram", true, false, false, false, false},
    {"file", false, false, true, false, false}, {"journal", false, false, true, true, true},
};
transport the;

/// An endpoint only for this run: all addresses in 127.0.0.0/8 are local.
std::string place(int number) {
    const unsigned pid = static_cast<unsigned>(getpid());
    if (the.name != "tcp") return the.name + ":test/c" + std::to_string(number);
    return "tcp://127." + std::to_string(1 + (pid >> 16 & 127)) + "." + std::to_string(pid >> 8 & 255) + "." +
           std::to_string(pid & 255) + ":" + std::to_string(22000 + number);
}

std::int64_t integer_of(int row) { return row * std::int64_t{3000000000} - 7; }
std::string name_of(int row) { return "röw " + std::to_string(row); }
bool flag_of(int row) { return row % 3 == 0; }
bool is_missing(int row) { return row % 5 == 4; }
double number_of(int row) { return row / 8.0 - 3.0; }

linkspan::message table() {
    linkspan::message m;
    std::vector<std::int64_t> integers;
    std::vector<std::string> names;
    bool flags[rows];
    m.begin_array("records");
    for (int row = 0; row < rows; ++row) {
        integers.push_back(integer_of(row));
        names.push_back(name_of(row));
        flags[row] = flag_of(row);
        m.begin_map().put("integer", integer_of(row)).put("name", name_of(row)).put("flag", flag_of(row));
        if (is_missing(row)) {
            m.put("number", nullptr).end();
        } else {
            m.put("number", number_of(row)).end();
        }
    }
    m.end().begin_map("columns").put("integer", integers).put("name", names);
    m.put("flag", linkspan::array_view<bool>(flags, rows)).begin_array("number");
    for (int row = 0; row < rows; ++row) {
        if (is_missing(row)) {
            m.put(nullptr);
        } else {
            m.put(number_of(row));
        }
    }
    m.end().end();
    return m;
}

void check_table(const linkspan::message &m) {
    const auto integers = m.get<std::vector<std::int64_t>>("columns/integer");
    const auto names = m.get<std::vector<std::string>>("columns/name");
    const auto flags = m.get<linkspan::array_view<bool>>("columns/flag");
    CHECK(m.count("records") == rows && m.count("columns/number") == rows);
    CHECK(integers.size() == rows && names.size() == rows && flags.size() == rows);
    for (int row = 0; row < rows; ++row) {
        const std::string record = "records/" + std::to_string(row) + "/";
        const auto i = static_cast<std::size_t>(row);
        CHECK(m.get<std::int64_t>(record + "integer") == integer_of(row) && integers[i] == integer_of(row));
        CHECK(m.get<std::string>(record + "name") == name_of(row) && names[i] == name_of(row));
        CHECK(m.get<bool>(record + "flag") == flag_of(row) && flags[i] == flag_of(row));
        for (const std::string &path : {record + "number", "columns/number/" + std::to_string(row)}) {
            const auto type = m.type_at(path);
            CHECK(type == (is_missing(row) ? linkspan::type::null : linkspan::type::floating));
            CHECK(is_missing(row) || m.get<double>(path) == number_of(row));
        }
    }
}

/// Checks that the error names the transport, the missing feature, and the reason.
void refused(const std::string &what, const std::function<void()> &f) {
    try {
        f();
    } catch (const linkspan::unsupported &e) {
        const std::string text = e.what();
        CHECK(text.find(the.name + ": cannot do that") != std::string::npos && text.find(what) != std::string::npos);
        return;
    }
    std::fprintf(stderr, "%s: nothing was refused: %s\n", the.name.c_str(), what.c_str());
    std::exit(1);
}

void both(const std::function<void()> &child, const std::function<void()> &parent) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        child();
        std::exit(0);
    }
    parent();
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

void messages(const std::string &endpoint) {
    both(
        [&] {
            linkspan::options options;
            if (the.acknowledges) options.ack = "manual";
            const auto take = [](const linkspan::channel &channel) {
                check_table(channel.recv(soon));
                if (the.acknowledges) channel.ack();
                channel.close(soon);
            };
            if (the.replies) {
                take(linkspan::listener(endpoint, options).accept(soon));
            } else {
                take(linkspan::channel(endpoint, options, soon));
            }
        },
        [&] {
            const auto channel = linkspan::channel::connect(endpoint, {}, soon);
            CHECK(channel.send(table(), soon) == 1);
            if (!the.replies) refused("call", [&] { channel.call(table(), soon); });
            channel.close(soon);
        });
}

void requests(const std::string &endpoint) {
    both(
        [&] {
            linkspan::options options;
            options.ack = "manual";
            const auto server = linkspan::server(endpoint, options);
            const auto request = server.next(soon);
            CHECK(request);
            server.ack(*request);
            server.reply(*request, *request);
            server.close(soon);
        },
        [&] {
            linkspan::options options;
            options.idempotent = true;
            options.replay_bytes = 1 << 20;
            const auto channel = linkspan::channel::connect(endpoint, options, soon);
            check_table(channel.call(table(), soon));
            channel.close(soon);
        });
}

void publications(const std::string &endpoint) {
    int there[2], back[2];
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    char byte;
    both(
        [&] {
            close(back[0]);
            CHECK(read(there[0], &byte, 1) == 1);
            linkspan::options options;
            if (the.keeps_all) {
                options.from = std::to_string(2);
                options.client_id = "reader";
            }
            options.ack = "manual";
            const linkspan::subscriber subscriber(endpoint, options);
            CHECK(subscriber.recv(soon).get<int>("n") == 2);
            subscriber.ack();
            CHECK(write(back[1], "1", 1) == 1);
            check_table(subscriber.recv(soon));
            subscriber.ack();
        },
        [&] {
            close(back[1]);
            linkspan::options options;
            options.durable = the.keeps_all;
            options.retain_consumed = the.keeps_all;
            const linkspan::publisher publisher(endpoint, options);
            for (int n = 1; n <= 2; ++n) publisher.send(linkspan::message().put("n", n));
            CHECK(linkspan::latest(endpoint, {}, soon).get<int>("n") == 2);
            CHECK(write(there[1], "1", 1) == 1 && read(back[0], &byte, 1) == 1);
            publisher.send(table());
            check_table(linkspan::latest(endpoint, {}, soon));
            // The publisher must stay until the value is read.
            CHECK(read(back[0], &byte, 1) == 0);
            CHECK(publisher.events().type_at() == linkspan::type::array);
        });
}

} // namespace

int main(int count, char **arguments) {
    const std::string name = count > 1 ? arguments[1] : "shm";
    for (const transport &t : transports) {
        if (t.name == name) the = t;
    }
    CHECK(!the.name.empty());
    const std::string other = place(4);
    if (the.channel) {
        messages(place(1));
        linkspan::options options;
        options.locked = true;
        refused("the option locked", [&] { linkspan::channel::connect(other, options, soon); });
    } else {
        refused("a channel", [&] { linkspan::channel::connect(other, {}, soon); });
        refused("a server", [&] { static_cast<void>(linkspan::server(other)); });
    }
    if (the.replies) requests(place(2));
    if (the.publish) {
        publications(place(3));
    } else {
        refused("publish and subscribe", [&] { static_cast<void>(linkspan::subscriber(other)); });
    }
    std::puts("ok");
    return 0;
}

// Loans in C++: written, moved into messages, viewed by the peer, released.
#include <linkspan.hpp>

#include <complex>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

constexpr std::size_t columns = 1 << 16;

struct both {
    linkspan::channel one, two;
};

both pair(const std::string &endpoint) {
    auto listener = linkspan::listener(endpoint);
    auto one = linkspan::channel::connect(endpoint, {}, 20s);
    auto two = listener.accept(20s);
    one.send(linkspan::message(), 20s);
    two.recv(20s);
    return {std::move(one), std::move(two)};
}

// Receives in another thread, because the transport may split the message.
linkspan::message sent(const both &ends, const linkspan::message &m) {
    auto received = std::async(std::launch::async, [&] { return ends.two.recv(20s); });
    ends.one.send(m, 20s);
    return received.get();
}

// Under valgrind the publisher may miss the first attempt; each call of the subscriber makes another.
void connected(const linkspan::publisher &publisher, const linkspan::subscriber &subscriber) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        subscriber.poll();
        try {
            return publisher.wait_for_subscribers(1, 1s);
        } catch (const linkspan::timeout &) {
        }
    }
    CHECK(!"a subscriber");
}

void moved_into_a_message(const std::string &endpoint, bool shares) {
    const both ends = pair(endpoint);
    std::vector<linkspan::message> held;
    for (int seed = 0; seed < 4; ++seed) {
        auto wave = ends.one.loan<double>({3, columns});
        CHECK(wave.size() == 3 * columns && wave.shape() == (std::vector<std::size_t>{3, columns}));
        for (double &element : wave) element = seed;
        wave(2, columns - 1) = -1.0;
        CHECK(wave[3 * columns - 1] == -1.0 && wave.view()(2, columns - 1) == -1.0);
        const double *place = wave.data();
        const auto message = linkspan::message().put("seed", seed).put("wave", std::move(wave));
        CHECK(wave.data() == nullptr);
        // Neither the put nor the send copies it.
        CHECK(message.get<linkspan::array_view<double>>("wave").data() == place);
        held.push_back(sent(ends, message));
    }
    const auto stats = ends.one.stats();
    CHECK(stats.get<int>("arrays_in_slots") == (shares ? 4 : 0) && stats.get<int>("arrays_without_slot") == 0);
    for (int seed = 0; seed < 4; ++seed) {
        const auto view = held[seed].get<linkspan::array_view<double>>("wave");
        CHECK(view(0, 0) == seed && view(2, columns - 1) == -1.0 && held[seed].get<int>("seed") == seed);
    }
}

void dropped_and_refused(const std::string &endpoint) {
    const both ends = pair(endpoint);
    for (int i = 0; i < 40; ++i) ends.one.loan<std::complex<float>>({columns})[0] = {1, 2};
    // Column-major, and in an array without keys.
    auto matrix = ends.one.loan<std::int32_t>({2, columns}, linkspan::order::column);
    for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<std::int32_t>(i);
    auto other = ends.one.loan<std::int32_t>({5});
    std::swap(matrix, other);
    std::swap(matrix, other);
    linkspan::message list;
    list.begin_array();
    try {
        list.put("key", std::move(matrix));
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
    CHECK(matrix.size() == 2 * columns); // after an error it is still there
    list.put(std::move(matrix)).end();
    const auto got = sent(ends, list);
    const auto view = got.get<linkspan::array_view<std::int32_t>>("0");
    CHECK(view.order() == linkspan::order::column && view(1, 2) == 5);
    try {
        list.put(std::move(matrix));
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
    try {
        ends.one.loan<double>({~std::size_t{0}, 2});
        CHECK(false);
    } catch (const linkspan::too_large &) {
    }
}

void bytes_of_a_camera(const std::string &endpoint) {
    const both ends = pair(endpoint + "/bytes");
    auto frame = ends.one.loan_bytes(1 << 20);
    CHECK(frame.size() == 1 << 20 && !frame.empty());
    for (auto &byte : frame) byte = 9;
    const auto *place = frame.data();
    try {
        frame.truncate((1 << 20) + 1);
        CHECK(false);
    } catch (const std::out_of_range &) {
    }
    frame.truncate(100'000);
    linkspan::message list;
    list.begin_array();
    try {
        list.put("key", std::move(frame));
        CHECK(false);
    } catch (const linkspan::invalid_state &) {
    }
    CHECK(frame.size() == 100'000); // after an error it is there still
    auto other = ends.one.loan_bytes(5);
    std::swap(frame, other);
    std::swap(frame, other);
    linkspan::message message;
    message.put("camera", "left").put("image", std::move(frame)).put("time", 1.5);
    CHECK(frame.empty());
    CHECK(message.get<linkspan::bytes_view>("image").data() == place);
    const auto got = sent(ends, message);
    const auto view = got.get<linkspan::bytes_view>("image");
    CHECK(view.size() == 100'000 && view.data()[0] == 9 && view.data()[99'999] == 9);

    linkspan::publisher publisher(endpoint + "/bytes/published");
    linkspan::subscriber subscriber(endpoint + "/bytes/published");
    connected(publisher, subscriber);
    auto whole = publisher.loan_bytes(columns);
    for (auto &byte : whole) byte = 3;
    publisher.send(linkspan::message().put(std::move(whole)));
    const auto published = subscriber.recv(20s);
    CHECK(published.get<linkspan::bytes_view>("").size() == columns);
}

void replied_and_published(const std::string &endpoint) {
    auto server = linkspan::server(endpoint + "/served");
    auto client = std::async(std::launch::async, [&] {
        auto channel = linkspan::channel::connect(endpoint + "/served", {}, 20s);
        return channel.call(linkspan::message().put("rows", 2), 20s);
    });
    const auto request = server.next(20s);
    auto wave = server.loan<float>(*request, {2, columns});
    for (float &element : wave) element = 0.5F;
    server.reply(*request, linkspan::message().put("wave", std::move(wave)));
    server.close(20s);
    const auto reply = client.get();
    CHECK(reply.get<linkspan::array_view<float>>("wave")(1, columns - 1) == 0.5F);

    linkspan::publisher publisher(endpoint + "/published");
    linkspan::subscriber subscriber(endpoint + "/published");
    connected(publisher, subscriber);
    auto bytes = publisher.loan<std::uint8_t>({columns});
    for (auto &byte : bytes) byte = 3;
    publisher.send(linkspan::message().put(std::move(bytes)));
    const auto published = subscriber.recv(20s);
    CHECK(published.get<linkspan::array_view<std::uint8_t>>("")[columns - 1] == 3);
}

} // namespace

int main(int argc, char **argv) {
    const std::string transport = argc > 1 ? argv[1] : "shm", endpoint = transport + ":test/loan";
    moved_into_a_message(endpoint, transport == "shm");
    dropped_and_refused(endpoint);
    bytes_of_a_camera(endpoint);
    replied_and_published(endpoint);
    std::puts("ok");
}

// The peer in C++. See README.md.
#include <fstream>
#include <iostream>
#include <iterator>
#include <linkspan.hpp>

using namespace std::chrono_literals;

static linkspan::options options_of(const std::string &encoding) {
    linkspan::options options;
    options.encoding = linkspan::encoding_of(encoding);
    options.timeout = 20s;
    return options;
}

static void serve(const std::string &endpoint, const std::string &encoding) {
    const auto server = linkspan::server(endpoint, options_of(encoding));
    std::cout << "ready" << std::endl;
    std::vector<std::vector<std::uint8_t>> sent;
    for (auto &request : server) {
        if (!linkspan::info(request).is_request) {
            sent.push_back(linkspan::encode(request, linkspan::encoding::cbor));
            continue;
        }
        const auto asked = request.get_or<std::string>("peer", "");
        linkspan::message reply;
        if (asked == "sent") {
            reply.begin_array();
            for (const auto &bytes : sent) reply.put(linkspan::bytes_view(bytes));
            server.reply(request, reply.end());
            sent.clear();
        } else if (asked == "fail") {
            reply.begin_array().put(1).put(2).end();
            server.fail(request, 7, "peer.fail", "asked to fail", &reply);
        } else if (asked == "stop") {
            server.reply(request, reply);
            break;
        } else if (asked != "drop") {
            server.reply(request, request);
        }
    }
    server.close();
}

[[noreturn]] static void differs(const std::string &text) {
    std::cout << text << '\n';
    std::exit(1);
}

static std::vector<std::uint8_t> bytes_of(const linkspan::message &vector, const std::string &encoding) {
    const auto text = vector.get<std::string>(encoding);
    if (encoding == "json") return {text.begin(), text.end()};
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) bytes.push_back(std::stoul(text.substr(i, 2), nullptr, 16));
    return bytes;
}

static void must_fail(const linkspan::channel &channel, const std::string &asked, const std::string &type) {
    linkspan::message request;
    try {
        channel.call(request.put("peer", asked));
    } catch (const linkspan::remote &failure) {
        if (failure.failure().type == type) return;
    }
    differs(asked + ": another outcome came");
}

struct vector_case {
    std::string name;
    linkspan::message value;
    std::vector<std::uint8_t> cbor;
};

static std::vector<vector_case> read(const std::string &path, const std::string &encoding) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<std::uint8_t> file(std::istreambuf_iterator<char>(in), {});
    const auto vectors = linkspan::decode(file, linkspan::encoding::json);
    std::vector<vector_case> cases;
    for (std::size_t i = 0; i < vectors.count(); ++i) {
        const auto vector = vectors.get<linkspan::message>(std::to_string(i));
        auto value = linkspan::decode(bytes_of(vector, encoding), linkspan::encoding_of(encoding));
        cases.push_back({vector.get<std::string>("name"), std::move(value), bytes_of(vector, "cbor")});
    }
    return cases;
}

static void same(const vector_case &expected, const linkspan::message &got) {
    if (linkspan::encode(got, linkspan::encoding::cbor) != expected.cbor) differs(expected.name + " came as another value");
}

static void call(const std::string &endpoint, const std::string &encoding, const std::string &path) {
    const auto cases = read(path, encoding);
    const auto count = cases.size();
    const auto channel = linkspan::channel::connect(endpoint, options_of(encoding));
    for (const auto &one : cases) same(one, channel.call(one.value));
    for (const auto &one : cases) channel.send(one.value);
    linkspan::message request;
    const auto sent = channel.call(request.put("peer", "sent"));
    if (sent.count() != count) differs(std::to_string(sent.count()) + " arrived of " + std::to_string(count));
    for (std::size_t i = 0; i < count; ++i)
        if (sent.get<linkspan::bytes_view>(std::to_string(i)).copy() != cases[i].cbor)
            differs(cases[i].name + " arrived as another value");
    must_fail(channel, "fail", "peer.fail");
    must_fail(channel, "drop", "linkspan.unanswered");
    channel.close();
    std::cout << count << " called, " << count << " sent, 2 failed\n";
}

static void send(const std::string &endpoint, const std::string &encoding, const std::string &path) {
    const auto channel = linkspan::channel::connect(endpoint, options_of(encoding));
    for (const auto &one : read(path, encoding)) channel.send(one.value);
    channel.close();
}

static void receive(const std::string &endpoint, const std::string &encoding, const std::string &path) {
    const auto cases = read(path, encoding);
    const auto server = linkspan::server(endpoint, options_of(encoding));
    std::cout << "ready" << std::endl;
    auto expected = cases.begin();
    for (const auto &sent : server) {
        same(*expected, sent);
        if (++expected == cases.end()) break;
    }
    server.close();
    std::cout << expected - cases.begin() << " received\n";
}

static void publish(const std::string &endpoint, const std::string &encoding, const std::string &path) {
    const auto cases = read(path, encoding);
    const linkspan::publisher publisher(endpoint, options_of(encoding));
    std::string line;
    for (const auto &one : cases) {
        publisher.send(one.value);
        if (&one == &cases.front()) std::cout << "ready" << std::endl;
        if (!std::getline(std::cin, line) || line != "received") differs(one.name + ": it was not received: " + line);
    }
    publisher.close();
    std::cout << cases.size() << " published\n";
}

static void subscribe(const std::string &endpoint, const std::string &encoding, const std::string &path) {
    const linkspan::subscriber subscriber(endpoint, options_of(encoding));
    for (const auto &one : read(path, encoding)) {
        same(one, subscriber.recv());
        std::cout << "received" << std::endl;
    }
    subscriber.close();
}

int main(int argc, char **argv) try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 3 && words[0] == "serve") {
        serve(words[1], words[2]);
    } else if (words.size() == 4 && words[0] == "call") {
        call(words[1], words[2], words[3]);
    } else if (words.size() == 4 && words[0] == "send") {
        send(words[1], words[2], words[3]);
    } else if (words.size() == 4 && words[0] == "receive") {
        receive(words[1], words[2], words[3]);
    } else if (words.size() == 4 && words[0] == "publish") {
        publish(words[1], words[2], words[3]);
    } else if (words.size() == 4 && words[0] == "subscribe") {
        subscribe(words[1], words[2], words[3]);
    } else {
        std::cout << "usage: peer serve ENDPOINT ENCODING | call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS\n";
        return 2;
    }
} catch (const linkspan::error &error) {
    differs(error.what());
}

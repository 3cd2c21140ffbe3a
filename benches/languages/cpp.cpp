// A round trip of a map with two fields through the C++ headers. Each trip builds and reads the map.
#include <linkspan.hpp>
#include <optional>

#include "near.h"

static std::optional<linkspan::channel> channel;
static std::optional<linkspan::message> reading;

static void once() {
    static std::int64_t count;
    reading->clear();
    reading->put("count", ++count).put("celsius", 21.5);
    channel->send(*reading);
    const linkspan::message answer = channel->recv();
    volatile double celsius = answer.get<double>("celsius");
    (void)celsius;
    const auto number = answer.get<std::int64_t>("count");
    // The far end keeps an answer of each length ready.
    if (number < 1 || number > count) fail("linkspan", "something else came back");
}

int main(int argc, char **argv) try {
    const char *endpoint = far_end(argc, argv);
    linkspan::options options;
    options.spin = std::chrono::microseconds(atoi(argv[3]));
    channel = linkspan::channel::connect(endpoint, options, std::chrono::seconds(20));
    reading.emplace();
    once();
    pin(argv[2], 0);
    serve(once, 1, nullptr, nullptr);
    channel.reset();
} catch (const linkspan::error &error) {
    fail("linkspan", error.what());
}

// A channel: start it twice, in any two languages. The first one listens, the second one joins it.
#include <iostream>
#include <linkspan.hpp>

int main() try {
    const auto channel = linkspan::channel::open("first/channel");
    linkspan::message hello;
    channel.send(hello.put("from", "C++"));
    const linkspan::message message = channel.recv();
    const bool listens = channel.role() == linkspan::role::listener;
    std::cout << "the " << (listens ? "listener" : "connector") << " heard from " << message.get<std::string>("from") << '\n';
    channel.close();
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

// A channel: start it twice, in any two languages. The first listens, the second joins it.
#include <iostream>
#include <linkspan.hpp>

int main() try {
    const auto channel = linkspan::channel("first/channel");
    const char *role = channel.role() == linkspan::role::listener ? "listener" : "connector";
    linkspan::message hello;
    channel.send(hello.put("from", "C++"));
    const linkspan::message message = channel.recv();
    std::cout << "the " << role << " received from " << message.get<std::string>("from") << '\n';
    channel.close();
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

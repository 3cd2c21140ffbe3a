// Sends 1,000 messages, flushes to learn the consumed number, and ends without close.
#include <chrono>
#include <iostream>
#include <linkspan.hpp>

int main(int, char **argv) {
    linkspan::options options;
    const auto channel = linkspan::channel::connect(argv[1], options);
    for (int i = 0; i < 1000; i++) channel.send(linkspan::message{}.put("i", i));
    try {
        channel.flush(std::chrono::milliseconds(50));
        return 3;
    } catch (const linkspan::timeout &error) {
        std::cout << error.missed() << std::endl;
    }
    std::cin.get();
}

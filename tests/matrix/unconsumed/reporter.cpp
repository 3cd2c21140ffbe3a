// Sends 1,000 messages and ends without close. One message is consumed, and the callback gets the number of the others.
#include <chrono>
#include <iostream>
#include <linkspan.hpp>
#include <stdexcept>

int main(int, char **argv) {
    const std::string way = argv[2];
    int calls = 0;
    linkspan::options options;
    options.on_unconsumed = [&](std::uint64_t missed) {
        std::cout << "unconsumed " << missed << ", call " << ++calls << std::endl;
        if (way == "throws") throw std::runtime_error("from the callback");
    };
    const auto channel = [&] {
        if (way != "accepted") return linkspan::channel::connect(argv[1], options);
        // The channel keeps the callback of its destroyed listener.
        return linkspan::listener(argv[1], options).accept();
    }();
    for (int i = 0; i < 1000; i++) channel.send(linkspan::message{}.put("i", i));
    for (std::uint64_t missed = 0; missed != 999;) {
        try {
            channel.flush(std::chrono::milliseconds(20));
            return 3;
        } catch (const linkspan::timeout &error) {
            missed = error.missed();
        }
    }
    std::cout << "sent" << std::endl;
    std::cin.get();
    // exit runs no destructors of local variables.
    if (way == "exit") std::exit(0);
}

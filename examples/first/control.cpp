// A controller's client: asks `service` for its data, pauses it, lets it run, and ends it.
#include <iostream>
#include <linkspan.hpp>

int main() try {
    const std::string name = "lab/counter";
    const linkspan::controller controller;
    const auto count = controller.command(name, "GET_DATA").get<std::int64_t>("count");
    std::cout << (count >= 0 ? "counts" : "does not count") << '\n';
    controller.command(name, "PAUSE");
    std::cout << controller.status(name).get<std::string>("state") << '\n';
    controller.command(name, "RUN");
    controller.command(name, "SHUTDOWN");
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

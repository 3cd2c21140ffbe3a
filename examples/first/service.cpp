// A service that counts. A controller, such as `control`, may ask it, pause it, run it and end it.
#include <iostream>
#include <linkspan.hpp>

class counter : public linkspan::service_hooks {
    void step() override { ++count; }
    linkspan::message data() override { return linkspan::message().put("count", count); }
    std::uint64_t count = 0;
};

int main() {
    linkspan::service_options options;
    options.every = std::chrono::milliseconds(100);
    counter service;
    linkspan::run(service, "lab/counter", options);
    std::cout << "stopped\n";
}

// Request and reply: `call serve` adds up the numbers of each request, `call` sends one.
#include <iomanip>
#include <iostream>
#include <linkspan.hpp>
#include <numeric>

static void serve() {
    linkspan::server("first/call").run([](const linkspan::message &request) {
        const auto numbers = request.get<linkspan::array_view<double>>("numbers");
        linkspan::message reply;
        reply.put("sum", std::accumulate(numbers.begin(), numbers.end(), 0.0)).put("from", "C++");
        return reply;
    });
}

static void call() {
    const auto channel = linkspan::channel::connect("first/call");
    linkspan::message request;
    const linkspan::message reply = channel.call(request.put("numbers", std::vector<double>{1, 2, 3.5}));
    std::cout << "the sum is " << std::fixed << std::setprecision(1) << reply.get<double>("sum") << ", says "
              << reply.get<std::string>("from") << '\n';
}

int main(int argc, char **argv) try {
    if (argc > 1 && std::string(argv[1]) == "serve") {
        serve();
    } else {
        call();
    }
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

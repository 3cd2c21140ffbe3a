// Publish and subscribe: `publish` publishes ten readings a second, `publish subscribe` prints three readings.
#include <iomanip>
#include <iostream>
#include <linkspan.hpp>
#include <thread>

static void subscribe() {
    int count = 0;
    for (const auto &reading : linkspan::subscriber("first/publish")) {
        std::cout << std::fixed << std::setprecision(1) << reading.get<double>("celsius") << " °C from "
                  << reading.get<std::string>("from") << '\n';
        if (++count == 3) break;
    }
}

static void publish() {
    const linkspan::publisher out("first/publish");
    linkspan::message reading;
    for (double celsius = 20.0;; celsius += 0.1) {
        out.send(reading.clear().put("celsius", celsius).put("from", "C++"));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

int main(int argc, char **argv) try {
    if (argc > 1 && std::string(argv[1]) == "subscribe") {
        subscribe();
    } else {
        publish();
    }
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

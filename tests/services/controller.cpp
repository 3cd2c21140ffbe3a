// The controller in C++. See README.md.
#include <linkspan.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>

int main() {
    const linkspan::controller controller;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string service, command, arguments;
        double within;
        words >> service >> command >> within >> arguments;
        try {
            const auto time = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(within));
            const std::vector<std::uint8_t> bytes(arguments.begin(), arguments.end());
            const auto value = controller.command(service, command, linkspan::decode(bytes, linkspan::encoding::json), time);
            const auto json = linkspan::encode(value, linkspan::encoding::json);
            std::cout << "DONE " << std::string(json.begin(), json.end()) << std::endl;
        } catch (const linkspan::error &why) {
            std::string text = why.what();
            std::replace(text.begin(), text.end(), '\n', ' ');
            std::cout << "ERROR " << why.code() << ' ' << text << std::endl;
        }
    }
}

// Subscribes to several names and prints name and number of each message, then the newest messages of a pattern.
#include <iostream>
#include <linkspan.hpp>

static void print(const linkspan::message &m) { std::cout << linkspan::info(m).name << ' ' << m.get<int>("i") << '\n'; }

int main(int count, char **names) {
    linkspan::subscriber subscriber(std::vector<std::string>(names + 1, names + count));
    linkspan::subscriber{{"several/none", "several/other"}}.close();
    std::cout << "ready" << std::endl;
    for (int i = 0; i < 3; i++) print(subscriber.recv(std::chrono::seconds(60)));
    print(linkspan::latest("several/*", {}, std::chrono::seconds(60)));
}

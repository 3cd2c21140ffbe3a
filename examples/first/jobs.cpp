// A work queue: `jobs` adds three jobs, `jobs work` does jobs until a stop signal. Start any number of workers.
#include <iostream>
#include <linkspan.hpp>

static const char *const queue_name = "spool:first/jobs";

static void work() {
    linkspan::options options;
    options.shared = true;
    const linkspan::server worker(queue_name, options);
    for (const auto &job : worker) { // finishes the previous job
        std::cout << "job " << job.get<int>("number") << " of " << job.get<std::string>("from") << ", done in C++" << std::endl;
    }
}

static void put() {
    const auto queue = linkspan::channel::connect(queue_name);
    for (const int number : {1, 2, 3}) {
        linkspan::message job;
        queue.send(job.put("number", number).put("from", "C++"));
    }
}

int main(int argc, char **argv) try {
    if (argc > 1 && std::string(argv[1]) == "work") {
        work();
    } else {
        put();
    }
} catch (const linkspan::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}

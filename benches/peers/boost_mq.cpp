/*
 * Boost.Interprocess message_queue: send and receive, or try_receive in a loop if both ends spin.
 *
 * usage: boost_mq round|spin|stream BYTES PLACEMENT
 */
#include "worker.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <string>
#include <vector>

namespace ipc = boost::interprocess;

static ipc::message_queue *there, *back;
static std::vector<char> content;
static bool spins;
static int begins[2];
/* The priority of the message that ends a round of the spinning far end. */
static const unsigned END = 9;

static unsigned take(ipc::message_queue &queue) {
    ipc::message_queue::size_type size;
    unsigned priority = 0;
    if (!spins)
        queue.receive(content.data(), content.size(), size, priority);
    else
        while (!queue.try_receive(content.data(), content.size(), size, priority)) {
        }
    return priority;
}

static void put(ipc::message_queue &queue, unsigned priority = 0) { queue.send(content.data(), content.size(), priority); }

static void echo() {
    char byte;
    for (;;) {
        if (spins && read(begins[0], &byte, 1) != 1) return;
        while (take(*there) != END) put(*back);
    }
}

static void sink() {
    for (unsigned long taken = 1;; taken++) {
        take(*there);
        if (taken % BLOCK == 0) put(*back);
    }
}

static void round_trip() {
    put(*there);
    take(*back);
}

static void block() {
    for (int i = 0; i < BLOCK; i++) put(*there);
    take(*back);
}

static void begin() {
    if (write(begins[1], "b", 1) != 1) fail("begin", "the far end has gone");
}

static void end() { put(*there, END); }

/* Removes the queue's name at once, so nothing is left on disk. */
static ipc::message_queue *made(const char *way) {
    std::string path = "linkspan-bench-" + std::to_string(getpid()) + way;
    auto *queue = new ipc::message_queue(ipc::create_only, path.c_str(), 1024, content.size());
    ipc::message_queue::remove(path.c_str());
    return queue;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("boost_mq", "usage: boost_mq round|spin|stream BYTES PLACEMENT");
    const std::string kind = argv[1];
    spins = kind == "spin";
    content.assign(strtoul(argv[2], nullptr, 10), 7);
    if (pipe(begins)) fail("pipe", "no descriptors");
    /* The mapping is shared, so a forked process has both queues. */
    there = made("-there"), back = made("-back");
    split(argv[3], kind == "stream" ? sink : echo);
    if (spins) begin();
    if (kind == "stream")
        serve(block, BLOCK, nullptr, nullptr);
    else
        serve(round_trip, 1, spins ? begin : nullptr, spins ? end : nullptr);
}

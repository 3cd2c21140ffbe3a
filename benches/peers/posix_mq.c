/* POSIX message queues: mq_send and mq_receive, blocking, two queues.
 *
 * usage: posix_mq round|stream BYTES PLACEMENT */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>

#include "worker.h"

static mqd_t there, back;
static size_t bytes;
static char *content;

static void put(mqd_t queue) {
    if (mq_send(queue, content, bytes, 0)) fail("mq_send", strerror(errno));
}

static void take(mqd_t queue) {
    if (mq_receive(queue, content, bytes, NULL) < 0) fail("mq_receive", strerror(errno));
}

static void echo(void) {
    for (;;) {
        take(there);
        put(back);
    }
}

static void sink(void) {
    unsigned long taken = 0;
    for (;;) {
        take(there);
        if (++taken % BLOCK == 0) put(back);
    }
}

static void round_trip(void) {
    put(there);
    take(back);
}

static void block(void) {
    int i;
    for (i = 0; i < BLOCK; i++) put(there);
    take(back);
}

/* Removes the queue's name at once, so nothing is left behind. */
static mqd_t made(const char *way) {
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = (long)bytes};
    char path[60];
    snprintf(path, sizeof path, "/linkspan-bench-%d-%s", (int)getpid(), way);
    mqd_t queue = mq_open(path, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
    if (queue == (mqd_t)-1) fail(path, strerror(errno));
    mq_unlink(path);
    return queue;
}

int main(int argc, char **argv) {
    if (argc < 4) fail("posix_mq", "usage: posix_mq round|stream BYTES PLACEMENT");
    int stream = strcmp(argv[1], "stream") == 0;
    bytes = strtoul(argv[2], NULL, 10);
    content = (char *)calloc(1, bytes);
    there = made("there"), back = made("back");
    split(argv[3], stream ? sink : echo);
    serve(stream ? block : round_trip, stream ? BLOCK : 1, NULL, NULL);
    return 0;
}

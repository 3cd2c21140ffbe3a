/*
 * ZeroMQ over ipc or tcp with one I/O thread: PAIR for round trips, REQ and REP for calls, PUSH and PULL one way, PUB
 * and SUB for fan-out, as in its local_lat, remote_lat and local_thr of perf/. PUSH and PULL at a fixed rate.
 *
 * usage: zeromq pair|call|stream|writers|fanout ipc|tcp BYTES PLACEMENT [COUNT]
 *        zeromq rate ipc|tcp 64 spinning|parked RATE
 */
#include <zmq.h>

#include "rate.h"
#include "worker.h"

static void *context, *here, *words;
static const char *kind, *placement;
static char endpoint[220], back[220];
static size_t bytes;
static int count = 1, length = BLOCK;
static char *content;

static void check(int result, const char *what) {
    if (result < 0) fail(what, zmq_strerror(zmq_errno()));
}

/* A socket with room for a block of messages, so that nothing is dropped. */
static void *made(int type, const char *where, int binds) {
    void *socket = zmq_socket(context, type);
    int room = 2 * BLOCK, zero = 0;
    if (!socket) fail("zmq_socket", zmq_strerror(zmq_errno()));
    zmq_setsockopt(socket, ZMQ_SNDHWM, &room, sizeof room);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &room, sizeof room);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    if (type == ZMQ_SUB) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    check(binds ? zmq_bind(socket, where) : zmq_connect(socket, where), where);
    return socket;
}

static void receive(void *socket) {
    int got = zmq_recv(socket, content, bytes, 0);
    check(got, "zmq_recv");
}

static void echo(void) {
    context = zmq_ctx_new();
    void *socket = made(strcmp(kind, "call") == 0 ? ZMQ_REP : ZMQ_PAIR, endpoint, 1);
    for (;;) {
        receive(socket);
        check(zmq_send(socket, content, bytes, 0), "zmq_send");
    }
}

/* One way, and to many: each subscriber acknowledges a block. */
static void sink(void) {
    int i, readers = strcmp(kind, "fanout") == 0 ? count : 1;
    context = zmq_ctx_new();
    void *ready = made(ZMQ_PUSH, back, 0);
    void **sockets = (void **)calloc((size_t)readers, sizeof *sockets);
    for (i = 0; i < readers; i++) sockets[i] = made(strcmp(kind, "fanout") == 0 ? ZMQ_SUB : ZMQ_PULL, endpoint, 0);
    for (;;) {
        int message;
        for (message = 0; message < length; message++)
            for (i = 0; i < readers; i++) receive(sockets[i]);
        check(zmq_send(ready, "", 0, 0), "zmq_send");
    }
}

/* Clients that call forever. */
static void writers(void) {
    int i;
    context = zmq_ctx_new();
    void **sockets = (void **)calloc((size_t)count, sizeof *sockets);
    for (i = 0; i < count; i++) {
        sockets[i] = made(ZMQ_REQ, endpoint, 0);
        check(zmq_send(sockets[i], content, bytes, 0), "zmq_send");
    }
    for (;;)
        for (i = 0; i < count; i++) {
            receive(sockets[i]);
            check(zmq_send(sockets[i], content, bytes, 0), "zmq_send");
        }
}

static void round_trip(void) {
    check(zmq_send(here, content, bytes, 0), "zmq_send");
    receive(here);
}

static void block(void) {
    int i;
    for (i = 0; i < length; i++) check(zmq_send(here, content, bytes, 0), "zmq_send");
    check(zmq_recv(words, content, 1, 0), "zmq_recv");
}

static void answer(void) {
    receive(here);
    check(zmq_send(here, content, bytes, 0), "zmq_send");
}

static void send_stamp(const struct rate_stamp *stamp) {
    check(zmq_send(here, stamp, sizeof *stamp, 0), "zmq_send");
}

/* A spinning receiver polls; a parked one sleeps in the call. */
static void receive_stamp(struct rate_stamp *stamp) {
    int flags = strcmp(placement, "spinning") == 0 ? ZMQ_DONTWAIT : 0, got;
    while ((got = zmq_recv(here, stamp, sizeof *stamp, flags)) < 0 && zmq_errno() == EAGAIN) rate_pause();
    check(got, "zmq_recv");
}

/*
 * Creates the I/O threads before pinning the ends, so they may use both processors. They would otherwise wait for a
 * spinning end.
 */
static void at_rate(void) {
    struct rate_stamp stamp;
    rate_prepare();
    int far_end = forked();
    context = zmq_ctx_new();
    here = made(far_end ? ZMQ_PULL : ZMQ_PUSH, endpoint, far_end);
    if (far_end) {
        receive_stamp(&stamp);
        pin("apart", 1);
        rate_receive_rounds(receive_stamp);
        _exit(0);
    }
    memset(&stamp, 7, sizeof stamp);
    send_stamp(&stamp);
    pin("apart", 0);
    rate_serve((uint64_t)count, send_stamp);
}

int main(int argc, char **argv) {
    if (argc < 5) fail("zeromq", "usage: zeromq pair|call|stream|writers|fanout|rate ipc|tcp BYTES PLACEMENT [COUNT]");
    kind = argv[1], bytes = strtoul(argv[3], NULL, 10), placement = argv[4];
    if (argc > 5) count = atoi(argv[5]);
    /* Many readers take so long for a block that the acknowledgement hardly counts. */
    if (count > 4) length = 512;
    content = (char *)calloc(1, bytes + 1);
    snprintf(back, sizeof back, "ipc://%s", name("back"));
    if (strcmp(argv[2], "tcp") == 0)
        snprintf(endpoint, sizeof endpoint, "tcp://127.%d.%d.%d:20778", 64 + (getpid() >> 16), getpid() >> 8 & 255, getpid() & 255);
    else
        snprintf(endpoint, sizeof endpoint, "ipc://%s", name("there"));
    if (strcmp(kind, "rate") == 0) {
        at_rate();
        return 0;
    }
    int one_way = strcmp(kind, "stream") == 0 || strcmp(kind, "fanout") == 0;
    split(placement, one_way ? sink : strcmp(kind, "writers") == 0 ? writers : echo);
    context = zmq_ctx_new();
    if (strcmp(kind, "writers") == 0) {
        here = made(ZMQ_REP, endpoint, 1);
        serve(answer, 1, NULL, NULL);
    } else if (one_way) {
        words = made(ZMQ_PULL, back, 1);
        here = made(strcmp(kind, "fanout") == 0 ? ZMQ_XPUB : ZMQ_PUSH, endpoint, 1);
        /* An XPUB socket receives subscriptions; a late subscriber would miss the first block. */
        int left = strcmp(kind, "fanout") == 0 ? count : 0, verbose = 1;
        if (left) zmq_setsockopt(here, ZMQ_XPUB_VERBOSE, &verbose, sizeof verbose);
        for (; left > 0; left--) check(zmq_recv(here, content, bytes, 0), "a subscription");
        serve(block, (unsigned long)length, NULL, NULL);
    } else {
        here = made(strcmp(kind, "call") == 0 ? ZMQ_REQ : ZMQ_PAIR, endpoint, 0);
        serve(round_trip, 1, NULL, NULL);
    }
    return 0;
}

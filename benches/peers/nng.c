/*
 * nng over ipc or tcp: PAIR0 for round trips, REQ0 and REP0 for calls, PUSH0 and PULL0 one way. Uses nng_sendmsg and
 * nng_recvmsg, the zero-copy calls of its manual.
 *
 * usage: nng pair|call|stream ipc|tcp BYTES PLACEMENT
 */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "worker.h"

static nng_socket here, words;
static const char *kind;
static char endpoint[220], back[220];
static size_t bytes;
static char *content;

static void check(int result, const char *what) {
    if (result) fail(what, nng_strerror(result));
}

static void receive(nng_socket socket, nng_msg **message) { check(nng_recvmsg(socket, message, 0), "nng_recvmsg"); }

static void dial(nng_socket socket, const char *where) {
    double until = now() + 20e9;
    int result;
    while ((result = nng_dial(socket, where, NULL, 0)) && now() < until) usleep(5000);
    check(result, where);
}

static void echo(void) {
    nng_socket socket;
    nng_msg *message;
    check(strcmp(kind, "call") == 0 ? nng_rep0_open(&socket) : nng_pair0_open(&socket), "a socket");
    check(nng_listen(socket, endpoint, NULL, 0), endpoint);
    for (;;) {
        receive(socket, &message);
        memcpy(content, nng_msg_body(message), bytes);
        check(nng_sendmsg(socket, message, 0), "nng_sendmsg");
    }
}

static void sink(void) {
    nng_socket from, to;
    nng_msg *message;
    unsigned long taken = 0;
    check(nng_pull0_open(&from), "a socket");
    check(nng_listen(from, endpoint, NULL, 0), endpoint);
    check(nng_push0_open(&to), "a socket");
    dial(to, back);
    for (;;) {
        receive(from, &message);
        memcpy(content, nng_msg_body(message), bytes);
        if (++taken % BLOCK == 0)
            check(nng_sendmsg(to, message, 0), "nng_sendmsg");
        else
            nng_msg_free(message);
    }
}

static void send_one(void) {
    nng_msg *message;
    check(nng_msg_alloc(&message, bytes), "nng_msg_alloc");
    memcpy(nng_msg_body(message), content, bytes);
    check(nng_sendmsg(here, message, 0), "nng_sendmsg");
}

static void round_trip(void) {
    nng_msg *message;
    send_one();
    receive(here, &message);
    memcpy(content, nng_msg_body(message), bytes);
    nng_msg_free(message);
}

static void block(void) {
    nng_msg *message;
    int i;
    for (i = 0; i < BLOCK; i++) send_one();
    receive(words, &message);
    nng_msg_free(message);
}

int main(int argc, char **argv) {
    if (argc < 5) fail("nng", "usage: nng pair|call|stream ipc|tcp BYTES PLACEMENT");
    kind = argv[1], bytes = strtoul(argv[3], NULL, 10);
    content = (char *)calloc(1, bytes + 1);
    snprintf(back, sizeof back, "ipc://%s", name("back"));
    if (strcmp(argv[2], "tcp") == 0)
        snprintf(endpoint, sizeof endpoint, "tcp://127.%d.%d.%d:20779", 64 + (getpid() >> 16), getpid() >> 8 & 255, getpid() & 255);
    else
        snprintf(endpoint, sizeof endpoint, "ipc://%s", name("there"));
    split(argv[4], strcmp(kind, "stream") == 0 ? sink : echo);
    if (strcmp(kind, "stream") == 0) {
        check(nng_pull0_open(&words), "a socket");
        check(nng_listen(words, back, NULL, 0), back);
        check(nng_push0_open(&here), "a socket");
        dial(here, endpoint);
        serve(block, BLOCK, NULL, NULL);
    } else {
        check(strcmp(kind, "call") == 0 ? nng_req0_open(&here) : nng_pair0_open(&here), "a socket");
        dial(here, endpoint);
        serve(round_trip, 1, NULL, NULL);
    }
    return 0;
}

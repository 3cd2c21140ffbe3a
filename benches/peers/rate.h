/*
 * Messages at a fixed rate, for peers in C: equivalent to benches/src/rate/pace.rs and benches/src/rate/worker.rs.
 *
 * A line N requests N messages; the answer is the number of late ones, then the nanoseconds of each received one.
 */
#ifndef LINKSPAN_BENCH_RATE_H
#define LINKSPAN_BENCH_RATE_H

#include <sys/mman.h>
#include <sys/socket.h>

#include "worker.h"

/* The length of a message, and the most messages of a round. */
#define RATE_BYTES 64
#define RATE_MOST (1 << 16)
/* The numbers of warm-up messages, their duration, and the number of the message that ends a round. */
#define RATE_WARM_UP (UINT64_MAX - 1)
#define RATE_END UINT64_MAX
#define RATE_WARM_UP_TIME 20000000

struct rate_stamp {
    uint64_t number, intended;
    char rest[RATE_BYTES - 16];
};

static struct rate_received {
    uint64_t count, took[RATE_MOST];
} *rate_received;
/* Sockets of the near and the far end: a byte begins a round, a byte ends it. */
static int rate_sockets[2];

static inline uint64_t rate_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void rate_pause(void) {
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

/* Called before the fork. */
static inline void rate_prepare(void) {
    rate_received = (struct rate_received *)mmap(NULL, sizeof *rate_received, PROT_READ | PROT_WRITE,
                                                 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (rate_received == MAP_FAILED) fail("mmap", "no memory");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, rate_sockets) < 0) fail("socketpair", "no sockets");
}

/* The far end: receives rounds forever and sleeps between them. */
static inline void rate_receive_rounds(void (*receive)(struct rate_stamp *)) {
    char byte = 1;
    struct rate_stamp stamp;
    close(rate_sockets[0]);
    while (read(rate_sockets[1], &byte, 1) == 1) {
        rate_received->count = 0;
        for (receive(&stamp); stamp.number != RATE_END; receive(&stamp)) {
            uint64_t now = rate_now();
            if (stamp.number == RATE_WARM_UP) continue;
            if (rate_received->count == RATE_MOST) fail("receiving", "more messages came than were sent");
            rate_received->took[rate_received->count++] = now > stamp.intended ? now - stamp.intended : 0;
        }
        if (write(rate_sockets[1], &byte, 1) != 1) return;
    }
}

/* The near end: sends rounds until standard input ends. */
static inline void rate_serve(uint64_t rate, void (*send_one)(const struct rate_stamp *)) {
    char line[64], byte = 1;
    uint64_t interval = 1000000000 / rate, warm_up = RATE_WARM_UP_TIME / interval;
    struct rate_stamp stamp;
    memset(&stamp, 7, sizeof stamp);
    close(rate_sockets[1]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t count = strtoull(line, NULL, 10), late = 0, index, began, begin;
        if (write(rate_sockets[0], &byte, 1) != 1) fail("the far end", "it ended");
        begin = rate_now() + interval;
        for (index = 0; index < warm_up + count; index++) {
            stamp.number = index < warm_up ? RATE_WARM_UP : index - warm_up;
            stamp.intended = begin + index * interval;
            while ((began = rate_now()) < stamp.intended) rate_pause();
            late += index >= warm_up && began > stamp.intended + interval;
            send_one(&stamp);
        }
        stamp.number = RATE_END;
        send_one(&stamp);
        if (read(rate_sockets[0], &byte, 1) != 1) fail("the far end", "it ended");
        printf("%llu", (unsigned long long)late);
        for (index = 0; index < rate_received->count; index++) printf(" %llu", (unsigned long long)rate_received->took[index]);
        putchar('\n');
        fflush(stdout);
    }
}

#endif

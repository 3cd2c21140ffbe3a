/*
 * The benchmark's protocol and placement for peers in C and C++: equivalent to benches/src/worker.rs.
 *
 * A line N on standard input requests the mean of N operations in nanoseconds, then single times.
 */
#ifndef LINKSPAN_BENCH_WORKER_H
#define LINKSPAN_BENCH_WORKER_H

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Messages between two acknowledgements of one-way traffic. */
#define BLOCK 4096

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Pins this process: both ends to the first processor ("together"), or the far one to the last ("apart"). */
static inline void pin(const char *placement, int far_end) {
    cpu_set_t allowed, one;
    int cpu, chosen = -1;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        chosen = cpu;
        if (!(far_end && strcmp(placement, "apart") == 0)) break;
    }
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* Forks a far process that ends with the near one; returns true in the far one. */
static inline int forked(void) {
    pid_t near_end = getpid(), child = fork();
    if (child < 0) fail("fork", "no process");
    if (child > 0) return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* If the near end has already ended, no signal will come. */
    if (getppid() != near_end) _exit(0);
    return 1;
}

/* Forks the far end and pins both. */
static inline void split(const char *placement, void (*far_end)(void)) {
    if (forked()) {
        pin(placement, 1);
        far_end();
        _exit(0);
    }
    pin(placement, 0);
}

/* Starts a server program that ends with this process and writes its output nowhere. */
static inline pid_t start(char *const arguments[]) {
    pid_t near_end = getpid(), child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != near_end) _exit(0);
        if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout)) _exit(126);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    return child;
}

/* Returns a unique name in the run's directory. */
static inline const char *name(const char *suffix) {
    static char text[8][200];
    static int next;
    const char *directory = getenv("LINKSPAN_DIR");
    static pid_t first;
    if (first == 0) first = getpid();
    char *out = text[next++ % 8];
    snprintf(out, sizeof text[0], "%s/peer-%d-%s", directory ? directory : "/tmp", (int)first, suffix);
    return out;
}

/* Measures rounds until standard input ends; `once` does `per` operations, `begin` and `end` enclose a round. */
static inline void serve(void (*once)(void), unsigned long per, void (*begin)(void), void (*end)(void)) {
    static double singles[200];
    char line[64];
    once();
    if (end) end();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        unsigned long count = (strtoul(line, NULL, 10) + per - 1) / per, i, warm = count / 8;
        unsigned long single = count < 200 ? count : 200;
        if (begin) begin();
        warm = warm < 2 ? 2 : warm > 100 ? 100 : warm;
        for (i = 0; i < warm; i++) once();
        double started = now();
        for (i = 0; i < count; i++) once();
        double mean = (now() - started) / ((double)count * (double)per);
        for (i = 0; i < single; i++) {
            started = now();
            once();
            singles[i] = (now() - started) / (double)per;
        }
        if (end) end();
        printf("%.1f", mean);
        for (i = 0; i < single; i++) printf(" %.1f", singles[i]);
        putchar('\n');
        fflush(stdout);
    }
}

#endif

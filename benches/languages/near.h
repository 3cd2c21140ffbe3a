/* Shared code of the workers in C, C++ and Fortran: the far end in Rust, the name, the placement. */
#ifndef LINKSPAN_BENCH_NEAR_H
#define LINKSPAN_BENCH_NEAR_H

#include "../peers/worker.h"

/* Starts the far end, which echoes, and returns the endpoint. argv: FAR-PROGRAM PLACEMENT SPIN. */
static inline const char *far_end(int argc, char **argv) {
    static char endpoint[64];
    if (argc < 4) fail(argv[0], "usage: FAR-PROGRAM PLACEMENT SPIN");
    snprintf(endpoint, sizeof endpoint, "shm:bench-%d", (int)getpid());
    char *const far_program[] = {argv[1], (char *)"far", (char *)"echo", endpoint, argv[2], argv[3], NULL};
    start(far_program);
    return endpoint;
}

/* Starts a far end that answers each array with an array of this size. argv: FAR-PROGRAM PLACEMENT SPIN BYTES. */
static inline const char *far_end_of_arrays(int argc, char **argv) {
    static char endpoint[64];
    if (argc < 5) fail(argv[0], "usage: FAR-PROGRAM PLACEMENT SPIN BYTES");
    snprintf(endpoint, sizeof endpoint, "shm:bench-%d", (int)getpid());
    char *const far_program[] = {argv[1], (char *)"far", (char *)"arrays", endpoint, argv[4], argv[2], argv[3], NULL};
    start(far_program);
    return endpoint;
}

/* The option `spin` in microseconds; -1 disables spinning. */
static inline int spin(char **argv) {
    int microseconds = atoi(argv[3]);
    return microseconds ? microseconds : -1;
}

#endif

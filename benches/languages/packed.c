/* Runs packed.f90 and record.f90: records in Fortran.
 *
 * usage: ours-packed WHAT, one of the words of `works` below. */
#include "../peers/worker.h"

/* As in the Rust rows: one operation is shorter than the clock can measure. */
enum { PER = 16 };

void bench_prepare(void);
void bench_pack(void);
void bench_unpack(void);
void bench_copy(void);
void bench_unpack_numbers(void);
void bench_copy_numbers(void);
void bench_prepare_record(void);
void bench_encode(void);
void bench_message_encode(void);
void bench_decode(void);
void bench_message_decode(void);

static const struct {
    const char *name;
    void (*work)(void);
} works[] = {
    {"pack", bench_pack},
    {"unpack", bench_unpack},
    {"copy", bench_copy},
    {"unpack-numbers", bench_unpack_numbers},
    {"copy-numbers", bench_copy_numbers},
    {"encode", bench_encode},
    {"message-encode", bench_message_encode},
    {"decode", bench_decode},
    {"message-decode", bench_message_decode},
};

static void (*work)(void);

static void once(void) {
    int i;
    for (i = 0; i < PER; i++) work();
}

int main(int argc, char **argv) {
    size_t i;
    for (i = 0; argc > 1 && i < sizeof works / sizeof works[0]; i++) {
        if (strcmp(argv[1], works[i].name) == 0) work = works[i].work;
    }
    if (work == NULL) fail(argv[0], "usage: WHAT");
    bench_prepare();
    bench_prepare_record();
    pin("together", 0);
    serve(once, PER, NULL, NULL);
    return 0;
}

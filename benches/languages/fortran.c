/* Runs the Fortran worker: starts its far end and answers the benchmark. */
#include "near.h"

void bench_connect(const char *endpoint, int length, int spin);
void bench_once(void);

int main(int argc, char **argv) {
    const char *endpoint = far_end(argc, argv);
    bench_connect(endpoint, (int)strlen(endpoint), spin(argv));
    bench_once();
    pin(argv[2], 0);
    serve(bench_once, 1, NULL, NULL);
    return 0;
}

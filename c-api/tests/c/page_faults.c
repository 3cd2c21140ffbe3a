/* Publishing arrays of 1 MB, each in a new message, causes few page faults. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "check.h"

static void large_arrays_take_hardly_any_new_pages(const char *endpoint) {
    enum { COUNT = 125000, ROUNDS = 50, PAGES_OF_A_COPY = 244 };
    static double wave[COUNT];
    linkspan_publisher *p;
    linkspan_message *m;
    struct rusage before, after;
    OK(linkspan_publisher_new(endpoint, NULL, &p));
    for (int i = 0; i < 2 * ROUNDS; ++i) {
        if (i == ROUNDS) CHECK(getrusage(RUSAGE_SELF, &before) == 0);
        linkspan_array array = LINKSPAN_ARRAY_INIT;
        array.dtype = LINKSPAN_F64;
        array.rank = 1;
        array.dims[0] = COUNT;
        array.data = wave;
        OK(linkspan_message_new(&m));
        OK(linkspan_message_put_array(m, "wave", &array));
        OK(linkspan_publisher_send(p, m, NULL));
        linkspan_message_release(m);
    }
    CHECK(getrusage(RUSAGE_SELF, &after) == 0);
    CHECK(after.ru_minflt - before.ru_minflt < ROUNDS * PAGES_OF_A_COPY / 4);
    OK(linkspan_publisher_close(p, LINKSPAN_DEFAULT));
    linkspan_publisher_free(p);
}

int main(void) {
    large_arrays_take_hardly_any_new_pages("shm:test/waves");
    puts("ok");
    return 0;
}

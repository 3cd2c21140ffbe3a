/* A work queue: `jobs` adds three jobs, `jobs work` does jobs until a stop signal. Start any number of workers. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const queue_name = "spool:first/jobs";

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

static void work(void) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_server *worker;
    linkspan_message *job;
    options.shared = true;
    check(linkspan_server_serve(queue_name, &options, &worker));
    for (;;) {
        int64_t number;
        const char *from;
        size_t length;
        check(linkspan_server_next(worker, LINKSPAN_FOREVER, &job)); /* finishes the previous job */
        if (job == NULL) break;                                      /* a signal asked to stop */
        check(linkspan_message_get_i64(job, "number", &number));
        check(linkspan_message_get_text(job, "from", &from, &length));
        printf("job %d of %.*s, done in C\n", (int)number, (int)length, from);
        fflush(stdout);
        linkspan_message_release(job);
    }
    linkspan_server_free(worker);
}

static void put(void) {
    linkspan_channel *queue;
    linkspan_message *job;
    check(linkspan_channel_connect(queue_name, NULL, LINKSPAN_DEFAULT, &queue));
    check(linkspan_message_new(&job));
    for (int number = 1; number <= 3; ++number) {
        check(linkspan_message_clear(job));
        check(linkspan_message_put_i64(job, "number", number));
        check(linkspan_message_put_text(job, "from", LINKSPAN_ZSTR("C")));
        check(linkspan_channel_send(queue, job, LINKSPAN_DEFAULT, NULL));
    }
    linkspan_message_release(job);
    linkspan_channel_free(queue);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "work") == 0) {
        work();
    } else {
        put();
    }
    return 0;
}

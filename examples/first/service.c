/* A service that counts. A controller, such as `control`, may ask it, pause it, run it and end it. */
#include <linkspan.h>

#include <stdio.h>

static int failed(void) {
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    return 1;
}

int main(void) {
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_task task = LINKSPAN_TASK_INIT;
    linkspan_service *service;
    linkspan_message *data;
    int64_t count = 0;
    options.every = 100000000; /* ns */
    if (linkspan_service_start("lab/counter", &options, &service) != LINKSPAN_OK) return failed();
    while (linkspan_service_next(service, LINKSPAN_FOREVER, &task) == LINKSPAN_OK && task.command != LINKSPAN_COMMAND_END) {
        if (task.command == LINKSPAN_COMMAND_STEP) ++count;
        data = NULL;
        if (task.command == LINKSPAN_COMMAND_GET_DATA &&
            (linkspan_message_new(&data) != LINKSPAN_OK ||
             linkspan_message_put_i64(data, "count", count) != LINKSPAN_OK))
            return failed();
        /* PAUSE, RUN, CHECKPOINT and SHUTDOWN are done at once: nothing is open. */
        if (linkspan_service_task_done(service, &task, data) != LINKSPAN_OK) return failed();
        linkspan_message_release(data);
    }
    linkspan_service_free(service);
    printf("stopped\n");
    return 0;
}

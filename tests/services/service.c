/* The service in C, which pulls its tasks. See README.md. */
#include <linkspan.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != LINKSPAN_OK) {                                                                         \
            fprintf(stderr, "%s\n", linkspan_last_error_text());                                             \
            exit(3);                                                                                         \
        }                                                                                                    \
    } while (0)

static const char *gates;

/* Waits while the gate is closed; false if the wait was cancelled. */
static bool pass(const linkspan_service *service, const char *name) {
    char path[4096];
    const struct timespec moment = {0, 5000000};
    linkspan_service_info state = LINKSPAN_SERVICE_INFO_INIT;
    snprintf(path, sizeof path, "%s/%s", gates, name);
    while (access(path, F_OK) == 0) {
        OK(linkspan_service_get_info(service, &state));
        if (state.is_cancelled) return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

static void answer_with_data(const linkspan_service *service, const linkspan_task *task, uint64_t steps) {
    linkspan_message *data;
    OK(linkspan_message_new(&data));
    OK(linkspan_message_put_text(data, "language", LINKSPAN_ZSTR("c")));
    OK(linkspan_message_put_u64(data, "steps", steps));
    OK(linkspan_service_task_done(service, task, data));
    linkspan_message_release(data);
}

int main(int count, char **words) {
    const char *const commands[] = {"CONFIG", "BACKUP", "echo", "fail", "break"};
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_task task = LINKSPAN_TASK_INIT;
    linkspan_service *service;
    uint64_t steps = 0;
    bool breaks = false;
    if (count < 3) return 2;
    gates = words[2];
    options.every = 20000000;
    options.paused = count > 3 && strcmp(words[3], "ready") == 0;
    options.commands = commands;
    options.commands_count = 5;
    OK(linkspan_service_start(words[1], &options, &service));
    pass(service, "START");
    for (;;) {
        OK(linkspan_service_next(service, LINKSPAN_DEFAULT, &task));
        if (task.command == LINKSPAN_COMMAND_END) break;
        if (!pass(service, task.name)) {
            OK(linkspan_service_task_failed(service, &task, LINKSPAN_CANCELLED, "the wait at a gate was cancelled"));
            if (task.command == LINKSPAN_COMMAND_SHUTDOWN) {
                linkspan_service_free(service);
                return 1;
            }
        } else if (task.command == LINKSPAN_COMMAND_STEP && breaks) {
            breaks = false;
            OK(linkspan_service_task_failed(service, &task, LINKSPAN_REMOTE, "asked to break"));
        } else if (task.command == LINKSPAN_COMMAND_GET_DATA) {
            answer_with_data(service, &task, steps);
        } else if (strcmp(task.name, "fail") == 0) {
            OK(linkspan_service_task_failed(service, &task, LINKSPAN_REMOTE, "asked to fail"));
        } else {
            steps += task.command == LINKSPAN_COMMAND_STEP;
            breaks |= strcmp(task.name, "break") == 0;
            const bool gives = task.command >= LINKSPAN_COMMAND_CONFIG && !breaks;
            OK(linkspan_service_task_done(service, &task, gives ? task.arguments : NULL));
        }
    }
    linkspan_service_free(service);
    return 0;
}

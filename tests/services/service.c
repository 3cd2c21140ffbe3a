/* The service in C, which pulls its tasks: see README.md here. */
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

/* Waits while the gate is closed; false where the wait was cancelled. */
static bool pass(const linkspan_service *service, const char *name) {
    char path[4096];
    const struct timespec moment = {0, 5000000};
    linkspan_service_state state = LINKSPAN_SERVICE_STATE_INIT;
    snprintf(path, sizeof path, "%s/%s", gates, name);
    while (access(path, F_OK) == 0) {
        OK(linkspan_service_look(service, &state));
        if (state.is_cancelled) return false;
        nanosleep(&moment, NULL);
    }
    return true;
}

static void answer_with_data(const linkspan_service *service, const linkspan_command *command, uint64_t steps) {
    linkspan_message *data;
    OK(linkspan_message_new(&data));
    OK(linkspan_message_put_text(data, "language", LINKSPAN_ZSTR("c")));
    OK(linkspan_message_put_u64(data, "steps", steps));
    OK(linkspan_service_done(service, command, data));
    linkspan_message_release(data);
}

int main(int count, char **words) {
    const char *const commands[] = {"CONFIG", "BACKUP", "echo", "fail", "break"};
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_command command = LINKSPAN_COMMAND_INIT;
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
        OK(linkspan_service_next(service, LINKSPAN_DEFAULT, &command));
        if (command.verb == LINKSPAN_END) break;
        if (!pass(service, command.name)) {
            OK(linkspan_service_failed(service, &command, LINKSPAN_CANCELLED, "the wait at a gate was cancelled"));
            if (command.verb == LINKSPAN_SHUTDOWN) {
                linkspan_release(service);
                return 1;
            }
        } else if (command.verb == LINKSPAN_STEP && breaks) {
            breaks = false;
            OK(linkspan_service_failed(service, &command, LINKSPAN_REMOTE, "asked to break"));
        } else if (command.verb == LINKSPAN_GET_DATA) {
            answer_with_data(service, &command, steps);
        } else if (strcmp(command.name, "fail") == 0) {
            OK(linkspan_service_failed(service, &command, LINKSPAN_REMOTE, "asked to fail"));
        } else {
            steps += command.verb == LINKSPAN_STEP;
            breaks |= strcmp(command.name, "break") == 0;
            const bool gives = command.verb >= LINKSPAN_CONFIG && !breaks;
            OK(linkspan_service_done(service, &command, gives ? command.arguments : NULL));
        }
    }
    linkspan_release(service);
    return 0;
}

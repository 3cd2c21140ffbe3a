/* A service: alone without arguments; `serve NAME` as one that `control NAME` asks and tells through a controller. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__, #condition,           \
                    linkspan_last_error_text());                                                             \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
#define OK(call) CHECK((call) == LINKSPAN_OK)
#define SOON 20000000000

static linkspan_state state_of(const linkspan_service *service) {
    linkspan_service_state state = LINKSPAN_SERVICE_STATE_INIT;
    OK(linkspan_service_look(service, &state));
    return state.state;
}

static void next_is(const linkspan_service *service, linkspan_command *command, linkspan_verb verb) {
    OK(linkspan_service_next(service, SOON, command));
    CHECK(command->verb == verb);
}

static void what_cannot_be_is_refused(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    CHECK(linkspan_service_start("unix:power", NULL, &service) == LINKSPAN_INVALID_ENDPOINT && service == NULL);
    CHECK(linkspan_service_start(NULL, NULL, &service) == LINKSPAN_INVALID_STATE);
    const char *const commands[] = {"calibrate", "PAUSE"};
    options.commands = commands;
    options.commands_count = 2;
    CHECK(linkspan_service_start("power", &options, &service) == LINKSPAN_OUT_OF_RANGE);
    options.commands_count = 0;
    options.every = -5;
    CHECK(linkspan_service_start("power", &options, &service) == LINKSPAN_OUT_OF_RANGE);
    options.size = 3;
    CHECK(linkspan_service_start("power", &options, &service) == LINKSPAN_INVALID_STATE && service == NULL);
}

static void steps_come_until_a_signal_stops_them(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_command command = LINKSPAN_COMMAND_INIT;
    linkspan_message *m;
    linkspan_type type;
    options.every = 1;
    OK(linkspan_service_start("lab/power", &options, &service));
    CHECK(state_of(service) == LINKSPAN_STATE_STARTING);
    CHECK(strcmp(linkspan_state_name(state_of(service)), "STARTING") == 0);
    for (int i = 0; i < 3; ++i) {
        next_is(service, &command, LINKSPAN_STEP);
        CHECK(state_of(service) == LINKSPAN_STATE_RUNNING && command.before == LINKSPAN_STATE_RUNNING);
        CHECK(strcmp(command.name, "STEP") == 0 && command.id[0] == '\0' && command.left == LINKSPAN_FOREVER);
        OK(linkspan_message_get_type(command.arguments, "", &type));
        CHECK(type == LINKSPAN_TYPE_NULL);
        /* One at a time, and each is answered once. */
        CHECK(linkspan_service_next(service, 0, &command) == LINKSPAN_INVALID_STATE && command.verb == LINKSPAN_STEP);
        CHECK(linkspan_service_failed(service, &command, 7, "no such status") == LINKSPAN_OUT_OF_RANGE);
        OK(linkspan_service_done(service, &command, NULL));
        CHECK(linkspan_service_done(service, &command, NULL) == LINKSPAN_INVALID_STATE);
    }
    OK(linkspan_service_log(service, "info", "three steps"));
    OK(linkspan_service_reason(service, "the sensor is noisy"));
    OK(linkspan_service_reason(service, NULL));
    OK(linkspan_stats(service, &m));
    uint64_t steps;
    OK(linkspan_message_get_u64(m, "steps", &steps));
    CHECK(steps == 3);
    linkspan_message_release(m);
    CHECK(linkspan_recv(service, 0, &m) == LINKSPAN_UNSUPPORTED && linkspan_events(service, &m) == LINKSPAN_UNSUPPORTED);

    CHECK(raise(SIGTERM) == 0);
    do { /* a step may have been due first */
        OK(linkspan_service_next(service, SOON, &command));
        if (command.verb == LINKSPAN_STEP) OK(linkspan_service_done(service, &command, NULL));
    } while (command.verb == LINKSPAN_STEP);
    CHECK(command.verb == LINKSPAN_SHUTDOWN && command.before == LINKSPAN_STATE_RUNNING);
    CHECK(state_of(service) == LINKSPAN_STATE_STOPPING);
    OK(linkspan_service_done(service, &command, NULL));
    next_is(service, &command, LINKSPAN_END);
    CHECK(command.arguments == NULL && command.name[0] == '\0' && state_of(service) == LINKSPAN_STATE_STOPPED);
    next_is(service, &command, LINKSPAN_END);
    linkspan_release(service);
}

static void given_up(void *context) { sem_post(context); }

static void what_is_under_way_is_given_up(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_command command = LINKSPAN_COMMAND_INIT;
    linkspan_service_state state = LINKSPAN_SERVICE_STATE_INIT;
    sem_t told;
    CHECK(sem_init(&told, 0, 0) == 0);
    options.every = 1;
    options.leave_signals = true;
    options.on_cancel = given_up;
    options.on_cancel_context = &told;
    OK(linkspan_service_start("power", &options, &service));
    next_is(service, &command, LINKSPAN_STEP);
    OK(linkspan_service_shutdown(service));
    OK(linkspan_service_look(service, &state));
    CHECK(state.state == LINKSPAN_STATE_STOPPING && !state.is_cancelled && !state.is_connected && state.epoch != 0);
    OK(linkspan_service_shutdown(service));
    OK(linkspan_service_look(service, &state));
    CHECK(state.is_cancelled);
    struct timespec until;
    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += 20;
    CHECK(sem_timedwait(&told, &until) == 0);
    /* It leaves with the step open, as a program would that was told to hurry. */
    OK(linkspan_close(service, SOON));
    linkspan_release(service);
    CHECK(sem_destroy(&told) == 0);
}

static void a_service_waits_and_fails(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_command command = LINKSPAN_COMMAND_INIT;
    int fd;
    options.every = 1;
    options.paused = true;
    OK(linkspan_service_start("power", &options, &service));
    CHECK(linkspan_service_next(service, 0, &command) == LINKSPAN_TIMEOUT && state_of(service) == LINKSPAN_STATE_READY);
    OK(linkspan_fileno(service, &fd));
    OK(linkspan_service_fail(service, LINKSPAN_NO_SPACE, "the disk is full"));
    CHECK(state_of(service) == LINKSPAN_STATE_FAILED);
    CHECK(linkspan_service_next(service, 0, &command) == LINKSPAN_TIMEOUT);
    OK(linkspan_service_shutdown(service));
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, 20000) == 1);
    next_is(service, &command, LINKSPAN_SHUTDOWN);
    CHECK(command.before == LINKSPAN_STATE_FAILED);
    /* This thread's last error is what failed. */
    linkspan_message *m;
    CHECK(linkspan_decode((const uint8_t *)"x", 1, LINKSPAN_JSON, &m) == LINKSPAN_MALFORMED);
    OK(linkspan_service_failed(service, &command, linkspan_last_error(NULL), NULL));
    CHECK(state_of(service) == LINKSPAN_STATE_FAILED);
    linkspan_release(service);
}

int main(void) {
    what_cannot_be_is_refused();
    steps_come_until_a_signal_stops_them();
    what_is_under_way_is_given_up();
    a_service_waits_and_fails();
    puts("ok");
    return 0;
}

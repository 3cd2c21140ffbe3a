/* A service: without arguments it needs no other program; `control NAME` commands a `serve NAME`. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

#define SOON 20000000000

static linkspan_state state_of(const linkspan_service *service) {
    linkspan_service_info state = LINKSPAN_SERVICE_INFO_INIT;
    OK(linkspan_service_get_info(service, &state));
    return state.state;
}

static void next_is(const linkspan_service *service, linkspan_task *task, linkspan_command command) {
    OK(linkspan_service_next(service, SOON, task));
    CHECK(task->command == command);
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
    linkspan_task task = LINKSPAN_TASK_INIT;
    linkspan_message *m;
    linkspan_type type;
    options.every = 1;
    OK(linkspan_service_start("lab/power", &options, &service));
    CHECK(state_of(service) == LINKSPAN_STATE_STARTING);
    CHECK(strcmp(linkspan_state_name(state_of(service)), "STARTING") == 0);
    for (int i = 0; i < 3; ++i) {
        next_is(service, &task, LINKSPAN_COMMAND_STEP);
        CHECK(state_of(service) == LINKSPAN_STATE_RUNNING && task.before == LINKSPAN_STATE_RUNNING);
        CHECK(strcmp(task.name, "STEP") == 0 && task.id[0] == '\0' && task.remaining == LINKSPAN_FOREVER);
        OK(linkspan_message_get_type(task.arguments, "", &type));
        CHECK(type == LINKSPAN_TYPE_NULL);
        /* Only one task is open at a time, and each has one answer. */
        CHECK(linkspan_service_next(service, 0, &task) == LINKSPAN_INVALID_STATE && task.command == LINKSPAN_COMMAND_STEP);
        CHECK(linkspan_service_task_failed(service, &task, 7, "no such status") == LINKSPAN_OUT_OF_RANGE);
        OK(linkspan_service_task_done(service, &task, NULL));
        CHECK(linkspan_service_task_done(service, &task, NULL) == LINKSPAN_INVALID_STATE);
    }
    OK(linkspan_service_log(service, "three steps", "info"));
    CHECK(linkspan_service_log(service, "info", "three steps") == LINKSPAN_OUT_OF_RANGE);
    CHECK(strstr(linkspan_last_error_text(), "debug, info, warning and error") != NULL);
    OK(linkspan_service_log(service, "caf\xe9", "warning"));
    OK(linkspan_service_set_reason(service, "caf\xe9"));
    OK(linkspan_service_set_reason(service, "the sensor is noisy"));
    OK(linkspan_service_set_reason(service, NULL));
    OK(linkspan_service_stats(service, &m));
    uint64_t steps;
    OK(linkspan_message_get_u64(m, "steps", &steps));
    CHECK(steps == 3);
    linkspan_message_release(m);

    CHECK(raise(SIGTERM) == 0);
    do { /* a step may have been due first */
        OK(linkspan_service_next(service, SOON, &task));
        if (task.command == LINKSPAN_COMMAND_STEP) OK(linkspan_service_task_done(service, &task, NULL));
    } while (task.command == LINKSPAN_COMMAND_STEP);
    CHECK(task.command == LINKSPAN_COMMAND_SHUTDOWN && task.before == LINKSPAN_STATE_RUNNING);
    CHECK(state_of(service) == LINKSPAN_STATE_STOPPING);
    OK(linkspan_service_task_done(service, &task, NULL));
    next_is(service, &task, LINKSPAN_COMMAND_END);
    CHECK(task.arguments == NULL && task.name[0] == '\0' && state_of(service) == LINKSPAN_STATE_STOPPED);
    next_is(service, &task, LINKSPAN_COMMAND_END);
    linkspan_service_free(service);
}

static void given_up(void *context) { sem_post(context); }

static void what_is_under_way_is_given_up(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_task task = LINKSPAN_TASK_INIT;
    linkspan_service_info state = LINKSPAN_SERVICE_INFO_INIT;
    sem_t cancelled;
    CHECK(sem_init(&cancelled, 0, 0) == 0);
    options.every = 1;
    options.leave_signals = true;
    options.on_cancel = given_up;
    options.on_cancel_context = &cancelled;
    OK(linkspan_service_start("power", &options, &service));
    next_is(service, &task, LINKSPAN_COMMAND_STEP);
    OK(linkspan_service_shutdown(service));
    OK(linkspan_service_get_info(service, &state));
    CHECK(state.state == LINKSPAN_STATE_STOPPING && !state.is_cancelled && !state.is_connected && state.epoch != 0);
    OK(linkspan_service_shutdown(service));
    OK(linkspan_service_get_info(service, &state));
    CHECK(state.is_cancelled);
    struct timespec until;
    CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
    until.tv_sec += 20;
    CHECK(sem_timedwait(&cancelled, &until) == 0);
    /* Closes with the step open, as a program would after CANCEL. */
    OK(linkspan_service_close(service, SOON));
    linkspan_service_free(service);
    CHECK(sem_destroy(&cancelled) == 0);
}

static void a_service_waits_and_fails(void) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_task task = LINKSPAN_TASK_INIT;
    int fd;
    options.every = 1;
    options.paused = true;
    OK(linkspan_service_start("power", &options, &service));
    CHECK(linkspan_service_next(service, 0, &task) == LINKSPAN_TIMEOUT && state_of(service) == LINKSPAN_STATE_READY);
    OK(linkspan_service_fileno(service, &fd));
    OK(linkspan_service_set_failed(service, LINKSPAN_NO_SPACE, "the disk is full"));
    CHECK(state_of(service) == LINKSPAN_STATE_FAILED);
    CHECK(linkspan_service_next(service, 0, &task) == LINKSPAN_TIMEOUT);
    OK(linkspan_service_shutdown(service));
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, 20000) == 1);
    next_is(service, &task, LINKSPAN_COMMAND_SHUTDOWN);
    CHECK(task.before == LINKSPAN_STATE_FAILED);
    /* The failure is this thread's last error. */
    linkspan_message *m;
    CHECK(linkspan_decode((const uint8_t *)"x", 1, LINKSPAN_JSON, &m) == LINKSPAN_MALFORMED);
    OK(linkspan_service_task_failed(service, &task, linkspan_last_error(NULL), NULL));
    CHECK(state_of(service) == LINKSPAN_STATE_FAILED);
    linkspan_service_free(service);
}

/* Counts steps. Its commands double, hold until cancelled, break, and return an odd value. */
static void serve(const char *name) {
    linkspan_service *service;
    linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;
    linkspan_task task = LINKSPAN_TASK_INIT;
    const char *const commands[] = {"double", "hold", "break", "odd", "CONFIG"};
    uint64_t steps = 0, checkpoints = 0;
    bool open = true;
    sem_t cancelled;
    CHECK(sem_init(&cancelled, 0, 0) == 0);
    options.every = 10000000;
    options.description = "counts";
    options.commands = commands;
    options.commands_count = 5;
    options.on_cancel = given_up;
    options.on_cancel_context = &cancelled;
    OK(linkspan_service_start(name, &options, &service));
    OK(linkspan_service_log(service, "it counts", NULL));
    while (linkspan_service_next(service, LINKSPAN_DEFAULT, &task) == LINKSPAN_OK && task.command != LINKSPAN_COMMAND_END) {
        linkspan_message *value = NULL;
        linkspan_status status = LINKSPAN_OK;
        const char *why = NULL;
        int64_t n;
        switch (task.command) {
        case LINKSPAN_COMMAND_STEP: ++steps; break;
        case LINKSPAN_COMMAND_PAUSE: open = false; break;
        case LINKSPAN_COMMAND_RUN: open = open || task.before == LINKSPAN_STATE_PAUSED; break;
        case LINKSPAN_COMMAND_CHECKPOINT: ++checkpoints; break;
        case LINKSPAN_COMMAND_SHUTDOWN: break;
        case LINKSPAN_COMMAND_GET_DATA:
            OK(linkspan_message_new(&value));
            OK(linkspan_message_put_u64(value, "steps", steps));
            OK(linkspan_message_put_u64(value, "checkpoints", checkpoints));
            OK(linkspan_message_put_bool(value, "open", open));
            break;
        case LINKSPAN_COMMAND_CONFIG: OK(linkspan_message_get_message(task.arguments, "", &value)); break;
        default:
            CHECK(task.command == LINKSPAN_COMMAND_OWN && task.id[0] != '\0' && task.remaining > 0);
            if (strcmp(task.name, "double") == 0) {
                status = linkspan_message_get_i64(task.arguments, "n", &n);
                if (status == LINKSPAN_OK) {
                    OK(linkspan_message_new(&value));
                    OK(linkspan_message_put_i64(value, "twice", 2 * n));
                }
            } else if (strcmp(task.name, "hold") == 0) {
                CHECK(sem_wait(&cancelled) == 0);
                status = LINKSPAN_CANCELLED;
                why = "it was held, and given up";
            } else if (strcmp(task.name, "break") == 0) {
                status = LINKSPAN_NO_SPACE;
                why = "the disk is full";
            } else {
                status = LINKSPAN_REMOTE;
                why = "the sensor is odd";
            }
        }
        if (status == LINKSPAN_OK) OK(linkspan_service_task_done(service, &task, value));
        else OK(linkspan_service_task_failed(service, &task, status, why));
        linkspan_message_release(value);
    }
    CHECK(task.command == LINKSPAN_COMMAND_END);
    linkspan_service_free(service);
    CHECK(sem_destroy(&cancelled) == 0);
}

static linkspan_controller *controller;
static const char *name;

static linkspan_status command(const char *what, linkspan_message **value) {
    return linkspan_controller_command(controller, name, what, NULL, SOON, value);
}

static void done(const char *what) {
    linkspan_message *value;
    OK(command(what, &value));
    linkspan_message_release(value);
}

static void fails(const char *what, linkspan_status status, const char *words) {
    linkspan_message *value;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    CHECK(command(what, &value) == status && value == NULL);
    linkspan_last_error(&e);
    CHECK(strstr(e.text, words) != NULL);
}

static bool is(const linkspan_message *m, const char *path, const char *word) {
    const char *text;
    size_t length;
    return linkspan_message_get_text(m, path, &text, &length) == LINKSPAN_OK && length == strlen(word) &&
           memcmp(text, word, length) == 0;
}

static void is_in_state(const char *state) {
    linkspan_message *record;
    OK(linkspan_controller_status(controller, name, SOON, &record));
    CHECK(is(record, "state", state) && is(record, "view", "CONNECTED") && is(record, "description", "counts"));
    linkspan_message_release(record);
}

static void becomes(const char *path, const char *word) {
    bool so = false;
    while (!so) {
        linkspan_message *push;
        OK(linkspan_controller_next(controller, SOON, &push));
        so = is(push, "what", "service") && is(push, "service/name", name) && is(push, path, word);
        linkspan_message_release(push);
    }
}

static void states_change(void) {
    linkspan_message *m;
    uint64_t number;
    bool open;
    fails("RUN", LINKSPAN_INVALID_STATE, "RUNNING");
    done("PAUSE");
    is_in_state("PAUSED");
    fails("PAUSE", LINKSPAN_INVALID_STATE, "PAUSED");
    fails("CHECKPOINT", LINKSPAN_INVALID_STATE, "PAUSED");
    OK(command("GET_DATA", &m));
    OK(linkspan_message_get_bool(m, "open", &open));
    CHECK(!open);
    linkspan_message_release(m);
    done("RUN");
    done("CHECKPOINT");
    is_in_state("RUNNING");
    OK(command("GET_DATA", &m));
    OK(linkspan_message_get_bool(m, "open", &open));
    OK(linkspan_message_get_u64(m, "checkpoints", &number));
    CHECK(open && number == 1);
    linkspan_message_release(m);
}

static void commands_are_done_or_fail(void) {
    linkspan_message *m, *value;
    int64_t twice;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", 21));
    OK(linkspan_controller_command(controller, name, "double", m, SOON, &value));
    OK(linkspan_message_get_i64(value, "twice", &twice));
    CHECK(twice == 42);
    linkspan_message_release(value);
    OK(linkspan_controller_command(controller, name, "CONFIG", m, SOON, &value));
    OK(linkspan_message_get_i64(value, "n", &twice));
    CHECK(twice == 21);
    linkspan_message_release(value);
    fails("double", LINKSPAN_WRONG_TYPE, "n"); /* without arguments there is no map to read */
    fails("break", LINKSPAN_NO_SPACE, "the disk is full");
    fails("odd", LINKSPAN_REMOTE, "the sensor is odd");
    fails("dance", LINKSPAN_UNSUPPORTED, "dance");
    fails("BACKUP", LINKSPAN_UNSUPPORTED, "BACKUP");
    fails("RESTART", LINKSPAN_OUT_OF_RANGE, "RESTART");
    CHECK(linkspan_controller_command(controller, "lab/nobody", "PAUSE", NULL, SOON, &value) == LINKSPAN_NOT_FOUND);
    CHECK(linkspan_controller_status(controller, "lab/nobody", SOON, &value) == LINKSPAN_NOT_FOUND && value == NULL);

    linkspan_command_request order = LINKSPAN_COMMAND_REQUEST_INIT;
    order.service = name;
    order.command = "double";
    order.arguments = m;
    OK(linkspan_controller_begin(controller, &order, SOON, &value));
    char id[80];
    const char *text;
    size_t length;
    OK(linkspan_message_get_text(value, "id", &text, &length));
    snprintf(id, sizeof id, "%.*s", (int)length, text);
    linkspan_message_release(value);
    done("GET_DATA"); /* waits after it */
    OK(linkspan_controller_answer(controller, name, id, SOON, &value));
    CHECK(is(value, "outcome", "DONE") && is(value, "id", id));
    linkspan_message_release(value);
    /* A repeated id is not carried out again, and gives its first answer. */
    order.id = id;
    order.until_done = true;
    OK(linkspan_controller_begin(controller, &order, SOON, &value));
    CHECK(is(value, "outcome", "DONE") && is(value, "id", id));
    linkspan_message_release(value);
    order.command = "break";
    CHECK(linkspan_controller_begin(controller, &order, SOON, &value) != LINKSPAN_OK && value == NULL);
    order.id = NULL;
    OK(linkspan_controller_begin(controller, &order, SOON, &value));
    CHECK(is(value, "outcome", "FAILED") && is(value, "error/type", "NoSpace"));
    linkspan_message_release(value);
    order.epoch = 1;
    OK(linkspan_controller_begin(controller, &order, SOON, &value));
    CHECK(is(value, "outcome", "REJECTED"));
    linkspan_message_release(value);
    order.service = NULL;
    CHECK(linkspan_controller_begin(controller, &order, SOON, &value) == LINKSPAN_INVALID_STATE && value == NULL);
    CHECK(linkspan_controller_answer(controller, name, "nothing", SOON, &value) == LINKSPAN_NOT_FOUND);
    linkspan_message_release(m);
}

static void time_passes_and_control_is_answered(void) {
    linkspan_message *m;
    CHECK(linkspan_controller_command(controller, name, "hold", NULL, 300000000, &m) == LINKSPAN_TIMEOUT && m == NULL);
    OK(command("STATUS", &m)); /* the library answers this while the program is held */
    CHECK(is(m, "doing", "hold") && is(m, "state", "RUNNING"));
    linkspan_message_release(m);
    done("CANCEL");
    done("GET_DATA");
}

static void control(void) {
    linkspan_message *m;
    size_t count;
    const char *const services[] = {name};
    OK(linkspan_controller_connect(NULL, NULL, SOON, &controller));
    CHECK(linkspan_controller_next(controller, 0, &m) == LINKSPAN_INVALID_STATE);
    OK(linkspan_controller_watch(controller, 20000000, services, 1));
    int fd;
    OK(linkspan_controller_fileno(controller, &fd));
    struct pollfd pushed = {fd, POLLIN, 0};
    CHECK(poll(&pushed, 1, 20000) == 1);
    becomes("service/state", "RUNNING");
    bool counts = false;
    while (!counts) {
        uint64_t steps;
        OK(linkspan_controller_next(controller, SOON, &m));
        counts = is(m, "what", "data") && is(m, "name", name) &&
                 linkspan_message_get_u64(m, "value/steps", &steps) == LINKSPAN_OK && steps > 0;
        linkspan_message_release(m);
    }
    OK(linkspan_controller_services(controller, SOON, &m));
    OK(linkspan_message_count(m, "", &count));
    CHECK(count == 1 && is(m, "0/name", name));
    linkspan_message_release(m);
    states_change();
    commands_are_done_or_fail();
    time_passes_and_control_is_answered();

    OK(linkspan_controller_log(controller, name, 100, SOON, &m));
    OK(linkspan_message_count(m, "", &count));
    bool logged = false;
    for (size_t i = 0; i < count; ++i) {
        char path[32];
        snprintf(path, sizeof path, "%zu/text", i);
        logged = logged || is(m, path, "it counts");
    }
    CHECK(logged);
    linkspan_message_release(m);
    OK(linkspan_controller_stats(controller, &m));
    OK(linkspan_message_get_u64(m, "services", &count));
    CHECK(count == 1);
    linkspan_message_release(m);
    CHECK(linkspan_controller_forget(controller, name, SOON) == LINKSPAN_INVALID_STATE);
    done("SHUTDOWN");
    becomes("service/view", "GONE");
    OK(linkspan_controller_forget(controller, name, SOON));
    OK(linkspan_controller_close(controller));
    CHECK(linkspan_controller_next(controller, 0, &m) == LINKSPAN_INVALID_STATE);
    linkspan_controller_free(controller);
}

int main(int count, char **arguments) {
    name = count > 2 ? arguments[2] : NULL;
    if (name != NULL && strcmp(arguments[1], "serve") == 0) {
        serve(name);
    } else if (name != NULL) {
        control();
    } else {
        what_cannot_be_is_refused();
        steps_come_until_a_signal_stops_them();
        what_is_under_way_is_given_up();
        a_service_waits_and_fails();
    }
    puts("ok");
    return 0;
}

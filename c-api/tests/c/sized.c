/* Lengths of structs and pointers: each struct that begins with its size, and each pointer with a count.
 *
 * A controller listens at unix:controller. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>
#include <linkspan/record.h>

#include <stddef.h>
#include <unistd.h>

#include "check.h"

#define SOON 20000000000

static linkspan_channel *one, *two;
static linkspan_message *received;
static linkspan_walk *walk;
static linkspan_service *service;
static linkspan_controller *controller;
static char endpoint[64];

static linkspan_status options(void *given) {
    linkspan_listener *listener;
    const linkspan_status status = linkspan_listener_listen("shm:test/sized/options", given, &listener);
    if (status == LINKSPAN_OK) OK(linkspan_listener_free(listener));
    return status;
}

static linkspan_status channel_info(void *info) { return linkspan_channel_get_info(one, info); }

static linkspan_status message_info(void *info) { return linkspan_message_get_info(received, info); }

static linkspan_status item(void *to) {
    const linkspan_status status = linkspan_walk_next(walk, to);
    CHECK(status != LINKSPAN_OK || ((linkspan_item *)to)->type == LINKSPAN_TYPE_MAP);
    return status;
}

static linkspan_status error(void *to) {
    int64_t number;
    CHECK(linkspan_message_get_i64(received, "nothing", &number) == LINKSPAN_MISSING);
    const linkspan_status status = linkspan_last_error(to);
    CHECK(linkspan_last_error(NULL) == (status == LINKSPAN_MISSING ? LINKSPAN_MISSING : LINKSPAN_INVALID_STATE));
    return status == LINKSPAN_MISSING ? LINKSPAN_OK : status;
}

static linkspan_status service_options(void *given) {
    linkspan_service *started;
    const linkspan_status status = linkspan_service_start("sized/other", given, &started);
    if (status == LINKSPAN_OK) OK(linkspan_service_free(started));
    return status;
}

static linkspan_status service_info(void *info) { return linkspan_service_get_info(service, info); }

/* A refused struct takes no task: the next call gets it. */
static linkspan_status task(void *next) {
    const linkspan_status status = linkspan_service_next(service, SOON, next);
    if (status != LINKSPAN_OK) return status;
    linkspan_task *taken = next;
    CHECK(taken->command == LINKSPAN_COMMAND_STEP);
    taken->size = 0;
    CHECK(linkspan_service_task_done(service, taken, NULL) == LINKSPAN_INVALID_STATE);
    taken->size = sizeof *taken;
    OK(linkspan_service_task_done(service, taken, NULL));
    return LINKSPAN_OK;
}

static linkspan_status command_request(void *given) {
    linkspan_message *answer;
    linkspan_command_request *request = given;
    request->service = "nobody";
    request->command = "PAUSE";
    const linkspan_status status = linkspan_controller_begin(controller, request, SOON, &answer);
    CHECK(status != LINKSPAN_OK && answer == NULL);
    return status == LINKSPAN_NOT_FOUND ? LINKSPAN_OK : status;
}

static linkspan_status record(void *table) {
    static const linkspan_record_type type = {.kind = LINKSPAN_RECORD_I32, .size = sizeof(int32_t)};
    /* The library keeps the layout of a table, so the table must stay. */
    static linkspan_record kept;
    int32_t value;
    memcpy(&kept, table, sizeof kept);
    kept.of = &type;
    return linkspan_record_init(&kept, &value);
}

/* Tries a struct as input and output. `first` is its size in the first header. */
#define TRY(name, first, ...)                                                                                \
    do {                                                                                                     \
        const size_t sizes[] = {0, 1, sizeof(size_t) - 1, sizeof(size_t), (first) - 1, SIZE_MAX};             \
        linkspan_##name whole = __VA_ARGS__;                                                                 \
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {                                          \
            linkspan_##name given = __VA_ARGS__;                                                             \
            memset(&given, 0, sizeof given);                                                                 \
            given.size = sizes[i];                                                                           \
            if (name(&given) != LINKSPAN_INVALID_STATE) {                                                    \
                fprintf(stderr, "a linkspan_" #name " of %zu bytes is not refused\n", sizes[i]);             \
                exit(1);                                                                                     \
            }                                                                                                \
        }                                                                                                    \
        OK(name(&whole));                                                                                    \
    } while (0)

static void structs_say_their_size(void) {
    TRY(options, offsetof(linkspan_options, replay_count), LINKSPAN_OPTIONS_INIT);
    TRY(channel_info, sizeof(linkspan_channel_info), LINKSPAN_CHANNEL_INFO_INIT);
    TRY(message_info, sizeof(linkspan_message_info), LINKSPAN_MESSAGE_INFO_INIT);
    TRY(item, sizeof(linkspan_item), LINKSPAN_ITEM_INIT);
    TRY(error, offsetof(linkspan_error, offset), LINKSPAN_ERROR_INIT);
    TRY(service_options, sizeof(linkspan_service_options), LINKSPAN_SERVICE_OPTIONS_INIT);
    TRY(service_info, sizeof(linkspan_service_info), LINKSPAN_SERVICE_INFO_INIT);
    TRY(task, sizeof(linkspan_task), LINKSPAN_TASK_INIT);
    TRY(command_request, sizeof(linkspan_command_request), LINKSPAN_COMMAND_REQUEST_INIT);
    TRY(record, sizeof(linkspan_record), {.size = sizeof(linkspan_record)});
}

/* A lost list of users must admit nobody instead of everybody. */
static void a_count_without_a_list_is_refused(void) {
    linkspan_options users = LINKSPAN_OPTIONS_INIT, groups = LINKSPAN_OPTIONS_INIT, none = LINKSPAN_OPTIONS_INIT;
    users.allow_uids_count = groups.allow_gids_count = 1;
    CHECK(options(&users) == LINKSPAN_INVALID_STATE && strstr(linkspan_last_error_text(), "allow_uids is NULL") != NULL);
    CHECK(options(&groups) == LINKSPAN_INVALID_STATE && strstr(linkspan_last_error_text(), "allow_gids is NULL") != NULL);
    OK(options(&none));
    linkspan_service_options commands = LINKSPAN_SERVICE_OPTIONS_INIT;
    commands.commands_count = 1;
    CHECK(service_options(&commands) == LINKSPAN_INVALID_STATE);
    bool ready[2];
    size_t count;
    CHECK(linkspan_wait(NULL, 2, 0, ready) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_send_many(one, NULL, 2, SOON, &count) == LINKSPAN_INVALID_STATE && count == 0);
    linkspan_message *message;
    CHECK(linkspan_decode(NULL, 3, LINKSPAN_CBOR, &message) == LINKSPAN_INVALID_STATE);
    linkspan_array array;
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 2, NULL, &array) == LINKSPAN_INVALID_STATE);
    linkspan_text text = {NULL, 0};
    linkspan_bytes bytes = {NULL, 0};
    CHECK(!linkspan_text_set(&text, NULL, 5) && !linkspan_bytes_set(&bytes, NULL, 5));
    CHECK(!linkspan_text_set(&text, LINKSPAN_ZSTR((const char *)NULL)) && linkspan_bytes_set(&bytes, NULL, 0));
    linkspan_bytes_free(&bytes);
    static const linkspan_record_type names = {.kind = LINKSPAN_RECORD_ENUM, .size = 4, .count = 2};
    static const linkspan_record_type fields = {.kind = LINKSPAN_RECORD_STRUCT, .size = 4, .count = 1};
    static const linkspan_record_type dims = {.kind = LINKSPAN_RECORD_ARRAY, .size = sizeof(linkspan_array), .rank = 2, .order = -1};
    const linkspan_record_type *const types[] = {&names, &fields, &dims};
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
        linkspan_record table = {.size = sizeof table, .of = types[i]};
        linkspan_array room;
        CHECK(linkspan_record_init(&table, &room) == LINKSPAN_INVALID_STATE);
    }
}

/* The length of the elements follows from type and dimensions; programs need not set it. */
static void an_array_is_copied_by_its_shape(void) {
    double numbers[200];
    for (int i = 0; i < 200; ++i) numbers[i] = i;
    linkspan_array copy = LINKSPAN_ARRAY_INIT, from = {LINKSPAN_F64, LINKSPAN_ROW, 2, {10, 20}, numbers, 0};
    CHECK(linkspan_array_set(&copy, &from) && copy.length == sizeof numbers);
    CHECK(memcmp(copy.data, numbers, sizeof numbers) == 0);
    linkspan_message *message;
    OK(linkspan_message_new(&message));
    OK(linkspan_message_put_array(message, "numbers", &copy));
    linkspan_message_release(message);
    from.length = 1 << 20;
    CHECK(linkspan_array_set(&copy, &from) && copy.length == sizeof numbers);
    from.dims[1] = 0;
    CHECK(linkspan_array_set(&copy, &from) && copy.length == 0);
    from.dims[0] = from.dims[1] = UINT64_MAX;
    CHECK(!linkspan_array_set(&copy, &from) && linkspan_last_error(NULL) == LINKSPAN_TOO_LARGE && copy.data == NULL);
    from = (linkspan_array){LINKSPAN_F64, LINKSPAN_ROW, 1, {3}, NULL, 0};
    CHECK(!linkspan_array_set(&copy, &from) && linkspan_last_error(NULL) == LINKSPAN_INVALID_STATE);
    from = (linkspan_array){99, LINKSPAN_ROW, 1, {3}, numbers, 24};
    CHECK(!linkspan_array_set(&copy, &from) && linkspan_last_error(NULL) == LINKSPAN_WRONG_TYPE);
    size_t length;
    from = (linkspan_array){LINKSPAN_C128, LINKSPAN_COLUMN, 0, {0}, numbers, 0};
    CHECK(linkspan_array_length(&from, &length) == LINKSPAN_OK && length == 16);
    CHECK(linkspan_array_length(NULL, &length) == LINKSPAN_INVALID_STATE && length == 0);
    CHECK(linkspan_array_length(&from, NULL) == LINKSPAN_INVALID_STATE);
}

int main(int count, char **arguments) {
    linkspan_listener *listener;
    linkspan_message *message;
    linkspan_service_options steps = LINKSPAN_SERVICE_OPTIONS_INIT;
    snprintf(endpoint, sizeof endpoint, "%s:test/sized", count > 1 ? arguments[1] : "shm");
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    OK(linkspan_channel_connect(endpoint, NULL, SOON, &one));
    OK(linkspan_listener_accept(listener, SOON, &two));
    OK(linkspan_message_new(&message));
    OK(linkspan_message_put_i64(message, "n", 1));
    OK(linkspan_channel_send(one, message, SOON, NULL));
    OK(linkspan_channel_recv(two, SOON, &received));
    OK(linkspan_walk_new(received, "", &walk));
    steps.every = 1;
    OK(linkspan_service_start("sized/power", &steps, &service));
    OK(linkspan_controller_connect("unix:controller", NULL, SOON, &controller));
    structs_say_their_size();
    a_count_without_a_list_is_refused();
    an_array_is_copied_by_its_shape();
    OK(linkspan_controller_free(controller));
    OK(linkspan_service_free(service));
    OK(linkspan_walk_free(walk));
    linkspan_message_release(received);
    linkspan_message_release(message);
    OK(linkspan_channel_free(two));
    OK(linkspan_channel_free(one));
    OK(linkspan_listener_free(listener));
    puts("ok");
    return 0;
}

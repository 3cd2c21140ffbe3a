/* Linkspan: programs in different languages on one machine talk.
 *
 * Every function that can fail returns a linkspan_status: LINKSPAN_OK, or the code of an error kind.
 * linkspan_last_error() has the details. Keys and paths are NUL-terminated. Texts are (pointer, length);
 * LINKSPAN_ZSTR(text) passes a NUL-terminated text. Time-outs are nanoseconds. The caller releases all results except
 * views, which are valid until their message changes or is released.
 *
 * The caller of every function guarantees the header's rules:
 * - Objects are live. NULL is LINKSPAN_INVALID_STATE, except for `options`, `sequence`, and where a comment allows it.
 * - A pointer with a count or length points to that many values. Results may be written.
 * - A struct with the member `size` starts as its LINKSPAN_..._INIT.
 * - While a _free function runs, no other call uses the object.
 *
 * Functions that many objects have:
 * - _next waits for ever with LINKSPAN_DEFAULT.
 * - _fileno: the object owns the descriptor. Do not close it.
 * - _close ends the waits of other threads. The object must still be freed.
 * - _free allows NULL. A second _free, and any other use of the object, is LINKSPAN_INVALID_STATE until 1024 other
 *   objects have been freed. After that the pointer is invalid like any freed pointer.
 * - _stats and _events give values that the caller releases.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef LINKSPAN_H
#define LINKSPAN_H

/* Generated from c-api/src by cbindgen: change it there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* Passes a NUL-terminated text as pointer and length; NULL is refused. */
#define LINKSPAN_ZSTR(text) (text), linkspan_zstr_length(text)
static inline size_t linkspan_zstr_length(const char *text) { return text ? strlen(text) : SIZE_MAX; }

/* Initial values of structs, valid in C11 and C++17. */
#define LINKSPAN_ERROR_INIT \
    {sizeof(linkspan_error), 0, false, NULL, NULL, NULL, -1, 0, 0, 0, NULL, NULL, NULL, 0, 0}
#define LINKSPAN_OPTIONS_INIT \
    {sizeof(linkspan_options), NULL, LINKSPAN_DEFAULT, NULL, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, 0, 0, false, false, \
     NULL, NULL, NULL, 0, 0, 0, NULL, 0, 0, 0.0, false, false, false, false, NULL, NULL, false, false, 0.0, NULL, NULL}
#define LINKSPAN_SERVICE_OPTIONS_INIT \
    {sizeof(linkspan_service_options), NULL, 0, false, false, NULL, NULL, 0, NULL, NULL, NULL}
#define LINKSPAN_TASK_INIT {sizeof(linkspan_task), 0, 0, 0, NULL, NULL, 0, NULL}
#define LINKSPAN_SERVICE_INFO_INIT {sizeof(linkspan_service_info), 0, false, false, 0}
#define LINKSPAN_COMMAND_REQUEST_INIT {sizeof(linkspan_command_request), NULL, NULL, NULL, LINKSPAN_DEFAULT, NULL, 0, false}
#define LINKSPAN_CHANNEL_INFO_INIT {sizeof(linkspan_channel_info), 0, false, NULL, 0}
#define LINKSPAN_MESSAGE_INFO_INIT {sizeof(linkspan_message_info), 0, 0, 0, 0, false, NULL, 0, NULL, 0}
#define LINKSPAN_ARRAY_INIT {0, 0, 0, {0}, NULL, 0}
#define LINKSPAN_ITEM_INIT \
    {sizeof(linkspan_item), 0, 0, NULL, 0, 0, 0, false, 0, 0, 0.0, NULL, NULL, 0, LINKSPAN_ARRAY_INIT}


// A time-out: that of the object's options, 30 s by default.
#define LINKSPAN_DEFAULT -1

// A time-out: waits for ever.
#define LINKSPAN_FOREVER 9223372036854775807

// The largest number of dimensions of an array.
#define LINKSPAN_MAX_RANK 15

// The largest `spin` of the options, in microseconds.
#define LINKSPAN_MAX_SPIN 100

// A kind of `linkspan_record_type`: `bool`.
#define LINKSPAN_RECORD_BOOL 1

// `int8_t`.
#define LINKSPAN_RECORD_I8 2

// `int16_t`.
#define LINKSPAN_RECORD_I16 3

// `int32_t`.
#define LINKSPAN_RECORD_I32 4

// `int64_t`.
#define LINKSPAN_RECORD_I64 5

// `uint8_t`.
#define LINKSPAN_RECORD_U8 6

// `uint16_t`.
#define LINKSPAN_RECORD_U16 7

// `uint32_t`.
#define LINKSPAN_RECORD_U32 8

// `uint64_t`.
#define LINKSPAN_RECORD_U64 9

// `float`.
#define LINKSPAN_RECORD_F32 10

// `double`.
#define LINKSPAN_RECORD_F64 11

// `linkspan_text`.
#define LINKSPAN_RECORD_TEXT 12

// `linkspan_bytes`.
#define LINKSPAN_RECORD_BYTES 13

// `int64_t`, nanoseconds since 1970-01-01T00:00:00Z.
#define LINKSPAN_RECORD_TIMESTAMP 14

// `linkspan_uuid`.
#define LINKSPAN_RECORD_UUID 15

// `linkspan_text` with a decimal number.
#define LINKSPAN_RECORD_DECIMAL 16

// `linkspan_message *`, any value.
#define LINKSPAN_RECORD_ANY 17

// An enum, sent as one of `names`.
#define LINKSPAN_RECORD_ENUM 18

// A struct of `items`, a pointer to values of `of`, and `count`.
#define LINKSPAN_RECORD_LIST 19

// A list whose items are structs of `key`, a `linkspan_text`, and `value`.
#define LINKSPAN_RECORD_MAP 20

// A struct with these fields.
#define LINKSPAN_RECORD_STRUCT 21

// A struct of an enum, and a union of the fields that the enum selects.
#define LINKSPAN_RECORD_UNION 22

// `linkspan_array`; the struct owns its elements.
#define LINKSPAN_RECORD_ARRAY 23

// The elements of an array with a fixed shape, in C's order unless `order` is `LINKSPAN_COLUMN`.
#define LINKSPAN_RECORD_ELEMENTS 24

// A list of booleans without addresses, reached by functions.
#define LINKSPAN_RECORD_BOOLS 25

// A boolean of `size` bytes. `count` is the number for true; every number except 0 is read as true.
#define LINKSPAN_RECORD_LOGICAL 26

// One end of a channel: messages in both directions, requests and replies.
//
// Free it with `linkspan_channel_free`. Any number of threads may send, call and close. Only one thread at a time may
// receive; another gets `InvalidState`.
typedef struct linkspan_channel linkspan_channel;

// A connection to a controller. Free it with `linkspan_controller_free`.
//
// Any number of threads may use it; only one may wait in `linkspan_controller_next`. The functions return maps.
//
// The record of a service has `name`, `view`, `state`, `since`, `busy`, `doing`, `steps`, `reason`, `problem`,
// `epoch`, `pid`, `program`, `description`, `commands`, `every`, `first_seen`, `last_seen`, `answered` and `allowed`.
// An answer has `id`, `outcome` (`ACCEPTED`, `DONE`, `FAILED`, `REJECTED`), `state`, and `value` or `error`.
typedef struct linkspan_controller linkspan_controller;

// Accepts peers at an endpoint. Free it with `linkspan_listener_free`.
//
// Any number of threads may accept and close.
typedef struct linkspan_listener linkspan_listener;

// A message: one value, and for a received message its origin.
//
// Messages are reference-counted: `_new`, `_retain` and every function that returns a message add a reference,
// `_release` removes one. Texts, bytes and arrays read from it are views, valid until it changes or its last reference
// is released. Any number of threads may read a message; a thread that changes it must be the only user.
typedef struct linkspan_message linkspan_message;

// A request without a reply yet. Free it with `linkspan_pending_reply_free`.
//
// Any thread may finish it. It does not keep the channel open.
typedef struct linkspan_pending_reply linkspan_pending_reply;

// Sends to any number of subscribers and never waits for a slow one.
//
// Free it with `linkspan_publisher_free`. Any number of threads may send.
typedef struct linkspan_publisher linkspan_publisher;

// Read-only shared memory of another program. Free it with `linkspan_region_free`.
//
// Every call copies the current contents. Any number of threads may read one region.
typedef struct linkspan_region linkspan_region;

// Answers the requests of any number of clients. Free it with `linkspan_server_free`.
//
// Only one thread at a time may take requests; another gets `InvalidState`. Any thread may answer and close.
typedef struct linkspan_server linkspan_server;

// A program that a controller can query and command. Free it with `linkspan_service_free`.
//
// Two threads of the library answer the controller at any time. One thread takes commands with
// `linkspan_service_next`; any thread may log, request the shutdown and get the state.
typedef struct linkspan_service linkspan_service;

// Receives from publishers. Free it with `linkspan_subscriber_free`.
//
// Only one thread at a time may receive; another gets `InvalidState`. Any thread may close it.
typedef struct linkspan_subscriber linkspan_subscriber;

// A walk through a message, with a reference to it. Free it with `linkspan_walk_free`.
typedef struct linkspan_walk linkspan_walk;

// The result of a call: `LINKSPAN_OK`, or the code of an error kind, 100 to 127.
typedef int32_t linkspan_status;

// The type of an array's elements.
typedef int32_t linkspan_dtype;

// The order of an array's elements in memory. It does not change the meaning of shapes.
typedef int32_t linkspan_order;

// An N-d array of numbers without gaps. Another object or the program owns its memory.
typedef struct linkspan_array {
    // The type of the elements.
    linkspan_dtype dtype;
    // The order of the elements. `LINKSPAN_ROW` in a read array that is equal in both orders.
    linkspan_order order;
    // The number of used entries of `dims`; 0 for a single number.
    size_t rank;
    // The length of each dimension.
    uint64_t dims[LINKSPAN_MAX_RANK];
    // The elements, aligned for their type.
    const void *data;
    // The size of the elements in bytes; ignored in a put array.
    size_t length;
} linkspan_array;

// The options of an endpoint, which docs/options.md explains. NULL and zero mean the default.
//
// Only in `timeout` does zero mean no wait; its default is `LINKSPAN_DEFAULT`.
typedef struct linkspan_options {
    // `sizeof(linkspan_options)`.
    size_t size;
    // The encoding of sent messages: `"cbor"`, `"json"`, `"bson"`, `"smile"`, `"raw"`.
    const char *encoding;
    // The meaning of `LINKSPAN_DEFAULT` in calls of this object, except in loops (`_next`).
    //
    // Nanoseconds, 0 for no wait, or `LINKSPAN_FOREVER`; `LINKSPAN_DEFAULT` itself is 30 s.
    int64_t timeout;
    // A name of this program that survives restarts.
    const char *client_id;
    // The capacity in bytes of a ring, a queue, or a spool's waiting messages.
    uint64_t buffer;
    // The largest message in bytes.
    uint64_t max_message_size;
    // `"latest"`, `"best_effort"`, `"at_least_once"` or `"durable"`.
    const char *delivery;
    // `"auto"` or `"manual"`.
    const char *ack;
    // For peers without Linkspan: `"lines"` or `"raw"`.
    const char *framing;
    // The access mode of created files and sockets, such as 0660.
    uint32_t mode;
    // Their group: its name, or its number as text.
    const char *group;
    // The `allow_uids_count` users that may connect; NULL for those that the mode admits.
    const uint32_t *allow_uids;
    // The number of users.
    size_t allow_uids_count;
    // The `allow_gids_count` groups whose members may connect.
    const uint32_t *allow_gids;
    // The number of groups.
    size_t allow_gids_count;
    // The microseconds to poll before parking; -1 for none.
    int32_t spin;
    // Reserved: true is `Unsupported` in this version.
    bool immutable;
    // Whether a send returns only after the message is on disk.
    bool durable;
    // The schema of the messages: the path of a schema file, or its text.
    const char *schema;
    // Runs about every 100 ms in the thread of a waiting call; false ends the wait with `Cancelled`.
    bool (*on_wait)(void *context);
    // Passed to `on_wait`.
    void *on_wait_context;
    // The most unacknowledged messages kept for replay. Beyond it, a send waits.
    uint64_t replay_count;
    // The most bytes of unacknowledged messages; one message is always accepted.
    uint64_t replay_bytes;
    // The most disconnected clients for which a listener keeps messages, 0 for 256.
    uint64_t absent_clients;
    // The start of a new journal subscriber.
    //
    // `"first"`, `"newest"`, a message's number such as `"42"`, or a time such as `"2026-11-20T12:00:00Z"` (RFC 3339).
    const char *from;
    // The size of a journal's segment in bytes.
    uint64_t segment_bytes;
    // The size of a journal in bytes. Beyond it, the oldest segments are deleted.
    uint64_t retain_bytes;
    // The age in seconds from which a journal deletes segments.
    double retain_seconds;
    // Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    bool retain_consumed;
    // Whether requests may be carried out twice. If a server dies, its next incarnation gets the request.
    bool idempotent;
    // Whether a `file:` is written in place under an fcntl lock.
    bool locked;
    // Whether several processes, each with this option, may share the endpoint's requests.
    bool shared;
    // The values to check against the schema: `"send"`, `"receive"` or `"both"`.
    const char *validate;
    // The schema of the replies, given like `schema`.
    const char *reply_schema;
    // Whether a publisher takes over endpoint and subscribers of another publisher of this process.
    bool replace;
    // Whether long byte strings over `shm:` stay in the sender's memory until the message is released.
    //
    // A hostile sender can change them while they are read, so copy them before parsing.
    bool view_bytes;
    // The seconds that an unclosed channel waits at its end until the peer has consumed all messages.
    //
    // One line on stderr reports unconsumed messages.
    double linger;
    // Gets the number of unconsumed messages at the end of an unclosed channel.
    //
    // It runs in the thread that frees the channel, or in `exit`; never in a forked child. It may close the channel
    // and use others.
    void (*on_unconsumed)(void *context, uint64_t missed);
    // Passed to `on_unconsumed`; valid until each channel is freed, else until the process ends.
    //
    // A local variable of `main` is invalid in `exit`; a static one is valid.
    void *on_unconsumed_context;
} linkspan_options;

// The end of a channel.
typedef int32_t linkspan_role;

// The state of a channel.
typedef struct linkspan_channel_info {
    // `sizeof(linkspan_channel_info)`.
    size_t size;
    // Which end this is.
    linkspan_role role;
    // Whether `linkspan_channel_send` would not wait.
    bool writable;
    // The endpoint, not NUL-terminated. It lives as long as the channel.
    const char *endpoint;
    // The length of `endpoint` in bytes.
    size_t endpoint_length;
} linkspan_channel_info;

// The encoding of a message's body.
typedef int32_t linkspan_encoding;

// The state of a service.
typedef int32_t linkspan_state;

// A command with all its options.
typedef struct linkspan_command_request {
    // `sizeof(linkspan_command_request)`.
    size_t size;
    // The name of the service.
    const char *service;
    // The command: `"PAUSE"`, or a command of the service.
    const char *command;
    // The arguments, or NULL.
    const struct linkspan_message *arguments;
    // The time-out in nanoseconds, also for the service; `LINKSPAN_DEFAULT` for 30 s.
    int64_t within;
    // The id of 1 to 64 bytes; NULL for a random one.
    //
    // The service repeats the answer to an id for ten minutes.
    const char *id;
    // The incarnation of the service, from its record; 0 for any.
    uint64_t epoch;
    // Whether to wait until the command is done, instead of accepted or refused.
    bool until_done;
} linkspan_command_request;

// The last failed call of this thread. Texts live until its next failed call.
typedef struct linkspan_error {
    // `sizeof(linkspan_error)`.
    size_t size;
    // The code; `LINKSPAN_OK` if no call of this thread has failed.
    linkspan_status status;
    // Whether an equal call can succeed later without a change to the program.
    bool retryable;
    // What failed, on what, and what to do. Never NULL.
    const char *text;
    // The endpoint of the call, or NULL.
    const char *endpoint;
    // The path in the value, or NULL.
    const char *path;
    // The offset in the bytes, from zero, or -1.
    int64_t offset;
    // For `LINKSPAN_LAGGED`, the number of missed messages.
    uint64_t missed;
    // The error number of the system, or 0.
    int32_t os_error;
    // The code of the peer's handler, for `LINKSPAN_REMOTE`.
    int64_t remote_code;
    // The handler's dotted type, or NULL.
    const char *remote_type;
    // The handler's text, or NULL.
    const char *remote_text;
    // The handler's value as CBOR, or NULL.
    const uint8_t *remote_data;
    // The length of `remote_data` in bytes.
    size_t remote_data_length;
    // For the `_send_many` functions, the number of messages sent before the error.
    uint64_t sent;
} linkspan_error;

// The origin of a message.
typedef struct linkspan_message_info {
    // `sizeof(linkspan_message_info)`.
    size_t size;
    // The number of the message in the sender's session, from 1.
    uint64_t sequence;
    // The time of sending: nanoseconds since 1970-01-01T00:00:00Z.
    int64_t sent;
    // The number of messages missed directly before this one.
    uint64_t missed;
    // The encoding of the body.
    linkspan_encoding encoding;
    // Whether the sender waits for a reply.
    bool is_request;
    // The session of the sender: a view, not NUL-terminated.
    const char *source;
    // The length of `source` in bytes.
    size_t source_length;
    // The publisher's endpoint, for a subscriber to a pattern, else NULL: a view, not NUL-terminated.
    const char *name;
    // The length of `name` in bytes.
    size_t name_length;
} linkspan_message_info;

// The type of a value.
typedef int32_t linkspan_type;

// A program's functions for values whose layout a table cannot describe, as in C++ and Fortran.
//
// A type provides the functions that its kind needs; the others are NULL. `at` is the address of the value by its
// table, and `which` is the number in the table. The functions must return normally. Functions that create a value
// return NULL or false if memory runs out.
typedef struct linkspan_record_access {
    // Returns the address of an optional value, a variant or a `linkspan_message`; NULL if missing.
    const void *(*find)(const void *at, size_t which);
    // Creates that value, with its parts at their defaults, and returns its address.
    void *(*make)(void *at, size_t which);
    // Returns the address of a text, bytes, decimal number, items or entries, and their number in `count`.
    const void *(*view)(const void *at, size_t which, size_t *count);
    // Replaces the items by `count` new ones, with their parts at their defaults.
    //
    // Returns the address of the first item. For a map with `insert`, it removes all entries and returns any pointer
    // except NULL.
    void *(*resize)(void *at, size_t which, size_t count);
    // Replaces the text, bytes or decimal number by a copy. NULL for a type with `resize`.
    bool (*assign)(void *at, size_t which, const void *bytes, size_t count);
    // Calls `visit` for each entry of a map, in order, until it returns false.
    void (*each)(const void *at, size_t which, bool (*visit)(void *context,
                                                             const void *key,
                                                             size_t length,
                                                             const void *value), void *context);
    // Adds an entry to a map and returns the address of its value, whose parts have their defaults.
    void *(*insert)(void *at, size_t which, const void *key, size_t length);
    // Reads a boolean of a list whose items lack addresses.
    bool (*get_bool)(const void *at, size_t which, size_t position);
    // Sets a boolean of a list whose items lack addresses.
    void (*put_bool)(void *at, size_t which, size_t position, bool value);
    // Sets `order`, `rank`, `dims`, `data` and `length` of an array; false without an array.
    //
    // It does not set `dims` for a `rank` above `LINKSPAN_MAX_RANK`.
    bool (*view_array)(const void *at, size_t which, struct linkspan_array *array);
    // Replaces the array by a new array with this `rank` and `dims`, and elements of `length` bytes.
    //
    // The new array has `order`, or sets it to its own order. Returns the address of its elements.
    void *(*resize_array)(void *at, size_t which, struct linkspan_array *array);
    // Takes ownership of a message as any value.
    bool (*take_message)(void *at, size_t which, struct linkspan_message *message);
} linkspan_record_access;

// A field of a struct, or a variant of a union.
typedef struct linkspan_record_field {
    // The key in messages.
    const char *key;
    // Older keys, ended by NULL; NULL without any.
    const char *const *aliases;
    // The offset of the value in the struct.
    size_t offset;
    // Whether the field may be missing.
    //
    // `presence` is then the offset of a `bool` that is true if it is present; unused with `access`.
    bool optional;
    // See `optional`.
    size_t presence;
    // The type of the value.
    const struct linkspan_record_type *of;
    // The default of a missing field, in CBOR; NULL without a default.
    const uint8_t *default_value;
    // The length of `default_value` in bytes.
    size_t default_length;
    // `find` and `make` for an optional value or a variant that is not stored at `offset`, or NULL.
    //
    // Both get the address at `offset`.
    const struct linkspan_record_access *access;
    // A number that those functions get.
    size_t which;
} linkspan_record_field;

// A type of values in structs. Members that its `kind` does not need are zero.
typedef struct linkspan_record_type {
    // One of `LINKSPAN_RECORD_`.
    int32_t kind;
    // `sizeof` a value. The size of a map's entry is `item_size`.
    size_t size;
    // `sizeof` an item of a list, or an entry of a map.
    size_t item_size;
    // `sizeof` the enum that selects the field of a union.
    size_t kind_size;
    // The type of a list's items, or of a map's values; NULL for a map whose entries are `fields`.
    const struct linkspan_record_type *of;
    // The fields of a struct or a union, or the key and the value of a map's entries.
    const struct linkspan_record_field *fields;
    // The names of an enum's values, from 0 on.
    const char *const *names;
    // The number of fields or names.
    size_t count;
    // The element type of an array.
    linkspan_dtype dtype;
    // The required order of an array, or -1.
    linkspan_order order;
    // The required number of dimensions of an array, or -1.
    int32_t rank;
    // The lengths of the dimensions; `UINT64_MAX` means any length. NULL for rank 0 and -1.
    const uint64_t *dims;
    // The functions that read and create values whose layout a table cannot describe, or NULL.
    const struct linkspan_record_access *access;
    // A number that those functions get.
    size_t which;
} linkspan_record_type;

// The memory layout of a struct, as `linkspan schema generate` writes it.
//
// The table must stay unchanged at its address while the program runs.
typedef struct linkspan_record {
    // `sizeof(linkspan_record)`.
    size_t size;
    // The type of the whole struct.
    const struct linkspan_record_type *of;
    // NULL; the library keeps the checked table here.
    void *prepared;
} linkspan_record;

// The options of a service. Zero and NULL mean the default.
typedef struct linkspan_service_options {
    // `sizeof(linkspan_service_options)`.
    size_t size;
    // The controller's endpoint; NULL for `$LINKSPAN_CONTROLLER`, else `"unix:controller"`.
    const char *controller;
    // The period of the steps in nanoseconds: 1 for no pause, 0 for no steps.
    int64_t every;
    // Whether the service waits in READY for the command RUN.
    bool paused;
    // Whether the library leaves signals alone.
    //
    // Otherwise the first SIGTERM or SIGINT means SHUTDOWN, the second cancels the current work, and the third kills
    // the program.
    bool leave_signals;
    // A description in one line.
    const char *description;
    // The `commands_count` additional commands: `"CONFIG"`, `"BACKUP"`, names of the service.
    const char *const *commands;
    // The number of commands.
    size_t commands_count;
    // The options of the connection to the controller, or NULL.
    const struct linkspan_options *channel;
    // Runs in a thread of the library when the current work is cancelled; may be NULL.
    void (*on_cancel)(void *context);
    // Passed to `on_cancel`.
    void *on_cancel_context;
} linkspan_service_options;

// The commands for a service.
typedef int32_t linkspan_command;

// A command to carry out. Its texts and arguments are views, which live until the task is answered.
typedef struct linkspan_task {
    // `sizeof(linkspan_task)`.
    size_t size;
    // The command.
    linkspan_command command;
    // The state before the command: READY, RUNNING, PAUSED or FAILED.
    linkspan_state before;
    // Identifies the task in its answer.
    uint64_t number;
    // The name of the command: `"STEP"`, `"PAUSE"`, or a name of the service. `""` at the end.
    const char *name;
    // The id from its sender; `""` for a step, and for a shutdown by a signal.
    const char *id;
    // The remaining nanoseconds when the task was taken, or `LINKSPAN_FOREVER`.
    int64_t remaining;
    // A message, with the value null without arguments. NULL at the end.
    const struct linkspan_message *arguments;
} linkspan_task;

// The state of a service.
typedef struct linkspan_service_info {
    // `sizeof(linkspan_service_info)`.
    size_t size;
    // The state.
    linkspan_state state;
    // Whether the current work is cancelled.
    bool is_cancelled;
    // Whether the service is connected to a controller.
    bool is_connected;
    // The random number of this incarnation.
    uint64_t epoch;
} linkspan_service_info;

// One value of a walk. Members that its `type` does not use are zero or NULL; the others are views.
typedef struct linkspan_item {
    // `sizeof(linkspan_item)`.
    size_t size;
    // The type of the value.
    linkspan_type type;
    // 0 for the start of the walk, and one more for each further level.
    uint32_t depth;
    // The key in the enclosing map, not NUL-terminated; NULL in an array and at depth 0.
    const char *key;
    // The length of the key in bytes.
    size_t key_length;
    // The position in the enclosing array or map.
    size_t position;
    // The count of `linkspan_message_count`; so many values, one level deeper, follow an array or map.
    size_t count;
    // For `LINKSPAN_TYPE_BOOL`; also whether a big integer is below zero.
    bool truth;
    // For `LINKSPAN_TYPE_INT`, and nanoseconds since 1970 for `LINKSPAN_TYPE_TIMESTAMP`.
    int64_t integer;
    // For `LINKSPAN_TYPE_UINT`.
    uint64_t unsigned_integer;
    // For `LINKSPAN_TYPE_FLOAT`.
    double number;
    // For `LINKSPAN_TYPE_TEXT` and `LINKSPAN_TYPE_DECIMAL`, not NUL-terminated.
    const char *text;
    // For `LINKSPAN_TYPE_BYTES`, `LINKSPAN_TYPE_UUID`, and the magnitude for `LINKSPAN_TYPE_BIG_INT`.
    const uint8_t *bytes;
    // The length of `text` or `bytes` in bytes.
    size_t length;
    // For `LINKSPAN_TYPE_NDARRAY`.
    struct linkspan_array array;
} linkspan_item;

// One byte, 0 or 1.
#define LINKSPAN_BOOL 0

// `int8_t`.
#define LINKSPAN_I8 1

// `int16_t`.
#define LINKSPAN_I16 2

// `int32_t`.
#define LINKSPAN_I32 3

// `int64_t`.
#define LINKSPAN_I64 4

// `uint8_t`.
#define LINKSPAN_U8 5

// `uint16_t`.
#define LINKSPAN_U16 6

// `uint32_t`.
#define LINKSPAN_U32 7

// `uint64_t`.
#define LINKSPAN_U64 8

// `float`.
#define LINKSPAN_F32 9

// `double`.
#define LINKSPAN_F64 10

// Two `float`: real, imaginary.
#define LINKSPAN_C64 11

// Two `double`: real, imaginary.
#define LINKSPAN_C128 12

// The last index runs fastest: C.
#define LINKSPAN_ROW 0

// The first index runs fastest: Fortran.
#define LINKSPAN_COLUMN 1

// The end that listened.
#define LINKSPAN_ROLE_LISTENER 0

// The end that connected. It reconnects when the peer restarts.
#define LINKSPAN_ROLE_CONNECTOR 1

// The service is STOPPED, and the program ends.
#define LINKSPAN_COMMAND_END 0

// Do the next step; sent by the service's clock.
#define LINKSPAN_COMMAND_STEP 1

// Reply with the data; change nothing.
#define LINKSPAN_COMMAND_GET_DATA 2

// Checkpoint, close databases and files.
#define LINKSPAN_COMMAND_PAUSE 3

// Reopen everything that PAUSE closed.
#define LINKSPAN_COMMAND_RUN 4

// Checkpoint; steps follow.
#define LINKSPAN_COMMAND_CHECKPOINT 5

// Checkpoint and close, unless `before` is `LINKSPAN_STATE_PAUSED`.
#define LINKSPAN_COMMAND_SHUTDOWN 6

// Return or change the settings.
#define LINKSPAN_COMMAND_CONFIG 7

// Write a backup copy.
#define LINKSPAN_COMMAND_BACKUP 8

// A command of the service, named in `name`.
#define LINKSPAN_COMMAND_OWN 9

// The service opens its resources.
#define LINKSPAN_STATE_STARTING 1

// The service is set up and waits for RUN.
#define LINKSPAN_STATE_READY 2

// The service works, step by step.
#define LINKSPAN_STATE_RUNNING 3

// The service finishes its step, checkpoints and closes.
#define LINKSPAN_STATE_PAUSING 4

// The service has checkpointed and closed, and waits for RUN.
#define LINKSPAN_STATE_PAUSED 5

// The service checkpoints, without steps.
#define LINKSPAN_STATE_CHECKPOINTING 6

// The service finishes its step, checkpoints, closes and disconnects.
#define LINKSPAN_STATE_STOPPING 7

// The service has ended normally.
#define LINKSPAN_STATE_STOPPED 8

// The service cannot continue.
#define LINKSPAN_STATE_FAILED 9

// Unchanged bytes: the value is one block of bytes.
#define LINKSPAN_RAW 0

// JSON, RFC 8259.
#define LINKSPAN_JSON 1

// CBOR, RFC 8949, with RFC 8746 for arrays: the default.
#define LINKSPAN_CBOR 2

// BSON 1.1.
#define LINKSPAN_BSON 3

// Smile 1.0.6.
#define LINKSPAN_SMILE 4

// Null.
#define LINKSPAN_TYPE_NULL 0

// A boolean.
#define LINKSPAN_TYPE_BOOL 1

// An integer that fits `int64_t`.
#define LINKSPAN_TYPE_INT 2

// A larger integer that fits `uint64_t`.
#define LINKSPAN_TYPE_UINT 3

// An integer that fits neither.
#define LINKSPAN_TYPE_BIG_INT 4

// A float.
#define LINKSPAN_TYPE_FLOAT 5

// Text.
#define LINKSPAN_TYPE_TEXT 6

// Bytes.
#define LINKSPAN_TYPE_BYTES 7

// A timestamp.
#define LINKSPAN_TYPE_TIMESTAMP 8

// A UUID.
#define LINKSPAN_TYPE_UUID 9

// An exact decimal number.
#define LINKSPAN_TYPE_DECIMAL 10

// An N-d array of numbers.
#define LINKSPAN_TYPE_NDARRAY 11

// An array of values.
#define LINKSPAN_TYPE_ARRAY 12

// A map.
#define LINKSPAN_TYPE_MAP 13

// The call succeeded.
#define LINKSPAN_OK 0

// This system does not support that transport.
#define LINKSPAN_TRANSPORT_UNAVAILABLE 100

// The connection to the peer ended; the side that connected reconnects.
//
// A pending request may have been carried out.
#define LINKSPAN_DISCONNECTED 102

// No program listens at that name.
#define LINKSPAN_NOT_FOUND 103

// No value at that path; the text names the existing keys.
#define LINKSPAN_MISSING 104

// Another program listens at that name.
#define LINKSPAN_ADDRESS_IN_USE 105

// The object does not allow this call now (closed, wrong pattern, other side of a fork).
#define LINKSPAN_INVALID_STATE 106

// The name or port is malformed.
#define LINKSPAN_INVALID_ENDPOINT 107

// Memory, descriptors or space in the memory file ran out.
//
// Release messages and arrays, or raise the limit.
#define LINKSPAN_OUT_OF_MEMORY 108

// A value of another type was found; the text has both types.
#define LINKSPAN_WRONG_TYPE 109

// The deadline passed; nothing was lost.
#define LINKSPAN_TIMEOUT 110

// The queue is full and the call does not wait.
#define LINKSPAN_FULL 111

// No message is available and the call does not wait.
#define LINKSPAN_EMPTY 112

// The mode, the owner or the peer's credentials forbid it.
#define LINKSPAN_PERMISSION_DENIED 113

// Over a limit; the text has the limit, its value and the size.
#define LINKSPAN_TOO_LARGE 114

// Bytes that are not a valid message; carries the offset.
#define LINKSPAN_MALFORMED 115

// The encoding has no form for the value; carries the path.
#define LINKSPAN_UNSUPPORTED 116

// The schemas of the two sides differ; the text has the differences.
#define LINKSPAN_SCHEMA_MISMATCH 117

// The protocol versions do not overlap; the text has both.
#define LINKSPAN_VERSION_MISMATCH 118

// Cancelled by the caller.
#define LINKSPAN_CANCELLED 119

// A signal arrived and its handler raised.
#define LINKSPAN_INTERRUPTED 120

// The peer is alive but holds a lock or does not answer.
#define LINKSPAN_STALLED 121

// The peer's handler failed; carries its code, type, text, data.
#define LINKSPAN_REMOTE 122

// A number does not fit the requested type.
#define LINKSPAN_OUT_OF_RANGE 123

// The disk is full.
#define LINKSPAN_NO_SPACE 124

// A subscriber missed messages, or its sender lacks them; carries their number. Call again to continue.
#define LINKSPAN_LAGGED 125

// A stored file fails its check sum; the text has the file and the place.
#define LINKSPAN_CORRUPT 126

// A defect in Linkspan: please report it with the error's text.
#define LINKSPAN_INTERNAL 127

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Gets the length in bytes of an array's elements from `dtype`, `rank` and `dims`.
//
// `WrongType` or `TooLarge` if these are invalid. `InvalidState` if there are elements and `data` is NULL.
//
// The caller guarantees:
// `array->data` has the elements.
linkspan_status linkspan_array_length(const struct linkspan_array *array, size_t *length);

// Copies an array's elements into the caller's memory; each keeps its indexes.
//
// `to` has the requested order and type, which must hold all values: integers widen to integers and floats, `float` to
// `double`, complex numbers to wider ones, real numbers to complex ones. `WrongType` for other types, or if `rank` and
// `dims` differ. `OutOfRange` if a 64-bit integer is not exact as a `double`; `to->data` is then partly written.
//
// The caller guarantees:
// Both arrays have their elements and do not overlap.
linkspan_status linkspan_array_copy(const struct linkspan_array *from,
                                    const struct linkspan_array *to);

// Sends a request and waits for its reply, which the caller releases.
//
// `Remote` if the handler failed, `Disconnected` if the peer died.
linkspan_status linkspan_channel_call(const struct linkspan_channel *channel,
                                      const struct linkspan_message *request,
                                      int64_t timeout,
                                      struct linkspan_message **reply);

// Sends a request without waiting for its reply: the first step of a call.
//
// Replies arrive in any order. They are kept for the newest 1,024 pending requests, up to 256 MiB.
linkspan_status linkspan_channel_start_call(const struct linkspan_channel *channel,
                                            const struct linkspan_message *request,
                                            int64_t timeout,
                                            struct linkspan_pending_reply **pending);

// Waits for the reply to a request of `linkspan_channel_start_call`; the caller releases it.
//
// Fails as `linkspan_channel_call`. `Timeout` with a time-out of 0 means: call again later; a longer one gives the
// request up. `InvalidState` if the request is no longer pending on this channel.
linkspan_status linkspan_channel_finish_call(const struct linkspan_channel *channel,
                                             const struct linkspan_pending_reply *pending,
                                             int64_t timeout,
                                             struct linkspan_message **reply);

// Frees a request; an unfinished one is withdrawn, and a late reply is dropped.
linkspan_status linkspan_pending_reply_free(struct linkspan_pending_reply *pending);

// Replies to a request from `linkspan_channel_recv`.
linkspan_status linkspan_channel_reply(const struct linkspan_channel *channel,
                                       const struct linkspan_message *request,
                                       const struct linkspan_message *reply,
                                       int64_t timeout);

// Connects if a program listens at the endpoint; otherwise listens.
linkspan_status linkspan_channel_open(const char *endpoint,
                                      const struct linkspan_options *options,
                                      int64_t timeout,
                                      struct linkspan_channel **channel);

// Waits until a program listens, and connects; reconnects when the peer restarts.
linkspan_status linkspan_channel_connect(const char *endpoint,
                                         const struct linkspan_options *options,
                                         int64_t timeout,
                                         struct linkspan_channel **channel);

// Sends a message; waits while the peer's queue is full.
//
// `sequence` gets its number. A failed send leaves the message unchanged.
linkspan_status linkspan_channel_send(const struct linkspan_channel *channel,
                                      const struct linkspan_message *message,
                                      int64_t timeout,
                                      uint64_t *sequence);

// Sends a message without waiting. `Full` without room or without a connected program.
linkspan_status linkspan_channel_try_send(const struct linkspan_channel *channel,
                                          const struct linkspan_message *message,
                                          uint64_t *sequence);

// Sends several messages in order; up to 64 short ones share a wake-up.
//
// `sent`, which may be NULL, gets the number of sent messages, also after an error.
linkspan_status linkspan_channel_send_many(const struct linkspan_channel *channel,
                                           const struct linkspan_message *const *messages,
                                           size_t count,
                                           int64_t timeout,
                                           size_t *sent);

// Waits for a message, which the caller releases.
linkspan_status linkspan_channel_recv(const struct linkspan_channel *channel,
                                      int64_t timeout,
                                      struct linkspan_message **message);

// Receives a message without waiting; `Empty` without one.
linkspan_status linkspan_channel_try_recv(const struct linkspan_channel *channel,
                                          struct linkspan_message **message);

// Waits for a message and takes up to `max` messages into `messages`.
//
// `count` gets their number; the caller releases each. They count as consumed at the next receiving call, which also
// returns an error after the first message.
linkspan_status linkspan_channel_recv_many(const struct linkspan_channel *channel,
                                           size_t max,
                                           int64_t timeout,
                                           struct linkspan_message **messages,
                                           size_t *count);

// Gets whether a message is available, without taking it.
linkspan_status linkspan_channel_poll(const struct linkspan_channel *channel, bool *there);

// Acknowledges all received messages, with the option `ack` `"manual"`.
linkspan_status linkspan_channel_ack(const struct linkspan_channel *channel);

// Gets the state of the channel.
linkspan_status linkspan_channel_get_info(const struct linkspan_channel *channel,
                                          struct linkspan_channel_info *info);

// Gets a file descriptor for event loops, readable if a receive would not wait.
linkspan_status linkspan_channel_fileno(const struct linkspan_channel *channel, int *fd);

// Gets the events since the last call as an array of maps, which the caller releases.
//
// A map has `kind` (`connected`, `disconnected`, `lagged`, `reconnected`, `forgotten`, `schema_mismatch`, `unseen`),
// `at`, `missed` and `text`.
linkspan_status linkspan_channel_events(const struct linkspan_channel *channel,
                                        struct linkspan_message **events);

// Gets the counters as a map.
linkspan_status linkspan_channel_stats(const struct linkspan_channel *channel,
                                       struct linkspan_message **stats);

// Waits until the peer has consumed all sent messages.
//
// `Timeout` and `Disconnected` have the number of unconsumed messages (`linkspan_last_error`); the channel stays open.
// `InvalidState` if another thread closes it.
linkspan_status linkspan_channel_flush(const struct linkspan_channel *channel,
                                       int64_t timeout);

// Closes the channel after the peer has consumed all sent messages, within the time-out.
linkspan_status linkspan_channel_close(const struct linkspan_channel *channel, int64_t timeout);

// Closes the channel without waiting, except for the option `linger`, and frees it.
//
// `linger` and `on_unconsumed` also apply to a channel that is open when the program ends by `exit` or returns from
// `main`.
linkspan_status linkspan_channel_free(struct linkspan_channel *channel);

// Encodes a message's value. Free the bytes with `linkspan_free`.
linkspan_status linkspan_encode(const struct linkspan_message *message,
                                linkspan_encoding encoding,
                                uint8_t **bytes,
                                size_t *length);

// Decodes bytes into a new message, which the caller releases. The bytes may be freed at once.
linkspan_status linkspan_decode(const uint8_t *bytes,
                                size_t length,
                                linkspan_encoding encoding,
                                struct linkspan_message **message);

// Converts bytes of one encoding to another. Free the result with `linkspan_free`.
linkspan_status linkspan_transcode(const uint8_t *bytes,
                                   size_t length,
                                   linkspan_encoding from,
                                   linkspan_encoding to,
                                   uint8_t **result,
                                   size_t *result_length);

// Frees bytes or text of functions that name `linkspan_free`. NULL is allowed.
//
// The caller guarantees:
// `bytes` and `length` are as the function returned them, and were not freed before.
void linkspan_free(void *bytes, size_t length);

// Returns the name of a state: `"RUNNING"`; `"UNKNOWN"` for other numbers.
//
// It lives as long as the program.
const char *linkspan_state_name(linkspan_state state);

// Waits until a controller listens, and connects; reconnects after each restart.
//
// `endpoint` NULL means `$LINKSPAN_CONTROLLER`, else `unix:controller`.
linkspan_status linkspan_controller_connect(const char *endpoint,
                                            const struct linkspan_options *options,
                                            int64_t timeout,
                                            struct linkspan_controller **controller);

// Gets the records of all services as an array, which the caller releases.
linkspan_status linkspan_controller_services(const struct linkspan_controller *controller,
                                             int64_t timeout,
                                             struct linkspan_message **services);

// Gets the record of a service, which the caller releases; `NotFound` for an unknown service.
linkspan_status linkspan_controller_status(const struct linkspan_controller *controller,
                                           const char *service,
                                           int64_t timeout,
                                           struct linkspan_message **record);

// Sends a command, `"PAUSE"` or one of the service, and waits until it is done.
//
// `arguments` may be NULL. `value` gets the result, which the caller releases. `InvalidState` if the state forbids the
// command, `NotFound` for an unknown service, `Timeout`; `Remote` or the service's kind if the command failed.
linkspan_status linkspan_controller_command(const struct linkspan_controller *controller,
                                            const char *service,
                                            const char *command,
                                            const struct linkspan_message *arguments,
                                            int64_t timeout,
                                            struct linkspan_message **value);

// Sends a command and waits until it is accepted or refused, or, with `until_done`, done.
//
// `answer`, which the caller releases, has the outcome and the `id` for `linkspan_controller_answer`. A failed or
// refused command is no error of the call.
linkspan_status linkspan_controller_begin(const struct linkspan_controller *controller,
                                          const struct linkspan_command_request *request,
                                          int64_t timeout,
                                          struct linkspan_message **answer);

// Gets the current answer to a command, which the caller releases.
linkspan_status linkspan_controller_answer(const struct linkspan_controller *controller,
                                           const char *service,
                                           const char *id,
                                           int64_t timeout,
                                           struct linkspan_message **answer);

// Gets the newest log lines of a service, or of the controller for NULL.
//
// They are an array of maps with `at`, `service`, `level` and `text`, which the caller releases.
linkspan_status linkspan_controller_log(const struct linkspan_controller *controller,
                                        const char *service,
                                        size_t lines,
                                        int64_t timeout,
                                        struct linkspan_message **log);

// Watches services: `linkspan_controller_next` returns their states, and then their changes.
//
// An event is a map whose `what` is `service` (with its record in `service`), `gone` (`name`), `data` (`name`, `at`,
// `value`), `log` (`entry`) or `missed` (`count`).
//
// `data_every` is the interval in nanoseconds for reading data, 0 for never. Without `services`, it watches all. A
// further call replaces the previous one.
linkspan_status linkspan_controller_watch(const struct linkspan_controller *controller,
                                          int64_t data_every,
                                          const char *const *services,
                                          size_t services_count);

// Waits for the next event of the watched services, a map that the caller releases.
linkspan_status linkspan_controller_next(const struct linkspan_controller *controller,
                                         int64_t timeout,
                                         struct linkspan_message **event);

// Removes a disconnected service from the controller. `InvalidState` while it is connected.
linkspan_status linkspan_controller_forget(const struct linkspan_controller *controller,
                                           const char *service,
                                           int64_t timeout);

// Gets a file descriptor for event loops, readable if `linkspan_controller_next` would not wait.
linkspan_status linkspan_controller_fileno(const struct linkspan_controller *controller, int *fd);

// Gets the counters as a map.
linkspan_status linkspan_controller_stats(const struct linkspan_controller *controller,
                                          struct linkspan_message **stats);

// Closes the connection.
linkspan_status linkspan_controller_close(const struct linkspan_controller *controller);

// Closes and frees the connection.
linkspan_status linkspan_controller_free(struct linkspan_controller *controller);

// Returns the name of an encoding, such as `"cbor"`; NULL for an unknown number.
//
// It lives as long as the program.
const char *linkspan_encoding_name(linkspan_encoding encoding);

// Gets the encoding of a name; `Unsupported` for an unknown name.
linkspan_status linkspan_encoding_from_name(const char *name, linkspan_encoding *encoding);

// Gets the newest value of a publisher, which the caller releases.
//
// With a time-out it waits for a publisher and its first value; with `LINKSPAN_DEFAULT` it does not wait. `Empty` if
// nothing was published yet, `NotFound` if no program publishes.
linkspan_status linkspan_latest(const char *endpoint,
                                const struct linkspan_options *options,
                                int64_t timeout,
                                struct linkspan_message **message);

// Gets the open names of this machine as an array of maps, which the caller releases.
linkspan_status linkspan_names(struct linkspan_message **names);

// Gets the schema of the program that listens at the endpoint, or of its spool or journal.
//
// The caller releases the value, the canonical form of docs/schema.md (`type/fields/0/name`). Waits at most 3 s.
// `NotFound` if no program listens, `Missing` without a schema.
linkspan_status linkspan_schema(const char *endpoint,
                                struct linkspan_message **message);

// Gets the schema of the replies, like [`linkspan_schema`].
linkspan_status linkspan_reply_schema(const char *endpoint, struct linkspan_message **message);

// Gets the schema of a message of the endpoint, like [`linkspan_schema`].
//
// Each record of a journal names its schema. `InvalidState` for a message that was built here, `Corrupt` if the
// journal has lost the schema.
linkspan_status linkspan_schema_of(const char *endpoint,
                                   const struct linkspan_message *written,
                                   struct linkspan_message **message);

// Waits until at least one of several descriptors is ready; `ready` gets `count` flags.
//
// `descriptors` come from the `_fileno` functions, called again before each wait, or from the program. A ready object
// may still have nothing: query it without waiting (`linkspan_subscriber_try_recv`, or a time-out of 0). `Timeout` if
// none is ready in time, 30 s by default. `InvalidState` without descriptors, or for a closed one.
linkspan_status linkspan_wait(const int *descriptors,
                              size_t count,
                              int64_t timeout,
                              bool *ready);

// Gets the last failed call of this thread, and returns its status; `LINKSPAN_OK` if none has failed.
//
// `error` may be NULL. `InvalidState` if its size is not set.
linkspan_status linkspan_last_error(struct linkspan_error *error);

// Returns the text of this thread's last failed call, or `""`. It lives until the next call fails.
const char *linkspan_last_error_text(void);

// Sets this thread's last error and returns `status`, for bindings over this interface.
//
// `text` may be NULL. `LINKSPAN_OK` and unknown statuses become `LINKSPAN_WRONG_TYPE`.
linkspan_status linkspan_set_last_error(linkspan_status status, const char *text);

// Gets the lengths of the N-d array at a path, or of nested lists.
//
// `WrongType`, with the shape in its text, if the rank differs.
linkspan_status linkspan_message_get_shape(const struct linkspan_message *message,
                                           const char *path,
                                           size_t rank,
                                           uint64_t *dims);

// Copies the N-d array or list at a path into `to->data`; each element keeps its indexes.
//
// `to` gives type, order and shape. Types are widened as by `linkspan_array_copy`. `OutOfRange` for a number that does
// not fit. `WrongType`, with both shapes in its text, if they differ. After an error `to->data` is partly written.
linkspan_status linkspan_message_get_array_into(const struct linkspan_message *message,
                                                const char *path,
                                                const struct linkspan_array *to);

// Gets a view of the N-d array at a path, with exactly this type, order and rank.
//
// Otherwise `WrongType`; `linkspan_message_get_array_into` converts it.
linkspan_status linkspan_message_get_array_view(const struct linkspan_message *message,
                                                const char *path,
                                                linkspan_dtype dtype,
                                                linkspan_order order,
                                                size_t rank,
                                                struct linkspan_array *array);

// Listens at an endpoint; `AddressInUse` if another program does.
linkspan_status linkspan_listener_listen(const char *endpoint,
                                         const struct linkspan_options *options,
                                         struct linkspan_listener **listener);

// Waits for the next peer and gives its channel, which the caller frees.
linkspan_status linkspan_listener_accept(const struct linkspan_listener *listener,
                                         int64_t timeout,
                                         struct linkspan_channel **channel);

// Gets a file descriptor for event loops, readable if `linkspan_listener_accept` would not wait.
linkspan_status linkspan_listener_fileno(const struct linkspan_listener *listener, int *fd);

// Gets the events since the last call, like `linkspan_channel_events`.
linkspan_status linkspan_listener_events(const struct linkspan_listener *listener,
                                         struct linkspan_message **events);

// Gets the counters as a map.
linkspan_status linkspan_listener_stats(const struct linkspan_listener *listener,
                                        struct linkspan_message **stats);

// Closes the listener. Accepted channels stay open.
linkspan_status linkspan_listener_close(const struct linkspan_listener *listener);

// Closes and frees the listener.
linkspan_status linkspan_listener_free(struct linkspan_listener *listener);

// Lends uninitialized memory for an array of `rank` dimensions; `TooLarge` or `OutOfMemory`.
//
// The program writes it through `array->data` (despite its const type) and puts it with `linkspan_message_put_loan`.
// Over `shm:` the peer views it without a copy. It is ordinary memory, copied when sent, over other transports, below
// 64 KiB, before the channel is linked, or while all slots are in use.
//
// The order is `LINKSPAN_ROW`; set `array->order` before the put for another one. The loan lives until it is put or
// freed by `linkspan_loan_free`, even if the channel closes.
linkspan_status linkspan_channel_loan(const struct linkspan_channel *channel,
                                      linkspan_dtype dtype,
                                      size_t rank,
                                      const uint64_t *dims,
                                      struct linkspan_array *array);

// Lends memory for an array of the reply, like `linkspan_channel_loan`.
//
// `InvalidState` if the message is not a server's request.
linkspan_status linkspan_request_loan(const struct linkspan_message *request,
                                      linkspan_dtype dtype,
                                      size_t rank,
                                      const uint64_t *dims,
                                      struct linkspan_array *array);

// Lends memory for an array to publish, like `linkspan_channel_loan`.
linkspan_status linkspan_publisher_loan(const struct linkspan_publisher *publisher,
                                        linkspan_dtype dtype,
                                        size_t rank,
                                        const uint64_t *dims,
                                        struct linkspan_array *array);

// Moves a loan into a message without a copy; `array->data` becomes NULL.
//
// The program must not write the memory any more. `array->data` identifies the loan, whose type and shape remain;
// `array->order` is its order. Channels other than the lender's copy it. `InvalidState` if the array is not a current
// loan. After an error the program still has the loan.
linkspan_status linkspan_message_put_loan(struct linkspan_message *message,
                                          const char *key,
                                          struct linkspan_array *array);

// Frees a loan that was not put into a message; `array->data` becomes NULL.
//
// `array` or its `data` may be NULL. `InvalidState` if the array is not a current loan.
linkspan_status linkspan_loan_free(struct linkspan_array *array);

// Frees the elements (a loan, or from `malloc`) of an array in a generated struct, and empties it.
//
// The caller guarantees:
// No code uses the elements any more. `array` may be NULL.
linkspan_status linkspan_array_free(struct linkspan_array *array);

// Lends uninitialized memory for `length` bytes, such as a camera frame; `TooLarge` or `OutOfMemory`.
//
// The program writes it through `*bytes` and puts it with `linkspan_message_put_loan_bytes`. Over `shm:`, with `cbor`
// or `raw`, sending copies nothing if the message has one such loan and at most 4 KiB of other values before and after
// it. Otherwise the memory is copied when sent, as for `linkspan_channel_loan`.
//
// The loan lives until it is put or freed by `linkspan_loan_bytes_free`, even if the channel closes.
linkspan_status linkspan_channel_loan_bytes(const struct linkspan_channel *channel,
                                            size_t length,
                                            uint8_t **bytes);

// Lends memory for bytes of the reply, like `linkspan_channel_loan_bytes`.
//
// `InvalidState` if the message is not a server's request.
linkspan_status linkspan_request_loan_bytes(const struct linkspan_message *request,
                                            size_t length,
                                            uint8_t **bytes);

// Lends memory for bytes to publish, like `linkspan_channel_loan_bytes`.
linkspan_status linkspan_publisher_loan_bytes(const struct linkspan_publisher *publisher,
                                              size_t length,
                                              uint8_t **bytes);

// Moves the first `length` bytes of a loan into a message without a copy; `*bytes` becomes NULL.
//
// The program must not write the memory any more. Channels other than the lender's copy it. `InvalidState` if this is
// not a current loan of bytes, or is shorter. After an error the program still has the loan.
linkspan_status linkspan_message_put_loan_bytes(struct linkspan_message *message,
                                                const char *key,
                                                uint8_t **bytes,
                                                size_t length);

// Frees a loan of bytes that was not put into a message; `*bytes` becomes NULL.
//
// `bytes` or `*bytes` may be NULL. `InvalidState` if this is not a current loan of bytes.
linkspan_status linkspan_loan_bytes_free(uint8_t **bytes);

// Creates an empty message with the value null. Release it with `linkspan_message_release`.
linkspan_status linkspan_message_new(struct linkspan_message **message);

// Adds a reference, for an additional `linkspan_message_release`.
linkspan_status linkspan_message_retain(struct linkspan_message *message);

// Removes a reference; the last one frees the message and ends all views. NULL is allowed.
//
// The last release of an unanswered request answers it with `Remote`. A release without a reference left, and any
// other use of such a message, is `InvalidState` until 64 other messages have been released.
//
// The caller guarantees:
// One of the message's references belongs to the caller.
linkspan_status linkspan_message_release(struct linkspan_message *message);

// Clears the message, to build another value in it; a received one becomes a message of the program.
linkspan_status linkspan_message_clear(struct linkspan_message *message);

// Gets the origin of a message. `InvalidState` for a message that was built or decoded here.
linkspan_status linkspan_message_get_info(const struct linkspan_message *message,
                                          struct linkspan_message_info *info);

// Checks that code generated from the schema with this fingerprint may decode a message.
//
// `NAME_decode` of generated code calls it. The fingerprint has 64 hexadecimal digits. `SchemaMismatch` if the sender
// gave another schema that was not compared with this one. A message that was built or decoded here always passes.
linkspan_status linkspan_message_check_fingerprint(const struct linkspan_message *message,
                                                   const char *fingerprint);

// Gets the encoded value as received: a view.
//
// `InvalidState` for a message that was built or decoded here. If long arrays lie in shared memory of the sender, the
// first call copies the whole value into one block.
linkspan_status linkspan_message_get_body(const struct linkspan_message *message,
                                          const uint8_t **body,
                                          size_t *length);

// Publishes at an endpoint; `AddressInUse` if another program does.
linkspan_status linkspan_publisher_new(const char *endpoint,
                                       const struct linkspan_options *options,
                                       struct linkspan_publisher **publisher);

// Waits until `count` subscribers are connected and will get the following messages.
//
// `Timeout` if fewer are connected in time. `InvalidState` if another thread closes the publisher. `Unsupported` for a
// `file:` or a `journal:`.
linkspan_status linkspan_publisher_wait_for_subscribers(const struct linkspan_publisher *publisher,
                                                        size_t count,
                                                        int64_t timeout);

// Publishes a message without waiting for subscribers.
//
// `sequence` gets its number. A failed send leaves the message unchanged.
linkspan_status linkspan_publisher_send(const struct linkspan_publisher *publisher,
                                        const struct linkspan_message *message,
                                        uint64_t *sequence);

// Publishes several messages in order, like `linkspan_channel_send_many`.
linkspan_status linkspan_publisher_send_many(const struct linkspan_publisher *publisher,
                                             const struct linkspan_message *const *messages,
                                             size_t count,
                                             size_t *sent);

// Gets the events since the last call, like `linkspan_channel_events`.
linkspan_status linkspan_publisher_events(const struct linkspan_publisher *publisher,
                                          struct linkspan_message **events);

// Gets the counters as a map.
linkspan_status linkspan_publisher_stats(const struct linkspan_publisher *publisher,
                                         struct linkspan_message **stats);

// Waits until every connected subscriber has been given all published messages.
//
// `Timeout`, or `InvalidState` if another thread closes the publisher, has the number left for the slowest subscriber
// (`linkspan_last_error`).
linkspan_status linkspan_publisher_flush(const struct linkspan_publisher *publisher,
                                         int64_t timeout);

// Closes the publisher after its subscribers have received all messages, within the time-out.
//
// The newest value is lost with it.
linkspan_status linkspan_publisher_close(const struct linkspan_publisher *publisher, int64_t timeout);

// Closes and frees the publisher.
linkspan_status linkspan_publisher_free(struct linkspan_publisher *publisher);

// Puts null. Every `_put_` and `_begin_` function puts one value, at this place:
//
// In a map under `key`, replacing an existing value. In an array at the end, with `key` NULL. In an empty message as
// the whole value, with `key` NULL; a key makes its value a map.
linkspan_status linkspan_message_put_null(struct linkspan_message *message,
                                          const char *key);

// Puts a boolean.
linkspan_status linkspan_message_put_bool(struct linkspan_message *message, const char *key, bool value);

// Puts an integer.
linkspan_status linkspan_message_put_i64(struct linkspan_message *message, const char *key, int64_t value);

// Puts an unsigned integer.
linkspan_status linkspan_message_put_u64(struct linkspan_message *message, const char *key, uint64_t value);

// Puts an integer of up to 1 KiB: sign and absolute value, most significant byte first.
linkspan_status linkspan_message_put_big_int(struct linkspan_message *message,
                                             const char *key,
                                             bool negative,
                                             const uint8_t *magnitude,
                                             size_t length);

// Puts a float. 7.0 stays a float.
linkspan_status linkspan_message_put_f64(struct linkspan_message *message, const char *key, double value);

// Puts a copy of `length` bytes of text; `Malformed` if they are not UTF-8.
linkspan_status linkspan_message_put_text(struct linkspan_message *message,
                                          const char *key,
                                          const char *text,
                                          size_t length);

// Puts a copy of bytes.
linkspan_status linkspan_message_put_bytes(struct linkspan_message *message,
                                           const char *key,
                                           const uint8_t *bytes,
                                           size_t length);

// Puts a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
linkspan_status linkspan_message_put_timestamp(struct linkspan_message *message,
                                               const char *key,
                                               int64_t nanoseconds);

// Puts a UUID: 16 bytes, most significant first.
linkspan_status linkspan_message_put_uuid(struct linkspan_message *message,
                                          const char *key,
                                          const uint8_t *uuid);

// Puts an exact decimal number, written like `1.10`, `-2E+3`, `NaN`.
linkspan_status linkspan_message_put_decimal(struct linkspan_message *message,
                                             const char *key,
                                             const char *text,
                                             size_t length);

// Puts a copy of an N-d array; `array->length` is ignored.
linkspan_status linkspan_message_put_array(struct linkspan_message *message,
                                           const char *key,
                                           const struct linkspan_array *array);

// Puts a copy of another message's whole value.
linkspan_status linkspan_message_put_message(struct linkspan_message *message,
                                             const char *key,
                                             const struct linkspan_message *value);

// Begins a map for the following values, until `linkspan_message_end`.
linkspan_status linkspan_message_begin_map(struct linkspan_message *message, const char *key);

// Begins an array for the following values, put with `key` NULL, until `linkspan_message_end`.
linkspan_status linkspan_message_begin_array(struct linkspan_message *message, const char *key);

// Ends the innermost open map or array. The map that the first key created needs no end.
linkspan_status linkspan_message_end(struct linkspan_message *message);

// Gets the type of the value at a path: keys and zero-based positions joined by `/` (`rows/0/name`).
//
// In a key `~1` means `/` and `~0` means `~`. `""` is the whole value. Every `_get_` function returns `Missing`
// without a value and `WrongType` for another type, with zero or NULL in its results.
linkspan_status linkspan_message_get_type(const struct linkspan_message *message,
                                          const char *path,
                                          linkspan_type *type);

// Gets the count of values in an array or map, elements in an N-d array, or bytes in text or bytes.
//
// It is 1 for other values.
linkspan_status linkspan_message_count(const struct linkspan_message *message,
                                       const char *path,
                                       size_t *count);

// Gets the key at a zero-based position of the map at a path: a view, not NUL-terminated.
linkspan_status linkspan_message_get_key(const struct linkspan_message *message,
                                         const char *path,
                                         size_t position,
                                         const char **key,
                                         size_t *length);

// Reads a boolean.
linkspan_status linkspan_message_get_bool(const struct linkspan_message *message,
                                          const char *path,
                                          bool *value);

// Reads an integer; `OutOfRange` if it does not fit.
linkspan_status linkspan_message_get_i64(const struct linkspan_message *message,
                                         const char *path,
                                         int64_t *value);

// Reads an unsigned integer; `OutOfRange` if it does not fit.
linkspan_status linkspan_message_get_u64(const struct linkspan_message *message,
                                         const char *path,
                                         uint64_t *value);

// Reads an integer beyond 64 bits: sign and a view of the magnitude, most significant byte first.
//
// `WrongType` for smaller integers.
linkspan_status linkspan_message_get_big_int(const struct linkspan_message *message,
                                             const char *path,
                                             bool *negative,
                                             const uint8_t **magnitude,
                                             size_t *length);

// Reads a float, or an integer that a `double` holds exactly, else `OutOfRange`.
linkspan_status linkspan_message_get_f64(const struct linkspan_message *message,
                                         const char *path,
                                         double *value);

// Reads text: a view of `length` bytes of UTF-8, not NUL-terminated.
linkspan_status linkspan_message_get_text(const struct linkspan_message *message,
                                          const char *path,
                                          const char **text,
                                          size_t *length);

// Reads bytes: a view.
linkspan_status linkspan_message_get_bytes(const struct linkspan_message *message,
                                           const char *path,
                                           const uint8_t **bytes,
                                           size_t *length);

// Reads a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
linkspan_status linkspan_message_get_timestamp(const struct linkspan_message *message,
                                               const char *path,
                                               int64_t *nanoseconds);

// Reads a UUID into 16 bytes, most significant first.
linkspan_status linkspan_message_get_uuid(const struct linkspan_message *message,
                                          const char *path,
                                          uint8_t *uuid);

// Reads an exact decimal number: a view of its text, not NUL-terminated.
linkspan_status linkspan_message_get_decimal(const struct linkspan_message *message,
                                             const char *path,
                                             const char **text,
                                             size_t *length);

// Reads an N-d array: a view.
linkspan_status linkspan_message_get_array(const struct linkspan_message *message,
                                           const char *path,
                                           struct linkspan_array *array);

// Copies the value at a path into a new message, which the caller releases.
linkspan_status linkspan_message_get_message(const struct linkspan_message *message,
                                             const char *path,
                                             struct linkspan_message **value);

// Reads a table after `fill` has completed it, once, for languages that build tables at run time.
//
// Only one thread runs `fill`. A table that was read before is not changed.
//
// The caller guarantees:
// `record` is a table once `fill` has returned, and `fill` calls nothing of this library.
linkspan_status linkspan_record_prepare(struct linkspan_record *record, void (*fill)(void));

// Sets every field of a struct to its default or zero, without freeing the old content.
//
// The caller guarantees:
// `to` has the size in the table.
linkspan_status linkspan_record_init(struct linkspan_record *record, void *to);

// Frees the memory that a struct owns and sets the struct to zero. NULL is allowed.
//
// The caller guarantees:
// `to` is an initialized struct of the table.
linkspan_status linkspan_record_free(struct linkspan_record *record, void *to);

// Makes a struct the value of `message`, which accepts no puts until `linkspan_message_clear`.
//
// Arrays that are loans are moved without a copy, as by `linkspan_message_put_loan`, and their `data` becomes NULL.
// The struct cannot be put again (`InvalidState`) until each has a loan or memory.
//
// The caller guarantees:
// `from` is a struct of the table.
linkspan_status linkspan_record_put(struct linkspan_record *record,
                                    const void *from,
                                    struct linkspan_message *message);

// Encodes a struct. Free the bytes with `linkspan_free`.
//
// The caller guarantees:
// `from` is a struct of the table.
linkspan_status linkspan_record_encode(struct linkspan_record *record,
                                       const void *from,
                                       linkspan_encoding encoding,
                                       uint8_t **bytes,
                                       size_t *length);

// Decodes bytes into a struct, like `linkspan_message_get_record`. The bytes may be freed at once.
//
// The caller guarantees:
// `to` is an initialized struct of the table.
linkspan_status linkspan_record_decode(struct linkspan_record *record,
                                       void *to,
                                       const uint8_t *bytes,
                                       size_t length,
                                       linkspan_encoding encoding);

// Puts a copy of a struct, with its loans, as one value of a message.
//
// The caller guarantees:
// `from` is a struct of the table.
linkspan_status linkspan_message_put_record(struct linkspan_message *message,
                                            const char *key,
                                            struct linkspan_record *record,
                                            const void *from);

// Reads the value at a path of a message into a struct, whose old content is freed.
//
// After an error the struct has a part of the value.
//
// The caller guarantees:
// `to` is an initialized struct of the table.
linkspan_status linkspan_message_get_record(const struct linkspan_message *message,
                                            const char *path,
                                            struct linkspan_record *record,
                                            void *to);

// Opens shared memory: `posix:/name`, `sysv:0x1234` (a key), `path:/dev/shm/x` or a path.
//
// `NotFound`, `PermissionDenied`, or `InvalidEndpoint` for other texts.
linkspan_status linkspan_region_open(const char *source, struct linkspan_region **region);

// Gets the current length in bytes, which may change.
linkspan_status linkspan_region_length(const struct linkspan_region *region, uint64_t *length);

// Copies bytes at an offset. `OutOfRange`, without a copy, if the region does not have all of them.
linkspan_status linkspan_region_bytes(const struct linkspan_region *region,
                                      uint64_t offset,
                                      void *bytes,
                                      size_t length);

// Gets the text at an offset, up to the first NUL or the end; not NUL-terminated.
//
// Free it with `linkspan_free`. `Malformed` if it is not UTF-8.
linkspan_status linkspan_region_text(const struct linkspan_region *region,
                                     uint64_t offset,
                                     char **text,
                                     size_t *length);

// Reads the struct at an offset as a map in field order, which the caller releases.
//
// `layout` describes the struct: `"u32 count; f64 celsius; char name[16]; i16 raw[8] @64"`, aligned as in C. A prefix
// `packed`, `big` or `little` changes that; `pad[12]` skips bytes.
//
// `counter`, which may be NULL, names an integer field that the owner makes odd before a write and even after it. All
// fields then belong to one write, or the call fails with `Stalled`.
linkspan_status linkspan_region_read(const struct linkspan_region *region,
                                     const char *layout,
                                     uint64_t offset,
                                     const char *counter,
                                     struct linkspan_message **value);

// Detaches and frees the region.
linkspan_status linkspan_region_free(struct linkspan_region *region);

// Replies to a request. A second answer is `InvalidState`.
linkspan_status linkspan_request_reply(const struct linkspan_message *request,
                                       const struct linkspan_message *reply);

// Answers a request with an error.
//
// `code` is of the handler or of JSON-RPC 2.0, `type` a dotted name such as `spectrum.window_too_long`. `type`, `text`
// and `data` may be NULL.
linkspan_status linkspan_request_fail(const struct linkspan_message *request,
                                      int64_t code,
                                      const char *type,
                                      const char *text,
                                      const struct linkspan_message *data);

// Acknowledges a request and its sender's earlier ones, with the option `ack` `"manual"`.
//
// An answer also acknowledges it. `InvalidState` if the message is not a server's request, or without that option.
linkspan_status linkspan_request_ack(const struct linkspan_message *request);

// Serves at an endpoint; `AddressInUse` if another program does.
linkspan_status linkspan_server_serve(const char *endpoint,
                                      const struct linkspan_options *options,
                                      struct linkspan_server **server);

// Waits for the next request, which the caller releases.
//
// Answer it with `linkspan_request_reply` or `linkspan_request_fail`. If another thread closes the server, the call
// succeeds and `request` gets NULL.
//
// SIGINT and SIGTERM end a wait without a deadline in the same way. From the first such call until the server is
// closed or freed, the library handles these signals: the first ends the loop, the second the program. To opt out,
// handle or ignore a signal before the loop. The last such object restores the previous handlers.
linkspan_status linkspan_server_next(const struct linkspan_server *server,
                                     int64_t timeout,
                                     struct linkspan_message **request);

// Gets a file descriptor for event loops, readable if `linkspan_server_next` would not wait.
linkspan_status linkspan_server_fileno(const struct linkspan_server *server, int *fd);

// Gets the events since the last call, like `linkspan_channel_events`.
linkspan_status linkspan_server_events(const struct linkspan_server *server,
                                       struct linkspan_message **events);

// Gets the counters as a map.
linkspan_status linkspan_server_stats(const struct linkspan_server *server, struct linkspan_message **stats);

// Closes the server after its replies were consumed, within the time-out.
linkspan_status linkspan_server_close(const struct linkspan_server *server, int64_t timeout);

// Closes and frees the server.
linkspan_status linkspan_server_free(struct linkspan_server *server);

// Starts a service in the state STARTING.
//
// It connects to its controller in the background and retries; no call waits for a controller.
linkspan_status linkspan_service_start(const char *name,
                                       const struct linkspan_service_options *options,
                                       struct linkspan_service **service);

// Waits for the next task; answer each before the next call.
//
// The answers are `linkspan_service_task_done` and `linkspan_service_task_failed`. The first call makes the service
// READY, and then RUNNING unless `paused` is set. The last task has the command `LINKSPAN_COMMAND_END`. A failed call
// leaves `task` unchanged: `Timeout` without a task in time, `InvalidState` while a task is open.
linkspan_status linkspan_service_next(const struct linkspan_service *service,
                                      int64_t timeout,
                                      struct linkspan_task *task);

// Completes a task; the sender of the command gets `value`, which may be NULL.
//
// `InvalidState` if the task has an answer.
linkspan_status linkspan_service_task_done(const struct linkspan_service *service,
                                           const struct linkspan_task *task,
                                           const struct linkspan_message *value);

// Fails a task with a status and a text; NULL takes the text of this thread's last error.
//
// `LINKSPAN_REMOTE` is for failures that are not errors of Linkspan. The state returns to the state before the
// command.
linkspan_status linkspan_service_task_failed(const struct linkspan_service *service,
                                             const struct linkspan_task *task,
                                             linkspan_status status,
                                             const char *text);

// Makes the service FAILED until RUN tries again or SHUTDOWN ends it.
//
// Status and text are as for `linkspan_service_task_failed`. An open task still needs an answer.
linkspan_status linkspan_service_set_failed(const struct linkspan_service *service,
                                            linkspan_status status,
                                            const char *text);

// Sets the reason in the record of a service that continues with a problem; NULL or `""` removes it.
linkspan_status linkspan_service_set_reason(const struct linkspan_service *service, const char *text);

// Adds a line to the service's log. Any thread may call it.
//
// `level` is `"debug"`, `"info"`, `"warning"` or `"error"`, else `OutOfRange`; NULL means `"info"`.
linkspan_status linkspan_service_log(const struct linkspan_service *service,
                                     const char *text,
                                     const char *level);

// Acts like a stop signal: the first call is SHUTDOWN, the second cancels the current work.
linkspan_status linkspan_service_shutdown(const struct linkspan_service *service);

// Gets the state of the service.
linkspan_status linkspan_service_get_info(const struct linkspan_service *service,
                                          struct linkspan_service_info *info);

// Gets a file descriptor for event loops, readable if `linkspan_service_next` may have a task.
linkspan_status linkspan_service_fileno(const struct linkspan_service *service, int *fd);

// Gets the counters as a map.
linkspan_status linkspan_service_stats(const struct linkspan_service *service,
                                       struct linkspan_message **stats);

// Disconnects from the controller with the current state, within the time-out.
linkspan_status linkspan_service_close(const struct linkspan_service *service, int64_t timeout);

// Closes and frees the service.
linkspan_status linkspan_service_free(struct linkspan_service *service);

// Returns the version of the running library: `"0.1.0"`. It lives as long as the program.
const char *linkspan_version(void);

// Returns the name of a status: `"Timeout"`; `"Unknown"` for other numbers.
//
// It lives as long as the program.
const char *linkspan_status_name(linkspan_status status);

// Returns the system clock: nanoseconds since 1970-01-01T00:00:00Z.
int64_t linkspan_timestamp_now(void);

// Subscribes at an endpoint; the publisher may start later, and restart.
linkspan_status linkspan_subscriber_new(const char *endpoint,
                                        const struct linkspan_options *options,
                                        struct linkspan_subscriber **subscriber);

// Subscribes to `count` names and patterns (`lab/*`), at least one.
//
// Names that appear later join. Messages, losses and errors have their names (`linkspan_message_info`).
linkspan_status linkspan_subscriber_of(const char *const *names,
                                       size_t count,
                                       const struct linkspan_options *options,
                                       struct linkspan_subscriber **subscriber);

// Waits for a message, which the caller releases.
//
// `Lagged` once after missed messages; the next call continues. `NotFound` if no publisher was found within the
// time-out.
linkspan_status linkspan_subscriber_recv(const struct linkspan_subscriber *subscriber,
                                         int64_t timeout,
                                         struct linkspan_message **message);

// Receives a message without waiting; `Empty` without one.
linkspan_status linkspan_subscriber_try_recv(const struct linkspan_subscriber *subscriber,
                                             struct linkspan_message **message);

// Waits for a message and takes up to `max` messages, like `linkspan_channel_recv_many`.
linkspan_status linkspan_subscriber_recv_many(const struct linkspan_subscriber *subscriber,
                                              size_t max,
                                              int64_t timeout,
                                              struct linkspan_message **messages,
                                              size_t *count);

// Gets whether a message is available, without taking it.
linkspan_status linkspan_subscriber_poll(const struct linkspan_subscriber *subscriber, bool *there);

// Acknowledges all received messages, with the option `ack` `"manual"`.
linkspan_status linkspan_subscriber_ack(const struct linkspan_subscriber *subscriber);

// Waits for the next message of a loop, which the caller releases.
//
// Missed messages are no error; `missed` of `linkspan_message_get_info` counts those directly before this message. The
// loop ends as in `linkspan_server_next`: with NULL, also by a signal.
linkspan_status linkspan_subscriber_next(const struct linkspan_subscriber *subscriber,
                                         int64_t timeout,
                                         struct linkspan_message **message);

// Gets a file descriptor for event loops, readable if a receive would not wait.
linkspan_status linkspan_subscriber_fileno(const struct linkspan_subscriber *subscriber, int *fd);

// Gets the events since the last call, like `linkspan_channel_events`.
linkspan_status linkspan_subscriber_events(const struct linkspan_subscriber *subscriber,
                                           struct linkspan_message **events);

// Gets the counters as a map.
linkspan_status linkspan_subscriber_stats(const struct linkspan_subscriber *subscriber,
                                          struct linkspan_message **stats);

// Closes the subscriber.
linkspan_status linkspan_subscriber_close(const struct linkspan_subscriber *subscriber);

// Closes and frees the subscriber.
linkspan_status linkspan_subscriber_free(struct linkspan_subscriber *subscriber);

// Begins a walk at the value at a path. A map or array precedes the values inside it.
linkspan_status linkspan_walk_new(struct linkspan_message *message,
                                  const char *path,
                                  struct linkspan_walk **walk);

// Gets the next value; `Empty` after the last.
linkspan_status linkspan_walk_next(struct linkspan_walk *walk, struct linkspan_item *item);

// Ends and frees the walk, and releases its message.
linkspan_status linkspan_walk_free(struct linkspan_walk *walk);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LINKSPAN_H */

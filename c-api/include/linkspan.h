/* Linkspan: programs in different languages on one machine talk.
 *
 * Every function that can fail returns a linkspan_status: LINKSPAN_OK, or the code of an error kind; what is known
 * about it is in linkspan_last_error(). Keys and paths are NUL-terminated; texts are (pointer, length), for which
 * LINKSPAN_ZSTR(text) stands with a NUL-terminated one. Time-outs are nanoseconds. What a function gives is released
 * by the caller, except views, which live as long as the message that they were read from is not changed.
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
/* A NUL-terminated text where pointer and length are asked for; NULL is refused. */
#define LINKSPAN_ZSTR(text) (text), linkspan_zstr_length(text)
static inline size_t linkspan_zstr_length(const char *text) { return text ? strlen(text) : SIZE_MAX; }

/* What structs begin with; valid in C11 and C++17. */
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


// A time-out: that of the object's options, 30 s by default. Loops wait without a deadline with it:
// `linkspan_server_next` and the other `_next` functions do, whatever the options are.
#define LINKSPAN_DEFAULT -1

// A time-out: for ever.
#define LINKSPAN_FOREVER 9223372036854775807

// The largest number of dimensions of an array.
#define LINKSPAN_MAX_RANK 15

// The largest `spin` of the options, in microseconds.
#define LINKSPAN_MAX_SPIN 100

// A type of `linkspan_record_type`: `bool`.
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

// `linkspan_text` that holds a decimal number.
#define LINKSPAN_RECORD_DECIMAL 16

// `linkspan_message *`, any value.
#define LINKSPAN_RECORD_ANY 17

// An enum, sent as one of `names`.
#define LINKSPAN_RECORD_ENUM 18

// A struct of `items`, a pointer to values of `of`, and `count`.
#define LINKSPAN_RECORD_LIST 19

// The same, where each item is a struct of `key`, a `linkspan_text`, and `value`.
#define LINKSPAN_RECORD_MAP 20

// A struct with these fields.
#define LINKSPAN_RECORD_STRUCT 21

// A struct of an enum, which selects one of the fields, and the fields in a union.
#define LINKSPAN_RECORD_UNION 22

// `linkspan_array`, whose elements belong to the struct.
#define LINKSPAN_RECORD_ARRAY 23

// The elements of an array of a fixed shape, in C's order, or in `order` where that is `LINKSPAN_COLUMN`.
#define LINKSPAN_RECORD_ELEMENTS 24

// A list of booleans without addresses, reached by functions.
#define LINKSPAN_RECORD_BOOLS 25

// A boolean of `size` bytes; `count` is the number for true, and any number but 0 is read as true.
#define LINKSPAN_RECORD_LOGICAL 26

// A channel: two ends, messages in both directions, requests and replies. Free it with
// `linkspan_channel_free`.
//
// Any number of threads may send and call, each within its own time-out: those that send take turns, the requests of
// calls are under way together. One thread at a time may receive; a second thread that receives or calls gets
// `InvalidState`. Any thread may close the channel, which ends the waits of others.
typedef struct linkspan_channel linkspan_channel;

// A connection to the controller of this machine, or of another one. Free it with
// `linkspan_controller_free`.
//
// Its functions return maps: a service's record has `name`, `view`, `state`, `since`, `busy`, `doing`,
// `steps`, `reason`, `problem`, `epoch`, `pid`, `program`, `description`, `commands`, `every`, `first_seen`,
// `last_seen`, `answered` and `allowed`; an answer has `id`, `outcome` (`ACCEPTED`, `DONE`, `FAILED`,
// `REJECTED`), `state`, and `value` or `error`.
typedef struct linkspan_controller linkspan_controller;

// Waits for peers at an endpoint. Free it with `linkspan_listener_free`. Any number of threads may accept, and any may
// close it.
typedef struct linkspan_listener linkspan_listener;

// A message: one value, and for a received message also its origin.
//
// Messages are reference-counted: `_new`, `_retain` and every function that returns a message add a
// reference, `_release` removes one. Texts, bytes and arrays read from a message are views into it: they are
// valid until the message is changed or its last reference is released. Any number of threads may read one
// message; a thread that changes it must be the only user.
typedef struct linkspan_message linkspan_message;

// A request that was sent, whose reply `linkspan_channel_finish_call` gets. Any thread may use it with the channel
// that it is of, which it does not keep open. Free it with `linkspan_pending_reply_free`.
typedef struct linkspan_pending_reply linkspan_pending_reply;

// Sends to any number of subscribers and never waits for a slow one. Free it with `linkspan_publisher_free`.
//
// Any number of threads may send, and take turns.
typedef struct linkspan_publisher linkspan_publisher;

// Memory that another program shares and this one reads. Free it with `linkspan_region_free`.
//
// Every call copies what is there at that moment. Any number of threads may read one region.
typedef struct linkspan_region linkspan_region;

// Answers the requests of any number of clients. Free it with `linkspan_server_free`.
//
// One thread at a time takes requests, a second one gets `InvalidState`; any thread may answer a request and
// close the server.
typedef struct linkspan_server linkspan_server;

// A program that a controller can query and command. Two threads of the library answer the controller at any
// time; the program takes its commands with `linkspan_service_next`. Free it with `linkspan_service_free`.
//
// One thread takes commands; any thread may log, request the shutdown and get the state.
typedef struct linkspan_service linkspan_service;

// Receives what a publisher sends. Free it with `linkspan_subscriber_free`.
//
// One thread at a time receives, a second one gets `InvalidState`: use one subscriber per thread. Any thread
// may close it.
typedef struct linkspan_subscriber linkspan_subscriber;

// A walk through a message. It holds a reference to the message. Free it with `linkspan_walk_free`.
typedef struct linkspan_walk linkspan_walk;

// The result of a call: `LINKSPAN_OK`, or the code of an error kind, 100 to 127.
typedef int32_t linkspan_status;

// The type of an array's elements.
typedef int32_t linkspan_dtype;

// The order of an array's elements in memory. Shapes mean the same in both.
typedef int32_t linkspan_order;

// An N-d array of numbers in memory that another object or the program owns, without gaps.
typedef struct linkspan_array {
    // The type of the elements.
    linkspan_dtype dtype;
    // Their order in memory. An array that is read has `LINKSPAN_ROW` if both orders are the same memory: if
    // it is empty, or at most one dimension is longer than 1.
    linkspan_order order;
    // How many entries of `dims` are used; 0 for a single number.
    size_t rank;
    // The length of each dimension.
    uint64_t dims[LINKSPAN_MAX_RANK];
    // The elements, aligned for their type.
    const void *data;
    // The size of the elements in bytes. Set when an array is read; ignored when an array is put.
    size_t length;
} linkspan_array;

// The options of an endpoint. NULL and zero mean the default, except in `timeout`, whose default is
// `LINKSPAN_DEFAULT` and where zero does not wait.
//
// Begin with `linkspan_options options = LINKSPAN_OPTIONS_INIT;`.
typedef struct linkspan_options {
    // `sizeof(linkspan_options)`.
    size_t size;
    // The encoding of what is sent: `"cbor"`, `"json"`, `"bson"`, `"smile"`, `"raw"`.
    const char *encoding;
    // What `LINKSPAN_DEFAULT` stands for in this object's calls: nanoseconds, 0 for calls that do not wait, or
    // `LINKSPAN_FOREVER`; `LINKSPAN_DEFAULT` itself is 30 s. Loops (`linkspan_server_next` and others) do not look at
    // it.
    int64_t timeout;
    // A name of this program that stays the same across restarts.
    const char *client_id;
    // The capacity in bytes of a ring, of a queue, or of the waiting messages of a spool.
    uint64_t buffer;
    // The largest message in bytes.
    uint64_t max_message_size;
    // `"latest"`, `"best_effort"`, `"at_least_once"` or `"durable"`.
    const char *delivery;
    // `"auto"` or `"manual"`.
    const char *ack;
    // For peers without Linkspan: `"lines"` or `"raw"`.
    const char *framing;
    // The access mode of files and sockets that are created, such as 0660.
    uint32_t mode;
    // The group of files and sockets that are created: its name, or its number as text.
    const char *group;
    // The users that may connect, `allow_uids_count` of them; NULL for those that the mode admits.
    const uint32_t *allow_uids;
    // How many there are.
    size_t allow_uids_count;
    // The groups whose members may connect, `allow_gids_count` of them.
    const uint32_t *allow_gids;
    // How many there are.
    size_t allow_gids_count;
    // How many microseconds to poll before parking, at most `LINKSPAN_MAX_SPIN`; -1 for none.
    int32_t spin;
    // Reserved: true is `Unsupported` in this version.
    bool immutable;
    // Whether a message is on disk before the send returns.
    bool durable;
    // The schema of the messages: the path of a schema file, or its text. The schemas of both sides are
    // compared when they connect.
    const char *schema;
    // Runs about every 100 ms while a call waits, in the waiting thread; false ends the wait with `Cancelled`.
    bool (*on_wait)(void *context);
    // Passed to `on_wait`.
    void *on_wait_context;
    // How many unacknowledged messages are kept to be sent again; beyond that, a send waits.
    uint64_t replay_count;
    // How many bytes of unacknowledged messages are kept; one message is always accepted.
    uint64_t replay_bytes;
    // For how many disconnected clients a listener keeps messages, 0 for 256; beyond that it drops those of the oldest
    // and records an event.
    uint64_t absent_clients;
    // Where a new subscriber to a journal begins: `"first"`, `"newest"`, the number of a message such as
    // `"42"`, or a time such as `"2026-11-20T12:00:00Z"` (RFC 3339).
    const char *from;
    // The size of a journal's segment in bytes; only whole segments are deleted.
    uint64_t segment_bytes;
    // The size of a journal in bytes: the oldest segments are deleted while the rest has more.
    uint64_t retain_bytes;
    // Segments of a journal are deleted if their newest message is older than this, in seconds.
    double retain_seconds;
    // Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    bool retain_consumed;
    // Whether requests may be carried out twice: then a request whose server died is sent to its next
    // incarnation.
    bool idempotent;
    // Whether a `file:` is written in place under a lock of the file itself, for programs that use only
    // fcntl.
    bool locked;
    // Whether several processes may serve the endpoint, each with this option, and share its requests.
    bool shared;
    // Which values are checked against the schema: `"send"`, `"receive"` or `"both"`.
    const char *validate;
    // For servers and their clients: the schema of the replies, like `schema`.
    const char *reply_schema;
    // Whether a publisher takes over the endpoint from another publisher of this process, with its subscribers.
    bool replace;
    // Whether the long byte strings of a received message stay in the memory of the sender until the message is
    // released, as arrays do; over `shm:`. A sender that means harm can change them while they are read: copy what is
    // parsed.
    bool view_bytes;
    // How many seconds a channel that ends without close waits until the peer has consumed what was sent; 0 for none.
    // What the peer has not consumed by then is reported on one line of stderr.
    double linger;
    // Gets the number of messages that the peer had not consumed when a channel ended without close, beside that line:
    // in the thread that frees the channel, or in `exit` where it is open then, and not in a forked child. It may
    // close the channel and use others.
    void (*on_unconsumed)(void *context, uint64_t missed);
    // Passed to `on_unconsumed`. It has to stay valid until each channel with these options is freed, or else until
    // the process is gone: a local variable of `main` is not valid in `exit`, a static one is.
    void *on_unconsumed_context;
} linkspan_options;

// Which end of a channel this is.
typedef int32_t linkspan_role;

// The state of a channel. Begin with `linkspan_channel_info info = LINKSPAN_CHANNEL_INFO_INIT;`.
typedef struct linkspan_channel_info {
    // `sizeof(linkspan_channel_info)`.
    size_t size;
    // Which end this is.
    linkspan_role role;
    // Whether `linkspan_channel_send` would not wait; `linkspan_channel_poll` says whether a receive would not.
    bool writable;
    // The endpoint, not NUL-terminated: lives as long as the channel.
    const char *endpoint;
    // Its length in bytes.
    size_t endpoint_length;
} linkspan_channel_info;

// The encoding of a message's body.
typedef int32_t linkspan_encoding;

// The state of a service.
typedef int32_t linkspan_state;

// A command with all its options. Begin with `linkspan_command_request request =
// LINKSPAN_COMMAND_REQUEST_INIT;`.
typedef struct linkspan_command_request {
    // `sizeof(linkspan_command_request)`.
    size_t size;
    // The name of the service.
    const char *service;
    // Its name: `"PAUSE"`, or one of the service's own.
    const char *command;
    // The arguments, or NULL.
    const struct linkspan_message *arguments;
    // The time-out of the command in nanoseconds; `LINKSPAN_DEFAULT` for 30 s.
    int64_t within;
    // 1 to 64 bytes; NULL for a random one. The same id again is the same command: it is carried out once,
    // and has the same answer for ten minutes.
    const char *id;
    // The incarnation of the service that the command is for, from its record; 0 for any.
    uint64_t epoch;
    // Whether to wait until it is done, and not only until it is accepted or refused.
    bool until_done;
} linkspan_command_request;

// The description of a call that failed. Texts live until the next failed call of this thread.
//
// Begin with `linkspan_error error = LINKSPAN_ERROR_INIT;`.
typedef struct linkspan_error {
    // `sizeof(linkspan_error)`.
    size_t size;
    // The code, or `LINKSPAN_OK` where no call of this thread has failed yet.
    linkspan_status status;
    // Whether the same call can succeed later without a change to the program.
    bool retryable;
    // What was attempted on what, and what to do; names endpoint, path and offset. Never NULL.
    const char *text;
    // The endpoint that the call was about, or NULL.
    const char *endpoint;
    // The path in the value, or NULL.
    const char *path;
    // The offset in the bytes, from zero, or -1.
    int64_t offset;
    // How many messages a subscriber missed, for `LINKSPAN_LAGGED`.
    uint64_t missed;
    // The system's error number that caused it, or 0.
    int32_t os_error;
    // The code that the peer's handler answered, for `LINKSPAN_REMOTE`.
    int64_t remote_code;
    // The dotted type that the peer's handler answered, or NULL.
    const char *remote_type;
    // The text that the peer's handler answered, or NULL.
    const char *remote_text;
    // The value that the peer's handler sent along, as CBOR, or NULL.
    const uint8_t *remote_data;
    // Its length in bytes.
    size_t remote_data_length;
    // How many messages of a batch were sent before the error, for the `_send_many` functions.
    uint64_t sent;
} linkspan_error;

// The origin of a message. Begin with `linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;`.
typedef struct linkspan_message_info {
    // `sizeof(linkspan_message_info)`.
    size_t size;
    // Its number in the sender's session, from 1.
    uint64_t sequence;
    // When it was sent: nanoseconds since 1970-01-01T00:00:00Z.
    int64_t sent;
    // How many messages were missed directly before it.
    uint64_t missed;
    // The encoding of its body.
    linkspan_encoding encoding;
    // Whether the sender waits for a reply.
    bool is_request;
    // The sender: a view, not NUL-terminated.
    const char *source;
    // Its length in bytes.
    size_t source_length;
    // The endpoint that it was published at, of a subscriber to a pattern: a view, not NUL-terminated. NULL
    // for others.
    const char *name;
    // Its length in bytes.
    size_t name_length;
} linkspan_message_info;

// The type of a value.
typedef int32_t linkspan_type;

// How a program reads and creates values whose layout a table cannot describe, such as those of C++'s and
// Fortran's own types. A type provides the functions that its kind needs, the others are NULL; `at` is the
// address of the value by its table, and `which` is the number in the table. None of them may end in another
// way than by returning.
typedef struct linkspan_record_access {
    // The address of the value of an optional field or of a variant; NULL if it is missing. For any value:
    // its `linkspan_message`, or NULL.
    const void *(*find)(const void *at, size_t which);
    // Creates that value, with its parts at their defaults, and returns its address; NULL if memory runs
    // out.
    void *(*make)(void *at, size_t which);
    // The address of a text, of bytes or of a decimal number, or of the first item of a list or entry of a
    // map, and their number.
    const void *(*view)(const void *at, size_t which, size_t *count);
    // Replaces the items by this many new ones, with their parts at their defaults, and returns the address
    // of the first; NULL if memory runs out. For a map with `insert`, it removes all entries and returns a
    // pointer that is not NULL.
    void *(*resize)(void *at, size_t which, size_t count);
    // Replaces the text, the bytes or the decimal number by a copy of bytes; false if memory runs out. NULL
    // for a type with `resize`.
    bool (*assign)(void *at, size_t which, const void *bytes, size_t count);
    // Calls `visit` for each entry of a map, in order, until it returns false.
    void (*each)(const void *at, size_t which, bool (*visit)(void *context,
                                                             const void *key,
                                                             size_t length,
                                                             const void *value), void *context);
    // Adds an entry to a map, with the parts of its value at their defaults, and returns the address of the
    // value; NULL if memory runs out.
    void *(*insert)(void *at, size_t which, const void *key, size_t length);
    // Reads a boolean of a list whose items have no address.
    bool (*get_bool)(const void *at, size_t which, size_t position);
    // Sets a boolean of such a list.
    void (*put_bool)(void *at, size_t which, size_t position, bool value);
    // Sets `order`, `rank`, `dims`, `data` and `length` of an array; false if there is none. It does not set
    // `dims` for a `rank` above `LINKSPAN_MAX_RANK`.
    bool (*view_array)(const void *at, size_t which, struct linkspan_array *array);
    // Replaces the array by one with this `rank` and `dims`, in `order` or in another order, which it then
    // sets, and returns the address of its elements; NULL if memory runs out. The elements take `length`
    // bytes.
    void *(*resize_array)(void *at, size_t which, struct linkspan_array *array);
    // Takes ownership of a message as any value; false if memory runs out.
    bool (*take_message)(void *at, size_t which, struct linkspan_message *message);
} linkspan_record_access;

// A field of a struct, or a variant of a union.
typedef struct linkspan_record_field {
    // Its key in messages.
    const char *key;
    // Older keys, followed by a NULL; NULL if there are none.
    const char *const *aliases;
    // The offset of its value in the struct.
    size_t offset;
    // Whether it may be missing: `presence` is then the offset of the `bool` that is true if it is present;
    // unused with `access`.
    bool optional;
    // See `optional`.
    size_t presence;
    // The type of its value.
    const struct linkspan_record_type *of;
    // The value of a missing field, in CBOR; NULL if there is no default.
    const uint8_t *default_value;
    // Its length in bytes.
    size_t default_length;
    // `find` and `make` for a value that may be missing, or is a variant, and is not stored at `offset`
    // itself; both get the address at `offset`. NULL if the value is at `offset`.
    const struct linkspan_record_access *access;
    // A number that is passed to those functions.
    size_t which;
} linkspan_record_field;

// A type of values in structs. Members that its `kind` does not need are zero.
typedef struct linkspan_record_type {
    // One of `LINKSPAN_RECORD_`.
    int32_t kind;
    // `sizeof` a value. The size of a map's entry is `item_size`.
    size_t size;
    // `sizeof` an item of a list, or of an entry of a map.
    size_t item_size;
    // `sizeof` the enum that selects the field of a union.
    size_t kind_size;
    // The type of a list's items, or of a map's values; NULL for a map whose entries are `fields`.
    const struct linkspan_record_type *of;
    // The fields of a struct or a union, or the key and the value of a map's entries.
    const struct linkspan_record_field *fields;
    // The names of an enum's values, from 0 on.
    const char *const *names;
    // How many fields or names there are.
    size_t count;
    // The element type of an array.
    linkspan_dtype dtype;
    // The order that an array must have, or -1.
    linkspan_order order;
    // The number of dimensions that an array must have, or -1.
    int32_t rank;
    // Their lengths, in which `UINT64_MAX` stands for any length; NULL for rank 0 and -1.
    const uint64_t *dims;
    // The functions that read and create values whose layout a table cannot describe; NULL for other values.
    const struct linkspan_record_access *access;
    // A number that is passed to those functions.
    size_t which;
} linkspan_record_type;

// How a struct lies in memory. `linkspan schema generate` writes such tables. The table must stay at its
// address, unchanged, as long as the program runs: the library reads it once, at its first use, and keeps
// its copy in `prepared`.
typedef struct linkspan_record {
    // `sizeof(linkspan_record)`.
    size_t size;
    // The type of the whole struct.
    const struct linkspan_record_type *of;
    // NULL; used by the library.
    void *prepared;
} linkspan_record;

// The options of a service. Zero and NULL mean the default.
//
// Begin with `linkspan_service_options options = LINKSPAN_SERVICE_OPTIONS_INIT;`.
typedef struct linkspan_service_options {
    // `sizeof(linkspan_service_options)`.
    size_t size;
    // The endpoint of its controller: any stream transport. NULL for `$LINKSPAN_CONTROLLER`, else
    // `"unix:controller"`.
    const char *controller;
    // The period of its steps in nanoseconds; 1 for steps without a pause, 0 for no steps.
    int64_t every;
    // Whether it waits in READY for the command RUN.
    bool paused;
    // Whether the library leaves signals alone. Otherwise the first SIGTERM or SIGINT is SHUTDOWN, the
    // second cancels the work in progress, and the third kills the program.
    bool leave_signals;
    // A description in one line.
    const char *description;
    // The commands that it accepts beyond the usual: `"CONFIG"`, `"BACKUP"`, names of its own;
    // `commands_count` of them.
    const char *const *commands;
    // How many there are.
    size_t commands_count;
    // The options of its connection to the controller, or NULL.
    const struct linkspan_options *channel;
    // Runs in a thread of the library when the current work is cancelled; NULL for a program that reads
    // `is_cancelled` with `linkspan_service_get_info`, or whose tasks are short.
    void (*on_cancel)(void *context);
    // Passed to `on_cancel`.
    void *on_cancel_context;
} linkspan_service_options;

// The commands for a service.
typedef int32_t linkspan_command;

// A command for the program to carry out. Begin with `linkspan_task task = LINKSPAN_TASK_INIT;`.
//
// Its texts and its arguments are views, which live until the task is answered.
typedef struct linkspan_task {
    // `sizeof(linkspan_task)`.
    size_t size;
    // The command.
    linkspan_command command;
    // The state before the command: READY, RUNNING, PAUSED or FAILED.
    linkspan_state before;
    // Identifies the task in `linkspan_service_task_done` and `linkspan_service_task_failed`.
    uint64_t number;
    // The name of the command: `"STEP"`, `"PAUSE"`, or one of the service's own. `""` at the end.
    const char *name;
    // The id from its sender; `""` for a step, and for a shutdown by a signal.
    const char *id;
    // The remaining nanoseconds when the task was taken, or `LINKSPAN_FOREVER`.
    int64_t remaining;
    // The arguments: a message, whose value is null if there are none. NULL at the end.
    const struct linkspan_message *arguments;
} linkspan_task;

// The state of a service. Begin with `linkspan_service_info info = LINKSPAN_SERVICE_INFO_INIT;`.
typedef struct linkspan_service_info {
    // `sizeof(linkspan_service_info)`.
    size_t size;
    // Its state.
    linkspan_state state;
    // Whether the current work is cancelled.
    bool is_cancelled;
    // Whether it is connected to a controller.
    bool is_connected;
    // The random number of this incarnation.
    uint64_t epoch;
} linkspan_service_info;

// One value of a walk. Fields that its `type` does not use are zero or NULL; texts, bytes and arrays are
// views.
//
// Begin with `linkspan_item item = LINKSPAN_ITEM_INIT;`.
typedef struct linkspan_item {
    // `sizeof(linkspan_item)`.
    size_t size;
    // The type of the value.
    linkspan_type type;
    // 0 for the value where the walk began, 1 for the values inside it, and so on.
    uint32_t depth;
    // The key in the enclosing map, not NUL-terminated; NULL in an array and at depth 0.
    const char *key;
    // The length of the key in bytes.
    size_t key_length;
    // The position in the enclosing array or map.
    size_t position;
    // As from `linkspan_message_count`: this many values, one level deeper, follow an array or map.
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

// The end that connected: it connects again when the peer restarts.
#define LINKSPAN_ROLE_CONNECTOR 1

// The end: the service is STOPPED, and the program ends.
#define LINKSPAN_COMMAND_END 0

// Do the next step; the service's own clock triggers it.
#define LINKSPAN_COMMAND_STEP 1

// Reply with the data; change nothing.
#define LINKSPAN_COMMAND_GET_DATA 2

// Checkpoint, close databases and files.
#define LINKSPAN_COMMAND_PAUSE 3

// Open again what PAUSE closed; steps follow.
#define LINKSPAN_COMMAND_RUN 4

// Checkpoint; steps follow.
#define LINKSPAN_COMMAND_CHECKPOINT 5

// Checkpoint and close, unless it is closed already: `before` is then `LINKSPAN_STATE_PAUSED`.
#define LINKSPAN_COMMAND_SHUTDOWN 6

// Return or change the settings.
#define LINKSPAN_COMMAND_CONFIG 7

// Write a backup copy of the service's data.
#define LINKSPAN_COMMAND_BACKUP 8

// A command of the service's own, named in `name`.
#define LINKSPAN_COMMAND_OWN 9

// It opens what it needs.
#define LINKSPAN_STATE_STARTING 1

// It is set up and waits for RUN.
#define LINKSPAN_STATE_READY 2

// It does its work, step by step.
#define LINKSPAN_STATE_RUNNING 3

// It finishes its step, checkpoints and closes.
#define LINKSPAN_STATE_PAUSING 4

// What it writes is checkpointed and closed; it waits for RUN.
#define LINKSPAN_STATE_PAUSED 5

// It does no step and checkpoints.
#define LINKSPAN_STATE_CHECKPOINTING 6

// It finishes its step, checkpoints, closes and disconnects.
#define LINKSPAN_STATE_STOPPING 7

// It has ended normally.
#define LINKSPAN_STATE_STOPPED 8

// It cannot continue.
#define LINKSPAN_STATE_FAILED 9

// Bytes as they are: the value is one block of bytes.
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

// This system does not support that transport. Use another transport.
#define LINKSPAN_TRANSPORT_UNAVAILABLE 100

// The connection to the other side ended. Call again: the side that connected reconnects by itself. A request that was
// under way may have been carried out.
#define LINKSPAN_DISCONNECTED 102

// No program listens at that name. Start that program, or correct the name or `LINKSPAN_DIR`.
#define LINKSPAN_NOT_FOUND 103

// No value at that path. Correct the path: the text names what is there instead.
#define LINKSPAN_MISSING 104

// Another program listens at that name. Choose another name, or end the other program.
#define LINKSPAN_ADDRESS_IN_USE 105

// The object does not allow this call now (closed, wrong pattern, other side of a fork). Correct the program: the text
// has the reason.
#define LINKSPAN_INVALID_STATE 106

// The name or port is malformed. Correct it as the text describes.
#define LINKSPAN_INVALID_ENDPOINT 107

// Memory, descriptors or space in the memory file ran out. Release messages and arrays, or raise the limit, and call
// again.
#define LINKSPAN_OUT_OF_MEMORY 108

// A value of another type was found; the text has both types. Ask for the type that is there.
#define LINKSPAN_WRONG_TYPE 109

// The deadline passed; nothing was lost. Call again, or give the call more time.
#define LINKSPAN_TIMEOUT 110

// The queue is full and the call does not wait. Call again once the reader has consumed messages, or use a call that
// waits.
#define LINKSPAN_FULL 111

// No message is available and the call does not wait. Call again later, or use a call that waits.
#define LINKSPAN_EMPTY 112

// The mode, the owner or the peer's credentials forbid it. Give both users access, as the text describes.
#define LINKSPAN_PERMISSION_DENIED 113

// Over a limit; the text has the limit, its value and the size. Send less, or raise that limit.
#define LINKSPAN_TOO_LARGE 114

// Bytes that are not a valid message; carries the offset. Correct the program that wrote them.
#define LINKSPAN_MALFORMED 115

// The value has no form in that encoding; carries the path. Use another type, encoding or transport, as the text
// proposes.
#define LINKSPAN_UNSUPPORTED 116

// The schemas of the two sides differ; the text has the differences. Give both sides compatible schemas.
#define LINKSPAN_SCHEMA_MISMATCH 117

// The protocol versions do not overlap; the text has both. Update the older program.
#define LINKSPAN_VERSION_MISMATCH 118

// Cancelled by the caller. Call again if the outcome is still needed.
#define LINKSPAN_CANCELLED 119

// A signal arrived and its handler raised. Handle the outcome of the handler, and call again to continue.
#define LINKSPAN_INTERRUPTED 120

// The other side is alive but holds a lock or does not answer. Call again; end the other program if it does not
// recover.
#define LINKSPAN_STALLED 121

// The other side's handler failed; carries its code, type, text, data. Handle it as an error of that program.
#define LINKSPAN_REMOTE 122

// A number does not fit the requested type. Ask for a larger type, or give a number within the range.
#define LINKSPAN_OUT_OF_RANGE 123

// The disk is full. Free space on the disk, and call again.
#define LINKSPAN_NO_SPACE 124

// A subscriber was overtaken; carries how many were missed. Call again to continue; read faster, or give the publisher
// a larger buffer.
#define LINKSPAN_LAGGED 125

// A stored file fails its check sum; the text has the file and the place. Restore the file from a copy, or remove it,
// as the text describes.
#define LINKSPAN_CORRUPT 126

// A defect in Linkspan: please report it with the error's text.
#define LINKSPAN_INTERNAL 127

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Gets the length of an array's elements in bytes, which follows from `dtype`, `rank` and `dims`; `length` of the
// struct is not read. `WrongType` or `TooLarge` if no array has this type and these dimensions, `InvalidState` if
// there are elements and `data` is NULL.
//
// The caller sees to this:
// `array` points to an array whose `data` can be read as far as its dims say, `length` may be written.
linkspan_status linkspan_array_length(const struct linkspan_array *array,
                                      size_t *length);

// Copies an array's elements into the caller's memory, so that the element at (i, j, …) stays at (i, j, …).
// `to` has the requested order and element type: the same type or a wider one that holds all its values
// (integers into wider integers, `float` into `double`, complex numbers likewise; integers into floats, real
// numbers into complex ones), else `WrongType`. `OutOfRange` if a 64-bit integer is not exact as a `double`;
// `to->data` is then partly written.
//
// `to->rank` and `to->dims` must be those of `from`, else `WrongType`; `to->data` has room for them.
//
// The caller sees to this:
// Both point to arrays; `from->data` can be read and `to->data` written as far as their dims say; they do not
// overlap.
linkspan_status linkspan_array_copy(const struct linkspan_array *from,
                                    const struct linkspan_array *to);

// Sends a request and waits for its reply, which the caller releases. `Remote` if the handler failed,
// `Disconnected` if the peer died meanwhile. The requests of several threads are under way
// together.
// The caller sees to this:
// `channel` and `request` are live, `reply` may be written.
linkspan_status linkspan_channel_call(const struct linkspan_channel *channel,
                                      const struct linkspan_message *request,
                                      int64_t timeout,
                                      struct linkspan_message **reply);

// Sends a request without waiting for its reply: a call in two steps. Any number of requests may be under way, from
// one thread or several. Their replies may arrive in any order, also while this end calls and receives, and are kept
// for the newest 1,024 requests that are not finished, up to 256 MiB.
//
// The caller sees to this:
// `channel` and `request` are live, `pending` may be written.
linkspan_status linkspan_channel_start_call(const struct linkspan_channel *channel,
                                            const struct linkspan_message *request,
                                            int64_t timeout,
                                            struct linkspan_pending_reply **pending);

// Waits for the reply to a request that `linkspan_channel_start_call` sent; the caller releases it. Fails as
// `linkspan_channel_call` does. With a time-out of 0 it fails with `Timeout` while the reply has not arrived, and may
// be called again; a longer time-out that passes gives up the request. `InvalidState` at once if the request is not
// under way on this channel any more.
//
// The caller sees to this:
// `channel` and `pending` are live, `reply` may be written.
linkspan_status linkspan_channel_finish_call(const struct linkspan_channel *channel,
                                             const struct linkspan_pending_reply *pending,
                                             int64_t timeout,
                                             struct linkspan_message **reply);

// Frees a request that was sent. One that is not finished is withdrawn: a peer that has not received it by then does
// not begin with it, and a reply that arrives is dropped. NULL is allowed; a second call for the same request, and any
// other use of it, is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `pending` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_pending_reply_free(struct linkspan_pending_reply *pending);

// Replies to a request that `linkspan_channel_recv` returned; use `linkspan_request_reply` for a server's
// requests.
//
// The caller sees to this:
// `channel`, `request` and `reply` are live.
linkspan_status linkspan_channel_reply(const struct linkspan_channel *channel,
                                       const struct linkspan_message *request,
                                       const struct linkspan_message *reply,
                                       int64_t timeout);

// Connects if a program listens, and listens otherwise: of two programs that start at the same time exactly
// one listens. `options` may be NULL.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `channel` may be written.
linkspan_status linkspan_channel_open(const char *endpoint,
                                      const struct linkspan_options *options,
                                      int64_t timeout,
                                      struct linkspan_channel **channel);

// Connects: waits until a program listens, and connects again when the other side restarts. `options` may be NULL.
//
// The caller sees to this:
// As for `linkspan_channel_open`.
linkspan_status linkspan_channel_connect(const char *endpoint,
                                         const struct linkspan_options *options,
                                         int64_t timeout,
                                         struct linkspan_channel **channel);

// Sends a message, and waits while the queue of the peer is full. `sequence`, which may be NULL, gets the
// number of the message. A send that fails leaves the message unchanged.
//
// The caller sees to this:
// `channel` and `message` are live, `sequence` is NULL or may be written.
linkspan_status linkspan_channel_send(const struct linkspan_channel *channel,
                                      const struct linkspan_message *message,
                                      int64_t timeout,
                                      uint64_t *sequence);

// Sends a message without waiting; `Full` if the queue of the other side is full, or no program is connected.
//
// The caller sees to this:
// As for `linkspan_channel_send`.
linkspan_status linkspan_channel_try_send(const struct linkspan_channel *channel,
                                          const struct linkspan_message *message,
                                          uint64_t *sequence);

// Sends several messages in order, with one wake-up or one system call for up to 64 short ones if the
// transport can. `sent`, which may be NULL, gets how many were sent, also if the call fails: the error then
// concerns the first message that was not sent.
//
// The caller sees to this:
// `channel` is live, `messages` points to `count` live messages or `count` is zero, `sent` is NULL or may be written.
linkspan_status linkspan_channel_send_many(const struct linkspan_channel *channel,
                                           const struct linkspan_message *const *messages,
                                           size_t count,
                                           int64_t timeout,
                                           size_t *sent);

// Receives a message, which the caller releases.
//
// The caller sees to this:
// `channel` is live, `message` may be written.
linkspan_status linkspan_channel_recv(const struct linkspan_channel *channel,
                                      int64_t timeout,
                                      struct linkspan_message **message);

// Receives a message without waiting; `Empty` if none is there.
//
// The caller sees to this:
// As for `linkspan_channel_recv`.
linkspan_status linkspan_channel_try_recv(const struct linkspan_channel *channel,
                                          struct linkspan_message **message);

// Waits for a message and also takes those that have arrived behind it: at most `max` in all, for which
// there is room at `messages`. `count` gets their number; the caller releases each. An error behind the
// first message is returned by the next call. All of them count as consumed with the next call that
// receives.
//
// The caller sees to this:
// `channel` is live, `messages` has room for `max` pointers, `count` may be written.
linkspan_status linkspan_channel_recv_many(const struct linkspan_channel *channel,
                                           size_t max,
                                           int64_t timeout,
                                           struct linkspan_message **messages,
                                           size_t *count);

// Reports whether a message is available, without waiting and without taking it.
//
// The caller sees to this:
// `channel` is live, `there` may be written.
linkspan_status linkspan_channel_poll(const struct linkspan_channel *channel, bool *there);

// With the option `ack` `"manual"`: acknowledges all messages that were received. Those that are not
// acknowledged when this program ends are sent to its next incarnation.
// The caller sees to this:
// `channel` is live.
linkspan_status linkspan_channel_ack(const struct linkspan_channel *channel);

// Gets the state of the channel.
//
// The caller sees to this:
// `channel` is live, `info` points to a `linkspan_channel_info` whose `size` is set.
linkspan_status linkspan_channel_get_info(const struct linkspan_channel *channel,
                                          struct linkspan_channel_info *info);

// Gets a file descriptor for event loops: readable while a receive would not wait. The channel owns it: do not close
// it.
//
// The caller sees to this:
// `channel` is live, `fd` may be written.
linkspan_status linkspan_channel_fileno(const struct linkspan_channel *channel,
                                        int *fd);

// Gets the events of the channel since the last call: an array of maps with `kind` (`connected`, `disconnected`,
// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
//
// The caller sees to this:
// `channel` is live, `events` may be written.
linkspan_status linkspan_channel_events(const struct linkspan_channel *channel,
                                        struct linkspan_message **events);

// Gets the counters of the channel as a map, which the caller releases.
//
// The caller sees to this:
// `channel` is live, `stats` may be written.
linkspan_status linkspan_channel_stats(const struct linkspan_channel *channel,
                                       struct linkspan_message **stats);

// Waits until the peer has consumed what was sent: it has called to receive again, has acknowledged, or has closed.
// `Timeout` and `Disconnected` have the number that it has not consumed (`linkspan_last_error`); the channel stays
// open. `InvalidState` where another thread closes it meanwhile.
//
// The caller sees to this:
// `channel` is live.
linkspan_status linkspan_channel_flush(const struct linkspan_channel *channel,
                                       int64_t timeout);

// Closes the channel once the peer has consumed what was sent, within the time-out; waits of other threads
// end. It still has to be freed.
//
// The caller sees to this:
// `channel` is live.
linkspan_status linkspan_channel_close(const struct linkspan_channel *channel, int64_t timeout);

// Closes the channel without waiting for what was sent, beyond the option `linger`, and frees it. NULL is allowed.
// That option, and `on_unconsumed`, also hold for a channel that is open when the program ends by `exit` or the return
// of `main`.
//
// A second call for the same channel, and any other use of it, returns `InvalidState` as long as no more
// than 1024 other objects have been freed since. After that the pointer is invalid like any freed pointer.
// The same holds for the `_free` function of every kind.
//
// The caller sees to this:
// `channel` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_channel_free(struct linkspan_channel *channel);

// Encodes a message's value. Free the bytes with `linkspan_free`.
//
// The caller sees to this:
// `message` is a live message, the results may be written.
linkspan_status linkspan_encode(const struct linkspan_message *message,
                                linkspan_encoding encoding,
                                uint8_t **bytes,
                                size_t *length);

// Decodes bytes into a new message, which the caller releases. The bytes may be freed at once.
//
// The caller sees to this:
// `bytes` points to `length` bytes, `message` may be written.
linkspan_status linkspan_decode(const uint8_t *bytes,
                                size_t length,
                                linkspan_encoding encoding,
                                struct linkspan_message **message);

// Converts bytes of one encoding to another. Free the result with `linkspan_free`.
//
// The caller sees to this:
// `bytes` points to `length` bytes, the results may be written.
linkspan_status linkspan_transcode(const uint8_t *bytes,
                                   size_t length,
                                   linkspan_encoding from,
                                   linkspan_encoding to,
                                   uint8_t **result,
                                   size_t *result_length);

// Frees bytes or text from a function whose description names `linkspan_free`, such as `linkspan_encode`.
// NULL is allowed.
//
// The caller sees to this:
// `bytes` and `length` are as the function returned them, and were not freed before.
void linkspan_free(void *bytes, size_t length);

// The name of a state, the same in every language: `"RUNNING"`; `"UNKNOWN"` for a number that is no state.
// Lives as long as the program.
const char *linkspan_state_name(linkspan_state state);

// Connects to a controller, waits until one listens, and connects again after each restart of it:
// `$LINKSPAN_CONTROLLER` or else `unix:controller` for NULL. `options` may be NULL. Any number of threads
// may use it and take turns; one at a time may wait in `linkspan_controller_next`.
//
// The caller sees to this:
// `endpoint` is NULL or NUL-terminated, `options` NULL or valid, `controller` may be written.
linkspan_status linkspan_controller_connect(const char *endpoint,
                                            const struct linkspan_options *options,
                                            int64_t timeout,
                                            struct linkspan_controller **controller);

// Gets the records of all services in the controller's list, as an array, which the caller releases.
//
// The caller sees to this:
// `controller` is live, `services` may be written.
linkspan_status linkspan_controller_services(const struct linkspan_controller *controller,
                                             int64_t timeout,
                                             struct linkspan_message **services);

// Gets the record of one service, which the caller releases; `NotFound` if none has that name.
//
// The caller sees to this:
// `controller` is live, `service` is NUL-terminated, `record` may be written.
linkspan_status linkspan_controller_status(const struct linkspan_controller *controller,
                                           const char *service,
                                           int64_t timeout,
                                           struct linkspan_message **record);

// Sends a command to a service, `"PAUSE"` or one of its own, and waits until it is done. `value` gets the
// result, which the caller releases. `InvalidState` if the state forbids the command, `NotFound` for a
// service that the controller does not have, `Remote` or the service's own kind if it failed, `Timeout` if
// the time-out, which is also sent to the service, passed first.
// The caller sees to this:
// `controller` is live, `service` and `command` are NUL-terminated, `arguments` is NULL or a live message, `value` may
// be written.
linkspan_status linkspan_controller_command(const struct linkspan_controller *controller,
                                            const char *service,
                                            const char *command,
                                            const struct linkspan_message *arguments,
                                            int64_t timeout,
                                            struct linkspan_message **value);

// Sends a command to a service and waits until it is accepted or refused, or, with `until_done`, until it is
// done. `answer`, which the caller releases, has its outcome so far and the `id` for
// `linkspan_controller_answer`. A command that failed or was refused is reported in the answer; the call
// itself succeeds.
//
// The caller sees to this:
// `controller` is live, `request` points to a `linkspan_command_request` whose `size` is set and whose
// pointers are NULL or valid, `answer` may be written.
linkspan_status linkspan_controller_begin(const struct linkspan_controller *controller,
                                          const struct linkspan_command_request *request,
                                          int64_t timeout,
                                          struct linkspan_message **answer);

// Gets the current answer to a command that was begun; the caller releases it.
//
// The caller sees to this:
// `controller` is live, `service` and `id` are NUL-terminated, `answer` may be written.
linkspan_status linkspan_controller_answer(const struct linkspan_controller *controller,
                                           const char *service,
                                           const char *id,
                                           int64_t timeout,
                                           struct linkspan_message **answer);

// Gets the newest lines of a service's log, or of the controller's event log for NULL: an array of maps with
// `at`, `service`, `level` and `text`, which the caller releases.
//
// The caller sees to this:
// `controller` is live, `service` is NULL or NUL-terminated, `log` may be written.
linkspan_status linkspan_controller_log(const struct linkspan_controller *controller,
                                        const char *service,
                                        size_t lines,
                                        int64_t timeout,
                                        struct linkspan_message **log);

// Subscribes to the state of services, for `linkspan_controller_next` with this controller: first the state of each
// service, then every change, as maps whose `what` is `service` (with its record in `service`), `gone` (`name`),
// `data` (`name`, `at`, `value`), `log` (`entry`) or `missed` (`count`).
//
// `data_every` is the interval in nanoseconds at which the data of the services is read, 0 for never.
// `services` has the `services_count` names of the services to watch; none for all. A second call replaces
// the first.
//
// The caller sees to this:
// `controller` is live, `services` points to `services_count` texts, each NUL-terminated.
linkspan_status linkspan_controller_watch(const struct linkspan_controller *controller,
                                          int64_t data_every,
                                          const char *const *services,
                                          size_t services_count);

// Gets the next event of the watched services: a map as `linkspan_controller_watch` describes it, which the
// caller releases. `LINKSPAN_DEFAULT` waits for ever here.
//
// The caller sees to this:
// `controller` is live, `event` may be written.
linkspan_status linkspan_controller_next(const struct linkspan_controller *controller,
                                         int64_t timeout,
                                         struct linkspan_message **event);

// Makes the controller forget a service that is disconnected; `InvalidState` while it is connected.
//
// The caller sees to this:
// `controller` is live, `service` is NUL-terminated.
linkspan_status linkspan_controller_forget(const struct linkspan_controller *controller,
                                           const char *service,
                                           int64_t timeout);

// Gets a file descriptor for event loops: readable while `linkspan_controller_next` would not wait. The controller
// owns it: do not close it.
//
// The caller sees to this:
// `controller` is live, `fd` may be written.
linkspan_status linkspan_controller_fileno(const struct linkspan_controller *controller,
                                           int *fd);

// Gets the counters of the controller itself as a map, which the caller releases.
//
// The caller sees to this:
// `controller` is live, `stats` may be written.
linkspan_status linkspan_controller_stats(const struct linkspan_controller *controller,
                                          struct linkspan_message **stats);

// Closes the connection to the controller; waits of other threads end. It still has to be freed.
//
// The caller sees to this:
// `controller` is live.
linkspan_status linkspan_controller_close(const struct linkspan_controller *controller);

// Closes the connection to the controller and frees it. NULL is allowed; a second call for the same
// controller, and any other use of it, is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `controller` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_controller_free(struct linkspan_controller *controller);

// The name of an encoding: `"cbor"`; NULL for a number that is none. Lives as long as the program.
const char *linkspan_encoding_name(linkspan_encoding encoding);

// The encoding of a name; `Unsupported` if there is none.
//
// The caller sees to this:
// `name` is NUL-terminated, `encoding` may be written.
linkspan_status linkspan_encoding_from_name(const char *name, linkspan_encoding *encoding);

// Gets the newest value of a publisher; the caller releases it. With a time-out it waits for a publisher and its first
// value, with `LINKSPAN_DEFAULT` it does not wait. `Empty` if nothing was published yet, `NotFound` if no program
// publishes.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `message` may be written.
linkspan_status linkspan_latest(const char *endpoint,
                                const struct linkspan_options *options,
                                int64_t timeout,
                                struct linkspan_message **message);

// Gets what is open on this machine: an array of a map for each name, as `linkspan ls --json` shows it; the caller
// releases it.
//
// The caller sees to this:
// `names` may be written.
linkspan_status linkspan_names(struct linkspan_message **names);

// Gets the schema of an endpoint from the program that listens there, or from its spool or journal, as a
// value: `type/fields/0/name`, `type/fields/0/type/unit` and so on, the canonical form of docs/schema.md;
// the caller releases it. Waits at most 3 s. `NotFound` if no program listens, `Missing` if no schema was
// given.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `message` may be written.
linkspan_status linkspan_schema(const char *endpoint, struct linkspan_message **message);

// Gets the schema of the replies, like [`linkspan_schema`].
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `message` may be written.
linkspan_status linkspan_reply_schema(const char *endpoint, struct linkspan_message **message);

// Gets the schema that a message of the endpoint was written with, like [`linkspan_schema`]: each record of
// a journal names its own. `InvalidState` for a message that was built here, `Corrupt` if the journal has
// lost the schema.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `written` is a live message, `message` may be written.
linkspan_status linkspan_schema_of(const char *endpoint,
                                   const struct linkspan_message *written,
                                   struct linkspan_message **message);

// Waits until at least one of several objects has something to give: `ready` gets `count` truths, one for each
// descriptor. `descriptors` are what the `_fileno` functions give, obtained anew before each wait, or other
// descriptors of the program. Then call what does not wait (`linkspan_subscriber_try_recv`, `linkspan_server_next`
// with a time-out of 0), which may still find nothing: wait again. `LINKSPAN_DEFAULT` is 30 s. `Timeout` if none has
// anything in time, `InvalidState` without a descriptor, and for one that is closed.
//
// The caller sees to this:
// `descriptors` points to `count` numbers, `ready` may be written as many times.
linkspan_status linkspan_wait(const int *descriptors,
                              size_t count,
                              int64_t timeout,
                              bool *ready);

// Describes the last call of this thread that failed; a call that succeeds changes nothing here.
//
// Returns that call's status, `LINKSPAN_OK` where none has failed. `error` may be NULL. `InvalidState` if the size in
// `error` is not set.
//
// The caller sees to this:
// `error` is NULL or points to a `linkspan_error` whose `size` is set.
linkspan_status linkspan_last_error(struct linkspan_error *error);

// The text of the last call of this thread that failed, `""` where none has. Lives until the next call fails.
const char *linkspan_last_error_text(void);

// Makes this the last error of this thread, and returns `status`: for layers of other languages over this interface.
// A `status` that is no error kind, `LINKSPAN_OK` too, becomes `LINKSPAN_WRONG_TYPE`.
//
// The caller sees to this:
// `text` is NULL or NUL-terminated.
linkspan_status linkspan_set_last_error(linkspan_status status,
                                        const char *text);

// Gets the lengths of the `rank` dimensions of the N-d array at a path, or of the nested lists there, which languages
// without typed arrays send. `WrongType` with the shape in its text for another rank.
//
// The caller sees to this:
// As for `linkspan_message_get_type`; `dims` has room for `rank` lengths.
linkspan_status linkspan_message_get_shape(const struct linkspan_message *message,
                                           const char *path,
                                           size_t rank,
                                           uint64_t *dims);

// Copies the N-d array at a path into memory of the program, `to->data`, which has the type, the order and the shape
// that `to` says: the element at (i, j, …) stays at (i, j, …), and types are widened as by `linkspan_array_copy`. A
// list of single numbers fills an array of one dimension, a list of lists of one length an array of two, and a single
// number an array of none. `OutOfRange` for a number that does not fit. `WrongType` with both shapes in its text
// if they differ. `to->data` is partly written if the call fails.
//
// The caller sees to this:
// As for `linkspan_message_get_type`; `to->data` has room for the elements.
linkspan_status linkspan_message_get_array_into(const struct linkspan_message *message,
                                                const char *path,
                                                const struct linkspan_array *to);

// Gets a view of the N-d array at a path, which must have this type, this order and `rank` dimensions; else
// `WrongType`, and `linkspan_message_get_array_into` copies it. An array that is the same in both orders has either.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_array_view(const struct linkspan_message *message,
                                                const char *path,
                                                linkspan_dtype dtype,
                                                linkspan_order order,
                                                size_t rank,
                                                struct linkspan_array *array);

// Listens at an endpoint; `AddressInUse` if another program does. `options` may be NULL.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `listener` may be written.
linkspan_status linkspan_listener_listen(const char *endpoint,
                                         const struct linkspan_options *options,
                                         struct linkspan_listener **listener);

// Accepts one peer.
//
// The caller sees to this:
// `listener` is live, `channel` may be written.
linkspan_status linkspan_listener_accept(const struct linkspan_listener *listener,
                                         int64_t timeout,
                                         struct linkspan_channel **channel);

// Gets a file descriptor for event loops: readable while `linkspan_listener_accept` would not wait. The listener owns
// it: do not close it.
//
// The caller sees to this:
// `listener` is live, `fd` may be written.
linkspan_status linkspan_listener_fileno(const struct linkspan_listener *listener,
                                         int *fd);

// Gets the events of the listener since the last call: an array of maps with `kind` (`connected`, `disconnected`,
// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
//
// The caller sees to this:
// `listener` is live, `events` may be written.
linkspan_status linkspan_listener_events(const struct linkspan_listener *listener,
                                         struct linkspan_message **events);

// Gets the counters of the listener as a map, which the caller releases.
//
// The caller sees to this:
// `listener` is live, `stats` may be written.
linkspan_status linkspan_listener_stats(const struct linkspan_listener *listener,
                                        struct linkspan_message **stats);

// Closes the listener; waits of other threads end. Channels that it accepted stay. It still has to be freed.
//
// The caller sees to this:
// `listener` is live.
linkspan_status linkspan_listener_close(const struct linkspan_listener *listener);

// Closes the listener and frees it. NULL is allowed; a second call for the same listener, and any other use of it, is
// `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `listener` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_listener_free(struct linkspan_listener *listener);

// Lends memory for an array of `rank` dimensions. The program writes it through `array->data` (not const,
// although the type is) and puts it into a message with `linkspan_message_put_loan`: over `shm:` the peer
// views it in place, without a copy. The elements are not initialized. If no memory can be lent (another
// transport, less than 64 KiB, no connection yet, all slots in use) it is ordinary memory, which is copied
// when it is sent: the program is the same.
//
// The order is `LINKSPAN_ROW`; a program that writes the array column by column sets `array->order` before
// it puts it. A loan lives until it is put or freed by `linkspan_loan_free`, even if the channel is closed
// before. `TooLarge` above 15 dimensions, or above the longest message; `OutOfMemory`.
//
// The caller sees to this:
// `channel` is live, `dims` points to `rank` lengths or `rank` is zero, `array` may be written.
linkspan_status linkspan_channel_loan(const struct linkspan_channel *channel,
                                      linkspan_dtype dtype,
                                      size_t rank,
                                      const uint64_t *dims,
                                      struct linkspan_array *array);

// Lends memory for an array of the reply to this request, as `linkspan_channel_loan` does for a message: the
// client views it in place. `InvalidState` for a message that is no server's request.
//
// The caller sees to this:
// As for `linkspan_channel_loan`; `request` is a live message.
linkspan_status linkspan_request_loan(const struct linkspan_message *request,
                                      linkspan_dtype dtype,
                                      size_t rank,
                                      const uint64_t *dims,
                                      struct linkspan_array *array);

// Lends memory for an array to publish, as `linkspan_channel_loan` does: over `shm:` all subscribers view it
// in place.
//
// The caller sees to this:
// As for `linkspan_channel_loan`; `publisher` is live.
linkspan_status linkspan_publisher_loan(const struct linkspan_publisher *publisher,
                                        linkspan_dtype dtype,
                                        size_t rank,
                                        const uint64_t *dims,
                                        struct linkspan_array *array);

// Moves a loan into a message: nothing is copied, `array->data` becomes NULL, and the program must not write
// the memory any more. `array->data` identifies the loan, `array->order` is the order in which the program
// wrote it; its type and shape are those with which it was lent. Any message can take it; sent over another
// channel than the lender's, it is copied. `InvalidState` for an array that is no loan, or is one no longer.
// After an error the program still has the loan.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `array` points to an array, which may be written.
linkspan_status linkspan_message_put_loan(struct linkspan_message *message,
                                          const char *key,
                                          struct linkspan_array *array);

// Frees a loan that has not been put into a message; `array->data` becomes NULL. NULL, and an array whose
// `data` is NULL, are allowed. `InvalidState` for an array that is no loan, or is one no longer.
//
// The caller sees to this:
// `array` is NULL or points to an array, which may be written.
linkspan_status linkspan_loan_free(struct linkspan_array *array);

// Frees the elements of an array that a struct of generated code owns, and makes it the empty array: they are a loan,
// or came from `malloc`. `array` may be NULL.
//
// The caller sees to this:
// `array` is NULL or points to an array, which may be written, and no code uses its elements any more.
linkspan_status linkspan_array_free(struct linkspan_array *array);

// Lends memory for `length` opaque bytes, such as a frame of a camera. The program writes them through `*bytes` and
// puts them into a message with `linkspan_message_put_loan_bytes`: over `shm:`, with the encodings `cbor` and `raw`,
// nothing of them is copied to send them. They are not initialized. If no memory can be lent (another transport or
// encoding, less than 64 KiB, no connection yet, all slots in use) it is ordinary memory, which is copied when it is
// sent: the program is the same. A message sends one such loan in place, with at most 4 KiB of other values before and
// behind it.
//
// A loan lives until it is put or freed by `linkspan_loan_bytes_free`, even if the channel is closed before.
// `TooLarge` above the longest message; `OutOfMemory`.
//
// The caller sees to this:
// `channel` is live, `bytes` may be written.
linkspan_status linkspan_channel_loan_bytes(const struct linkspan_channel *channel,
                                            size_t length,
                                            uint8_t **bytes);

// Lends memory for bytes of the reply to this request, as `linkspan_channel_loan_bytes` does for a message.
// `InvalidState` for a message that is no server's request.
//
// The caller sees to this:
// As for `linkspan_channel_loan_bytes`; `request` is a live message.
linkspan_status linkspan_request_loan_bytes(const struct linkspan_message *request,
                                            size_t length,
                                            uint8_t **bytes);

// Lends memory for bytes to publish, as `linkspan_channel_loan_bytes` does.
//
// The caller sees to this:
// As for `linkspan_channel_loan_bytes`; `publisher` is live.
linkspan_status linkspan_publisher_loan_bytes(const struct linkspan_publisher *publisher,
                                              size_t length,
                                              uint8_t **bytes);

// Moves the first `length` bytes of a loan into a message, as bytes: nothing is copied, `*bytes` becomes NULL, and the
// program must not write the memory any more. Any message can take it; sent over another channel than the lender's, it
// is copied. `InvalidState` for what is no loan of bytes, or is one no longer, and for more bytes than it has. After
// an error the program still has the loan.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `bytes` points to a pointer, which may be written.
linkspan_status linkspan_message_put_loan_bytes(struct linkspan_message *message,
                                                const char *key,
                                                uint8_t **bytes,
                                                size_t length);

// Frees a loan of bytes that has not been put into a message; `*bytes` becomes NULL. NULL, and a pointer to NULL, are
// allowed. `InvalidState` for what is no loan of bytes, or is one no longer.
//
// The caller sees to this:
// `bytes` is NULL or points to a pointer, which may be written.
linkspan_status linkspan_loan_bytes_free(uint8_t **bytes);

// Creates an empty message, whose value is null until something is put into it. Release it with
// `linkspan_message_release`.
//
// The caller sees to this:
// `message` may be written.
linkspan_status linkspan_message_new(struct linkspan_message **message);

// Adds a reference, which needs its own `linkspan_message_release`.
//
// The caller sees to this:
// `message` is a live message.
linkspan_status linkspan_message_retain(struct linkspan_message *message);

// Removes a reference; the last one frees the message and ends all views into it. NULL is allowed.
//
// A request that was neither replied to nor failed is answered `Remote` by its last release.
//
// A release without a reference left, and any other use of such a message, returns `InvalidState` as long as
// no more than 64 other messages have been released since. After that the pointer is invalid like any freed
// pointer.
//
// The caller sees to this:
// `message` is NULL or a message of this library, one of whose references belongs to the caller.
linkspan_status linkspan_message_release(struct linkspan_message *message);

// Clears the message, to build another value in it. A received message becomes an empty one of the program's
// own.
//
// The caller sees to this:
// `message` is a live message.
linkspan_status linkspan_message_clear(struct linkspan_message *message);

// Gets the origin of a message; `InvalidState` for one that was built or decoded here.
//
// The caller sees to this:
// `message` is a live message, `info` points to a `linkspan_message_info` whose `size` is set.
linkspan_status linkspan_message_get_info(const struct linkspan_message *message,
                                          struct linkspan_message_info *info);

// Checks that code which was generated from the schema with this fingerprint, 64 hexadecimal digits, may decode a
// message: `SchemaMismatch` if its sender gave another schema when the two sides connected, unless this side was
// opened with this one, so that both were compared. A message that was built or decoded here has no sender. Generated
// code calls it in `NAME_decode`.
//
// The caller sees to this:
// `message` is a live message, `fingerprint` a NUL-terminated text.
linkspan_status linkspan_message_check_fingerprint(const struct linkspan_message *message,
                                                   const char *fingerprint);

// Gets the encoded value as it was received: a view. `InvalidState` for a message that was built or decoded
// here. If long arrays of the value lie in shared memory of the sender, the first call copies everything
// into one block, which the message keeps.
//
// The caller sees to this:
// `message` is a live message, the results may be written.
linkspan_status linkspan_message_get_body(const struct linkspan_message *message,
                                          const uint8_t **body,
                                          size_t *length);

// Publishes at an endpoint; `AddressInUse` if another program does. `options` may be NULL.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `publisher` may be written.
linkspan_status linkspan_publisher_new(const char *endpoint,
                                       const struct linkspan_options *options,
                                       struct linkspan_publisher **publisher);

// Waits until this many subscribers are connected, so that they miss none of the following messages.
// `Timeout` if fewer connected; `InvalidState` where another thread closes the publisher meanwhile; `Unsupported` for
// a `file:` or a `journal:`, which store what is published.
//
// The caller sees to this:
// `publisher` is live.
linkspan_status linkspan_publisher_wait_for_subscribers(const struct linkspan_publisher *publisher,
                                                        size_t count,
                                                        int64_t timeout);

// Publishes a message without waiting for subscribers. `sequence`, which may be NULL, gets the number of the
// message. A send that fails leaves the message unchanged.
//
// The caller sees to this:
// `publisher` and `message` are live, `sequence` is NULL or may be written.
linkspan_status linkspan_publisher_send(const struct linkspan_publisher *publisher,
                                        const struct linkspan_message *message,
                                        uint64_t *sequence);

// Publishes several messages in order, with one wake-up or one system call per subscriber for up to 64 short
// ones. `sent` is as for `linkspan_channel_send_many`.
//
// The caller sees to this:
// `publisher` is live, `messages` points to `count` live messages or `count` is zero, `sent` is NULL or may be
// written.
linkspan_status linkspan_publisher_send_many(const struct linkspan_publisher *publisher,
                                             const struct linkspan_message *const *messages,
                                             size_t count,
                                             size_t *sent);

// Gets the events of the publisher since the last call: an array of maps with `kind` (`connected`, `disconnected`,
// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
//
// The caller sees to this:
// `publisher` is live, `events` may be written.
linkspan_status linkspan_publisher_events(const struct linkspan_publisher *publisher,
                                          struct linkspan_message **events);

// Gets the counters of the publisher as a map, which the caller releases; `subscribers` is their current
// number.
//
// The caller sees to this:
// `publisher` is live, `stats` may be written.
linkspan_status linkspan_publisher_stats(const struct linkspan_publisher *publisher,
                                         struct linkspan_message **stats);

// Waits until every connected subscriber has been given what was published before: over `shm:` it has read it, over
// `unix:` and `tcp:` the kernel has taken it. A `journal:` and a `file:` have it once the send has returned. `Timeout`
// has the number of messages that are left for the slowest (`linkspan_last_error`); the publisher stays open. Where
// another thread closes it meanwhile, it is `InvalidState` with that number.
//
// The caller sees to this:
// `publisher` is live.
linkspan_status linkspan_publisher_flush(const struct linkspan_publisher *publisher,
                                         int64_t timeout);

// Closes the publisher once its subscribers have received their pending messages, within the time-out. The
// newest value is lost with it. It still has to be freed.
//
// The caller sees to this:
// `publisher` is live.
linkspan_status linkspan_publisher_close(const struct linkspan_publisher *publisher, int64_t timeout);

// Closes the publisher and frees it. NULL is allowed; a second call for the same publisher, and any other use of it,
// is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `publisher` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_publisher_free(struct linkspan_publisher *publisher);

// Puts null. Every `_put_` and `_begin_` function puts one value: under `key` in a map (an existing key gets
// the new value), at the end with `key` NULL in an array, and with `key` NULL as the message's whole value
// in an empty message. The first key that is put into an empty message makes its value a map.
//
// The caller sees to this:
// `message` is a live message, `key` is NULL or NUL-terminated.
linkspan_status linkspan_message_put_null(struct linkspan_message *message, const char *key);

// Puts a boolean.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_put_bool(struct linkspan_message *message, const char *key, bool value);

// Puts an integer.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_put_i64(struct linkspan_message *message, const char *key, int64_t value);

// Puts an unsigned integer.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_put_u64(struct linkspan_message *message, const char *key, uint64_t value);

// Puts an integer of any size up to 1 KiB: its sign and its absolute value, most significant byte first.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `magnitude` points to `length` bytes.
linkspan_status linkspan_message_put_big_int(struct linkspan_message *message,
                                             const char *key,
                                             bool negative,
                                             const uint8_t *magnitude,
                                             size_t length);

// Puts a float. 7.0 stays a float: it never becomes the integer 7.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_put_f64(struct linkspan_message *message, const char *key, double value);

// Puts text of `length` bytes, copied; `Malformed` if it is not UTF-8. `LINKSPAN_ZSTR(text)` expands to
// pointer and length of a NUL-terminated text.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `text` points to `length` bytes.
linkspan_status linkspan_message_put_text(struct linkspan_message *message,
                                          const char *key,
                                          const char *text,
                                          size_t length);

// Puts bytes, copied.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `bytes` points to `length` bytes.
linkspan_status linkspan_message_put_bytes(struct linkspan_message *message,
                                           const char *key,
                                           const uint8_t *bytes,
                                           size_t length);

// Puts a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_put_timestamp(struct linkspan_message *message,
                                               const char *key,
                                               int64_t nanoseconds);

// Puts a UUID: 16 bytes, most significant first.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `uuid` points to 16 bytes.
linkspan_status linkspan_message_put_uuid(struct linkspan_message *message,
                                          const char *key,
                                          const uint8_t *uuid);

// Puts an exact decimal number, written like `1.10`, `-2E+3`, `NaN`.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `text` points to `length` bytes.
linkspan_status linkspan_message_put_decimal(struct linkspan_message *message,
                                             const char *key,
                                             const char *text,
                                             size_t length);

// Puts an N-d array, copied: `dtype`, `order`, `rank`, `dims` and `data` describe it, `length` is ignored.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `array->data` points to as many elements as `array->dims` say.
linkspan_status linkspan_message_put_array(struct linkspan_message *message,
                                           const char *key,
                                           const struct linkspan_array *array);

// Puts the whole value of another message, copied.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `value` is a live message.
linkspan_status linkspan_message_put_message(struct linkspan_message *message,
                                             const char *key,
                                             const struct linkspan_message *value);

// Begins a map: the following values are put into it, until `linkspan_message_end`.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_begin_map(struct linkspan_message *message, const char *key);

// Begins an array of values: the following values are put into it with `key` NULL, until
// `linkspan_message_end`.
//
// The caller sees to this:
// As for `linkspan_message_put_null`.
linkspan_status linkspan_message_begin_array(struct linkspan_message *message, const char *key);

// Ends the innermost open map or array. The map that the first key created needs no end.
//
// The caller sees to this:
// `message` is a live message.
linkspan_status linkspan_message_end(struct linkspan_message *message);

// Gets the type of the value at a path: keys and positions from zero, joined by `/` (`rows/0/name`); in a key `~1` is
// a `/` and `~0` a `~`, and `""` is the whole value. Every `_get_` function returns `Missing` if the path has no
// value, `WrongType` if the value has another type, and leaves zero or NULL in its results when it fails.
//
// The caller sees to this:
// `message` is a live message, `path` is NUL-terminated, the results may be written.
linkspan_status linkspan_message_get_type(const struct linkspan_message *message,
                                          const char *path,
                                          linkspan_type *type);

// Gets the number of values in the array or map at a path, of elements in the N-d array, of bytes in the
// text or bytes; 1 for any other value.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_count(const struct linkspan_message *message,
                                       const char *path,
                                       size_t *count);

// Gets the key at a position, counted from zero, of the map at a path: a view, not NUL-terminated.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_key(const struct linkspan_message *message,
                                         const char *path,
                                         size_t position,
                                         const char **key,
                                         size_t *length);

// Reads a boolean.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_bool(const struct linkspan_message *message,
                                          const char *path,
                                          bool *value);

// Reads an integer; `OutOfRange` if it does not fit.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_i64(const struct linkspan_message *message,
                                         const char *path,
                                         int64_t *value);

// Reads an unsigned integer; `OutOfRange` if it does not fit.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_u64(const struct linkspan_message *message,
                                         const char *path,
                                         uint64_t *value);

// Reads an integer beyond 64 bits: its sign and a view of its absolute value, most significant byte first.
// `WrongType` for smaller ones, which `_get_i64` and `_get_u64` read.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_big_int(const struct linkspan_message *message,
                                             const char *path,
                                             bool *negative,
                                             const uint8_t **magnitude,
                                             size_t *length);

// Reads a number: a float, or an integer that a `double` holds exactly, else `OutOfRange`.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_f64(const struct linkspan_message *message,
                                         const char *path,
                                         double *value);

// Reads text: a view of `length` bytes of UTF-8, not NUL-terminated.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_text(const struct linkspan_message *message,
                                          const char *path,
                                          const char **text,
                                          size_t *length);

// Reads bytes: a view.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_bytes(const struct linkspan_message *message,
                                           const char *path,
                                           const uint8_t **bytes,
                                           size_t *length);

// Reads a timestamp: nanoseconds since 1970-01-01T00:00:00Z.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_timestamp(const struct linkspan_message *message,
                                               const char *path,
                                               int64_t *nanoseconds);

// Reads a UUID into 16 bytes, most significant first.
//
// The caller sees to this:
// As for `linkspan_message_get_type`; `uuid` has room for 16 bytes.
linkspan_status linkspan_message_get_uuid(const struct linkspan_message *message,
                                          const char *path,
                                          uint8_t *uuid);

// Reads an exact decimal number: a view of its text, not NUL-terminated.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_decimal(const struct linkspan_message *message,
                                             const char *path,
                                             const char **text,
                                             size_t *length);

// Reads an N-d array: a view.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_array(const struct linkspan_message *message,
                                           const char *path,
                                           struct linkspan_array *array);

// Copies the value at a path into a new message, which the caller releases.
//
// The caller sees to this:
// As for `linkspan_message_get_type`.
linkspan_status linkspan_message_get_message(const struct linkspan_message *message,
                                             const char *path,
                                             struct linkspan_message **value);

// Reads a table after `fill` has completed it, once and in one thread: for languages that build their tables
// at run time. A table that was read before is not changed.
//
// The caller sees to this:
// `record` is a table once `fill` has returned; `fill` is not NULL, may be called, and calls nothing of this library.
linkspan_status linkspan_record_prepare(struct linkspan_record *record,
                                        void (*fill)(void));

// Sets every field of a struct to its default or to zero, and ignores the old content.
//
// The caller sees to this:
// `record` is a table, `to` may be written up to the size in the table.
linkspan_status linkspan_record_init(struct linkspan_record *record, void *to);

// Frees the memory that a struct owns and sets the struct to zero.
//
// The caller sees to this:
// `record` is a table, `to` is NULL or points to a struct of it that was initialized.
linkspan_status linkspan_record_free(struct linkspan_record *record, void *to);

// Makes a struct the value of `message`, instead of its previous one. The message is sent, published or
// used as a reply like any other; it accepts no puts until `linkspan_message_clear`.
//
// Arrays that are loans are moved into the message as `linkspan_message_put_loan` moves them: nothing is copied, and
// their `data` is NULL then, so that the struct is not put again (`InvalidState`) until each has a loan or memory of
// its own.
//
// The caller sees to this:
// `record` is a table, `from` points to a struct of it, `message` is live.
linkspan_status linkspan_record_put(struct linkspan_record *record,
                                    const void *from,
                                    struct linkspan_message *message);

// Encodes a struct. Free the bytes with `linkspan_free`.
//
// The caller sees to this:
// `record` is a table, `from` points to a struct of it, the results may be written.
linkspan_status linkspan_record_encode(struct linkspan_record *record,
                                       const void *from,
                                       linkspan_encoding encoding,
                                       uint8_t **bytes,
                                       size_t *length);

// Decodes bytes into a struct, as `linkspan_message_get_record` does. The bytes may be freed at once.
//
// The caller sees to this:
// `record` is a table, `to` points to a struct of it that was initialized, `bytes` points to `length` bytes.
linkspan_status linkspan_record_decode(struct linkspan_record *record,
                                       void *to,
                                       const uint8_t *bytes,
                                       size_t length,
                                       linkspan_encoding encoding);

// Puts a struct as one value of a message that is being built, as `linkspan_message_put_null` puts null: under `key`
// in a map, with `key` NULL in an array, or as the whole value of an empty message. Arrays of it that are loans are
// copied.
//
// The caller sees to this:
// As for `linkspan_message_put_null`; `record` is a table, `from` points to a struct of it.
linkspan_status linkspan_message_put_record(struct linkspan_message *message,
                                            const char *key,
                                            struct linkspan_record *record,
                                            const void *from);

// Reads the value at a path of a message into a struct; `""` is the whole value. The old content of the struct is
// freed; after an error the struct has a part of the value.
//
// The caller sees to this:
// `message` is live, `path` NUL-terminated, `record` a table, `to` points to a struct of it that was initialized.
linkspan_status linkspan_message_get_record(const struct linkspan_message *message,
                                            const char *path,
                                            struct linkspan_record *record,
                                            void *to);

// Opens `posix:/name` (the `/name` of `shm_open`), `sysv:0x1234` (the key of `shmget`, decimal or
// hexadecimal), or a path: `path:/dev/shm/x`, or `/dev/shm/x` alone. `NotFound` if there is no such memory,
// `PermissionDenied` if it may not be read, `InvalidEndpoint` for any other text.
//
// The caller sees to this:
// `source` is NUL-terminated, `region` may be written.
linkspan_status linkspan_region_open(const char *source, struct linkspan_region **region);

// Gets the current length in bytes: a file may have become longer or shorter.
//
// The caller sees to this:
// `region` is live, `length` may be written.
linkspan_status linkspan_region_length(const struct linkspan_region *region, uint64_t *length);

// Copies bytes at an offset into the caller's memory; `OutOfRange` if the region does not have all of them,
// and then nothing is written.
//
// The caller sees to this:
// `region` is live, `bytes` points to `length` bytes that may be written.
linkspan_status linkspan_region_bytes(const struct linkspan_region *region,
                                      uint64_t offset,
                                      void *bytes,
                                      size_t length);

// Gets the text at an offset, up to the first NUL or the end of the memory; not NUL-terminated. Free it with
// `linkspan_free`. `Malformed` if it is not UTF-8: use `linkspan_region_bytes` then.
//
// The caller sees to this:
// `region` is live, the results may be written.
linkspan_status linkspan_region_text(const struct linkspan_region *region,
                                     uint64_t offset,
                                     char **text,
                                     size_t *length);

// Reads the struct at an offset as a map in the order of its fields, which the caller releases. `layout`
// describes the struct: `"u32 count; f64 celsius; char name[16]; i16 raw[8] @64"`, aligned as in C; a prefix
// `packed`, `big` or `little` changes that; `pad[12]` skips bytes.
//
// `counter` is NULL, or the name of an integer field that the owner makes odd before it writes and even
// afterwards: then all fields are of one write, or the call fails with `Stalled`.
//
// The caller sees to this:
// `region` is live, `layout` NUL-terminated, `counter` NULL or NUL-terminated, `value` may be written.
linkspan_status linkspan_region_read(const struct linkspan_region *region,
                                     const char *layout,
                                     uint64_t offset,
                                     const char *counter,
                                     struct linkspan_message **value);

// Detaches the memory and frees the region. NULL is allowed; a second call for the same region, and any other use of
// it, is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `region` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_region_free(struct linkspan_region *region);

// Replies to a request. A request is answered once; a second answer is `InvalidState`.
//
// The caller sees to this:
// `request` and `reply` are live messages.
linkspan_status linkspan_request_reply(const struct linkspan_message *request,
                                       const struct linkspan_message *reply);

// Answers a request with an error: a code of the handler's own or of JSON-RPC 2.0, a dotted type such as
// `spectrum.window_too_long`, a text for a human reader, and a value for the program, which may be NULL.
//
// The caller sees to this:
// `request` is a live message, `type` and `text` are NULL or NUL-terminated, `data` is NULL or a live message.
linkspan_status linkspan_request_fail(const struct linkspan_message *request,
                                      int64_t code,
                                      const char *type,
                                      const char *text,
                                      const struct linkspan_message *data);

// With the option `ack` `"manual"`: acknowledges a request, and what its sender sent before it, before it is
// answered; an answer acknowledges it as well. `InvalidState` for a message that is no server's request, and without
// that option.
//
// The caller sees to this:
// `request` is a live message.
linkspan_status linkspan_request_ack(const struct linkspan_message *request);

// Serves at an endpoint; `AddressInUse` if another program does. `options` may be NULL.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `server` may be written.
linkspan_status linkspan_server_serve(const char *endpoint,
                                      const struct linkspan_options *options,
                                      struct linkspan_server **server);

// Gets the next request, to be answered with `linkspan_request_reply` or `linkspan_request_fail`; the caller
// releases it. `LINKSPAN_DEFAULT` waits for ever here. If another thread closes the server, the call
// succeeds and `request` gets NULL.
//
// A wait without a deadline (`LINKSPAN_DEFAULT`, `LINKSPAN_FOREVER`) ends the same way at SIGINT or SIGTERM.
// From the first such call until the server is closed or freed, the library handles these signals: the first
// signal ends the loop, the second one the program. A signal that the program handles or ignores when the
// loop begins is left unchanged; that is how to opt out. The previous handlers are restored with the last
// such object. A call with a time-out sets no handler.
//
// The caller sees to this:
// `server` is live, `request` may be written.
linkspan_status linkspan_server_next(const struct linkspan_server *server,
                                     int64_t timeout,
                                     struct linkspan_message **request);

// Gets a file descriptor for event loops: readable while `linkspan_server_next` would not wait. The server owns it: do
// not close it.
//
// The caller sees to this:
// `server` is live, `fd` may be written.
linkspan_status linkspan_server_fileno(const struct linkspan_server *server,
                                       int *fd);

// Gets the events of the server since the last call: an array of maps with `kind` (`connected`, `disconnected`,
// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
//
// The caller sees to this:
// `server` is live, `events` may be written.
linkspan_status linkspan_server_events(const struct linkspan_server *server,
                                       struct linkspan_message **events);

// Gets the counters of the server as a map, which the caller releases.
//
// The caller sees to this:
// `server` is live, `stats` may be written.
linkspan_status linkspan_server_stats(const struct linkspan_server *server, struct linkspan_message **stats);

// Closes the server once its replies have been consumed, within the time-out; waits of other threads end. It
// still has to be freed.
//
// The caller sees to this:
// `server` is live.
linkspan_status linkspan_server_close(const struct linkspan_server *server, int64_t timeout);

// Closes the server and frees it. NULL is allowed; a second call for the same server, and any other use of it, is
// `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `server` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_server_free(struct linkspan_server *server);

// Starts a service with this name: STARTING. It connects to its controller in the background and retries; no
// call waits for a controller. `options` may be NULL.
//
// The caller sees to this:
// `name` is NUL-terminated, `options` NULL or valid, `service` may be written.
linkspan_status linkspan_service_start(const char *name,
                                       const struct linkspan_service_options *options,
                                       struct linkspan_service **service);

// Gets the next task, to be answered with `linkspan_service_task_done` or `linkspan_service_task_failed`
// before the next call. `LINKSPAN_DEFAULT` waits for ever here. With the first call the service is READY,
// and then RUNNING unless `paused` is set. At the end the call succeeds with the command
// `LINKSPAN_COMMAND_END`, and the controller has been informed. A call that fails leaves `task` unchanged:
// `Timeout` if there was no task in time, `InvalidState` while a task is open.
//
// The caller sees to this:
// `service` is live, `task` points to a `linkspan_task` whose `size` is set.
linkspan_status linkspan_service_next(const struct linkspan_service *service,
                                      int64_t timeout,
                                      struct linkspan_task *task);

// Answers a task: it is done. The sender of the command gets `value`, which may be NULL. `InvalidState` for
// a task that was answered before.
//
// The caller sees to this:
// `service` is live, `task` points to a task from `linkspan_service_next`, `value` is NULL or a live
// message.
linkspan_status linkspan_service_task_done(const struct linkspan_service *service,
                                           const struct linkspan_task *task,
                                           const struct linkspan_message *value);

// Answers a task: it failed, with a status and a text; NULL for the text of this thread's last error.
// `LINKSPAN_REMOTE` is for failures that are not errors of Linkspan. The state is then as before the
// command.
//
// The caller sees to this:
// As for `linkspan_service_task_done`; `text` is NULL or NUL-terminated.
linkspan_status linkspan_service_task_failed(const struct linkspan_service *service,
                                             const struct linkspan_task *task,
                                             linkspan_status status,
                                             const char *text);

// Puts the service into the state FAILED until RUN tries again or SHUTDOWN ends it. A status and a text give
// the reason, as for `linkspan_service_task_failed`; an open task is still to be answered.
//
// The caller sees to this:
// `service` is live, `text` is NULL or NUL-terminated.
linkspan_status linkspan_service_set_failed(const struct linkspan_service *service,
                                            linkspan_status status,
                                            const char *text);

// Sets the reason in the record of a service that has a problem but continues; NULL or `""` removes it.
//
// The caller sees to this:
// `service` is live, `text` is NULL or NUL-terminated.
linkspan_status linkspan_service_set_reason(const struct linkspan_service *service, const char *text);

// Adds a line to the service's log, with the level `"debug"`, `"info"`, `"warning"` or `"error"`, NULL for
// `"info"`; `OutOfRange` for any other. Any thread may call it.
//
// The caller sees to this:
// `service` is live, `text` is NUL-terminated, `level` is NULL or NUL-terminated.
linkspan_status linkspan_service_log(const struct linkspan_service *service,
                                     const char *text,
                                     const char *level);

// Acts like a stop signal: the first call is SHUTDOWN, the second one cancels the work in progress. Any
// thread may call it.
//
// The caller sees to this:
// `service` is live.
linkspan_status linkspan_service_shutdown(const struct linkspan_service *service);

// Gets the state of the service. Any thread may call it.
//
// The caller sees to this:
// `service` is live, `info` points to a `linkspan_service_info` whose `size` is set.
linkspan_status linkspan_service_get_info(const struct linkspan_service *service,
                                          struct linkspan_service_info *info);

// Gets a file descriptor for event loops: readable while `linkspan_service_next` may have a task. It stays the
// service's: do not close it.
//
// The caller sees to this:
// `service` is live, `fd` may be written.
linkspan_status linkspan_service_fileno(const struct linkspan_service *service,
                                        int *fd);

// Gets the counters of the service as a map, which the caller releases.
//
// The caller sees to this:
// `service` is live, `stats` may be written.
linkspan_status linkspan_service_stats(const struct linkspan_service *service,
                                       struct linkspan_message **stats);

// Disconnects from the controller with the current state of the service, within the time-out; waits of other
// threads end. It still has to be freed.
//
// The caller sees to this:
// `service` is live.
linkspan_status linkspan_service_close(const struct linkspan_service *service, int64_t timeout);

// Closes the service and frees it. NULL is allowed; a second call for the same service, and any other use of it, is
// `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `service` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_service_free(struct linkspan_service *service);

// The version of the library that is running: `"0.1.0"`. Lives as long as the program.
const char *linkspan_version(void);

// The name of a status, the same in every language: `"Timeout"`; `"Ok"` for zero, `"Unknown"` for a number
// that is no status. Lives as long as the program.
const char *linkspan_status_name(linkspan_status status);

// The system clock's time: nanoseconds since 1970-01-01T00:00:00Z.
int64_t linkspan_timestamp_now(void);

// Subscribes at an endpoint without waiting: the publisher may start later, and restart. `options` may be
// NULL.
//
// The caller sees to this:
// `endpoint` is NUL-terminated, `options` NULL or valid, `subscriber` may be written.
linkspan_status linkspan_subscriber_new(const char *endpoint,
                                        const struct linkspan_options *options,
                                        struct linkspan_subscriber **subscriber);

// The same to several names and patterns (`lab/*`): names that appear later join, and messages, losses and errors have
// their names (`linkspan_message_info`). `names` has `count` of them; at least one. A pattern alone may be given to
// `linkspan_subscriber_new` as well.
//
// The caller sees to this:
// `names` points to `count` texts, each NUL-terminated, `options` is NULL or valid, `subscriber` may be written.
linkspan_status linkspan_subscriber_of(const char *const *names,
                                       size_t count,
                                       const struct linkspan_options *options,
                                       struct linkspan_subscriber **subscriber);

// Receives a message, which the caller releases. `Lagged` once if messages were missed; the next call
// continues. `NotFound` if no publisher was found within the time-out.
//
// The caller sees to this:
// `subscriber` is live, `message` may be written.
linkspan_status linkspan_subscriber_recv(const struct linkspan_subscriber *subscriber,
                                         int64_t timeout,
                                         struct linkspan_message **message);

// Receives a message without waiting; `Empty` if none is there.
//
// The caller sees to this:
// As for `linkspan_subscriber_recv`.
linkspan_status linkspan_subscriber_try_recv(const struct linkspan_subscriber *subscriber,
                                             struct linkspan_message **message);

// Waits for a message and also takes those that have arrived behind it: at most `max` in all, for which
// there is room at `messages`. `count` gets their number; the caller releases each. An error behind the
// first message is returned by the next call. All of them count as consumed with the next call that
// receives.
//
// The caller sees to this:
// `subscriber` is live, `messages` has room for `max` pointers, `count` may be written.
linkspan_status linkspan_subscriber_recv_many(const struct linkspan_subscriber *subscriber,
                                              size_t max,
                                              int64_t timeout,
                                              struct linkspan_message **messages,
                                              size_t *count);

// Reports whether a message is available, without waiting and without taking it.
//
// The caller sees to this:
// `subscriber` is live, `there` may be written.
linkspan_status linkspan_subscriber_poll(const struct linkspan_subscriber *subscriber, bool *there);

// With the option `ack` `"manual"`: acknowledges all messages that were received. Those that are not
// acknowledged when this program ends are sent to its next incarnation.
//
// The caller sees to this:
// `subscriber` is live.
linkspan_status linkspan_subscriber_ack(const struct linkspan_subscriber *subscriber);

// Gets the next message of a loop, which the caller releases. `LINKSPAN_DEFAULT` waits for ever here. If
// another thread closes the subscriber, the call succeeds and `message` gets NULL. Missed messages are not
// an error here: `missed` of `linkspan_message_get_info` is their number directly before this one.
//
// A wait without a deadline (`LINKSPAN_DEFAULT`, `LINKSPAN_FOREVER`) ends the same way at SIGINT or SIGTERM.
// From the first such call until the subscriber is closed or freed, the library handles these signals: the
// first signal ends the loop, the second one the program. A signal that the program handles or ignores when
// the loop begins is left unchanged; that is how to opt out. The previous handlers are restored with the
// last such object. A call with a time-out sets no handler.
//
// The caller sees to this:
// `subscriber` is live, `message` may be written.
linkspan_status linkspan_subscriber_next(const struct linkspan_subscriber *subscriber,
                                         int64_t timeout,
                                         struct linkspan_message **message);

// Gets a file descriptor for event loops: readable while a receive would not wait. The subscriber owns it: do not
// close it.
//
// The caller sees to this:
// `subscriber` is live, `fd` may be written.
linkspan_status linkspan_subscriber_fileno(const struct linkspan_subscriber *subscriber,
                                           int *fd);

// Gets the events of the subscriber since the last call: an array of maps with `kind` (`connected`, `disconnected`,
// `lagged`, `reconnected`, `forgotten`, `schema_mismatch`), `at`, `missed` and `text`. The caller releases it.
//
// The caller sees to this:
// `subscriber` is live, `events` may be written.
linkspan_status linkspan_subscriber_events(const struct linkspan_subscriber *subscriber,
                                           struct linkspan_message **events);

// Gets the counters of the subscriber as a map, which the caller releases.
//
// The caller sees to this:
// `subscriber` is live, `stats` may be written.
linkspan_status linkspan_subscriber_stats(const struct linkspan_subscriber *subscriber,
                                          struct linkspan_message **stats);

// Closes the subscriber; waits of other threads end. It still has to be freed.
//
// The caller sees to this:
// `subscriber` is live.
linkspan_status linkspan_subscriber_close(const struct linkspan_subscriber *subscriber);

// Closes the subscriber and frees it. NULL is allowed; a second call for the same subscriber, and any other use of it,
// is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `subscriber` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_subscriber_free(struct linkspan_subscriber *subscriber);

// Begins a walk at the value at a path, `""` for the whole. A map or an array precedes the values inside it.
//
// The caller sees to this:
// `message` is a live message, `path` is NUL-terminated, `walk` may be written.
linkspan_status linkspan_walk_new(struct linkspan_message *message,
                                  const char *path,
                                  struct linkspan_walk **walk);

// Gets the next value; `Empty` after the last.
//
// The caller sees to this:
// `walk` is a live walk, `item` points to a `linkspan_item` whose `size` is set.
linkspan_status linkspan_walk_next(struct linkspan_walk *walk, struct linkspan_item *item);

// Ends the walk, releases its message and frees it. NULL is allowed; a second call for the same walk, and
// any other use of it, is `InvalidState`: see `linkspan_channel_free`.
//
// The caller sees to this:
// `walk` is NULL or a handle of this library, and no other call uses it.
linkspan_status linkspan_walk_free(struct linkspan_walk *walk);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LINKSPAN_H */

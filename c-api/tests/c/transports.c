/* One program over every transport: messages, calls, publishing, acknowledgement, and texts of refusals.
 *
 * transports TRANSPORT: two processes exchange a table of mixed types, as records and as columns. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)
#define SOON (60 * SECONDS)
enum { ROWS = 1000, MESSAGES = 20 };

/* The features of each transport, as documented. */
static const struct transport {
    const char *name;
    bool channel, replies, publish, acknowledges, keeps_all;
} TRANSPORTS[] = {
    {"shm", true, true, true, true, false},      {"unix", true, true, true, true, false},
    {"tcp", true, true, true, true, false},      {"fifo", true, true, false, true, false},
    {"spool", true, true, false, true, false},   {"dgram", true, false, false, false, false},
    {"file", false, false, true, false, false},  {"journal", false, false, true, true, true},
};

static struct transport the;

/* An endpoint only for this run: all addresses in 127.0.0.0/8 are local. */
static void place(char *endpoint, size_t size, int number) {
    const unsigned pid = (unsigned)getpid();
    if (strcmp(the.name, "tcp") == 0) {
        snprintf(endpoint, size, "tcp://127.%u.%u.%u:%d", 1 + (pid >> 16 & 127), pid >> 8 & 255, pid & 255, 21000 + number);
    } else {
        snprintf(endpoint, size, "%s:test/c%d", the.name, number);
    }
}

static bool text_is(const linkspan_message *m, const char *path, const char *expected) {
    const char *text;
    size_t length;
    OK(linkspan_message_get_text(m, path, &text, &length));
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

static int64_t integer_of(int row) { return (int64_t)row * 3000000000 - 7; }
static void name_of(int row, char *name, size_t size) { snprintf(name, size, "r\303\266w %d", row); }
static bool flag_of(int row) { return row % 3 == 0; }
static bool is_missing(int row) { return row % 5 == 4; }
static double number_of(int row) { return row / 8.0 - 3.0; }

static linkspan_message *table(void) {
    static int64_t integers[ROWS];
    static bool flags[ROWS];
    char name[32];
    linkspan_message *m;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_begin_array(m, "records"));
    for (int row = 0; row < ROWS; ++row) {
        integers[row] = integer_of(row);
        flags[row] = flag_of(row);
        name_of(row, name, sizeof name);
        OK(linkspan_message_begin_map(m, NULL));
        OK(linkspan_message_put_i64(m, "integer", integer_of(row)));
        OK(linkspan_message_put_text(m, "name", LINKSPAN_ZSTR(name)));
        OK(linkspan_message_put_bool(m, "flag", flag_of(row)));
        if (is_missing(row)) {
            OK(linkspan_message_put_null(m, "number"));
        } else {
            OK(linkspan_message_put_f64(m, "number", number_of(row)));
        }
        OK(linkspan_message_end(m));
    }
    OK(linkspan_message_end(m));
    OK(linkspan_message_begin_map(m, "columns"));
    const linkspan_array integer = {LINKSPAN_I64, LINKSPAN_ROW, 1, {ROWS}, integers, sizeof integers};
    OK(linkspan_message_put_array(m, "integer", &integer));
    OK(linkspan_message_begin_array(m, "name"));
    for (int row = 0; row < ROWS; ++row) {
        name_of(row, name, sizeof name);
        OK(linkspan_message_put_text(m, NULL, LINKSPAN_ZSTR(name)));
    }
    OK(linkspan_message_end(m));
    const linkspan_array flag = {LINKSPAN_BOOL, LINKSPAN_ROW, 1, {ROWS}, flags, sizeof flags};
    OK(linkspan_message_put_array(m, "flag", &flag));
    OK(linkspan_message_begin_array(m, "number"));
    for (int row = 0; row < ROWS; ++row) {
        if (is_missing(row)) {
            OK(linkspan_message_put_null(m, NULL));
        } else {
            OK(linkspan_message_put_f64(m, NULL, number_of(row)));
        }
    }
    OK(linkspan_message_end(m));
    OK(linkspan_message_end(m));
    return m;
}

static void check_number(const linkspan_message *m, const char *path, int row) {
    linkspan_type type;
    double number;
    OK(linkspan_message_get_type(m, path, &type));
    CHECK(type == (is_missing(row) ? LINKSPAN_TYPE_NULL : LINKSPAN_TYPE_FLOAT));
    if (is_missing(row)) return;
    OK(linkspan_message_get_f64(m, path, &number));
    CHECK(number == number_of(row));
}

static void check_table(const linkspan_message *m) {
    char path[64], name[32];
    size_t count;
    int64_t integer;
    bool flag;
    linkspan_array integers, flags;
    OK(linkspan_message_count(m, "records", &count));
    CHECK(count == ROWS);
    OK(linkspan_message_get_array(m, "columns/integer", &integers));
    CHECK(integers.dtype == LINKSPAN_I64 && integers.rank == 1 && integers.dims[0] == ROWS);
    OK(linkspan_message_get_array(m, "columns/flag", &flags));
    CHECK(flags.dtype == LINKSPAN_BOOL && flags.rank == 1 && flags.dims[0] == ROWS);
    OK(linkspan_message_count(m, "columns/name", &count));
    CHECK(count == ROWS);
    for (int row = 0; row < ROWS; ++row) {
        name_of(row, name, sizeof name);
        snprintf(path, sizeof path, "records/%d/integer", row);
        OK(linkspan_message_get_i64(m, path, &integer));
        CHECK(integer == integer_of(row) && ((const int64_t *)integers.data)[row] == integer);
        snprintf(path, sizeof path, "records/%d/name", row);
        CHECK(text_is(m, path, name));
        snprintf(path, sizeof path, "columns/name/%d", row);
        CHECK(text_is(m, path, name));
        snprintf(path, sizeof path, "records/%d/flag", row);
        OK(linkspan_message_get_bool(m, path, &flag));
        CHECK(flag == flag_of(row) && ((const bool *)flags.data)[row] == flag);
        snprintf(path, sizeof path, "records/%d/number", row);
        check_number(m, path, row);
        snprintf(path, sizeof path, "columns/number/%d", row);
        check_number(m, path, row);
    }
}

static linkspan_message *numbered(int64_t n) {
    linkspan_message *m;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", n));
    return m;
}

static int64_t n_of(linkspan_message *m) {
    int64_t n;
    OK(linkspan_message_get_i64(m, "n", &n));
    linkspan_message_release(m);
    return n;
}

/* Checks for Unsupported, with a text that names the transport and an alternative. */
static void refused(linkspan_status status, const char *what) {
    linkspan_error e = LINKSPAN_ERROR_INIT;
    CHECK(status == LINKSPAN_UNSUPPORTED);
    CHECK(linkspan_last_error(&e) == LINKSPAN_UNSUPPORTED);
    CHECK(strstr(e.text, the.name) == e.text && strstr(e.text, what) != NULL && strstr(e.text, "; ") != NULL);
}

static void receive(const char *endpoint) {
    linkspan_listener *listener = NULL;
    linkspan_channel *channel;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    char group[16];
    if (the.acknowledges) options.ack = "manual";
    if (strcmp(the.name, "tcp") != 0) {
        /* By number, as the kernel gives it. */
        snprintf(group, sizeof group, "%u", (unsigned)getgid());
        options.group = group;
        options.mode = 0600;
    }
    if (the.replies) {
        OK(linkspan_listener_listen(endpoint, &options, &listener));
        OK(linkspan_listener_accept(listener, SOON, &channel));
    } else {
        OK(linkspan_channel_open(endpoint, &options, SOON, &channel));
    }
    for (int64_t n = 0; n < MESSAGES; ++n) {
        OK(linkspan_channel_recv(channel, SOON, &m));
        CHECK(n_of(m) == n);
        if (the.acknowledges) OK(linkspan_channel_ack(channel));
    }
    OK(linkspan_channel_recv(channel, SOON, &m));
    check_table(m);
    linkspan_message_release(m);
    if (the.acknowledges) OK(linkspan_channel_ack(channel));
    OK(linkspan_channel_close(channel, SOON));
    linkspan_channel_free(channel);
    linkspan_listener_free(listener);
}

static void send_all(const char *endpoint) {
    linkspan_channel *channel;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.replay_count = 8;
    OK(linkspan_channel_connect(endpoint, &options, SOON, &channel));
    for (int64_t n = 0; n < MESSAGES; ++n) {
        uint64_t sequence;
        m = numbered(n);
        OK(linkspan_channel_send(channel, m, SOON, &sequence));
        CHECK(sequence == (uint64_t)n + 1);
        linkspan_message_release(m);
    }
    m = table();
    OK(linkspan_channel_send(channel, m, SOON, NULL));
    linkspan_message_release(m);
    if (!the.replies) {
        m = numbered(0);
        linkspan_message *reply;
        refused(linkspan_channel_call(channel, m, SOON, &reply), "call");
        linkspan_message_release(m);
    }
    OK(linkspan_channel_close(channel, SOON));
    linkspan_channel_free(channel);
}

static void serve(const char *endpoint) {
    linkspan_server *server;
    linkspan_message *request;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.ack = "manual";
    OK(linkspan_server_serve(endpoint, &options, &server));
    for (int n = 0; n <= MESSAGES; ++n) {
        OK(linkspan_server_next(server, SOON, &request));
        CHECK(request != NULL);
        OK(linkspan_request_ack(request));
        OK(linkspan_request_reply(request, request));
        linkspan_message_release(request);
    }
    OK(linkspan_server_close(server, SOON));
    linkspan_server_free(server);
}

static void call(const char *endpoint) {
    linkspan_channel *channel;
    linkspan_message *m, *reply;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.idempotent = true;
    OK(linkspan_channel_connect(endpoint, &options, SOON, &channel));
    for (int64_t n = 0; n < MESSAGES; ++n) {
        m = numbered(n);
        CHECK(linkspan_request_ack(m) == LINKSPAN_INVALID_STATE);
        OK(linkspan_channel_call(channel, m, SOON, &reply));
        linkspan_message_release(m);
        CHECK(n_of(reply) == n);
    }
    m = table();
    OK(linkspan_channel_call(channel, m, SOON, &reply));
    linkspan_message_release(m);
    check_table(reply);
    linkspan_message_release(reply);
    OK(linkspan_channel_close(channel, SOON));
    linkspan_channel_free(channel);
}

static void subscribe(const char *endpoint, int from, int to) {
    linkspan_subscriber *subscriber;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    char byte;
    CHECK(read(from, &byte, 1) == 1);
    if (the.keeps_all) {
        options.from = "2";
        options.client_id = "reader";
        options.ack = "manual";
    }
    OK(linkspan_subscriber_new(endpoint, &options, &subscriber));
    if (the.keeps_all) {
        OK(linkspan_subscriber_recv(subscriber, SOON, &m));
        CHECK(n_of(m) == 2);
        OK(linkspan_subscriber_ack(subscriber));
    }
    OK(linkspan_subscriber_recv(subscriber, SOON, &m));
    CHECK(n_of(m) == 3);
    if (the.keeps_all) {
        /* Unacknowledged, so the next incarnation of the name receives it again, whatever `from` says. */
        linkspan_subscriber_free(subscriber);
        options.from = "first";
        OK(linkspan_subscriber_new(endpoint, &options, &subscriber));
        OK(linkspan_subscriber_recv(subscriber, SOON, &m));
        CHECK(n_of(m) == 3);
    }
    CHECK(linkspan_subscriber_ack(subscriber) == (the.keeps_all ? LINKSPAN_OK : LINKSPAN_INVALID_STATE));
    CHECK(write(to, "1", 1) == 1);
    OK(linkspan_subscriber_recv(subscriber, SOON, &m));
    check_table(m);
    linkspan_message_release(m);
    OK(linkspan_subscriber_events(subscriber, &m));
    linkspan_message_release(m);
    OK(linkspan_subscriber_close(subscriber));
    linkspan_subscriber_free(subscriber);
}

static void publish(const char *endpoint, int from, int to) {
    linkspan_publisher *publisher;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    char byte;
    if (the.keeps_all) {
        options.durable = true;
        options.segment_bytes = 1 << 20;
        options.retain_bytes = 8 << 20;
        options.retain_seconds = 3600;
    }
    OK(linkspan_publisher_new(endpoint, &options, &publisher));
    for (int64_t n = 1; n <= 3; ++n) {
        m = numbered(n);
        OK(linkspan_publisher_send(publisher, m, NULL));
        linkspan_message_release(m);
    }
    OK(linkspan_latest(endpoint, NULL, SOON, &m));
    CHECK(n_of(m) == 3);
    CHECK(write(to, "1", 1) == 1);
    CHECK(read(from, &byte, 1) == 1);
    m = table();
    OK(linkspan_publisher_send(publisher, m, NULL));
    linkspan_message_release(m);
    OK(linkspan_latest(endpoint, NULL, SOON, &m));
    check_table(m);
    linkspan_message_release(m);
    /* The publisher must stay until the value is read. */
    CHECK(read(from, &byte, 1) == 0);
    OK(linkspan_publisher_close(publisher, LINKSPAN_DEFAULT));
    linkspan_publisher_free(publisher);
}

/* Features that this transport lacks are refused before anything is created. */
static void refuse(const char *endpoint) {
    linkspan_channel *channel;
    linkspan_server *server;
    linkspan_publisher *publisher;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    if (!the.channel) refused(linkspan_channel_connect(endpoint, NULL, SOON, &channel), "a channel");
    if (!the.channel) refused(linkspan_server_serve(endpoint, NULL, &server), "a server");
    if (!the.publish) refused(linkspan_publisher_new(endpoint, NULL, &publisher), "publish and subscribe");
    if (the.channel) {
        options.locked = true;
        refused(linkspan_channel_connect(endpoint, &options, SOON, &channel), "the option locked");
        options.locked = false;
        options.from = "first";
        refused(linkspan_channel_connect(endpoint, &options, SOON, &channel), "the option from");
        options.from = NULL;
        options.retain_consumed = true;
        refused(linkspan_channel_connect(endpoint, &options, SOON, &channel), "retain_consumed");
        options.retain_consumed = false;
    }
    options.group = "no-such-group";
    CHECK(linkspan_channel_connect(endpoint, &options, SOON, &channel) == LINKSPAN_NOT_FOUND);
    options.group = NULL;
    /* Both options have one meaning: accepted by some transports, refused by others with one text. */
    bool is_file = strncmp(endpoint, "file:", 5) == 0;
    for (int i = 0; the.publish && i < 2; i++) {
        options.durable = i == 0;
        options.delivery = i == 0 ? NULL : "durable";
        if (the.keeps_all || is_file) {
            OK(linkspan_publisher_new(endpoint, &options, &publisher));
            OK(linkspan_publisher_free(publisher));
        } else {
            refused(linkspan_publisher_new(endpoint, &options, &publisher), "durable delivery");
        }
    }
    options.durable = false;
    options.delivery = NULL;
    /* Other memory, and an object of another kind: a cast hides both from the compiler. */
    uint64_t memory[2] = {7, 7};
    linkspan_channel *other = (linkspan_channel *)(void *)memory;
    linkspan_message *stats;
    linkspan_region *region;
    int fd;
    CHECK(linkspan_channel_stats(other, &stats) == LINKSPAN_INVALID_STATE && stats == NULL);
    CHECK(linkspan_channel_events(NULL, &stats) == LINKSPAN_INVALID_STATE && stats == NULL);
    CHECK(linkspan_channel_fileno(NULL, &fd) == LINKSPAN_INVALID_STATE && fd == 0);
    CHECK(linkspan_channel_fileno(other, NULL) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_close(other, SOON) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_close(NULL, SOON) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_recv(other, 0, &stats) == LINKSPAN_INVALID_STATE && stats == NULL);
    /* The memory is unchanged, and the last error has the reason. */
    CHECK(linkspan_region_open("nonsense:", &region) == LINKSPAN_INVALID_ENDPOINT);
    CHECK(linkspan_channel_free(other) == LINKSPAN_INVALID_STATE && memory[0] == 7);
    CHECK(strstr(linkspan_last_error_text(), "this is not a linkspan_channel") != NULL);
    /* The struct of an older program ends before these options. */
    options = (linkspan_options)LINKSPAN_OPTIONS_INIT;
    options.size = offsetof(linkspan_options, replay_count);
    options.locked = options.idempotent = options.retain_consumed = true;
    options.from = "nonsense";
    options.retain_seconds = -1;
    if (the.channel) {
        const linkspan_status status = linkspan_channel_connect(endpoint, &options, 0, &channel);
        CHECK(status == LINKSPAN_NOT_FOUND || status == LINKSPAN_OK || status == LINKSPAN_TIMEOUT);
        if (status == LINKSPAN_OK) linkspan_channel_free(channel);
    }
    options.size = sizeof options;
    CHECK(linkspan_channel_connect(endpoint, &options, 0, &channel) == LINKSPAN_UNSUPPORTED ||
          linkspan_channel_connect(endpoint, &options, 0, &channel) == LINKSPAN_OUT_OF_RANGE);
}

/* Forks before any thread exists, which a fork would not copy. */
static void both(void (*child)(const char *), void (*parent)(const char *), const char *endpoint) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        child(endpoint);
        exit(0);
    }
    parent(endpoint);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(int count, char **arguments) {
    char endpoint[96];
    const char *name = count > 1 ? arguments[1] : "shm";
    for (size_t i = 0; i < sizeof TRANSPORTS / sizeof *TRANSPORTS; ++i) {
        if (strcmp(TRANSPORTS[i].name, name) == 0) the = TRANSPORTS[i];
    }
    CHECK(the.name != NULL);
    if (the.channel) {
        place(endpoint, sizeof endpoint, 1);
        both(receive, send_all, endpoint);
    }
    if (the.replies) {
        place(endpoint, sizeof endpoint, 2);
        both(serve, call, endpoint);
    }
    if (the.publish) {
        int there[2], back[2];
        CHECK(pipe(there) == 0 && pipe(back) == 0);
        place(endpoint, sizeof endpoint, 3);
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            close(back[0]);
            subscribe(endpoint, there[0], back[1]);
            exit(0);
        }
        close(back[1]);
        publish(endpoint, back[0], there[1]);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    place(endpoint, sizeof endpoint, 4);
    refuse(endpoint);
    puts("ok");
    return 0;
}

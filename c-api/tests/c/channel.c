/* Channels between two processes. */
#include <linkspan.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int ticks;

static bool give_up_at_the_second_tick(void *context) {
    CHECK(context == &ticks);
    return ++ticks < 2;
}

/* Doubles `n`, fails for unknown requests, drops `drop` unanswered, ends at `quit`. */
static int serve(const char *endpoint) {
    linkspan_server *server;
    linkspan_message *request, *reply;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.encoding = "json";
    OK(linkspan_server_serve(endpoint, &options, &server));
    OK(linkspan_message_new(&reply));
    bool more = true;
    while (more && linkspan_server_next(server, LINKSPAN_DEFAULT, &request) == LINKSPAN_OK && request != NULL) {
        int64_t n;
        linkspan_type type;
        if (linkspan_message_get_i64(request, "n", &n) == LINKSPAN_OK) {
            OK(linkspan_message_clear(reply));
            OK(linkspan_message_put_i64(reply, "twice", 2 * n));
            OK(linkspan_request_reply(request, reply));
            CHECK(linkspan_request_reply(request, reply) == LINKSPAN_INVALID_STATE);
        } else if (linkspan_message_get_type(request, "echo", &type) == LINKSPAN_OK) {
            OK(linkspan_request_reply(request, request));
        } else if (linkspan_message_get_type(request, "quit", &type) == LINKSPAN_OK) {
            OK(linkspan_request_reply(request, request));
            more = false;
        } else if (linkspan_message_get_type(request, "bytes", &type) == LINKSPAN_OK) {
            /* An exception's text may be any bytes. */
            OK(linkspan_request_fail(request, -1, "caf\xe9", "caf\xe9", NULL));
        } else if (linkspan_message_get_type(request, "drop", &type) != LINKSPAN_OK) {
            OK(linkspan_message_clear(reply));
            OK(linkspan_message_put_text(reply, "known", LINKSPAN_ZSTR("n, echo, drop, quit")));
            OK(linkspan_request_fail(request, -32601, "test.unknown", "no such operation", reply));
        }
        linkspan_message_release(request);
    }
    linkspan_message_release(reply);
    OK(linkspan_server_close(server, 5000000000));
    linkspan_server_free(server);
    return 0;
}

static linkspan_status ask(linkspan_channel *channel, const char *key, int64_t value, linkspan_message **reply) {
    linkspan_message *request;
    OK(linkspan_message_new(&request));
    OK(linkspan_message_put_i64(request, key, value));
    const double wave[4] = {1, 2, 3, 4};
    const linkspan_array array = {LINKSPAN_F64, LINKSPAN_COLUMN, 2, {2, 2}, wave, 0};
    OK(linkspan_message_put_array(request, "wave", &array));
    const linkspan_status status = linkspan_channel_call(channel, request, 10000000000, reply);
    linkspan_message_release(request);
    return status;
}

static void call(const char *endpoint) {
    linkspan_channel *channel;
    linkspan_message *reply;
    OK(linkspan_channel_connect(endpoint, NULL, 10000000000, &channel));
    linkspan_channel_info state = LINKSPAN_CHANNEL_INFO_INIT;
    OK(linkspan_channel_get_info(channel, &state));
    CHECK(state.role == LINKSPAN_ROLE_CONNECTOR && state.writable);
    bool there;
    CHECK(linkspan_channel_poll(channel, &there) == LINKSPAN_INVALID_STATE || !there);
    CHECK(state.endpoint_length == strlen(endpoint) && memcmp(state.endpoint, endpoint, state.endpoint_length) == 0);

    int64_t twice;
    for (int64_t n = 0; n < 100; ++n) {
        OK(ask(channel, "n", n, &reply));
        OK(linkspan_message_get_i64(reply, "twice", &twice));
        CHECK(twice == 2 * n);
        linkspan_message_release(reply);
    }
    OK(ask(channel, "echo", 1, &reply));
    linkspan_array a;
    OK(linkspan_message_get_array(reply, "wave", &a));
    CHECK(a.order == LINKSPAN_COLUMN && a.rank == 2 && a.dims[1] == 2 && ((const double *)a.data)[3] == 4.0);
    linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
    OK(linkspan_message_get_info(reply, &info));
    CHECK(info.sequence > 0 && info.sent > 0 && info.encoding == LINKSPAN_CBOR);
    const uint8_t *body;
    size_t body_length;
    OK(linkspan_message_get_body(reply, &body, &body_length));
    CHECK(body != NULL && body_length > 32);
    CHECK(linkspan_message_put_i64(reply, "x", 1) == LINKSPAN_INVALID_STATE);
    linkspan_message_release(reply);

    linkspan_error e = LINKSPAN_ERROR_INIT;
    CHECK(ask(channel, "what", 1, &reply) == LINKSPAN_REMOTE && reply == NULL);
    linkspan_last_error(&e);
    CHECK(e.remote_code == -32601 && strcmp(e.remote_type, "test.unknown") == 0);
    CHECK(strcmp(e.remote_text, "no such operation") == 0 && e.remote_data != NULL);
    linkspan_message *known;
    const char *text;
    size_t length;
    OK(linkspan_decode(e.remote_data, e.remote_data_length, LINKSPAN_CBOR, &known));
    OK(linkspan_message_get_text(known, "known", &text, &length));
    CHECK(length == 19);
    linkspan_message_release(known);
    CHECK(ask(channel, "bytes", 1, &reply) == LINKSPAN_REMOTE);
    linkspan_last_error(&e);
    CHECK(strcmp(e.remote_text, "caf\xef\xbf\xbd") == 0 && strcmp(e.remote_type, "caf\xef\xbf\xbd") == 0);
    CHECK(ask(channel, "drop", 1, &reply) == LINKSPAN_REMOTE);

    OK(linkspan_channel_events(channel, &reply));
    OK(linkspan_message_get_text(reply, "0/kind", &text, &length));
    CHECK(length == 9 && memcmp(text, "connected", 9) == 0);
    linkspan_message_release(reply);
    OK(linkspan_channel_stats(channel, &reply));
    OK(linkspan_message_count(reply, "", &length));
    CHECK(length > 0);
    linkspan_message_release(reply);
    OK(ask(channel, "quit", 1, &reply));
    linkspan_message_release(reply);
    OK(linkspan_channel_close(channel, 5000000000));
    linkspan_channel_free(channel);
}

static void a_server_answers_and_fails(const char *endpoint) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) exit(serve(endpoint));
    call(endpoint);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* A map of scalars is read in place, with the usual errors. */
static void scalars_come_back(linkspan_channel *here) {
    linkspan_message *m, *got;
    int64_t i;
    uint64_t u;
    double x;
    bool b;
    const char *text;
    size_t n;
    linkspan_type type;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_text(m, "name", LINKSPAN_ZSTR("hello")));
    OK(linkspan_message_put_i64(m, "n", -7));
    OK(linkspan_message_put_f64(m, "x", 1.5));
    OK(linkspan_message_put_bool(m, "ok", true));
    OK(linkspan_message_put_null(m, "none"));
    OK(linkspan_channel_send(here, m, LINKSPAN_DEFAULT, NULL));
    linkspan_message_release(m);
    OK(linkspan_channel_recv(here, 10000000000, &got));
    OK(linkspan_message_get_text(got, "name", &text, &n));
    OK(linkspan_message_get_i64(got, "n", &i));
    OK(linkspan_message_get_f64(got, "x", &x));
    OK(linkspan_message_get_bool(got, "ok", &b));
    CHECK(n == 5 && memcmp(text, "hello", 5) == 0 && i == -7 && x == 1.5 && b);
    OK(linkspan_message_get_f64(got, "n", &x));
    CHECK(x == -7);
    OK(linkspan_message_get_type(got, "none", &type));
    CHECK(type == LINKSPAN_TYPE_NULL);
    OK(linkspan_message_count(got, "name", &n));
    CHECK(n == 5);
    OK(linkspan_message_count(got, "", &n));
    CHECK(n == 5);
    CHECK(linkspan_message_get_u64(got, "n", &u) == LINKSPAN_OUT_OF_RANGE && u == 0);
    CHECK(linkspan_message_get_i64(got, "x", &i) == LINKSPAN_WRONG_TYPE && i == 0);
    CHECK(linkspan_message_get_text(got, "n", &text, &n) == LINKSPAN_WRONG_TYPE && text == NULL && n == 0);
    CHECK(linkspan_message_get_bool(got, "none", &b) == LINKSPAN_WRONG_TYPE && !b);
    CHECK(linkspan_message_get_i64(got, "other", &i) == LINKSPAN_MISSING);
    CHECK(linkspan_message_get_i64(got, "n/0", &i) == LINKSPAN_WRONG_TYPE);
    /* Now the tree exists; the values are equal. */
    OK(linkspan_message_get_i64(got, "n", &i));
    CHECK(i == -7);
    linkspan_message_release(got);
}

static void messages_go_both_ways(const char *endpoint) {
    linkspan_listener *listener;
    linkspan_channel *here, *there;
    linkspan_message *m, *got;
    uint64_t sequence;
    bool is_there;
    int fd;
    /* Before any thread exists, which a fork would not copy. */
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        OK(linkspan_channel_connect(endpoint, NULL, 10000000000, &there));
        for (int i = 0; i < 2; ++i) {
            OK(linkspan_channel_recv(there, 10000000000, &got));
            OK(linkspan_channel_send(there, got, 10000000000, NULL));
            linkspan_message_release(got);
        }
        OK(linkspan_channel_recv(there, 10000000000, &got));
        linkspan_message_release(got);
        OK(linkspan_channel_close(there, 10000000000));
        linkspan_channel_free(there);
        _exit(0);
    }
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    linkspan_listener *second;
    CHECK(linkspan_listener_listen(endpoint, NULL, &second) == LINKSPAN_ADDRESS_IN_USE && second == NULL);
    OK(linkspan_listener_fileno(listener, &fd));
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, 10000) == 1);
    OK(linkspan_listener_accept(listener, 10000000000, &here));
    CHECK(linkspan_channel_try_recv(here, &got) == LINKSPAN_EMPTY && got == NULL);
    OK(linkspan_channel_poll(here, &is_there));
    CHECK(!is_there);
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_text(m, NULL, LINKSPAN_ZSTR("hello")));
    OK(linkspan_channel_send(here, m, LINKSPAN_DEFAULT, &sequence));
    CHECK(sequence == 1);
    OK(linkspan_channel_fileno(here, &fd));
    ready.fd = fd;
    CHECK(poll(&ready, 1, 10000) == 1);
    OK(linkspan_channel_poll(here, &is_there));
    CHECK(is_there);
    OK(linkspan_channel_recv(here, 0, &got));
    const char *text;
    size_t length;
    OK(linkspan_message_get_text(got, "", &text, &length));
    CHECK(length == 5 && memcmp(text, "hello", 5) == 0);
    linkspan_message_release(got);
    scalars_come_back(here);
    CHECK(linkspan_channel_recv(here, 1000000, &got) == LINKSPAN_TIMEOUT);
    CHECK(linkspan_channel_recv(here, -2, &got) == LINKSPAN_OUT_OF_RANGE);
    OK(linkspan_channel_try_send(here, m, NULL));
    linkspan_message_release(m);
    OK(linkspan_channel_close(here, 10000000000));
    CHECK(linkspan_channel_recv(here, 0, &got) == LINKSPAN_INVALID_STATE);
    linkspan_channel_free(here);
    OK(linkspan_listener_close(listener));
    linkspan_listener_free(listener);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void options_are_checked_and_a_wait_can_be_ended(void) {
    linkspan_channel *channel;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    options.encoding = "xml";
    CHECK(linkspan_channel_connect("unix:nobody", &options, 0, &channel) == LINKSPAN_UNSUPPORTED);
    linkspan_last_error(&e);
    CHECK(strcmp(e.path, "encoding") == 0);
    options = (linkspan_options)LINKSPAN_OPTIONS_INIT;
    options.size = 3;
    CHECK(linkspan_channel_connect("unix:nobody", &options, 0, &channel) == LINKSPAN_INVALID_STATE);
    options = (linkspan_options)LINKSPAN_OPTIONS_INIT;
    options.on_wait = give_up_at_the_second_tick;
    options.on_wait_context = &ticks;
    CHECK(linkspan_channel_connect("unix:nobody", &options, LINKSPAN_FOREVER, &channel) == LINKSPAN_CANCELLED);
    CHECK(channel == NULL && ticks == 2);
    CHECK(linkspan_channel_connect("unix:nobody", NULL, 0, &channel) == LINKSPAN_NOT_FOUND);
    linkspan_last_error(&e);
    CHECK(e.retryable && e.endpoint != NULL && strcmp(e.endpoint, "unix:nobody") == 0);
    CHECK(linkspan_channel_connect("unix:../etc", NULL, 0, &channel) == LINKSPAN_INVALID_ENDPOINT);
}

static void count_missed(void *context, uint64_t missed) { *(uint64_t *)context += missed; }

/* tests/matrix/unconsumed tests the end of a program. */
static void freed_channel_reports_what_was_not_consumed(const char *endpoint) {
    linkspan_listener *listener;
    linkspan_channel *there, *here;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    uint64_t missed = 0;
    options.on_unconsumed = count_missed;
    options.on_unconsumed_context = &missed;
    OK(linkspan_listener_listen(endpoint, &options, &listener));
    OK(linkspan_channel_connect(endpoint, NULL, LINKSPAN_DEFAULT, &there));
    OK(linkspan_listener_accept(listener, LINKSPAN_DEFAULT, &here));
    OK(linkspan_listener_free(listener));
    OK(linkspan_message_new(&m));
    for (int i = 0; i < 3; i++) OK(linkspan_channel_send(here, m, LINKSPAN_DEFAULT, NULL));
    OK(linkspan_channel_free(here));
    CHECK(missed == 3);
    OK(linkspan_channel_free(there));
    linkspan_message_release(m);
}

static void batches_go_and_come(const char *endpoint) {
    enum { COUNT = 100, ROOM = 7 };
    linkspan_channel *there, *here;
    linkspan_message *sent[COUNT], *taken[ROOM];
    linkspan_options few = LINKSPAN_OPTIONS_INIT;
    linkspan_error e = LINKSPAN_ERROR_INIT;
    size_t count, got = 0;
    few.replay_count = COUNT;
    OK(linkspan_channel_open(endpoint, NULL, LINKSPAN_DEFAULT, &there));
    OK(linkspan_channel_connect(endpoint, &few, LINKSPAN_DEFAULT, &here));
    for (int i = 0; i < COUNT; i++) {
        OK(linkspan_message_new(&sent[i]));
        OK(linkspan_message_put_i64(sent[i], "n", i));
    }
    OK(linkspan_channel_send_many(here, (const linkspan_message *const *)sent, COUNT, LINKSPAN_DEFAULT, &count));
    CHECK(count == COUNT);
    /* They were not received, so the queue is full. */
    CHECK(linkspan_channel_send_many(here, (const linkspan_message *const *)sent, 3, 0, &count) == LINKSPAN_FULL);
    linkspan_last_error(&e);
    CHECK(count == 0 && e.sent == 0);
    while (got < COUNT) {
        OK(linkspan_channel_recv_many(there, ROOM, 5000000000, taken, &count));
        CHECK(count >= 1 && count <= ROOM);
        for (size_t i = 0; i < count; i++, got++) {
            int64_t n;
            OK(linkspan_message_get_i64(taken[i], "n", &n));
            CHECK(n == (int64_t)got);
            linkspan_message_release(taken[i]);
        }
    }
    CHECK(linkspan_channel_recv_many(there, ROOM, 0, taken, &count) == LINKSPAN_TIMEOUT && count == 0);
    CHECK(linkspan_channel_recv_many(there, 0, 0, taken, &count) == LINKSPAN_OUT_OF_RANGE);
    CHECK(linkspan_channel_recv_many(there, ROOM, 0, NULL, &count) == LINKSPAN_INVALID_STATE);
    /* A message that cannot be encoded ends the batch. */
    linkspan_message_release(sent[2]);
    OK(linkspan_message_new(&sent[2]));
    OK(linkspan_message_begin_map(sent[2], "open"));
    CHECK(linkspan_channel_send_many(here, (const linkspan_message *const *)sent, COUNT, LINKSPAN_DEFAULT, &count) != LINKSPAN_OK);
    linkspan_last_error(&e);
    CHECK(count == 2 && e.sent == 2);
    OK(linkspan_channel_recv_many(there, ROOM, 5000000000, taken, &count));
    CHECK(count == 2);
    for (size_t i = 0; i < count; i++) linkspan_message_release(taken[i]);
    OK(linkspan_channel_send_many(here, NULL, 0, LINKSPAN_DEFAULT, NULL));
    CHECK(linkspan_channel_send_many(here, NULL, 1, LINKSPAN_DEFAULT, &count) == LINKSPAN_INVALID_STATE);
    for (int i = 0; i < COUNT; i++) linkspan_message_release(sent[i]);
    linkspan_channel_free(here);
    linkspan_channel_free(there);
}

int main(int count, char **arguments) {
    const char *transport = count > 1 ? arguments[1] : "unix";
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s:test/server", transport);
    a_server_answers_and_fails(endpoint);
    snprintf(endpoint, sizeof endpoint, "%s:test/channel", transport);
    messages_go_both_ways(endpoint);
    snprintf(endpoint, sizeof endpoint, "%s:test/batch", transport);
    batches_go_and_come(endpoint);
    snprintf(endpoint, sizeof endpoint, "%s:test/end", transport);
    freed_channel_reports_what_was_not_consumed(endpoint);
    options_are_checked_and_a_wait_can_be_ended();
    puts("ok");
    return 0;
}

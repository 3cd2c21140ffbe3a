/* Loans: written in place, viewed by the peer, released. Other arrays are refused. */
#include <linkspan.h>
#include <linkspan/record.h>

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define COUNT ((uint64_t)1 << 17)
#define SOON 20000000000

static bool shares;

/* Returns two ends in one process, after one message has crossed the connection. */
static void pair(const char *endpoint, linkspan_channel **one, linkspan_channel **two) {
    linkspan_listener *listener;
    linkspan_message *message;
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    OK(linkspan_channel_connect(endpoint, NULL, SOON, one));
    OK(linkspan_listener_accept(listener, SOON, two));
    OK(linkspan_message_new(&message));
    OK(linkspan_channel_send(*one, message, SOON, NULL));
    linkspan_message_release(message);
    OK(linkspan_channel_recv(*two, SOON, &message));
    linkspan_message_release(message);
    linkspan_listener_free(listener);
}

static void over(linkspan_channel *one, linkspan_channel *two) {
    linkspan_channel_free(one);
    linkspan_channel_free(two);
}

/* Whether these bytes are in a slot that this process may only read. */
static bool is_slot_to_read(const void *place) {
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512], rights[8];
    unsigned long from, to;
    bool found = false;
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        CHECK(sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3);
        found = (unsigned long)(uintptr_t)place - from < to - from;
    }
    fclose(maps);
    CHECK(found);
    return strcmp(rights, "r--s") == 0 && strstr(line, "linkspan-slot") != NULL;
}

static linkspan_array lent(linkspan_channel *channel, double seed) {
    const uint64_t dims[] = {2, COUNT / 2};
    linkspan_array array;
    OK(linkspan_channel_loan(channel, LINKSPAN_F64, 2, dims, &array));
    CHECK(array.dtype == LINKSPAN_F64 && array.order == LINKSPAN_ROW && array.rank == 2);
    CHECK(array.dims[0] == 2 && array.dims[1] == COUNT / 2 && array.length == COUNT * sizeof(double));
    double *elements = (double *)array.data;
    for (uint64_t i = 0; i < COUNT; ++i) elements[i] = seed + (double)i;
    return array;
}

static linkspan_message *with(linkspan_array *array) {
    linkspan_message *message;
    OK(linkspan_message_new(&message));
    OK(linkspan_message_put_loan(message, "wave", array));
    CHECK(array->data == NULL);
    return message;
}

/* Whether the array under `wave` has these elements. Over shared memory it must be a view of the slot. */
static bool is_wave(const linkspan_message *message, double seed) {
    linkspan_array array;
    OK(linkspan_message_get_array(message, "wave", &array));
    CHECK(array.rank == 2 && array.length == COUNT * sizeof(double));
    CHECK(!shares || is_slot_to_read(array.data));
    const double *elements = array.data;
    for (uint64_t i = 0; i < COUNT; ++i)
        if (elements[i] != seed + (double)i) return false;
    return true;
}

static int64_t stat(const linkspan_channel *channel, const char *name) {
    linkspan_message *stats;
    int64_t count;
    OK(linkspan_channel_stats(channel, &stats));
    OK(linkspan_message_get_i64(stats, name, &count));
    linkspan_message_release(stats);
    return count;
}

struct received {
    linkspan_channel *channel;
    linkspan_message *message;
};

static void *receive(void *context) {
    struct received *received = context;
    OK(linkspan_channel_recv(received->channel, SOON, &received->message));
    return NULL;
}

/* Sends a message while the peer receives, because the transport may split it. */
static linkspan_message *sent(linkspan_channel *one, linkspan_channel *two, linkspan_message *message) {
    struct received received = {two, NULL};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, receive, &received) == 0);
    OK(linkspan_channel_send(one, message, SOON, NULL));
    linkspan_message_release(message);
    CHECK(pthread_join(thread, NULL) == 0);
    return received.message;
}

static void sent_and_viewed_after_the_end_of_both_channels(const char *endpoint) {
    linkspan_channel *one, *two;
    pair(endpoint, &one, &two);
    linkspan_message *views[4];
    for (int i = 0; i < 4; ++i) {
        linkspan_array array = lent(one, i);
        views[i] = sent(one, two, with(&array));
    }
    CHECK(stat(one, "arrays_in_slots") == (shares ? 4 : 0) && stat(one, "arrays_without_slot") == 0);
    over(one, two);
    for (int i = 0; i < 4; ++i) {
        CHECK(is_wave(views[i], i));
        linkspan_message_release(views[i]);
    }
}

/* The bytes allocated by malloc; 0 under another allocator. */
static size_t allocated(void) {
    const struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

static void info_copies_no_array_and_body_is_one_block_with_it(const char *endpoint) {
    linkspan_channel *one, *two;
    pair(endpoint, &one, &two);
    linkspan_array array = lent(one, 7);
    linkspan_message *message = sent(one, two, with(&array));
    linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
    const size_t before = allocated();
    OK(linkspan_message_get_info(message, &info));
    CHECK(info.sequence > 0 && info.encoding == LINKSPAN_CBOR);
    CHECK(allocated() < before + COUNT * sizeof(double));

    const uint8_t *body, *again;
    size_t length;
    OK(linkspan_message_get_body(message, &body, &length));
    CHECK(length > COUNT * sizeof(double));
    OK(linkspan_message_get_array(message, "wave", &array));
    bool is_there = false;
    for (size_t at = 0; !is_there && at + array.length <= length; ++at)
        is_there = memcmp(body + at, array.data, array.length) == 0;
    CHECK(is_there);
    OK(linkspan_message_get_body(message, &again, &length));
    CHECK(again == body);
    linkspan_message_release(message);

    OK(linkspan_message_new(&message));
    CHECK(linkspan_message_get_body(message, &body, &length) == LINKSPAN_INVALID_STATE && body == NULL && length == 0);
    linkspan_message_release(message);
    over(one, two);
}

static bool failed(linkspan_status returned, linkspan_status status, const char *path) {
    linkspan_error error = LINKSPAN_ERROR_INIT;
    return returned == status && linkspan_last_error(&error) == status && error.path != NULL && strcmp(error.path, path) == 0;
}

/* Entries next to an array are found in order, before and after the tree exists. */
static void entries_beside_an_array_are_read(const char *endpoint) {
    linkspan_channel *one, *two;
    linkspan_message *message, *copy;
    linkspan_array array;
    linkspan_type type;
    const char *text;
    size_t length;
    int64_t count;
    uint64_t large;
    double celsius;
    bool is_valid;
    pair(endpoint, &one, &two);
    array = lent(one, 6);
    array.order = LINKSPAN_COLUMN;
    OK(linkspan_message_new(&message));
    OK(linkspan_message_put_i64(message, "count", -7));
    OK(linkspan_message_put_text(message, "name", "H\xc3\xbclle", 6));
    OK(linkspan_message_put_loan(message, "wave", &array));
    OK(linkspan_message_put_f64(message, "celsius", 21.5));
    array = lent(one, 5);
    OK(linkspan_message_put_loan(message, "a/b", &array));
    OK(linkspan_message_put_bool(message, "is_valid", true));
    message = sent(one, two, message);
    for (int round = 0; round < 2; ++round) {
        CHECK(is_wave(message, 6));
        OK(linkspan_message_get_array(message, "wave", &array));
        CHECK(array.dtype == LINKSPAN_F64 && array.order == LINKSPAN_COLUMN);
        CHECK(array.dims[0] == 2 && array.dims[1] == COUNT / 2 && array.dims[2] == 0);
        OK(linkspan_message_get_i64(message, "count", &count));
        OK(linkspan_message_get_f64(message, "celsius", &celsius));
        OK(linkspan_message_get_bool(message, "is_valid", &is_valid));
        CHECK(count == -7 && celsius == 21.5 && is_valid);
        OK(linkspan_message_get_text(message, "name", &text, &length));
        CHECK(length == 6 && memcmp(text, "H\xc3\xbclle", length) == 0);
        CHECK(failed(linkspan_message_get_array(message, "count", &array), LINKSPAN_WRONG_TYPE, "count"));
        CHECK(array.data == NULL && array.length == 0);
        CHECK(failed(linkspan_message_get_i64(message, "wave", &count), LINKSPAN_WRONG_TYPE, "wave"));
        CHECK(failed(linkspan_message_get_u64(message, "count", &large), LINKSPAN_OUT_OF_RANGE, "count"));
        CHECK(failed(linkspan_message_get_array(message, "waves", &array), LINKSPAN_MISSING, "waves"));
        CHECK(failed(linkspan_message_get_array(message, "a/b", &array), LINKSPAN_MISSING, "a/b"));
        CHECK(failed(linkspan_message_get_array(message, "wave/0", &array), LINKSPAN_WRONG_TYPE, "wave/0"));
        CHECK(linkspan_message_get_array(message, "", &array) == LINKSPAN_WRONG_TYPE);
        OK(linkspan_message_get_array(message, "a~1b", &array));
        CHECK(((const double *)array.data)[COUNT - 1] == 5 + (double)(COUNT - 1));
        /* This needs the tree. */
        OK(linkspan_message_get_type(message, "wave", &type));
        CHECK(type == LINKSPAN_TYPE_NDARRAY);
    }
    /* A received message and a copy of its value are sent. */
    OK(linkspan_message_get_message(message, "", &copy));
    message = sent(two, one, message);
    copy = sent(two, one, copy);
    CHECK(is_wave(message, 6) && is_wave(copy, 6));
    linkspan_message_release(message);
    linkspan_message_release(copy);
    over(one, two);
}

static void freed_unsent_is_lent_again(const char *endpoint) {
    linkspan_channel *one, *two;
    pair(endpoint, &one, &two);
    linkspan_array array;
    for (int i = 0; i < 40; ++i) {
        array = lent(one, i);
        OK(linkspan_loan_free(&array));
        CHECK(array.data == NULL);
    }
    /* Also in a message that is released unsent. */
    for (int i = 0; i < 40; ++i) {
        array = lent(one, i);
        linkspan_message_release(with(&array));
    }
    linkspan_message *view = NULL;
    array = lent(one, 5);
    view = sent(one, two, with(&array));
    CHECK(is_wave(view, 5));
    CHECK(stat(one, "arrays_without_slot") == 0);
    linkspan_message_release(view);
    over(one, two);
}

static void what_is_no_loan_is_refused(const char *endpoint) {
    linkspan_channel *one, *two, *other, *far;
    linkspan_message *message, *items;
    pair(endpoint, &one, &two);
    const uint64_t dims[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[] = {UINT64_MAX, 2};
    linkspan_array array, copy;
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 16, dims, &array) == LINKSPAN_TOO_LARGE && array.data == NULL);
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 2, huge, &array) == LINKSPAN_TOO_LARGE);
    CHECK(linkspan_channel_loan(one, 99, 1, dims, &array) == LINKSPAN_WRONG_TYPE);
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 1, NULL, &array) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 1, dims, NULL) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_loan(NULL, LINKSPAN_F64, 1, dims, &array) == LINKSPAN_INVALID_STATE);

    /* Memory of the program, and a part of a loan. */
    OK(linkspan_message_new(&message));
    double own[4] = {1, 2, 3, 4};
    linkspan_array mine = {LINKSPAN_F64, LINKSPAN_ROW, 1, {4}, own, 0};
    CHECK(linkspan_message_put_loan(message, "wave", &mine) == LINKSPAN_INVALID_STATE && mine.data == own);
    CHECK(linkspan_loan_free(&mine) == LINKSPAN_INVALID_STATE && mine.data == own);
    CHECK(linkspan_message_put_loan(message, "wave", NULL) == LINKSPAN_INVALID_STATE);
    OK(linkspan_loan_free(NULL));
    array = lent(one, 1);
    copy = array;
    copy.data = (const double *)array.data + 1;
    CHECK(linkspan_message_put_loan(message, "wave", &copy) == LINKSPAN_INVALID_STATE);

    /* A failed put leaves the loan with the program. */
    OK(linkspan_message_new(&items));
    OK(linkspan_message_begin_array(items, NULL));
    CHECK(linkspan_message_put_loan(items, "wave", &array) == LINKSPAN_INVALID_STATE && array.data != NULL);
    array.order = 7;
    CHECK(linkspan_message_put_loan(message, "wave", &array) == LINKSPAN_WRONG_TYPE && array.data != NULL);
    array.order = LINKSPAN_COLUMN;
    copy = array;
    OK(linkspan_message_put_loan(items, NULL, &array));
    OK(linkspan_message_end(items));

    /* A second use is refused, with the emptied array and with a copy, after a put and after a free. */
    CHECK(linkspan_message_put_loan(message, "wave", &array) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_message_put_loan(message, "wave", &copy) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_loan_free(&copy) == LINKSPAN_INVALID_STATE);
    OK(linkspan_message_get_array(items, "0", &array));
    CHECK(array.order == LINKSPAN_COLUMN && array.data == copy.data);
    linkspan_message_release(items);
    array = lent(one, 2);
    copy = array;
    OK(linkspan_loan_free(&array));
    OK(linkspan_loan_free(&array));
    CHECK(linkspan_loan_free(&copy) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_message_put_loan(message, "wave", &copy) == LINKSPAN_INVALID_STATE);

    /* A loan outlives its channel; another channel sends a copy. */
    pair("shm:test/loan/other", &other, &far);
    array = lent(one, 3);
    copy = lent(one, 4);
    /* The peer has not acknowledged the first message. */
    CHECK(linkspan_channel_close(one, 0) == LINKSPAN_TIMEOUT);
    CHECK(linkspan_channel_loan(one, LINKSPAN_F64, 1, dims, &mine) == LINKSPAN_INVALID_STATE);
    over(one, two);
    ((double *)copy.data)[1] = 5;
    OK(linkspan_message_put_loan(message, "wave", &array));
    linkspan_message *view = sent(other, far, message);
    CHECK(is_wave(view, 3));
    CHECK(stat(other, "arrays_in_slots") == 1);
    linkspan_message_release(view);
    OK(linkspan_loan_free(&copy));
    over(other, far);
}

/* Bytes for a camera frame, sent with the length that the camera wrote. */
static uint8_t *frame(linkspan_channel *channel, size_t length, int seed) {
    uint8_t *bytes;
    OK(linkspan_channel_loan_bytes(channel, length, &bytes));
    memset(bytes, seed, length);
    return bytes;
}

static bool is_frame(const linkspan_message *message, const char *path, size_t length, int seed) {
    const uint8_t *bytes;
    size_t count;
    OK(linkspan_message_get_bytes(message, path, &bytes, &count));
    return count == length && bytes[0] == seed && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static void bytes_are_sent_where_they_were_written(const char *endpoint) {
    linkspan_channel *one, *two;
    linkspan_message *message;
    pair(endpoint, &one, &two);
    const size_t most = 1 << 20;
    for (int seed = 1; seed <= 20; ++seed) {
        uint8_t *bytes = frame(one, most, seed), *place = bytes;
        OK(linkspan_message_new(&message));
        OK(linkspan_message_put_text(message, "camera", "left", 4));
        OK(linkspan_message_put_loan_bytes(message, "image", &bytes, most - (size_t)seed));
        CHECK(bytes == NULL);
        OK(linkspan_message_put_f64(message, "time", 1.5));
        /* Neither the put nor the send copies it. */
        const uint8_t *view;
        size_t count;
        OK(linkspan_message_get_bytes(message, "image", &view, &count));
        CHECK(view == place && count == most - (size_t)seed);
        message = sent(one, two, message);
        CHECK(is_frame(message, "image", most - (size_t)seed, seed));
        linkspan_message_release(message);
    }
    if (shares) CHECK(stat(one, "bodies_in_slots") == 20 && stat(one, "bodies_without_slot") == 0);
    /* Its memory is lent again after a free, or after the release of its unsent message. */
    for (int i = 0; i < 40; ++i) {
        uint8_t *bytes = frame(one, most, i);
        if (i % 2 == 0) {
            OK(linkspan_loan_bytes_free(&bytes));
        } else {
            OK(linkspan_message_new(&message));
            OK(linkspan_message_put_loan_bytes(message, NULL, &bytes, most));
            linkspan_message_release(message);
        }
        CHECK(bytes == NULL);
    }
    over(one, two);
}

static void bytes_that_are_no_loan_are_refused(const char *endpoint) {
    linkspan_channel *one, *two;
    linkspan_message *message, *items;
    pair(endpoint, &one, &two);
    uint8_t *bytes = (uint8_t *)1, own[4] = {1, 2, 3, 4}, *mine = own, *copy;
    CHECK(linkspan_channel_loan_bytes(one, SIZE_MAX, &bytes) == LINKSPAN_TOO_LARGE && bytes == NULL);
    CHECK(linkspan_channel_loan_bytes(one, 1, NULL) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_loan_bytes(NULL, 1, &bytes) == LINKSPAN_INVALID_STATE);
    OK(linkspan_message_new(&message));
    CHECK(linkspan_request_loan_bytes(message, 1, &bytes) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_publisher_loan_bytes(NULL, 1, &bytes) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_message_put_loan_bytes(message, "image", &mine, 4) == LINKSPAN_INVALID_STATE && mine == own);
    CHECK(linkspan_message_put_loan_bytes(message, "image", NULL, 4) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_loan_bytes_free(&mine) == LINKSPAN_INVALID_STATE && mine == own);
    OK(linkspan_loan_bytes_free(NULL));
    OK(linkspan_loan_bytes_free(&bytes));
    OK(linkspan_message_new(&items));
    OK(linkspan_message_begin_array(items, NULL));
    const size_t lengths[] = {0, 1000, 100000};
    for (int i = 0; i < 3; ++i) {
        bytes = copy = frame(one, lengths[i], 7);
        /* Loans of arrays and of bytes are different. */
        linkspan_array array = {LINKSPAN_U8, LINKSPAN_ROW, 1, {lengths[i]}, bytes, lengths[i]};
        CHECK(linkspan_message_put_loan(message, "image", &array) == LINKSPAN_INVALID_STATE);
        /* After an error the program still has all bytes. */
        CHECK(linkspan_message_put_loan_bytes(message, "image", &bytes, lengths[i] + 1) == LINKSPAN_INVALID_STATE);
        CHECK(linkspan_message_put_loan_bytes(items, "image", &bytes, lengths[i] / 2) == LINKSPAN_INVALID_STATE);
        CHECK(bytes == copy);
        OK(linkspan_message_put_loan_bytes(items, NULL, &bytes, lengths[i]));
        CHECK(linkspan_message_put_loan_bytes(items, NULL, &bytes, 0) == LINKSPAN_INVALID_STATE);
        CHECK(linkspan_message_put_loan_bytes(items, NULL, &copy, lengths[i]) == LINKSPAN_INVALID_STATE);
        CHECK(linkspan_loan_bytes_free(&copy) == LINKSPAN_INVALID_STATE);
    }
    OK(linkspan_message_end(items));
    items = sent(one, two, items);
    CHECK(is_frame(items, "1", 1000, 7) && is_frame(items, "2", 100000, 7));
    linkspan_message_release(items);
    linkspan_message_release(message);
    over(one, two);
}

static void *ask(void *endpoint) {
    linkspan_channel *channel;
    linkspan_message *request, *replies[3];
    OK(linkspan_channel_connect(endpoint, NULL, SOON, &channel));
    OK(linkspan_message_new(&request));
    for (int i = 0; i < 3; ++i) OK(linkspan_channel_call(channel, request, SOON, &replies[i]));
    linkspan_message_release(request);
    linkspan_channel_free(channel);
    for (int i = 0; i < 3; ++i) {
        CHECK(is_wave(replies[i], i));
        linkspan_message_release(replies[i]);
    }
    return NULL;
}

static void replied(char *endpoint) {
    linkspan_server *server;
    linkspan_message *request, *reply;
    linkspan_array array;
    pthread_t client;
    const uint64_t dims[] = {2, COUNT / 2};
    OK(linkspan_server_serve(endpoint, NULL, &server));
    CHECK(pthread_create(&client, NULL, ask, endpoint) == 0);
    for (int i = 0; i < 3; ++i) {
        OK(linkspan_server_next(server, SOON, &request));
        OK(linkspan_request_loan(request, LINKSPAN_F64, 2, dims, &array));
        for (uint64_t n = 0; n < COUNT; ++n) ((double *)array.data)[n] = i + (double)n;
        reply = with(&array);
        OK(linkspan_request_reply(request, reply));
        CHECK(linkspan_request_loan(reply, LINKSPAN_F64, 2, dims, &array) == LINKSPAN_INVALID_STATE);
        linkspan_message_release(reply);
        linkspan_message_release(request);
    }
    OK(linkspan_server_close(server, SOON));
    CHECK(pthread_join(client, NULL) == 0);
    linkspan_server_free(server);
}

static void published(const char *endpoint) {
    linkspan_publisher *publisher;
    linkspan_subscriber *subscriber;
    linkspan_message *message;
    linkspan_array array;
    const uint64_t dims[] = {COUNT};
    OK(linkspan_publisher_new(endpoint, NULL, &publisher));
    OK(linkspan_subscriber_new(endpoint, NULL, &subscriber));
    /* Under valgrind the publisher may miss the first attempt; each call of the subscriber makes another. */
    for (int attempt = 0; attempt < 20; ++attempt) {
        bool there;
        OK(linkspan_subscriber_poll(subscriber, &there));
        if (linkspan_publisher_wait_for_subscribers(publisher, 1, SOON / 20) == LINKSPAN_OK) break;
    }
    OK(linkspan_publisher_wait_for_subscribers(publisher, 1, 0));
    OK(linkspan_publisher_loan(publisher, LINKSPAN_U8, 1, dims, &array));
    memset((void *)array.data, 7, COUNT);
    message = with(&array);
    OK(linkspan_publisher_send(publisher, message, NULL));
    linkspan_message_release(message);
    OK(linkspan_subscriber_recv(subscriber, SOON, &message));
    OK(linkspan_message_get_array(message, "wave", &array));
    CHECK(array.length == COUNT && ((const uint8_t *)array.data)[COUNT - 1] == 7);
    CHECK(is_slot_to_read(array.data) == shares);
    /* A viewed array does not change, even after the subscriber is closed. */
    linkspan_subscriber_free(subscriber);
    for (int i = 0; i < 40; ++i) {
        linkspan_array other;
        OK(linkspan_publisher_loan(publisher, LINKSPAN_U8, 1, dims, &other));
        memset((void *)other.data, i + 8, COUNT);
        linkspan_message *next = with(&other);
        OK(linkspan_publisher_send(publisher, next, NULL));
        linkspan_message_release(next);
    }
    for (uint64_t i = 0; i < COUNT; ++i) CHECK(((const uint8_t *)array.data)[i] == 7);
    linkspan_message_release(message);
    OK(linkspan_subscriber_new(endpoint, NULL, &subscriber));
    linkspan_subscriber_free(subscriber);
    linkspan_publisher_free(publisher);
}

/* Runs in another process: sends a loan, and keeps another until it is killed. */
static void lend_for_ever(const char *endpoint) {
    linkspan_channel *channel;
    OK(linkspan_channel_connect(endpoint, NULL, SOON, &channel));
    linkspan_message *first;
    OK(linkspan_message_new(&first));
    OK(linkspan_channel_send(channel, first, SOON, NULL));
    linkspan_array array = lent(channel, 8), kept = lent(channel, 9);
    OK(linkspan_channel_send(channel, with(&array), SOON, NULL));
    CHECK(kept.data != NULL);
    for (;;) pause();
}

static void viewed_after_the_peer_was_killed(const char *endpoint, pid_t peer) {
    linkspan_listener *listener;
    linkspan_channel *channel;
    linkspan_message *first, *view;
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    OK(linkspan_listener_accept(listener, SOON, &channel));
    OK(linkspan_channel_recv(channel, SOON, &first));
    linkspan_message_release(first);
    OK(linkspan_channel_recv(channel, SOON, &view));
    linkspan_array mine = lent(channel, 1);
    CHECK(kill(peer, SIGKILL) == 0 && waitpid(peer, NULL, 0) == peer);
    CHECK(linkspan_channel_recv(channel, SOON, &first) == LINKSPAN_DISCONNECTED);
    CHECK(is_wave(view, 8));
    /* A loan for a dead peer can still be written and freed. */
    ((double *)mine.data)[COUNT - 1] = 3;
    linkspan_message_release(with(&mine));
    mine = lent(channel, 2);
    linkspan_channel_free(channel);
    OK(linkspan_loan_free(&mine));
    CHECK(is_wave(view, 8));
    linkspan_message_release(view);
    linkspan_listener_free(listener);
}

/* A struct like those of generated code. */
typedef struct {
    int32_t number;
    linkspan_array wave;
    struct {
        linkspan_array *items;
        size_t count;
    } more;
} shot;

static const linkspan_record_type wave_type = {
    .kind = LINKSPAN_RECORD_ARRAY, .size = sizeof(linkspan_array), .dtype = LINKSPAN_F64, .order = -1, .rank = 2, .dims = (const uint64_t[]){UINT64_MAX, UINT64_MAX}};
static const linkspan_record_field shot_fields[] = {
    {.key = "number",
     .offset = offsetof(shot, number),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_I32, .size = sizeof(int32_t)}},
    {.key = "wave", .offset = offsetof(shot, wave), .of = &wave_type},
    {.key = "more",
     .offset = offsetof(shot, more),
     .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_LIST,
                                         .size = sizeof(((shot *)0)->more),
                                         .item_size = sizeof(linkspan_array),
                                         .of = &wave_type}},
};
static linkspan_record shots = {
    .size = sizeof(linkspan_record),
    .of = &(const linkspan_record_type){.kind = LINKSPAN_RECORD_STRUCT, .size = sizeof(shot), .fields = shot_fields, .count = 3}};

static void moved_out_of_a_struct(const char *endpoint) {
    linkspan_channel *one, *two;
    linkspan_message *message;
    shot sent, got;
    uint8_t *bytes;
    size_t length;
    pair(endpoint, &one, &two);
    OK(linkspan_record_init(&shots, &sent));
    OK(linkspan_record_init(&shots, &got));
    OK(linkspan_message_new(&message));
    for (int round = 0; round < 3; ++round) {
        sent.number = round;
        sent.wave = lent(one, round);
        const void *place = sent.wave.data;
        if (round == 2) {
            /* One loan and one array of malloc. */
            sent.more.items = calloc(2, sizeof *sent.more.items);
            sent.more.count = 2;
            sent.more.items[0] = lent(one, 7);
            const double own[] = {1.5};
            linkspan_array from = {LINKSPAN_F64, LINKSPAN_ROW, 2, {1, 1}, own, sizeof own};
            CHECK(linkspan_array_set(&sent.more.items[1], &from));
        }
        OK(linkspan_record_put(&shots, &sent, message));
        CHECK(sent.wave.data == NULL);
        linkspan_array inside;
        OK(linkspan_message_get_array(message, "wave", &inside));
        CHECK(inside.data == place);
        /* Moved arrays cannot be put again; the struct is refused before any change. */
        linkspan_message *other;
        OK(linkspan_message_new(&other));
        CHECK(linkspan_record_put(&shots, &sent, other) == LINKSPAN_INVALID_STATE);
        linkspan_message_release(other);
        if (shares || round == 0) {
            OK(linkspan_channel_send(one, message, SOON, NULL));
            linkspan_message *view;
            OK(linkspan_channel_recv(two, SOON, &view));
            CHECK(is_wave(view, round));
            OK(linkspan_message_get_array(view, "wave", &inside));
            CHECK(is_slot_to_read(inside.data) == shares);
            OK(linkspan_message_get_record(view, "", &shots, &got));
            CHECK(got.number == round && got.wave.length == COUNT * sizeof(double));
            linkspan_message_release(view);
        }
        OK(linkspan_message_clear(message));
    }
    CHECK(sent.more.items[0].data == NULL && sent.more.items[1].data != NULL);
    OK(linkspan_record_free(&shots, &sent));
    /* An unput loan is freed with its struct, and survives an error. */
    OK(linkspan_record_init(&shots, &sent));
    sent.wave = lent(one, 4);
    OK(linkspan_record_encode(&shots, &sent, LINKSPAN_CBOR, &bytes, &length));
    CHECK(length > COUNT && sent.wave.data != NULL);
    linkspan_free(bytes, length);
    sent.more.items = calloc(1, sizeof *sent.more.items);
    sent.more.count = 1;
    sent.more.items[0].dtype = 99;
    CHECK(linkspan_record_put(&shots, &sent, message) != LINKSPAN_OK && sent.wave.data != NULL);
    OK(linkspan_record_free(&shots, &sent));
    linkspan_array again = lent(one, 5);
    OK(linkspan_array_free(&again));
    CHECK(again.data == NULL && linkspan_loan_free(&again) == LINKSPAN_OK);
    OK(linkspan_record_free(&shots, &got));
    linkspan_message_release(message);
    over(one, two);
}

int main(int argc, char **argv) {
    const char *transport = argc > 1 ? argv[1] : "shm";
    char endpoint[64], killed[64];
    shares = strcmp(transport, "shm") == 0;
    snprintf(endpoint, sizeof endpoint, "%s:test/loan", transport);
    snprintf(killed, sizeof killed, "%s:test/loan/killed", transport);
    /* Before there is a second thread. */
    const pid_t peer = fork();
    if (peer == 0) lend_for_ever(killed);
    viewed_after_the_peer_was_killed(killed, peer);
    sent_and_viewed_after_the_end_of_both_channels(endpoint);
    info_copies_no_array_and_body_is_one_block_with_it(endpoint);
    entries_beside_an_array_are_read(endpoint);
    freed_unsent_is_lent_again(endpoint);
    what_is_no_loan_is_refused(endpoint);
    bytes_are_sent_where_they_were_written(endpoint);
    bytes_that_are_no_loan_are_refused(endpoint);
    moved_out_of_a_struct(endpoint);
    replied(endpoint);
    published(endpoint);
    puts("ok");
    return 0;
}

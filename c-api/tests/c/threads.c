/* Threads: a close ends waits, a second receiver is refused, calls take turns, messages are shared. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)

static void *take_requests(void *server) {
    linkspan_message *request;
    OK(linkspan_server_next(server, LINKSPAN_FOREVER, &request));
    CHECK(request == NULL);
    return NULL;
}

static void *take_messages(void *subscriber) {
    linkspan_message *message;
    OK(linkspan_subscriber_next(subscriber, LINKSPAN_FOREVER, &message));
    CHECK(message == NULL);
    return NULL;
}

struct received {
    linkspan_channel *channel;
    linkspan_status status;
};

static void *receive(void *argument) {
    struct received *r = argument;
    linkspan_message *message;
    /* Either thread may come second. */
    do r->status = linkspan_channel_recv(r->channel, 60 * SECONDS, &message);
    while (r->status == LINKSPAN_INVALID_STATE);
    linkspan_message_release(message);
    return NULL;
}

static void closing_ends_the_waits_of_others(const char *transport) {
    char endpoint[64];
    pthread_t thread;
    linkspan_server *server;
    linkspan_subscriber *subscriber;
    snprintf(endpoint, sizeof endpoint, "%s:test/threads", transport);
    OK(linkspan_server_serve(endpoint, NULL, &server));
    CHECK(pthread_create(&thread, NULL, take_requests, server) == 0);
    OK(linkspan_server_close(server, 5 * SECONDS));
    CHECK(pthread_join(thread, NULL) == 0);
    linkspan_server_free(server);
    OK(linkspan_subscriber_new(endpoint, NULL, &subscriber));
    CHECK(pthread_create(&thread, NULL, take_messages, subscriber) == 0);
    OK(linkspan_subscriber_close(subscriber));
    CHECK(pthread_join(thread, NULL) == 0);
    linkspan_subscriber_free(subscriber);
}

static void *connect_to(void *endpoint) {
    linkspan_channel *channel;
    OK(linkspan_channel_connect(endpoint, NULL, 60 * SECONDS, &channel));
    return channel;
}

static void one_thread_a_direction(const char *transport) {
    char endpoint[64];
    pthread_t thread;
    void *connected;
    linkspan_listener *listener;
    linkspan_channel *here;
    linkspan_message *m;
    snprintf(endpoint, sizeof endpoint, "%s:test/directions", transport);
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    CHECK(pthread_create(&thread, NULL, connect_to, endpoint) == 0);
    OK(linkspan_listener_accept(listener, 60 * SECONDS, &here));
    CHECK(pthread_join(thread, &connected) == 0);
    linkspan_channel *there = connected;

    struct received r = {here, LINKSPAN_OK};
    CHECK(pthread_create(&thread, NULL, receive, &r) == 0);
    /* This thread finds nothing until the other one waits; then it is refused. */
    linkspan_status status;
    while ((status = linkspan_channel_try_recv(here, &m)) == LINKSPAN_EMPTY) nanosleep(&(struct timespec){0, 1000000}, NULL);
    CHECK(status == LINKSPAN_INVALID_STATE);
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", 1));
    OK(linkspan_channel_send(here, m, 60 * SECONDS, NULL));
    OK(linkspan_channel_send(there, m, 60 * SECONDS, NULL));
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(r.status == LINKSPAN_OK);
    linkspan_message_release(m);
    OK(linkspan_channel_recv(there, 60 * SECONDS, &m));
    linkspan_message_release(m);
    linkspan_channel_free(there);
    linkspan_channel_free(here);
    linkspan_listener_free(listener);
}

static void *answer(void *server) {
    linkspan_message *request;
    while (linkspan_server_next(server, LINKSPAN_FOREVER, &request) == LINKSPAN_OK && request != NULL) {
        OK(linkspan_request_reply(request, request));
        linkspan_message_release(request);
    }
    return NULL;
}

struct caller {
    linkspan_channel *channel;
    int64_t first;
};

static void *call_often(void *argument) {
    const struct caller *c = argument;
    for (int64_t n = c->first; n < c->first + 200; ++n) {
        linkspan_message *request, *reply;
        int64_t got;
        OK(linkspan_message_new(&request));
        OK(linkspan_message_put_i64(request, "n", n));
        OK(linkspan_channel_call(c->channel, request, 60 * SECONDS, &reply));
        OK(linkspan_message_get_i64(reply, "n", &got));
        CHECK(got == n);
        linkspan_message_release(reply);
        linkspan_message_release(request);
    }
    return NULL;
}

static void threads_call_in_turn(const char *transport) {
    char endpoint[64];
    pthread_t answers, threads[4];
    struct caller callers[4];
    linkspan_server *server;
    linkspan_channel *channel;
    snprintf(endpoint, sizeof endpoint, "%s:test/turns", transport);
    OK(linkspan_server_serve(endpoint, NULL, &server));
    CHECK(pthread_create(&answers, NULL, answer, server) == 0);
    OK(linkspan_channel_connect(endpoint, NULL, 60 * SECONDS, &channel));
    for (int i = 0; i < 4; ++i) {
        callers[i] = (struct caller){channel, 1000 * i};
        CHECK(pthread_create(&threads[i], NULL, call_often, &callers[i]) == 0);
    }
    for (int i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
    OK(linkspan_channel_close(channel, 5 * SECONDS));
    linkspan_channel_free(channel);
    OK(linkspan_server_close(server, 5 * SECONDS));
    CHECK(pthread_join(answers, NULL) == 0);
    linkspan_server_free(server);
}

static void *read_and_release(void *message) {
    for (int i = 0; i < 1000; ++i) {
        int64_t n;
        OK(linkspan_message_retain(message));
        OK(linkspan_message_get_i64(message, "n", &n));
        CHECK(n == 7);
        linkspan_message_release(message);
    }
    linkspan_message_release(message);
    return NULL;
}

static void messages_are_read_by_many(void) {
    pthread_t threads[4];
    linkspan_message *m;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", 7));
    for (int i = 0; i < 4; ++i) {
        OK(linkspan_message_retain(m));
        CHECK(pthread_create(&threads[i], NULL, read_and_release, m) == 0);
    }
    linkspan_message_release(m);
    for (int i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int count, char **arguments) {
    const char *transport = count > 1 ? arguments[1] : "shm";
    closing_ends_the_waits_of_others(transport);
    one_thread_a_direction(transport);
    threads_call_in_turn(transport);
    messages_are_read_by_many();
    puts("ok");
    return 0;
}

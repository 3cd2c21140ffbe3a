/* Publish and subscribe between two processes. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)

static int64_t number_of(const linkspan_message *m) {
    int64_t n;
    OK(linkspan_message_get_i64(m, "n", &n));
    return n;
}

/* Subscribes, counts messages up to `last`, and continues until a stop signal. */
static int subscriber(const char *endpoint, int64_t last, int ready) {
    linkspan_subscriber *s;
    linkspan_message *m;
    bool there;
    int fd;
    OK(linkspan_subscriber_new(endpoint, NULL, &s));
    OK(linkspan_subscriber_recv(s, 60 * SECONDS, &m));
    /* A late subscriber first receives the newest value. */
    int64_t n = number_of(m);
    CHECK(n == 3);
    linkspan_message_release(m);
    CHECK(linkspan_subscriber_try_recv(s, &m) == LINKSPAN_EMPTY && m == NULL);
    OK(linkspan_subscriber_poll(s, &there));
    CHECK(!there);
    OK(linkspan_subscriber_fileno(s, &fd));
    CHECK(write(ready, "1", 1) == 1);
    struct pollfd wait = {fd, POLLIN, 0};
    CHECK(poll(&wait, 1, 20000) == 1);
    while (n < last) {
        OK(linkspan_subscriber_next(s, LINKSPAN_DEFAULT, &m));
        CHECK(m != NULL && number_of(m) == n + 1);
        ++n;
        linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
        OK(linkspan_message_get_info(m, &info));
        CHECK(info.missed == 0 && info.sequence == (uint64_t)n);
        linkspan_message_release(m);
    }
    CHECK(linkspan_subscriber_next(s, 0, &m) == LINKSPAN_TIMEOUT);
    CHECK(write(ready, "2", 1) == 1);
    /* Ends with NULL at a stop signal. */
    OK(linkspan_subscriber_next(s, LINKSPAN_DEFAULT, &m));
    CHECK(m == NULL);
    OK(linkspan_subscriber_close(s));
    linkspan_subscriber_free(s);
    return 0;
}

static void publish(linkspan_publisher *p, int64_t n) {
    linkspan_message *m;
    uint64_t sequence;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", n));
    OK(linkspan_publisher_send(p, m, &sequence));
    CHECK(sequence == (uint64_t)n);
    linkspan_message_release(m);
}

/* flush reports unread messages. A subscriber with a socket has already been sent them. */
static void flush_says_how_much_is_left(const char *endpoint) {
    linkspan_publisher *p;
    linkspan_subscriber *s;
    linkspan_message *m;
    linkspan_error error = LINKSPAN_ERROR_INIT;
    bool there;
    OK(linkspan_publisher_new(endpoint, NULL, &p));
    OK(linkspan_publisher_flush(p, 0));
    OK(linkspan_subscriber_new(endpoint, NULL, &s));
    OK(linkspan_subscriber_poll(s, &there));
    OK(linkspan_publisher_wait_for_subscribers(p, 1, 60 * SECONDS));
    for (int64_t n = 1; n <= 3; ++n) publish(p, n);
    if (strncmp(endpoint, "shm:", 4) == 0) {
        CHECK(linkspan_publisher_flush(p, 20000000) == LINKSPAN_TIMEOUT);
        linkspan_last_error(&error);
        CHECK(error.missed == 3);
    }
    CHECK(linkspan_publisher_flush(p, -2) == LINKSPAN_OUT_OF_RANGE);
    for (int64_t n = 1; n <= 3; ++n) {
        OK(linkspan_subscriber_recv(s, 60 * SECONDS, &m));
        CHECK(number_of(m) == n);
        linkspan_message_release(m);
    }
    uint64_t received, missed;
    OK(linkspan_subscriber_stats(s, &m));
    OK(linkspan_message_get_u64(m, "received", &received));
    OK(linkspan_message_get_u64(m, "missed", &missed));
    CHECK(received == 3 && missed == 0);
    linkspan_message_release(m);
    OK(linkspan_publisher_flush(p, LINKSPAN_DEFAULT));
    OK(linkspan_publisher_close(p, LINKSPAN_DEFAULT));
    CHECK(linkspan_publisher_flush(p, 0) == LINKSPAN_INVALID_STATE);
    linkspan_publisher_free(p);
    linkspan_subscriber_free(s);
}

int main(int count, char **arguments) {
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s:test/readings", count > 1 ? arguments[1] : "shm");
    linkspan_publisher *p, *second;
    linkspan_message *m;
    CHECK(linkspan_latest(endpoint, NULL, 0, &m) == LINKSPAN_NOT_FOUND && m == NULL);
    int ready[2];
    CHECK(pipe(ready) == 0);
    int go[2];
    CHECK(pipe(go) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    char byte;
    if (child == 0) {
        CHECK(read(go[0], &byte, 1) == 1);
        exit(subscriber(endpoint, 10, ready[1]));
    }
    OK(linkspan_publisher_new(endpoint, NULL, &p));
    OK(linkspan_publisher_wait_for_subscribers(p, 0, 0));
    CHECK(linkspan_publisher_wait_for_subscribers(p, 1, 1000000) == LINKSPAN_TIMEOUT);
    CHECK(linkspan_publisher_new(endpoint, NULL, &second) == LINKSPAN_ADDRESS_IN_USE && second == NULL);
    CHECK(linkspan_latest(endpoint, NULL, 5 * SECONDS, &m) == LINKSPAN_EMPTY);
    for (int64_t n = 1; n <= 3; ++n) publish(p, n);
    OK(linkspan_latest(endpoint, NULL, 5 * SECONDS, &m));
    CHECK(number_of(m) == 3);
    linkspan_message_release(m);
    CHECK(write(go[1], "1", 1) == 1);
    CHECK(read(ready[0], &byte, 1) == 1 && byte == '1');
    OK(linkspan_publisher_wait_for_subscribers(p, 1, 60 * SECONDS));
    linkspan_message *stats;
    uint64_t subscribers;
    OK(linkspan_publisher_stats(p, &stats));
    OK(linkspan_message_get_u64(stats, "subscribers", &subscribers));
    CHECK(subscribers == 1);
    linkspan_message_release(stats);
    for (int64_t n = 4; n <= 10; ++n) publish(p, n);
    /* With a pattern, each message has its publisher's endpoint. */
    char pattern[64];
    snprintf(pattern, sizeof pattern, "%.*s*", (int)strlen(endpoint) - 3, endpoint);
    linkspan_subscriber *all;
    OK(linkspan_subscriber_new(pattern, NULL, &all));
    OK(linkspan_subscriber_recv(all, 60 * SECONDS, &m));
    linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
    OK(linkspan_message_get_info(m, &info));
    CHECK(number_of(m) == 10 && info.name_length == strlen(endpoint) && memcmp(info.name, endpoint, info.name_length) == 0);
    linkspan_message_release(m);
    linkspan_subscriber_free(all);
    CHECK(read(ready[0], &byte, 1) == 1 && byte == '2');
    CHECK(kill(child, SIGTERM) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(linkspan_publisher_stats(p, &m));
    OK(linkspan_message_count(m, "", &subscribers));
    CHECK(subscribers > 0);
    linkspan_message_release(m);
    OK(linkspan_publisher_close(p, LINKSPAN_DEFAULT));
    linkspan_publisher_free(p);
    CHECK(linkspan_latest(endpoint, NULL, 0, &m) == LINKSPAN_NOT_FOUND);
    flush_says_how_much_is_left(endpoint);
    puts("ok");
    return 0;
}

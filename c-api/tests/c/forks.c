/* Forks of a program with busy threads. A child never waits for objects of its parent, and writes and closes nothing
 * of them. A handler of atexit may fork. */
#define _GNU_SOURCE
#include <linkspan.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)

/* Longer than any child takes. Beyond it the child waits for a thread that it does not have. */
enum { CHILD_SECONDS = 60, FORKS = 200, FILES = 60, OBJECTS = 3 };

static const char *transport;
static volatile bool ends;

static linkspan_listener *listener;
static linkspan_channel *near[OBJECTS], *far[OBJECTS];
static linkspan_server *server;
static linkspan_channel *client;
static linkspan_publisher *publishers[2];
static linkspan_subscriber *subscribers[2];
static linkspan_service *service;
static linkspan_message *kept, *request;
static linkspan_pending_reply *pending_reply;
static linkspan_array loans[OBJECTS];

static void endpoint_of(char *endpoint, size_t size, const char *name) {
    snprintf(endpoint, size, "%s:test/forks-%s", transport, name);
}

static linkspan_message *message(int64_t number) {
    linkspan_message *m;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_i64(m, "n", number));
    return m;
}

static void look_at_all(void) {
    linkspan_message *found;
#define LOOK(kind, object)                                                                                   \
    do {                                                                                                     \
        if ((object) != NULL) {                                                                              \
            if (linkspan_##kind##_stats(object, &found) == LINKSPAN_OK) linkspan_message_release(found);     \
            if (linkspan_##kind##_events(object, &found) == LINKSPAN_OK) linkspan_message_release(found);    \
        }                                                                                                    \
    } while (0)
    for (int i = 0; i < OBJECTS; i++) {
        LOOK(channel, near[i]);
        LOOK(channel, far[i]);
    }
    LOOK(listener, listener);
    LOOK(server, server);
    LOOK(channel, client);
    for (int i = 0; i < 2; i++) {
        LOOK(publisher, publishers[i]);
        LOOK(subscriber, subscribers[i]);
    }
    if (linkspan_service_stats(service, &found) == LINKSPAN_OK) linkspan_message_release(found);
}

static void *looks(void *unused) {
    while (!ends) look_at_all();
    return unused;
}

static void *serves(void *unused) {
    linkspan_message *asked;
    while (linkspan_server_next(server, LINKSPAN_FOREVER, &asked) == LINKSPAN_OK && asked != NULL) {
        (void)linkspan_request_reply(asked, asked);
        linkspan_message_release(asked);
    }
    return unused;
}

static void *asks(void *unused) {
    while (!ends) {
        linkspan_message *m = message(1), *reply = NULL;
        if (linkspan_channel_call(client, m, 60 * SECONDS, &reply) == LINKSPAN_OK) linkspan_message_release(reply);
        linkspan_message_release(m);
    }
    return unused;
}

static void *publishes(void *publisher) {
    for (int64_t number = 0; !ends; number++) {
        linkspan_message *m = message(number);
        (void)linkspan_publisher_send(publisher, m, NULL);
        linkspan_message_release(m);
        /* A journal syncs each message, so a pause keeps the rate low. */
        if (publisher == publishers[1]) nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    return NULL;
}

static void *receives(void *subscriber) {
    linkspan_message *m = NULL;
    while (!ends) {
        const linkspan_status status = linkspan_subscriber_recv(subscriber, SECONDS / 10, &m);
        if (status == LINKSPAN_OK) linkspan_message_release(m);
    }
    return NULL;
}

/* Two loans at a time, because the second is in a table with a lock. */
static void *borrows(void *unused) {
    const uint64_t length = 20000;
    while (!ends) {
        linkspan_array lent[2];
        for (int i = 0; i < 2; i++) OK(linkspan_channel_loan(near[0], LINKSPAN_F64, 1, &length, &lent[i]));
        for (int i = 0; i < 2; i++) OK(linkspan_loan_free(&lent[i]));
    }
    return unused;
}

static void open_all(void) {
    char endpoint[64];
    endpoint_of(endpoint, sizeof endpoint, "channel");
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    for (int i = 0; i < OBJECTS; i++) {
        OK(linkspan_channel_connect(endpoint, NULL, 60 * SECONDS, &near[i]));
        OK(linkspan_listener_accept(listener, 60 * SECONDS, &far[i]));
    }
    endpoint_of(endpoint, sizeof endpoint, "server");
    OK(linkspan_server_serve(endpoint, NULL, &server));
    OK(linkspan_channel_connect(endpoint, NULL, 60 * SECONDS, &client));
    linkspan_message *m = message(7);
    OK(linkspan_channel_send(client, m, 60 * SECONDS, NULL));
    OK(linkspan_server_next(server, 60 * SECONDS, &request));
    OK(linkspan_channel_start_call(client, m, 60 * SECONDS, &pending_reply));
    linkspan_message_release(m);
    endpoint_of(endpoint, sizeof endpoint, "publisher");
    OK(linkspan_publisher_new(endpoint, NULL, &publishers[0]));
    OK(linkspan_publisher_new("journal:test/forks", NULL, &publishers[1]));
    OK(linkspan_subscriber_new(endpoint, NULL, &subscribers[0]));
    OK(linkspan_subscriber_new("journal:test/forks", NULL, &subscribers[1]));
    /* Over shm: the message is a view of the sender's memory. */
    static double elements[40000];
    const uint64_t length = 40000;
    linkspan_array array = LINKSPAN_ARRAY_INIT;
    array.data = elements;
    array.dtype = LINKSPAN_F64;
    array.order = LINKSPAN_ROW;
    array.rank = 1;
    array.dims[0] = length;
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_array(m, "a", &array));
    OK(linkspan_publisher_send(publishers[0], m, NULL));
    linkspan_message_release(m);
    OK(linkspan_subscriber_recv(subscribers[0], 60 * SECONDS, &kept));
    OK(linkspan_service_start("test/forks", NULL, &service));
    for (int i = 0; i < OBJECTS; i++) OK(linkspan_channel_loan(near[1], LINKSPAN_F64, 1, &length, &loans[i]));
}

static void free_all(void) {
    linkspan_message_release(kept);
    linkspan_message_release(request);
    OK(linkspan_pending_reply_free(pending_reply));
    for (int i = 0; i < OBJECTS; i++) OK(linkspan_loan_free(&loans[i]));
    for (int i = 0; i < OBJECTS; i++) {
        linkspan_channel_free(near[i]);
        linkspan_channel_free(far[i]);
    }
    linkspan_listener_free(listener);
    linkspan_server_free(server);
    linkspan_channel_free(client);
    for (int i = 0; i < 2; i++) {
        linkspan_publisher_free(publishers[i]);
        linkspan_subscriber_free(subscribers[i]);
    }
    linkspan_service_free(service);
}

/* Every call must be refused at once in a child. */
#define REFUSES(call)                                                                                        \
    do {                                                                                                     \
        const linkspan_status refused = (call);                                                              \
        if (refused != LINKSPAN_INVALID_STATE) fprintf(stderr, "status %d: %s\n", (int)refused, #call);      \
        CHECK(refused == LINKSPAN_INVALID_STATE);                                                            \
    } while (0)

static void channel_refuses(linkspan_channel *channel, linkspan_message *m) {
    linkspan_message *got, *some[2];
    const linkspan_message *both[2] = {m, m};
    linkspan_pending_reply *pending;
    size_t count;
    REFUSES(linkspan_channel_send(channel, m, SECONDS, NULL));
    REFUSES(linkspan_channel_try_send(channel, m, NULL));
    REFUSES(linkspan_channel_send_many(channel, both, 2, SECONDS, &count));
    REFUSES(linkspan_channel_recv(channel, SECONDS, &got));
    REFUSES(linkspan_channel_try_recv(channel, &got));
    REFUSES(linkspan_channel_recv_many(channel, 2, SECONDS, some, &count));
    REFUSES(linkspan_channel_call(channel, m, SECONDS, &got));
    REFUSES(linkspan_channel_start_call(channel, m, SECONDS, &pending));
    REFUSES(linkspan_channel_flush(channel, SECONDS));
}

static void all_refuse(void) {
    linkspan_message *m = message(1), *got, *some[2];
    const linkspan_message *both[2] = {m, m};
    linkspan_channel *accepted;
    size_t count;
    for (int i = 0; i < OBJECTS; i++) {
        channel_refuses(near[i], m);
        channel_refuses(far[i], m);
    }
    channel_refuses(client, m);
    REFUSES(linkspan_channel_finish_call(client, pending_reply, SECONDS, &got));
    REFUSES(linkspan_listener_accept(listener, SECONDS, &accepted));
    REFUSES(linkspan_server_next(server, SECONDS, &got));
    REFUSES(linkspan_request_reply(request, m));
    REFUSES(linkspan_request_fail(request, 1, "x", "x", NULL));
    for (int i = 0; i < 2; i++) {
        REFUSES(linkspan_publisher_send(publishers[i], m, NULL));
        REFUSES(linkspan_publisher_send_many(publishers[i], both, 2, &count));
        REFUSES(linkspan_publisher_wait_for_subscribers(publishers[i], 1, SECONDS));
        REFUSES(linkspan_publisher_flush(publishers[i], SECONDS));
        REFUSES(linkspan_subscriber_recv(subscribers[i], SECONDS, &got));
        REFUSES(linkspan_subscriber_try_recv(subscribers[i], &got));
        REFUSES(linkspan_subscriber_recv_many(subscribers[i], 2, SECONDS, some, &count));
        REFUSES(linkspan_subscriber_next(subscribers[i], SECONDS, &got));
    }
    linkspan_task task;
    REFUSES(linkspan_service_next(service, SECONDS, &task));
    linkspan_message_release(m);
}

/* These calls may return knowledge or do nothing in a child, but must return. */
static void all_return(void) {
    bool there;
    int fd;
    linkspan_channel_info info;
    linkspan_service_info of_service;
    for (int i = 0; i < OBJECTS; i++) {
        (void)linkspan_channel_poll(near[i], &there);
        (void)linkspan_channel_ack(far[i]);
        (void)linkspan_channel_get_info(near[i], &info);
        (void)linkspan_channel_fileno(near[i], &fd);
    }
    (void)linkspan_listener_fileno(listener, &fd);
    (void)linkspan_server_fileno(server, &fd);
    (void)linkspan_request_ack(request);
    for (int i = 0; i < 2; i++) {
        (void)linkspan_subscriber_poll(subscribers[i], &there);
        (void)linkspan_subscriber_ack(subscribers[i]);
        (void)linkspan_subscriber_fileno(subscribers[i], &fd);
    }
    (void)linkspan_service_log(service, "x", "info");
    (void)linkspan_service_set_reason(service, "x");
    (void)linkspan_service_get_info(service, &of_service);
    (void)linkspan_service_fileno(service, &fd);
}

static void close_all(void) {
    for (int i = 0; i < OBJECTS; i++) {
        (void)linkspan_channel_close(near[i], SECONDS);
        (void)linkspan_channel_close(far[i], SECONDS);
    }
    (void)linkspan_channel_close(client, SECONDS);
    (void)linkspan_listener_close(listener);
    (void)linkspan_server_close(server, SECONDS);
    for (int i = 0; i < 2; i++) {
        (void)linkspan_publisher_close(publishers[i], SECONDS);
        (void)linkspan_subscriber_close(subscribers[i]);
    }
    (void)linkspan_service_close(service, SECONDS);
}

/* A child opens files, which get the descriptor numbers of the parent's objects. */
static void child(int number) {
    alarm(CHILD_SECONDS);
    look_at_all();
    all_refuse();
    all_return();
    int files[FILES];
    struct stat before[FILES], now;
    for (int fd = 3; fd < 1024; fd++) close(fd);
    for (int i = 0; i < FILES; i++) {
        char path[] = "/tmp/linkspan-forks-XXXXXX";
        files[i] = mkstemp(path);
        CHECK(files[i] >= 0 && unlink(path) == 0 && fstat(files[i], &before[i]) == 0);
    }
    if (number % 3 == 0) close_all();
    free_all();
    for (int i = 0; i < FILES; i++) {
        CHECK(fstat(files[i], &now) == 0 && now.st_ino == before[i].st_ino && now.st_dev == before[i].st_dev);
        CHECK(now.st_size == 0);
    }
    /* The child's own objects work. */
    char endpoint[64], name[32];
    snprintf(name, sizeof name, "child-%d", number);
    endpoint_of(endpoint, sizeof endpoint, name);
    linkspan_publisher *own;
    linkspan_message *m = message(number);
    OK(linkspan_publisher_new(endpoint, NULL, &own));
    OK(linkspan_publisher_send(own, m, NULL));
    linkspan_message_release(m);
    linkspan_publisher_free(own);
    /* With and without the handlers of atexit. */
    if (number % 2 == 0) _exit(0);
    exit(0);
}

static void fork_once(int number) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) child(number);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) fprintf(stderr, "child %d waits for ever\n", number);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t main_process;

/* Runs after the library's handlers, when thread-locals are gone. */
static void fork_at_exit(void) {
    if (getpid() != main_process) return;
    const pid_t pid = fork();
    if (pid == 0) _exit(3);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
    linkspan_message *m = message(1);
    CHECK(linkspan_channel_connect("unix:test/nobody", NULL, 0, &near[0]) != LINKSPAN_OK);
    linkspan_message_release(m);
    printf("ok\n");
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    transport = argv[1];
    main_process = getpid();
    CHECK(atexit(fork_at_exit) == 0);
    open_all();
    pthread_t threads[8];
    int started = 0;
#define START(function, argument) CHECK(pthread_create(&threads[started++], NULL, function, argument) == 0)
    START(looks, NULL);
    START(looks, NULL);
    START(serves, NULL);
    START(asks, NULL);
    START(publishes, publishers[0]);
    START(publishes, publishers[1]);
    START(receives, subscribers[0]);
    START(borrows, NULL);
    for (int number = 0; number < FORKS; number++) fork_once(number);
    ends = true;
    OK(linkspan_server_close(server, 60 * SECONDS));
    for (int i = 0; i < started; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    free_all();
    return 0;
}

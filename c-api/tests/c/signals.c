/* SIGINT and SIGTERM in loops: when the library sets handlers, how to opt out, and what is restored. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)

enum { GOES_ON = 7 };

static int ready;
static const char *kind;
static const char *transport;

static bool waits(void *flag) {
    volatile bool *announced = flag;
    if (!*announced) {
        *announced = true;
        CHECK(write(ready, "w", 1) == 1);
    }
    return true;
}

static volatile bool announced;

/* The object of the loop, one of the two. */
struct looping {
    linkspan_server *server;
    linkspan_subscriber *subscriber;
};

static struct looping made(void) {
    char endpoint[64];
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.on_wait = waits;
    options.on_wait_context = (void *)&announced;
    snprintf(endpoint, sizeof endpoint, "%s:test/signals-%s", transport, kind);
    if (strcmp(kind, "server") == 0) {
        linkspan_server *server;
        OK(linkspan_server_serve(endpoint, &options, &server));
        return (struct looping){server, NULL};
    }
    linkspan_subscriber *subscriber;
    OK(linkspan_subscriber_new(endpoint, &options, &subscriber));
    return (struct looping){NULL, subscriber};
}

static void loop(struct looping of, int64_t timeout) {
    linkspan_message *m = NULL;
    OK(of.server != NULL ? linkspan_server_next(of.server, timeout, &m) : linkspan_subscriber_next(of.subscriber, timeout, &m));
    CHECK(m == NULL);
}

static void close_one(struct looping of) {
    OK(of.server != NULL ? linkspan_server_close(of.server, LINKSPAN_DEFAULT) : linkspan_subscriber_close(of.subscriber));
}

static void free_one(struct looping of) {
    OK(linkspan_server_free(of.server));
    OK(linkspan_subscriber_free(of.subscriber));
}

static void ends_well(void) {
    struct looping of = made();
    loop(of, LINKSPAN_DEFAULT);
    close_one(of);
    free_one(of);
    exit(GOES_ON);
}

static void does_not_leave(void) {
    loop(made(), LINKSPAN_FOREVER);
    CHECK(write(ready, "e", 1) == 1);
    for (;;) pause();
}

static void *closes(void *of) {
    while (!announced) nanosleep(&(struct timespec){0, 1000000}, NULL);
    close_one(*(struct looping *)of);
    return NULL;
}

static void closed_before(void) {
    struct looping of = made();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, closes, &of) == 0);
    loop(of, LINKSPAN_DEFAULT);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(write(ready, "e", 1) == 1);
    for (;;) pause();
}

static void takes_over(void) {
    free_one(made());
    exit(GOES_ON);
}

static void with_a_time_out(void) {
    loop(made(), 60 * SECONDS);
    exit(0);
}

static volatile sig_atomic_t handled;

static void handle(int number) {
    (void)number;
    handled = 1;
}

static bool until_heard(void *flag) {
    waits(flag);
    return !handled;
}

/* The program's handler stays, and the loop continues until the program ends it. */
static void handles_itself(void) {
    struct sigaction mine, now;
    char endpoint[64];
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_server *server;
    linkspan_message *m;
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = handle;
    CHECK(sigaction(SIGTERM, &mine, NULL) == 0);
    options.on_wait = until_heard;
    options.on_wait_context = (void *)&announced;
    snprintf(endpoint, sizeof endpoint, "%s:test/signals-own", transport);
    OK(linkspan_server_serve(endpoint, &options, &server));
    CHECK(linkspan_server_next(server, LINKSPAN_FOREVER, &m) == LINKSPAN_CANCELLED && handled);
    linkspan_server_free(server);
    CHECK(sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == handle);
    exit(GOES_ON);
}

/* Runs a program in a new process and returns its status. Sends each signal after the program printed its letter. */
static int played(void (*program)(void), const char *letters, const int *signals) {
    int from[2];
    CHECK(pipe(from) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ready = from[1];
        alarm(60);
        program();
    }
    close(from[1]);
    for (; *letters != '\0'; ++letters) {
        char letter;
        CHECK(read(from[0], &letter, 1) == 1 && letter == *letters);
        if (*signals != 0) CHECK(kill(child, *signals) == 0);
        ++signals;
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    close(from[0]);
    return status;
}

#define PLAYED(program, letters, ...) played(program, letters, (const int[]){__VA_ARGS__})

int main(int count, char **arguments) {
    transport = count > 1 ? arguments[1] : "shm";
    const char *kinds[] = {"server", "subscriber"};
    for (int i = 0; i < 2; ++i) {
        kind = kinds[i];
        int status = PLAYED(ends_well, "w", SIGTERM);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == GOES_ON);
        status = PLAYED(ends_well, "w", SIGINT);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == GOES_ON);
        status = PLAYED(does_not_leave, "we", SIGTERM, SIGTERM);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        status = PLAYED(closed_before, "we", 0, SIGINT);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
        status = PLAYED(with_a_time_out, "w", SIGTERM);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    }
    /* Not in this process, because forked children would lose locks of its threads. */
    kind = "server";
    int status = PLAYED(takes_over, "", 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == GOES_ON);
    status = PLAYED(handles_itself, "w", SIGTERM);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == GOES_ON);
    puts("ok");
    return 0;
}

/* Sends 1,000 messages and ends without close. One message is consumed, and the callback gets the number of the others.
 * */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static linkspan_channel *channel;
/* Static, because a callback in exit outlives the variables of main. */
static const char *way;
static int calls;
static pthread_t thread;

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

static void *frees(void *unused) {
    check(linkspan_channel_free(channel));
    return unused;
}

/* Runs in exit, after the library's handler. */
static void join(void) {
    if (strcmp(way, "thread") == 0 && pthread_join(thread, NULL) == 0) printf("freed\n");
}

static void report(void *context, uint64_t missed) {
    ++*(int *)context;
    printf("unconsumed %d, call %d\n", (int)missed, calls);
    if (strcmp(way, "again") == 0) {
        /* The allowed calls with its own channel, and with another channel, which stays open. */
        linkspan_channel *other;
        printf("free: %s\n", linkspan_status_name(linkspan_channel_free(channel)));
        printf("close: %s\n", linkspan_status_name(linkspan_channel_close(channel, 0)));
        check(linkspan_channel_open("unix:unconsumed/other", NULL, 0, &other));
    }
    /* The thread waits until the exit is done with the channel. */
    if (strcmp(way, "thread") == 0 && pthread_create(&thread, NULL, frees, NULL) != 0) abort();
    fflush(stdout);
}

int main(int argc, char **argv) {
    linkspan_message *message;
    linkspan_error error = LINKSPAN_ERROR_INIT;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    if (argc < 3) return 2;
    way = argv[2];
    if (atexit(join) != 0) return 2;
    options.on_unconsumed = report;
    options.on_unconsumed_context = &calls;
    check(linkspan_channel_connect(argv[1], &options, LINKSPAN_DEFAULT, &channel));
    check(linkspan_message_new(&message));
    for (int i = 0; i < 1000; i++) check(linkspan_channel_send(channel, message, LINKSPAN_DEFAULT, NULL));
    linkspan_message_release(message);
    while (error.missed != 999) {
        if (linkspan_channel_flush(channel, 20000000) != LINKSPAN_TIMEOUT) return 3;
        linkspan_last_error(&error);
    }
    printf("sent\n");
    fflush(stdout);
    getchar();
    if (strcmp(way, "fork") == 0) {
        /* The channel belongs to the parent, so the child ends first and prints nothing. */
        const pid_t child = fork();
        int status;
        if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) return 4;
    }
    if (strcmp(way, "free") == 0) check(linkspan_channel_free(channel));
    return 0;
}

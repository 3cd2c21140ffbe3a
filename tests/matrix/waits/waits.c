/* Tries each wait of the table: `waits TABLE TRANSPORT` prints the rows with their outcomes. A time-out in C is an
 * integer, so the table's NaN is left out. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS INT64_C(1000000000)
#define SOON (60 * SECONDS)
#define SHORT (SECONDS / 20)
#define OK(call)                                                                                                                          \
    do {                                                                                                                                  \
        if ((call) != LINKSPAN_OK) {                                                                                                      \
            fprintf(stderr, "%d: %s\n", __LINE__, linkspan_last_error_text());                                                            \
            exit(1);                                                                                                                      \
        }                                                                                                                                 \
    } while (0)

/* The objects of the last row, freed before the next row. */
static linkspan_publisher *out;
static linkspan_subscriber *reader;
static linkspan_listener *listener;
static linkspan_channel *near_end, *far_end;
static linkspan_server *server;
static linkspan_message *one, *got;

static void ignored(void *context, uint64_t count) {
    (void)context;
    (void)count;
}

static void end_all(void) {
    linkspan_message_release(got);
    linkspan_subscriber_free(reader);
    linkspan_publisher_free(out);
    linkspan_channel_free(near_end);
    linkspan_channel_free(far_end);
    linkspan_listener_free(listener);
    linkspan_server_free(server);
    got = NULL, reader = NULL, out = NULL, near_end = NULL, far_end = NULL, listener = NULL, server = NULL;
}

static const char *outcome(linkspan_status status) {
    if (status != LINKSPAN_OK) return linkspan_status_name(status);
    return got != NULL ? "message" : "done";
}

/* Opens the row's objects, sends the message if the row expects one, and calls. */
static const char *tried(const char *row, const char *name, int64_t timeout, bool there) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT, plain = LINKSPAN_OPTIONS_INIT;
    linkspan_status status;
    options.timeout = SHORT;
    options.on_unconsumed = plain.on_unconsumed = ignored;
    if (strncmp(row, "subscriber ", 11) == 0) {
        OK(linkspan_publisher_new(name, NULL, &out));
        OK(linkspan_subscriber_new(name, &options, &reader));
        OK(linkspan_publisher_send(out, one, NULL));
        OK(linkspan_subscriber_recv(reader, SOON, &got));
        linkspan_message_release(got);
        got = NULL;
        if (there) OK(linkspan_publisher_send(out, one, NULL));
        status = strcmp(row, "subscriber recv") == 0 ? linkspan_subscriber_recv(reader, timeout, &got) : linkspan_subscriber_next(reader, timeout, &got);
    } else if (strcmp(row, "nobody recv") == 0) {
        OK(linkspan_subscriber_new(name, &options, &reader));
        status = linkspan_subscriber_recv(reader, timeout, &got);
    } else if (strncmp(row, "channel ", 8) == 0) {
        OK(linkspan_listener_listen(name, NULL, &listener));
        OK(linkspan_channel_connect(name, &options, SOON, &near_end));
        OK(linkspan_listener_accept(listener, SOON, &far_end));
        if (strcmp(row, "channel flush") == 0) OK(linkspan_channel_send(near_end, one, SOON, NULL));
        if (there) OK(linkspan_channel_send(far_end, one, SOON, NULL));
        status = strcmp(row, "channel recv") == 0   ? linkspan_channel_recv(near_end, timeout, &got)
                 : strcmp(row, "channel call") == 0 ? linkspan_channel_call(near_end, one, timeout, &got)
                                                    : linkspan_channel_flush(near_end, timeout);
    } else if (strcmp(row, "listener accept") == 0) {
        OK(linkspan_listener_listen(name, &options, &listener));
        if (there) OK(linkspan_channel_connect(name, NULL, SOON, &near_end));
        status = linkspan_listener_accept(listener, timeout, &far_end);
    } else if (strcmp(row, "server next") == 0) {
        OK(linkspan_server_serve(name, &options, &server));
        if (there) {
            OK(linkspan_channel_connect(name, &plain, SOON, &near_end));
            OK(linkspan_channel_send(near_end, one, SOON, NULL));
        }
        status = linkspan_server_next(server, timeout, &got);
    } else if (strcmp(row, "publisher wait") == 0) {
        OK(linkspan_publisher_new(name, &options, &out));
        OK(linkspan_publisher_send(out, one, NULL));
        if (there) {
            OK(linkspan_subscriber_new(name, NULL, &reader));
            OK(linkspan_subscriber_recv(reader, SOON, &got));
            linkspan_message_release(got);
            got = NULL;
        }
        status = linkspan_publisher_wait_for_subscribers(out, 1, timeout);
    } else if (strcmp(row, "publisher latest") == 0) {
        OK(linkspan_publisher_new(name, NULL, &out));
        if (there) OK(linkspan_publisher_send(out, one, NULL));
        status = linkspan_latest(name, NULL, timeout, &got);
    } else if (strcmp(row, "absent latest") == 0) {
        status = linkspan_latest(name, NULL, timeout, &got);
    } else if (strcmp(row, "absent connect") == 0) {
        status = linkspan_channel_connect(name, NULL, timeout, &near_end);
    } else {
        fprintf(stderr, "no such row: %s\n", row);
        exit(1);
    }
    return outcome(status);
}

int main(int argc, char **argv) {
    static const int64_t timeouts[] = {LINKSPAN_DEFAULT, 0, SHORT, SHORT, LINKSPAN_FOREVER, -SECONDS};
    char line[256], name[64], row[64], words[9][32];
    int number = 0;
    FILE *table = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (table == NULL) return 2;
    OK(linkspan_message_new(&one));
    OK(linkspan_message_put_i64(one, "n", 1));
    while (fgets(line, sizeof line, table) != NULL) {
        if (line[0] == '#' || sscanf(line, "%31s %31s %31s %31s %31s %31s %31s %31s %31s", words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8]) != 9) continue;
        snprintf(row, sizeof row, "%s %s", words[0], words[1]);
        printf("%s", row);
        for (int kind = 0; kind < 7; kind++) {
            const char *expected = words[2 + kind];
            snprintf(name, sizeof name, "%s:waits/%d", argv[2], ++number);
            printf(" %s", strcmp(expected, "-") == 0 ? "-" : kind == 6 ? expected : tried(row, name, timeouts[kind], kind == 3 || kind == 4));
            end_all();
        }
        printf("\n");
    }
    linkspan_message_release(one);
    fclose(table);
    return 0;
}

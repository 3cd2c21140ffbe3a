/* The cost of one message in C: sends and receives in one thread, like rust-core/tests/costs/messages.rs.
 *
 * `tools/instructions` counts. usage: messages --rows | ROW COUNT
 */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOON (60 * INT64_C(1000000000))

static void check(linkspan_status status) {
    if (status != LINKSPAN_OK) {
        fprintf(stderr, "%s\n", linkspan_last_error_text());
        exit(1);
    }
}

static linkspan_message *reading(void) {
    linkspan_message *message;
    check(linkspan_message_new(&message));
    check(linkspan_message_put_f64(message, "celsius", 21.5));
    check(linkspan_message_put_i64(message, "number", 7));
    return message;
}

static void read_field(linkspan_message *message) {
    double celsius;
    check(linkspan_message_get_f64(message, "celsius", &celsius));
    check(linkspan_message_release(message));
}

static void exchange(long count) {
    linkspan_listener *listener;
    linkspan_channel *near, *far;
    check(linkspan_listener_listen("shm:c-messages", NULL, &listener));
    check(linkspan_channel_connect("shm:c-messages", NULL, SOON, &near));
    check(linkspan_listener_accept(listener, SOON, &far));
    for (long i = 0; i < count; i++) {
        linkspan_message *sent = reading(), *received;
        check(linkspan_channel_send(near, sent, SOON, NULL));
        check(linkspan_message_release(sent));
        check(linkspan_channel_recv(far, SOON, &received));
        read_field(received);
    }
}

static void publish(long count) {
    linkspan_publisher *publisher;
    linkspan_subscriber *subscriber;
    check(linkspan_publisher_new("shm:c-messages", NULL, &publisher));
    check(linkspan_subscriber_new("shm:c-messages", NULL, &subscriber));
    check(linkspan_publisher_wait_for_subscribers(publisher, 1, SOON));
    for (long i = 0; i < count; i++) {
        linkspan_message *sent = reading(), *received;
        check(linkspan_publisher_send(publisher, sent, NULL));
        check(linkspan_message_release(sent));
        check(linkspan_subscriber_recv(subscriber, SOON, &received));
        read_field(received);
    }
}

static void call(long count) {
    linkspan_server *server;
    linkspan_channel *channel;
    check(linkspan_server_serve("shm:c-messages", NULL, &server));
    check(linkspan_channel_connect("shm:c-messages", NULL, SOON, &channel));
    for (long i = 0; i < count; i++) {
        linkspan_message *asked = reading(), *request, *reply;
        linkspan_pending_reply *pending;
        check(linkspan_channel_start_call(channel, asked, SOON, &pending));
        check(linkspan_server_next(server, SOON, &request));
        check(linkspan_request_reply(request, asked));
        check(linkspan_message_release(request));
        check(linkspan_channel_finish_call(channel, pending, SOON, &reply));
        check(linkspan_pending_reply_free(pending));
        check(linkspan_message_release(asked));
        read_field(reply);
    }
}

static const struct {
    const char *name;
    void (*run)(long count);
} ROWS[] = {{"c-channel-shm-map", exchange}, {"c-publish-shm-map", publish}, {"c-call-shm-map", call}};

int main(int count, char **words) {
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (count == 2 && strcmp(words[1], "--rows") == 0) {
            puts(ROWS[i].name);
        } else if (count == 3 && strcmp(words[1], ROWS[i].name) == 0) {
            ROWS[i].run(atol(words[2]));
            return 0;
        }
    }
    return count == 2 ? 0 : 2;
}

/* A second release, and any use after a release, is LINKSPAN_INVALID_STATE without harm. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

static void want(linkspan_status found, linkspan_status wanted, const char *what) {
    if (found == wanted) return;
    fprintf(stderr, "%s: %s, not %s: %s\n", what, linkspan_status_name(found), linkspan_status_name(wanted),
            linkspan_last_error_text());
    exit(1);
}

static void released(linkspan_status found, const char *what) {
    want(found, LINKSPAN_INVALID_STATE, what);
    if (strstr(linkspan_last_error_text(), "released before") == NULL) {
        fprintf(stderr, "%s: %s\n", what, linkspan_last_error_text());
        exit(1);
    }
}

static void another(linkspan_status found, const char *what) {
    want(found, LINKSPAN_INVALID_STATE, what);
    if (strstr(linkspan_last_error_text(), "this is not a linkspan_message") == NULL) {
        fprintf(stderr, "%s: %s\n", what, linkspan_last_error_text());
        exit(1);
    }
}

static linkspan_message *number(int64_t value) {
    linkspan_message *message;
    want(linkspan_message_new(&message), LINKSPAN_OK, "new");
    want(linkspan_message_put_i64(message, "n", value), LINKSPAN_OK, "put");
    return message;
}

static void messages(void) {
    linkspan_message *message = number(1), *other;
    int64_t value;
    uint8_t *bytes;
    size_t length;
    linkspan_walk *walk;
    want(linkspan_message_release(message), LINKSPAN_OK, "a release");
    released(linkspan_message_release(message), "a second release");
    /* A late use is still detected after this many other messages. */
    for (int i = 0; i < 60; ++i) linkspan_message_release(number(i));
    other = number(2);
    released(linkspan_message_release(message), "a release later");
    released(linkspan_message_retain(message), "a reference more");
    released(linkspan_message_get_i64(message, "n", &value), "reading");
    released(linkspan_message_put_i64(message, "n", 3), "changing");
    released(linkspan_message_put_message(other, "m", message), "copying");
    released(linkspan_encode(message, LINKSPAN_CBOR, &bytes, &length), "encoding");
    released(linkspan_walk_new(message, "", &walk), "walking");
    want(linkspan_message_get_i64(other, "n", &value), LINKSPAN_OK, "reading another");

    want(linkspan_message_retain(other), LINKSPAN_OK, "a reference more");
    want(linkspan_walk_new(other, "", &walk), LINKSPAN_OK, "a walk");
    want(linkspan_message_release(other), LINKSPAN_OK, "one of two");
    want(linkspan_message_release(other), LINKSPAN_OK, "the other of two");
    linkspan_item item = LINKSPAN_ITEM_INIT;
    want(linkspan_walk_next(walk, &item), LINKSPAN_OK, "the walk's own reference");
    want(linkspan_walk_free(walk), LINKSPAN_OK, "the walk");
    released(linkspan_walk_next(walk, &item), "a step of a walk that is gone");
    released(linkspan_walk_free(walk), "the walk again");
    released(linkspan_message_release(other), "one too many");
    want(linkspan_message_release(NULL), LINKSPAN_OK, "NULL");

    const char *nothing = NULL;
    message = number(3);
    want(linkspan_message_put_text(message, "text", LINKSPAN_ZSTR(nothing)), LINKSPAN_INVALID_STATE, "no text");
    want(linkspan_message_put_text(message, "text", LINKSPAN_ZSTR("some")), LINKSPAN_OK, "a text");
    want(linkspan_message_release(message), LINKSPAN_OK, "its message");
}

static void objects(void) {
    linkspan_publisher *publisher;
    linkspan_listener *listener;
    linkspan_message *message = number(1), *stats;
    linkspan_channel *channel;
    int fd;
    want(linkspan_publisher_new("shm:test/released", NULL, &publisher), LINKSPAN_OK, "a publisher");
    want(linkspan_listener_listen("unix:test/released", NULL, &listener), LINKSPAN_OK, "a listener");
    /* A cast hides the kind from the compiler; both objects are unchanged. */
    want(linkspan_channel_free((linkspan_channel *)(void *)message), LINKSPAN_INVALID_STATE, "a message as a channel");
    want(linkspan_channel_free((linkspan_channel *)(void *)listener), LINKSPAN_INVALID_STATE, "a listener as a channel");
    /* The first word of a message counts its references. */
    linkspan_message *cast = (linkspan_message *)(void *)listener, *reply;
    double value;
    another(linkspan_message_get_f64(cast, "x", &value), "reading a listener");
    another(linkspan_message_put_f64(cast, "x", 1), "changing a listener");
    another(linkspan_message_retain(cast), "a reference to a listener");
    another(linkspan_message_release(cast), "releasing a listener");
    another(linkspan_publisher_send(publisher, cast, NULL), "sending a listener");
    another(linkspan_message_put_message(message, "m", cast), "copying a listener");
    another(linkspan_request_reply(cast, message), "replying to a listener");
    another(linkspan_message_get_message((linkspan_message *)(void *)publisher, "", &reply), "a part of a publisher");
    want(linkspan_publisher_free(publisher), LINKSPAN_OK, "the publisher");
    another(linkspan_message_release((linkspan_message *)(void *)publisher), "releasing a publisher that is gone");
    released(linkspan_publisher_free(publisher), "the publisher again");
    released(linkspan_publisher_stats(publisher, &stats), "its counters");
    released(linkspan_publisher_close(publisher, LINKSPAN_DEFAULT), "closing it");
    released(linkspan_publisher_send(publisher, message, NULL), "sending by it");
    want(linkspan_listener_fileno(listener, &fd), LINKSPAN_OK, "the listener meanwhile");
    want(linkspan_listener_free(listener), LINKSPAN_OK, "the listener");
    released(linkspan_listener_accept(listener, 0, &channel), "accepting");
    released(linkspan_listener_fileno(listener, &fd), "its descriptor");
    released(linkspan_listener_free(listener), "the listener again");
    /* The name is free, because the first release closed the listener. */
    want(linkspan_listener_listen("unix:test/released", NULL, &listener), LINKSPAN_OK, "another listener");
    want(linkspan_listener_free(listener), LINKSPAN_OK, "that one");
    want(linkspan_message_release(message), LINKSPAN_OK, "the message");
}

int main(void) {
    messages();
    objects();
    puts("ok");
    return 0;
}

/* Calls in two steps: several pending requests, answered in reverse order between other messages. */
#include <linkspan.h>

#include <stdio.h>

#include "check.h"

static linkspan_pending_reply *started(linkspan_channel *channel, int64_t number) {
    linkspan_message *request;
    linkspan_pending_reply *pending;
    OK(linkspan_message_new(&request));
    OK(linkspan_message_put_i64(request, NULL, number));
    OK(linkspan_channel_start_call(channel, request, LINKSPAN_DEFAULT, &pending));
    linkspan_message_release(request);
    return pending;
}

static void answer(linkspan_channel *channel, linkspan_message *request) {
    int64_t number;
    linkspan_message *reply;
    OK(linkspan_message_get_i64(request, "", &number));
    OK(linkspan_message_new(&reply));
    OK(linkspan_message_put_i64(reply, NULL, number + 100));
    OK(linkspan_channel_reply(channel, request, reply, LINKSPAN_DEFAULT));
    linkspan_message_release(reply);
    linkspan_message_release(request);
}

static int64_t number_of(linkspan_message *message) {
    int64_t number;
    OK(linkspan_message_get_i64(message, "", &number));
    linkspan_message_release(message);
    return number;
}

static int64_t finished(linkspan_channel *channel, linkspan_pending_reply *pending) {
    linkspan_message *reply;
    OK(linkspan_channel_finish_call(channel, pending, LINKSPAN_DEFAULT, &reply));
    return number_of(reply);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    char endpoint[100];
    snprintf(endpoint, sizeof endpoint, "%s:test/calls", arguments[1]);
    linkspan_listener *listener;
    linkspan_channel *near, *far;
    OK(linkspan_listener_listen(endpoint, NULL, &listener));
    OK(linkspan_channel_connect(endpoint, NULL, LINKSPAN_DEFAULT, &near));
    OK(linkspan_listener_accept(listener, LINKSPAN_DEFAULT, &far));
    linkspan_pending_reply *pending[3], *dropped_one;
    linkspan_message *requests[3], *data, *stats;
    for (int i = 0; i < 3; ++i) pending[i] = started(near, i);
    for (int i = 0; i < 3; ++i) OK(linkspan_channel_recv(far, LINKSPAN_DEFAULT, &requests[i]));
    /* The request stays pending. */
    linkspan_message *reply;
    CHECK(linkspan_channel_finish_call(near, pending[0], 0, &reply) == LINKSPAN_TIMEOUT && reply == NULL);
    answer(far, requests[2]);
    answer(far, requests[1]);
    OK(linkspan_message_new(&data));
    OK(linkspan_message_put_i64(data, NULL, 7));
    OK(linkspan_channel_send(far, data, LINKSPAN_DEFAULT, NULL));
    linkspan_message_release(data);
    /* It comes after two replies, which are kept. */
    OK(linkspan_channel_recv(near, LINKSPAN_DEFAULT, &data));
    CHECK(number_of(data) == 7);
    answer(far, requests[0]);
    for (int i = 0; i < 3; ++i) CHECK(finished(near, pending[i]) == 100 + i);
    OK(linkspan_channel_stats(near, &stats));
    uint64_t dropped;
    OK(linkspan_message_get_u64(stats, "dropped", &dropped));
    CHECK(dropped == 0);
    linkspan_message_release(stats);
    /* A request has one reply, and belongs to one channel. */
    CHECK(linkspan_channel_finish_call(near, pending[0], LINKSPAN_FOREVER, &reply) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_channel_finish_call(far, pending[0], LINKSPAN_FOREVER, &reply) == LINKSPAN_INVALID_STATE);
    for (int i = 0; i < 3; ++i) OK(linkspan_pending_reply_free(pending[i]));
    CHECK(linkspan_channel_finish_call(near, pending[0], LINKSPAN_FOREVER, &reply) == LINKSPAN_INVALID_STATE);
    /* Freeing a request withdraws it: the peer does not receive it. */
    dropped_one = started(near, 3);
    OK(linkspan_pending_reply_free(dropped_one));
    pending[0] = started(near, 4);
    OK(linkspan_channel_recv(far, LINKSPAN_DEFAULT, &requests[0]));
    int64_t number;
    OK(linkspan_message_get_i64(requests[0], "", &number));
    CHECK(number == 4);
    answer(far, requests[0]);
    CHECK(finished(near, pending[0]) == 104);
    OK(linkspan_pending_reply_free(pending[0]));
    /* No further call acknowledges the last messages. */
    linkspan_channel_close(near, 0);
    linkspan_channel_close(far, 0);
    OK(linkspan_channel_free(near));
    OK(linkspan_channel_free(far));
    OK(linkspan_listener_free(listener));
    puts("ok");
    return 0;
}

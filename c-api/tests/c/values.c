/* Limits of values: widened and empty arrays, time-outs of zero and below, a slow subscription. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static linkspan_status widened(linkspan_dtype from, const void *elements, linkspan_dtype to, void *place) {
    linkspan_array there = LINKSPAN_ARRAY_INIT;
    there.dtype = from;
    there.rank = 1;
    there.dims[0] = 2;
    there.data = elements;
    linkspan_array wanted = there;
    wanted.dtype = to;
    wanted.data = place;
    return linkspan_array_copy(&there, &wanted);
}

static void arrays_widen_as_single_numbers_do(void) {
    const int32_t i32[2] = {-7, 2147483647};
    const uint16_t u16[2] = {0, 65535};
    const int64_t exact[2] = {-9007199254740992, 5}, inexact[2] = {1, 9007199254740993};
    const uint64_t u64[2] = {9007199254740992u, 1};
    const float f32[2] = {1.5f, -2};
    float narrow[2], c64[4];
    double wide[4];
    OK(widened(LINKSPAN_I32, i32, LINKSPAN_F64, wide));
    CHECK(wide[0] == -7 && wide[1] == 2147483647);
    OK(widened(LINKSPAN_U16, u16, LINKSPAN_F32, narrow));
    CHECK(narrow[0] == 0 && narrow[1] == 65535);
    OK(widened(LINKSPAN_I64, exact, LINKSPAN_F64, wide));
    CHECK(wide[0] == -9007199254740992.0 && wide[1] == 5);
    OK(widened(LINKSPAN_U64, u64, LINKSPAN_F64, wide));
    CHECK(wide[0] == 9007199254740992.0 && wide[1] == 1);
    CHECK(widened(LINKSPAN_I64, inexact, LINKSPAN_F64, wide) == LINKSPAN_OUT_OF_RANGE);
    CHECK(strstr(linkspan_last_error_text(), "position 1") != NULL);
    OK(widened(LINKSPAN_F32, f32, LINKSPAN_C64, c64));
    CHECK(c64[0] == 1.5f && c64[1] == 0 && c64[2] == -2 && c64[3] == 0);
    OK(widened(LINKSPAN_F32, f32, LINKSPAN_C128, wide));
    CHECK(wide[0] == 1.5 && wide[1] == 0 && wide[2] == -2 && wide[3] == 0);
    /* A float cannot hold every int32_t or double, so these are refused for any values. */
    CHECK(widened(LINKSPAN_I32, i32, LINKSPAN_F32, narrow) == LINKSPAN_WRONG_TYPE);
    CHECK(widened(LINKSPAN_F64, wide, LINKSPAN_F32, narrow) == LINKSPAN_WRONG_TYPE);
    CHECK(strstr(linkspan_last_error_text(), "not converted to f32") != NULL);
}

static bool stop(void *context) {
    *(bool *)context = true;
    return false;
}

static void zero_does_not_wait(const char *endpoint) {
    bool waited = false;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.timeout = 0;
    options.on_wait = stop;
    options.on_wait_context = &waited;
    linkspan_subscriber *subscriber;
    linkspan_publisher *publisher;
    linkspan_message *m;
    OK(linkspan_publisher_new(endpoint, NULL, &publisher));
    OK(linkspan_subscriber_new(endpoint, &options, &subscriber));
    linkspan_status status = linkspan_subscriber_recv(subscriber, LINKSPAN_DEFAULT, &m);
    /* Stalled: on a busy machine the publisher may not answer within the time-out of the handshake. */
    CHECK((status == LINKSPAN_TIMEOUT || status == LINKSPAN_STALLED) && !waited);
    CHECK(linkspan_subscriber_recv(subscriber, LINKSPAN_FOREVER, &m) == LINKSPAN_CANCELLED && waited);
    OK(linkspan_subscriber_free(subscriber));
    OK(linkspan_publisher_free(publisher));
    options.timeout = -5;
    CHECK(linkspan_subscriber_new(endpoint, &options, &subscriber) == LINKSPAN_OUT_OF_RANGE);
    CHECK(strstr(linkspan_last_error_text(), "-5 ns") != NULL);
}

static void slow_loop_goes_on(const char *endpoint) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.buffer = 65536;
    linkspan_publisher *publisher;
    linkspan_subscriber *subscriber;
    linkspan_message *m;
    static const uint8_t body[4000];
    OK(linkspan_publisher_new(endpoint, &options, &publisher));
    OK(linkspan_subscriber_new(endpoint, NULL, &subscriber));
    CHECK(linkspan_subscriber_try_recv(subscriber, &m) == LINKSPAN_EMPTY);
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_bytes(m, NULL, body, sizeof body));
    for (int i = 0; i < 500; ++i) OK(linkspan_publisher_send(publisher, m, NULL));
    OK(linkspan_message_release(m));
    uint64_t got = 0, missed = 0, last = 0;
    while (last < 500) {
        linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
        OK(linkspan_subscriber_next(subscriber, INT64_C(60000000000), &m));
        OK(linkspan_message_get_info(m, &info));
        got += 1;
        missed += info.missed;
        last = info.sequence;
        OK(linkspan_message_release(m));
    }
    CHECK(missed > 0 && got + missed == 500);
    OK(linkspan_subscriber_free(subscriber));
    OK(linkspan_publisher_free(publisher));
}

int main(void) {
    arrays_widen_as_single_numbers_do();
    zero_does_not_wait("shm:test/zero");
    slow_loop_goes_on("shm:test/slow");
    puts("ok");
    return 0;
}

/*
 * A loaned array in each direction through the C interface. The sender writes eight bytes, and the receiver reads
 * them in place.
 */
#include <linkspan.h>

#include "near.h"

static linkspan_channel *channel;
static linkspan_message *message;
static uint64_t length;

static void check(linkspan_status status) {
    if (status != LINKSPAN_OK) fail("linkspan", linkspan_last_error_text());
}

static void once(void) {
    static uint64_t count;
    linkspan_message *answer;
    linkspan_array array;
    check(linkspan_channel_loan(channel, LINKSPAN_U64, 1, &length, &array));
    *(uint64_t *)array.data = ++count;
    check(linkspan_message_put_loan(message, "wave", &array));
    check(linkspan_channel_send(channel, message, LINKSPAN_DEFAULT, NULL));
    /* As in Rust: a message that still holds the array keeps its memory from being loaned again. */
    check(linkspan_message_clear(message));
    check(linkspan_channel_recv(channel, LINKSPAN_DEFAULT, &answer));
    check(linkspan_message_get_array(answer, "wave", &array));
    /* The far end counts its answers. */
    if (array.length != length * 8 || *(const uint64_t *)array.data != count) fail("linkspan", "something else came back");
    linkspan_message_release(answer);
}

int main(int argc, char **argv) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    const char *endpoint = far_end_of_arrays(argc, argv);
    options.spin = spin(argv);
    length = strtoull(argv[4], NULL, 10) / 8;
    check(linkspan_channel_connect(endpoint, &options, 20000000000, &channel));
    check(linkspan_message_new(&message));
    once();
    pin(argv[2], 0);
    serve(once, 1, NULL, NULL);
    linkspan_message_release(message);
    linkspan_channel_free(channel);
    return 0;
}

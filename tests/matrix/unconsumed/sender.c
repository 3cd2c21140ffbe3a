/* Sends 1,000 messages, flushes to learn the consumed number, and ends without close. A second argument frees the
 * channel. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

int main(int argc, char **argv) {
    linkspan_channel *channel;
    linkspan_message *message;
    linkspan_error error = LINKSPAN_ERROR_INIT;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    if (argc < 2) return 2;
    check(linkspan_channel_connect(argv[1], &options, LINKSPAN_DEFAULT, &channel));
    check(linkspan_message_new(&message));
    for (int64_t i = 0; i < 1000; i++) {
        check(linkspan_message_clear(message));
        check(linkspan_message_put_i64(message, "i", i));
        check(linkspan_channel_send(channel, message, LINKSPAN_DEFAULT, NULL));
    }
    linkspan_message_release(message);
    if (linkspan_channel_flush(channel, 50000000) != LINKSPAN_TIMEOUT) return 3;
    linkspan_last_error(&error);
    printf("%d\n", (int)error.missed);
    fflush(stdout);
    getchar();
    if (argc > 2) check(linkspan_channel_free(channel));
    return 0;
}

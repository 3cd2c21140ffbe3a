/* A channel: start it twice, in any two languages. The first listens, the second joins it. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

int main(void) {
    linkspan_channel *channel;
    linkspan_message *hello, *message;
    linkspan_channel_info state = LINKSPAN_CHANNEL_INFO_INIT;
    const char *from;
    size_t length;

    check(linkspan_channel_open("first/channel", NULL, LINKSPAN_DEFAULT, &channel));
    check(linkspan_channel_get_info(channel, &state));
    check(linkspan_message_new(&hello));
    check(linkspan_message_put_text(hello, "from", LINKSPAN_ZSTR("C")));
    check(linkspan_channel_send(channel, hello, LINKSPAN_DEFAULT, NULL));
    check(linkspan_channel_recv(channel, LINKSPAN_DEFAULT, &message));
    check(linkspan_message_get_text(message, "from", &from, &length));
    const char *role = state.role == LINKSPAN_ROLE_LISTENER ? "listener" : "connector";
    printf("the %s received from %.*s\n", role, (int)length, from);

    linkspan_message_release(message);
    linkspan_message_release(hello);
    check(linkspan_channel_close(channel, LINKSPAN_DEFAULT));
    linkspan_channel_free(channel);
    return 0;
}

/* Subscribes to several names and prints name and number of each message, then the newest messages of a pattern. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

static void print(linkspan_message *message) {
    int64_t number;
    linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
    check(linkspan_message_get_i64(message, "i", &number));
    check(linkspan_message_get_info(message, &info));
    printf("%.*s %lld\n", (int)info.name_length, info.name, (long long)number);
    linkspan_message_release(message);
}

int main(int count, char **names) {
    linkspan_subscriber *subscriber;
    linkspan_message *message;
    check(linkspan_subscriber_of((const char *const *)names + 1, (size_t)count - 1, NULL, &subscriber));
    puts("ready");
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        check(linkspan_subscriber_recv(subscriber, 60000000000, &message));
        print(message);
    }
    linkspan_subscriber_free(subscriber);
    check(linkspan_latest("several/*", NULL, 60000000000, &message));
    print(message);
    return 0;
}

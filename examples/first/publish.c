/* Publish and subscribe: `publish` publishes ten readings a second, `publish subscribe` prints three readings. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

static void subscribe(void) {
    linkspan_subscriber *readings;
    linkspan_message *reading;
    check(linkspan_subscriber_new("first/publish", NULL, &readings));
    for (int i = 0; i < 3; ++i) {
        double celsius;
        const char *from;
        size_t length;
        check(linkspan_subscriber_next(readings, LINKSPAN_DEFAULT, &reading));
        if (reading == NULL) break; /* a signal asked to stop */
        check(linkspan_message_get_f64(reading, "celsius", &celsius));
        check(linkspan_message_get_text(reading, "from", &from, &length));
        printf("%.1f °C from %.*s\n", celsius, (int)length, from);
        linkspan_message_release(reading);
    }
    linkspan_subscriber_free(readings);
}

static void publish(void) {
    linkspan_publisher *out;
    linkspan_message *reading;
    check(linkspan_publisher_new("first/publish", NULL, &out));
    check(linkspan_message_new(&reading));
    for (double celsius = 20.0;; celsius += 0.1) {
        check(linkspan_message_clear(reading));
        check(linkspan_message_put_f64(reading, "celsius", celsius));
        check(linkspan_message_put_text(reading, "from", LINKSPAN_ZSTR("C")));
        check(linkspan_publisher_send(out, reading, NULL));
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "subscribe") == 0) {
        subscribe();
    } else {
        publish();
    }
    return 0;
}

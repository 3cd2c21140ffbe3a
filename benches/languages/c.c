/* A round trip of a map with two fields through the C interface. Each trip builds and reads the map. */
#include <linkspan.h>

#include "near.h"

static linkspan_channel *channel;
static linkspan_message *reading;

static void check(linkspan_status status) {
    if (status != LINKSPAN_OK) fail("linkspan", linkspan_last_error_text());
}

static void once(void) {
    static int64_t count;
    linkspan_message *answer;
    int64_t number;
    double celsius;
    check(linkspan_message_clear(reading));
    check(linkspan_message_put_i64(reading, "count", ++count));
    check(linkspan_message_put_f64(reading, "celsius", 21.5));
    check(linkspan_channel_send(channel, reading, LINKSPAN_DEFAULT, NULL));
    check(linkspan_channel_recv(channel, LINKSPAN_DEFAULT, &answer));
    check(linkspan_message_get_i64(answer, "count", &number));
    check(linkspan_message_get_f64(answer, "celsius", &celsius));
    linkspan_message_release(answer);
    /* The far end keeps an answer of each length ready. */
    if (number < 1 || number > count) fail("linkspan", "something else came back");
}

int main(int argc, char **argv) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    const char *endpoint = far_end(argc, argv);
    options.spin = spin(argv);
    check(linkspan_channel_connect(endpoint, &options, 20000000000, &channel));
    check(linkspan_message_new(&reading));
    once();
    pin(argv[2], 0);
    serve(once, 1, NULL, NULL);
    linkspan_message_release(reading);
    linkspan_channel_free(channel);
    return 0;
}

/* Decodes the next and the newest message of a name: `decode ENDPOINT [SCHEMA]` prints each value, or the error's kind
 * and text. */
#include "meter.h"

#include <linkspan.h>

#include <stdint.h>
#include <stdio.h>

#define SECONDS INT64_C(1000000000)

static void decoded(const linkspan_message *message) {
    meter value;
    if (!meter_init(&value)) return;
    if (meter_decode(&value, message) == LINKSPAN_OK) {
        printf("%.1f\n", value.pressure);
    } else {
        linkspan_error last = LINKSPAN_ERROR_INIT;
        linkspan_last_error(&last);
        printf("%s %s\n", linkspan_status_name(last.status), last.text);
    }
    meter_free(&value);
}

int main(int argc, char **argv) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_subscriber *in = NULL;
    linkspan_message *message = NULL;
    if (argc > 2) options.schema = argv[2];
    if (linkspan_subscriber_new(argv[1], &options, &in) != LINKSPAN_OK) return 2;
    if (linkspan_subscriber_recv(in, 60 * SECONDS, &message) != LINKSPAN_OK) return 3;
    decoded(message);
    linkspan_message_release(message);
    if (linkspan_latest(argv[1], &options, 60 * SECONDS, &message) != LINKSPAN_OK) return 4;
    decoded(message);
    linkspan_message_release(message);
    linkspan_subscriber_free(in);
    return 0;
}

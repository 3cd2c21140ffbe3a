/* Reads the next message of a name as the generated struct, whole or at a path: `get ENDPOINT PATH` prints the value or
 * the error. */
#include "meter.h"

#include <linkspan.h>

#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv) {
    linkspan_subscriber *in = NULL;
    linkspan_message *message = NULL;
    meter value;
    if (argc != 3 || linkspan_subscriber_new(argv[1], NULL, &in) != LINKSPAN_OK) return 2;
    if (linkspan_subscriber_recv(in, INT64_C(30000000000), &message) != LINKSPAN_OK) return 3;
    if (!meter_init(&value)) return 4;
    if (meter_get(&value, message, argv[2]) == LINKSPAN_OK) {
        printf("%.1f\n", value.pressure);
    } else {
        linkspan_error last = LINKSPAN_ERROR_INIT;
        linkspan_last_error(&last);
        printf("%s %s\n", linkspan_status_name(last.status), last.text);
    }
    meter_free(&value);
    linkspan_message_release(message);
    linkspan_subscriber_free(in);
    return 0;
}

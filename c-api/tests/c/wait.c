/* Waiting for several objects, and for invalid descriptors. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define SECONDS INT64_C(1000000000)

int main(int count, char **arguments) {
    char names[3][64];
    linkspan_publisher *publishers[2];
    linkspan_subscriber *readings[2];
    linkspan_server *server;
    linkspan_message *message;
    int descriptors[3];
    bool ready[3] = {true, true, true};
    CHECK(count == 2);
    for (int i = 0; i < 3; ++i) snprintf(names[i], sizeof names[i], "%s:test/wait%d", arguments[1], i);
    for (int i = 0; i < 2; ++i) {
        OK(linkspan_publisher_new(names[i], NULL, &publishers[i]));
        OK(linkspan_subscriber_new(names[i], NULL, &readings[i]));
        OK(linkspan_publisher_wait_for_subscribers(publishers[i], 1, 60 * SECONDS));
    }
    OK(linkspan_server_serve(names[2], NULL, &server));
    for (int turn = 0; turn < 4; ++turn) {
        const int sender = turn % 2;
        OK(linkspan_message_new(&message));
        OK(linkspan_message_put_i64(message, NULL, turn));
        OK(linkspan_publisher_send(publishers[sender], message, NULL));
        linkspan_message_release(message);
        message = NULL;
        while (message == NULL) {
            for (int i = 0; i < 2; ++i) OK(linkspan_subscriber_fileno(readings[i], &descriptors[i]));
            OK(linkspan_server_fileno(server, &descriptors[2]));
            OK(linkspan_wait(descriptors, 3, 60 * SECONDS, ready));
            CHECK(ready[0] || ready[1] || ready[2]);
            for (int i = 0; i < 2; ++i) {
                if (!ready[i]) continue;
                const linkspan_status status = linkspan_subscriber_try_recv(readings[i], &message);
                CHECK(status == LINKSPAN_EMPTY || (status == LINKSPAN_OK && i == sender));
            }
        }
        linkspan_message_release(message);
    }
    /* None is ready; then the descriptors are invalid. */
    for (int i = 0; i < 2; ++i) OK(linkspan_subscriber_fileno(readings[i], &descriptors[i]));
    linkspan_status status = LINKSPAN_OK;
    while ((status = linkspan_wait(descriptors, 2, 0, ready)) == LINKSPAN_OK) {
        for (int i = 0; i < 2; ++i) CHECK(linkspan_subscriber_try_recv(readings[i], &message) == LINKSPAN_EMPTY);
    }
    CHECK(status == LINKSPAN_TIMEOUT && !ready[0] && !ready[1]);
    CHECK(linkspan_wait(descriptors, 0, 0, ready) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_wait(NULL, 1, 0, ready) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_wait(descriptors, 1, 0, NULL) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_wait(descriptors, 1, -7, ready) == LINKSPAN_OUT_OF_RANGE);
    descriptors[1] = -1;
    CHECK(linkspan_wait(descriptors, 2, 0, ready) == LINKSPAN_INVALID_STATE);
    CHECK(strstr(linkspan_last_error_text(), "-1 is not a descriptor") != NULL);
    for (int i = 0; i < 2; ++i) {
        OK(linkspan_subscriber_free(readings[i]));
        OK(linkspan_publisher_free(publishers[i]));
    }
    OK(linkspan_server_free(server));
    puts("ok");
    return 0;
}

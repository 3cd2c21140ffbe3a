/* A controller's client: asks `service` for its data, pauses it, lets it run, and ends it. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

#define NAME "lab/counter"

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

int main(void) {
    linkspan_controller *controller;
    linkspan_message *data, *record, *nothing;
    int64_t count;
    const char *state;
    size_t length;
    check(linkspan_controller_connect(NULL, NULL, LINKSPAN_DEFAULT, &controller));
    check(linkspan_controller_command(controller, NAME, "GET_DATA", NULL, LINKSPAN_DEFAULT, &data));
    check(linkspan_message_get_i64(data, "count", &count));
    printf("%s\n", count >= 0 ? "counts" : "does not count");
    linkspan_message_release(data);
    check(linkspan_controller_command(controller, NAME, "PAUSE", NULL, LINKSPAN_DEFAULT, &nothing));
    linkspan_message_release(nothing);
    check(linkspan_controller_status(controller, NAME, LINKSPAN_DEFAULT, &record));
    check(linkspan_message_get_text(record, "state", &state, &length));
    printf("%.*s\n", (int)length, state);
    linkspan_message_release(record);
    check(linkspan_controller_command(controller, NAME, "RUN", NULL, LINKSPAN_DEFAULT, &nothing));
    linkspan_message_release(nothing);
    check(linkspan_controller_command(controller, NAME, "SHUTDOWN", NULL, LINKSPAN_DEFAULT, &nothing));
    linkspan_message_release(nothing);
    linkspan_controller_free(controller);
    return 0;
}

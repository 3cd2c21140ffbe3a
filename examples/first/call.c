/* Request and reply: `call serve` adds up the numbers of each request, `call` sends one. */
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(linkspan_status status) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    exit(1);
}

static void serve(void) {
    linkspan_server *server;
    linkspan_message *request, *reply;
    check(linkspan_server_serve("first/call", NULL, &server));
    check(linkspan_message_new(&reply));
    for (;;) {
        linkspan_array numbers;
        linkspan_status status;
        double sum = 0;
        check(linkspan_server_next(server, LINKSPAN_DEFAULT, &request));
        if (request == NULL) break; /* a signal asked to stop */
        /* A view without a copy. A bad request is an error for its caller, and the loop continues. */
        status = linkspan_message_get_array_view(request, "numbers", LINKSPAN_F64, LINKSPAN_ROW, 1, &numbers);
        if (status == LINKSPAN_OK) {
            for (size_t i = 0; i < numbers.dims[0]; ++i) sum += ((const double *)numbers.data)[i];
            check(linkspan_message_clear(reply));
            check(linkspan_message_put_f64(reply, "sum", sum));
            check(linkspan_message_put_text(reply, "from", LINKSPAN_ZSTR("C")));
            status = linkspan_request_reply(request, reply);
        } else {
            status = linkspan_request_fail(request, status, "sum.Request", linkspan_last_error_text(), NULL);
        }
        /* The caller has ended, or wants no reply. */
        if (status != LINKSPAN_OK) fprintf(stderr, "%s\n", linkspan_last_error_text());
        linkspan_message_release(request);
    }
    linkspan_message_release(reply);
    linkspan_server_free(server);
}

static void call(void) {
    const double numbers[3] = {1, 2, 3.5};
    const linkspan_array array = {LINKSPAN_F64, LINKSPAN_ROW, 1, {3}, numbers, 0};
    linkspan_channel *channel;
    linkspan_message *request, *reply;
    double sum;
    const char *from;
    size_t length;
    check(linkspan_channel_connect("first/call", NULL, LINKSPAN_DEFAULT, &channel));
    check(linkspan_message_new(&request));
    check(linkspan_message_put_array(request, "numbers", &array));
    check(linkspan_channel_call(channel, request, LINKSPAN_DEFAULT, &reply));
    check(linkspan_message_get_f64(reply, "sum", &sum));
    check(linkspan_message_get_text(reply, "from", &from, &length));
    printf("the sum is %.1f, says %.*s\n", sum, (int)length, from);
    linkspan_message_release(reply);
    linkspan_message_release(request);
    linkspan_channel_free(channel);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        serve();
    } else {
        call();
    }
    return 0;
}

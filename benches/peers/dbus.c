/*
 * D-Bus: a small blocking method call with libdbus, through a private bus.
 *
 * usage: dbus call BYTES PLACEMENT
 */
#include <dbus/dbus.h>

#include "worker.h"

static DBusConnection *here;
static char address[240];
static size_t bytes;
static char *content;

static DBusConnection *connected(void) {
    double until = now() + 10e9;
    for (;;) {
        DBusError error = DBUS_ERROR_INIT;
        DBusConnection *connection = dbus_connection_open_private(address, &error);
        if (connection && dbus_bus_register(connection, &error)) return connection;
        if (now() > until) fail(address, error.message);
        dbus_error_free(&error);
        usleep(5000);
    }
}

static void answer(void) {
    DBusConnection *connection = connected();
    if (dbus_bus_request_name(connection, "org.linkspan.Bench", 0, NULL) < 0) fail("dbus", "no name");
    while (dbus_connection_read_write(connection, -1)) {
        DBusMessage *message;
        while ((message = dbus_connection_pop_message(connection))) {
            if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_CALL) {
                DBusMessage *reply = dbus_message_new_method_return(message);
                const char *data = content;
                dbus_message_append_args(reply, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, (int)bytes, DBUS_TYPE_INVALID);
                dbus_connection_send(connection, reply, NULL);
                dbus_connection_flush(connection);
                dbus_message_unref(reply);
            }
            dbus_message_unref(message);
        }
    }
}

static DBusMessage *asked(DBusError *error) {
    DBusMessage *message = dbus_message_new_method_call("org.linkspan.Bench", "/", "org.linkspan.Bench", "Echo");
    const char *data = content;
    dbus_message_append_args(message, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &data, (int)bytes, DBUS_TYPE_INVALID);
    DBusMessage *reply = dbus_connection_send_with_reply_and_block(here, message, 20000, error);
    dbus_message_unref(message);
    return reply;
}

static void call(void) {
    DBusError error = DBUS_ERROR_INIT;
    DBusMessage *reply = asked(&error);
    if (!reply) fail("dbus", error.message);
    dbus_message_unref(reply);
}

int main(int argc, char **argv) {
    char listen[260];
    if (argc < 4) fail("dbus", "usage: dbus call BYTES PLACEMENT");
    bytes = strtoul(argv[2], NULL, 10);
    content = (char *)calloc(1, bytes + 1);
    snprintf(address, sizeof address, "unix:path=%s", name("bus"));
    snprintf(listen, sizeof listen, "--address=%s", address);
    char *const daemon[] = {"dbus-daemon", "--session", "--nofork", "--nopidfile", listen, NULL};
    pin(argv[3], 1);
    pid_t process = start(daemon);
    split(argv[3], answer);
    here = connected();
    /* The far end takes its name when it is ready. */
    double until = now() + 10e9;
    for (;;) {
        DBusError error = DBUS_ERROR_INIT;
        DBusMessage *reply = asked(&error);
        if (reply) {
            dbus_message_unref(reply);
            break;
        }
        if (now() > until) fail("dbus", error.message);
        dbus_error_free(&error);
        usleep(5000);
    }
    serve(call, 1, NULL, NULL);
    kill(process, SIGTERM);
    waitpid(process, NULL, 0);
    return 0;
}

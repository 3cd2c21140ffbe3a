/* Schemas: a peer with another unit gets the differences, a newer version reads, values are checked. Replies and
 * journal records also have schemas. */
#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define SOON (INT64_C(20) * 1000000000)

#define WATTS "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n"
#define KILOWATTS "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"kW\"\n"
#define NEWER WATTS "[fields.phase]\ntype = \"u8\"\ndefault = 1\n"

/* Takes the events of an object that refused a peer. */
static void is_mismatch(linkspan_message *events) {
    const char *kind;
    size_t count, length;
    OK(linkspan_message_count(events, "", &count));
    OK(linkspan_message_get_text(events, "0/kind", &kind, &length));
    CHECK(count >= 1 && length == strlen("schema_mismatch") && memcmp(kind, "schema_mismatch", length) == 0);
    linkspan_message_release(events);
}

static void on(const char *endpoint) {
    linkspan_publisher *out;
    linkspan_subscriber *in;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    double watts;
    options.schema = WATTS;
    options.validate = "both";
    OK(linkspan_publisher_new(endpoint, &options, &out));
    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_f64(m, "watts", 230.5));
    OK(linkspan_publisher_send(out, m, NULL));
    linkspan_message_release(m);

    OK(linkspan_message_new(&m));
    OK(linkspan_message_put_text(m, "watts", "much", 4));
    CHECK(linkspan_publisher_send(out, m, NULL) == LINKSPAN_WRONG_TYPE);
    CHECK(strstr(linkspan_last_error_text(), "f64 in W is expected") != NULL);
    linkspan_message_release(m);

    options.schema = KILOWATTS;
    OK(linkspan_subscriber_new(endpoint, &options, &in));
    CHECK(linkspan_subscriber_recv(in, SOON, &m) == LINKSPAN_SCHEMA_MISMATCH);
    CHECK(strstr(linkspan_last_error_text(), "watts: the unit is W there and kW here") != NULL);
    linkspan_subscriber_free(in);

    options.schema = NEWER;
    OK(linkspan_subscriber_new(endpoint, &options, &in));
    OK(linkspan_subscriber_recv(in, SOON, &m));
    OK(linkspan_message_get_f64(m, "watts", &watts));
    CHECK(watts == 230.5);
    linkspan_message_release(m);
    linkspan_subscriber_free(in);

    linkspan_type listed;
    size_t open_names;
    OK(linkspan_names(&m));
    OK(linkspan_message_get_type(m, "0/endpoint", &listed));
    OK(linkspan_message_count(m, "", &open_names));
    CHECK(listed == LINKSPAN_TYPE_TEXT && open_names >= 1);
    linkspan_message_release(m);
    OK(linkspan_schema(endpoint, &m));
    const char *unit;
    size_t unit_length;
    OK(linkspan_message_get_text(m, "type/fields/0/type/unit", &unit, &unit_length));
    CHECK(unit_length == 1 && unit[0] == 'W');
    linkspan_message_release(m);
    CHECK(linkspan_schema("unix:test/nobody", &m) == LINKSPAN_NOT_FOUND);

    OK(linkspan_publisher_events(out, &m));
    is_mismatch(m);
    OK(linkspan_publisher_close(out, LINKSPAN_DEFAULT));
    linkspan_publisher_free(out);
}

#define LEVEL "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"m\"\n"

/* A refused client has no channel, so the listener reports it. */
static void listeners(void) {
    linkspan_listener *listener;
    linkspan_channel *client;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    size_t count;
    uint64_t forgotten;
    options.schema = WATTS;
    OK(linkspan_listener_listen("unix:test/power", &options, &listener));
    OK(linkspan_listener_events(listener, &m));
    OK(linkspan_message_count(m, "", &count));
    CHECK(count == 0);
    linkspan_message_release(m);
    options.schema = KILOWATTS;
    CHECK(linkspan_channel_connect("unix:test/power", &options, SOON, &client) == LINKSPAN_SCHEMA_MISMATCH);
    OK(linkspan_listener_events(listener, &m));
    is_mismatch(m);
    OK(linkspan_listener_stats(listener, &m));
    OK(linkspan_message_get_u64(m, "forgotten", &forgotten));
    CHECK(forgotten == 0);
    linkspan_message_release(m);
    linkspan_listener_free(listener);
}

static void replies(void) {
    linkspan_server *server;
    linkspan_channel *client;
    linkspan_message *m;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    const char *unit;
    size_t length;
    options.schema = WATTS;
    options.reply_schema = LEVEL;
    OK(linkspan_server_serve("unix:test/tank", &options, &server));
    OK(linkspan_reply_schema("unix:test/tank", &m));
    OK(linkspan_message_get_text(m, "type/fields/0/type/unit", &unit, &length));
    CHECK(length == 1 && unit[0] == 'm');
    linkspan_message_release(m);
    OK(linkspan_channel_connect("unix:test/tank", &options, SOON, &client));
    linkspan_channel_free(client);
    options.reply_schema = "name = \"tank\"\n[fields.level]\ntype = \"f64\"\nunit = \"cm\"\n";
    CHECK(linkspan_channel_connect("unix:test/tank", &options, SOON, &client) == LINKSPAN_SCHEMA_MISMATCH);
    CHECK(strstr(linkspan_last_error_text(), "the unit is m there and cm here") != NULL);
    OK(linkspan_server_events(server, &m));
    is_mismatch(m);
    uint64_t mismatches;
    OK(linkspan_server_stats(server, &m));
    OK(linkspan_message_get_u64(m, "schema_mismatches", &mismatches));
    CHECK(mismatches == 1);
    linkspan_message_release(m);
    linkspan_server_free(server);
    CHECK(linkspan_reply_schema("unix:test/tank", &m) == LINKSPAN_NOT_FOUND);
}

static void records(void) {
    const char *schemas[] = {WATTS, NEWER};
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_publisher *out;
    linkspan_subscriber *in;
    linkspan_message *m, *schema;
    for (int i = 0; i < 2; ++i) {
        options.schema = schemas[i];
        OK(linkspan_publisher_new("journal:test/power", &options, &out));
        OK(linkspan_message_new(&m));
        OK(linkspan_message_put_f64(m, "watts", 1.0));
        OK(linkspan_publisher_send(out, m, NULL));
        CHECK(linkspan_schema_of("journal:test/power", m, &schema) == LINKSPAN_INVALID_STATE);
        linkspan_message_release(m);
        linkspan_publisher_free(out);
    }
    options.from = "first";
    OK(linkspan_subscriber_new("journal:test/power", &options, &in));
    for (int i = 0; i < 2; ++i) {
        const char *name;
        size_t length;
        OK(linkspan_subscriber_recv(in, SOON, &m));
        OK(linkspan_schema_of("journal:test/power", m, &schema));
        CHECK(linkspan_message_get_text(schema, "type/fields/1/name", &name, &length) == (i == 0 ? LINKSPAN_MISSING : LINKSPAN_OK));
        linkspan_message_release(schema);
        linkspan_message_release(m);
    }
    linkspan_subscriber_free(in);
}

int main(void) {
    linkspan_publisher *out;
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    on("unix:test/schema");
    on("shm:test/schema");
    replies();
    listeners();
    records();
    options.schema = "/nowhere/power.toml";
    CHECK(linkspan_publisher_new("unix:test/schema", &options, &out) == LINKSPAN_NOT_FOUND);
    puts("ok");
    return 0;
}

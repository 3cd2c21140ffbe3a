// The peer in C. See README.md.
#include <linkspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(linkspan_status status, const char *what) {
    if (status != LINKSPAN_OK) {
        printf("%s: %s (%d): %s\n", what, linkspan_status_name(status), (int)status, linkspan_last_error_text());
        exit(1);
    }
}

static linkspan_options options_of(const char *encoding) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    options.encoding = encoding;
    options.timeout = 60 * INT64_C(1000000000);
    return options;
}

// Returns the word of a control request, or "" for a test value.
static const char *asked(const linkspan_message *request) {
    static char word[8];
    const char *text;
    size_t length;
    word[0] = '\0';
    if (linkspan_message_get_text(request, "peer", &text, &length) == LINKSPAN_OK && length < sizeof word) {
        memcpy(word, text, length);
        word[length] = '\0';
    }
    return word;
}

static void serve(const char *endpoint, const char *encoding) {
    const linkspan_options options = options_of(encoding);
    linkspan_server *server;
    linkspan_message *request, *sent, *nothing, *list;
    need(linkspan_server_serve(endpoint, &options, &server), "serve");
    need(linkspan_message_new(&sent), "new");
    need(linkspan_message_begin_array(sent, NULL), "begin");
    need(linkspan_message_new(&nothing), "new");
    puts("ready");
    fflush(stdout);
    for (int going = 1; going && linkspan_server_next(server, LINKSPAN_FOREVER, &request) == LINKSPAN_OK && request != NULL;) {
        linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
        const char *word = asked(request);
        need(linkspan_message_get_info(request, &info), "look");
        if (!info.is_request) {
            uint8_t *bytes;
            size_t length;
            need(linkspan_encode(request, LINKSPAN_CBOR, &bytes, &length), "encode");
            need(linkspan_message_put_bytes(sent, NULL, bytes, length), "put");
            linkspan_free(bytes, length);
        } else if (strcmp(word, "sent") == 0) {
            need(linkspan_message_end(sent), "end");
            need(linkspan_request_reply(request, sent), "reply");
            need(linkspan_message_clear(sent), "clear");
            need(linkspan_message_begin_array(sent, NULL), "begin");
        } else if (strcmp(word, "fail") == 0) {
            need(linkspan_message_new(&list), "new");
            need(linkspan_message_begin_array(list, NULL), "begin");
            need(linkspan_message_put_i64(list, NULL, 1), "put");
            need(linkspan_message_put_i64(list, NULL, 2), "put");
            need(linkspan_message_end(list), "end");
            need(linkspan_request_fail(request, 7, "peer.fail", "asked to fail", list), "fail");
            linkspan_message_release(list);
        } else if (strcmp(word, "stop") == 0) {
            need(linkspan_request_reply(request, nothing), "reply");
            going = 0;
        } else if (strcmp(word, "drop") != 0) {
            need(linkspan_request_reply(request, request), "reply");
        }
        linkspan_message_release(request);
    }
    linkspan_message_release(sent);
    linkspan_message_release(nothing);
    need(linkspan_server_close(server, LINKSPAN_DEFAULT), "close");
    linkspan_server_free(server);
}

static void same(const char *name, const uint8_t *got, size_t length, const uint8_t *expected, size_t expected_length) {
    if (length != expected_length || memcmp(got, expected, length) != 0) {
        printf("%s: %zu bytes came that differ from the %zu of the vector\n", name, length, expected_length);
        exit(1);
    }
}

// The bytes of member `key` of case `i`: decoded from hex, or its JSON text unchanged.
static uint8_t *bytes_of(const linkspan_message *cases, size_t i, const char *key, size_t *length) {
    char path[64];
    const char *text;
    uint8_t *bytes;
    snprintf(path, sizeof path, "%zu/%s", i, key);
    need(linkspan_message_get_text(cases, path, &text, length), path);
    bytes = malloc(*length + 1);
    if (strcmp(key, "json") == 0 || strcmp(key, "name") == 0) {
        memcpy(bytes, text, *length);
        bytes[*length] = '\0';
        return bytes;
    }
    *length /= 2;
    for (size_t k = 0; k < *length; k++) {
        const char digits[3] = {text[2 * k], text[2 * k + 1], '\0'};
        bytes[k] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes;
}

static linkspan_message *ask(const char *word) {
    linkspan_message *request;
    need(linkspan_message_new(&request), "new");
    need(linkspan_message_put_text(request, "peer", LINKSPAN_ZSTR(word)), "put");
    return request;
}

static void must_fail(const linkspan_channel *channel, const char *word, const char *type) {
    linkspan_message *request = ask(word), *reply;
    linkspan_status status = linkspan_channel_call(channel, request, LINKSPAN_DEFAULT, &reply);
    if (status != LINKSPAN_REMOTE || strstr(linkspan_last_error_text(), type) == NULL) {
        printf("%s: another outcome came: %d %s\n", word, (int)status, linkspan_last_error_text());
        exit(1);
    }
    linkspan_message_release(request);
}

// Ends the program if the CBOR of `got` differs from case `i`.
static void same_value(const linkspan_message *cases, size_t i, const linkspan_message *got) {
    size_t name_length, expected_length, got_length;
    uint8_t *name = bytes_of(cases, i, "name", &name_length);
    uint8_t *expected = bytes_of(cases, i, "cbor", &expected_length), *bytes;
    need(linkspan_encode(got, LINKSPAN_CBOR, &bytes, &got_length), "encode");
    same((const char *)name, bytes, got_length, expected, expected_length);
    linkspan_free(bytes, got_length);
    free(expected);
    free(name);
}

// The value of case `i`, encoded in `encoding`.
static linkspan_message *value_of(const linkspan_message *cases, size_t i, const char *encoding) {
    linkspan_encoding code;
    linkspan_message *value;
    size_t length;
    uint8_t *bytes = bytes_of(cases, i, encoding, &length);
    need(linkspan_encoding_from_name(encoding, &code), encoding);
    need(linkspan_decode(bytes, length, code, &value), "decode");
    free(bytes);
    return value;
}

static linkspan_message *read_vectors(const char *path, size_t *count) {
    static uint8_t file[4 << 20];
    FILE *in = fopen(path, "rb");
    linkspan_message *cases;
    size_t length = in == NULL ? 0 : fread(file, 1, sizeof file, in);
    if (in != NULL) fclose(in);
    need(linkspan_decode(file, length, LINKSPAN_JSON, &cases), path);
    need(linkspan_message_count(cases, "", count), "count");
    return cases;
}

static void call(const char *endpoint, const char *encoding, const char *vectors) {
    const linkspan_options options = options_of(encoding);
    size_t count, arrived;
    linkspan_message *cases = read_vectors(vectors, &count), *request, *reply;
    linkspan_channel *channel;
    need(linkspan_channel_connect(endpoint, &options, LINKSPAN_DEFAULT, &channel), "connect");
    // The first pass calls with each value, the second sends each value.
    for (size_t i = 0; i < 2 * count; i++) {
        linkspan_message *value = value_of(cases, i % count, encoding);
        if (i < count) {
            need(linkspan_channel_call(channel, value, LINKSPAN_DEFAULT, &reply), "call");
            same_value(cases, i, reply);
            linkspan_message_release(reply);
        } else {
            need(linkspan_channel_send(channel, value, LINKSPAN_DEFAULT, NULL), "send");
        }
        linkspan_message_release(value);
    }
    request = ask("sent");
    need(linkspan_channel_call(channel, request, LINKSPAN_DEFAULT, &reply), "call");
    need(linkspan_message_count(reply, "", &arrived), "count");
    if (arrived != count) {
        printf("%zu were sent, %zu arrived\n", count, arrived);
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        char path[24];
        const uint8_t *got;
        size_t expected_length, got_length;
        uint8_t *expected = bytes_of(cases, i, "cbor", &expected_length);
        snprintf(path, sizeof path, "%zu", i);
        need(linkspan_message_get_bytes(reply, path, &got, &got_length), path);
        same(path, got, got_length, expected, expected_length);
        free(expected);
    }
    linkspan_message_release(reply);
    linkspan_message_release(request);
    must_fail(channel, "fail", "peer.fail");
    must_fail(channel, "drop", "linkspan.unanswered");
    need(linkspan_channel_close(channel, LINKSPAN_DEFAULT), "close");
    linkspan_channel_free(channel);
    linkspan_message_release(cases);
    printf("%zu called, %zu sent, 2 failed\n", count, count);
}

static void send_all(const char *endpoint, const char *encoding, const char *vectors) {
    const linkspan_options options = options_of(encoding);
    size_t count;
    linkspan_message *cases = read_vectors(vectors, &count);
    linkspan_channel *channel;
    need(linkspan_channel_connect(endpoint, &options, LINKSPAN_DEFAULT, &channel), "connect");
    for (size_t i = 0; i < count; i++) {
        linkspan_message *value = value_of(cases, i, encoding);
        need(linkspan_channel_send(channel, value, LINKSPAN_DEFAULT, NULL), "send");
        linkspan_message_release(value);
    }
    need(linkspan_channel_close(channel, LINKSPAN_DEFAULT), "close");
    linkspan_channel_free(channel);
    linkspan_message_release(cases);
}

static void receive_all(const char *endpoint, const char *encoding, const char *vectors) {
    const linkspan_options options = options_of(encoding);
    size_t count;
    linkspan_message *cases = read_vectors(vectors, &count), *sent;
    linkspan_server *server;
    need(linkspan_server_serve(endpoint, &options, &server), "serve");
    puts("ready");
    fflush(stdout);
    for (size_t i = 0; i < count; i++) {
        need(linkspan_server_next(server, 20 * INT64_C(1000000000), &sent), "next");
        if (sent == NULL) exit(1);
        same_value(cases, i, sent);
        linkspan_message_release(sent);
    }
    need(linkspan_server_close(server, LINKSPAN_DEFAULT), "close");
    linkspan_server_free(server);
    linkspan_message_release(cases);
    printf("%zu received\n", count);
}

static void publish(const char *endpoint, const char *encoding, const char *vectors) {
    const linkspan_options options = options_of(encoding);
    size_t count;
    linkspan_message *cases = read_vectors(vectors, &count);
    linkspan_publisher *publisher;
    need(linkspan_publisher_new(endpoint, &options, &publisher), "publisher");
    for (size_t i = 0; i < count; i++) {
        char line[400] = "";
        linkspan_message *value = value_of(cases, i, encoding);
        need(linkspan_publisher_send(publisher, value, NULL), "publish");
        linkspan_message_release(value);
        if (i == 0) {
            puts("ready");
            fflush(stdout);
        }
        if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "received\n") != 0) {
            printf("%zu: it was not received: %s\n", i, line);
            exit(1);
        }
    }
    need(linkspan_publisher_close(publisher, LINKSPAN_DEFAULT), "close");
    linkspan_publisher_free(publisher);
    linkspan_message_release(cases);
    printf("%zu published\n", count);
}

static void subscribe(const char *endpoint, const char *encoding, const char *vectors) {
    const linkspan_options options = options_of(encoding);
    size_t count;
    linkspan_message *cases = read_vectors(vectors, &count), *received;
    linkspan_subscriber *subscriber;
    need(linkspan_subscriber_new(endpoint, &options, &subscriber), "subscribe");
    for (size_t i = 0; i < count; i++) {
        need(linkspan_subscriber_recv(subscriber, LINKSPAN_DEFAULT, &received), "recv");
        same_value(cases, i, received);
        linkspan_message_release(received);
        puts("received");
        fflush(stdout);
    }
    need(linkspan_subscriber_close(subscriber), "close");
    linkspan_subscriber_free(subscriber);
    linkspan_message_release(cases);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2], argv[3]);
    } else if (argc == 5 && strcmp(argv[1], "call") == 0) {
        call(argv[2], argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "send") == 0) {
        send_all(argv[2], argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "receive") == 0) {
        receive_all(argv[2], argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "publish") == 0) {
        publish(argv[2], argv[3], argv[4]);
    } else if (argc == 5 && strcmp(argv[1], "subscribe") == 0) {
        subscribe(argv[2], argv[3], argv[4]);
    } else {
        puts("usage: peer serve ENDPOINT ENCODING | call, send, receive, publish or subscribe ENDPOINT ENCODING VECTORS");
        return 2;
    }
    return 0;
}

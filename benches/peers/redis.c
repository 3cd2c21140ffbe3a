/*
 * Redis through hiredis: a private server on a Unix socket without persistence, as its documentation advises for
 * latency. Lists for a round trip of two clients, ECHO for a call, pipelined pushes one way.
 *
 * usage: redis round|call|stream BYTES PLACEMENT
 */
#include <hiredis/hiredis.h>

#include "worker.h"

static redisContext *here;
static char path[200];
static size_t bytes;
static char *content;

static redisContext *connected(void) {
    double until = now() + 10e9;
    for (;;) {
        redisContext *context = redisConnectUnix(path);
        if (context && !context->err) return context;
        if (now() > until) fail(path, context ? context->errstr : "no memory");
        redisFree(context);
        usleep(5000);
    }
}

static void done(redisContext *context, void *reply) {
    redisReply *answer = (redisReply *)reply;
    if (!answer) fail("redis", context->errstr);
    if (answer->type == REDIS_REPLY_ERROR) fail("redis", answer->str);
    freeReplyObject(answer);
}

static void push(redisContext *context, const char *list) { done(context, redisCommand(context, "LPUSH %s %b", list, content, bytes)); }

static void pop(redisContext *context, const char *list) { done(context, redisCommand(context, "BRPOP %s 0", list)); }

static void echo(void) {
    redisContext *context = connected();
    for (;;) {
        pop(context, "there");
        push(context, "back");
    }
}

static void sink(void) {
    redisContext *context = connected();
    /* A block arrives as one list, which a consumer that keeps up takes at once. */
    for (;;) {
        int left = BLOCK;
        while (left > 0) {
            redisReply *reply;
            done(context, redisCommand(context, "BLPOP news 0"));
            reply = (redisReply *)redisCommand(context, "LPOP there 256");
            if (reply && reply->type == REDIS_REPLY_ARRAY) left -= (int)reply->elements;
            freeReplyObject(reply);
        }
        push(context, "back");
    }
}

static void round_trip(void) {
    push(here, "there");
    pop(here, "back");
}

static void call(void) { done(here, redisCommand(here, "ECHO %b", content, bytes)); }

static void block(void) {
    void *reply;
    int i, batch;
    for (batch = 0; batch < BLOCK / 256; batch++) {
        for (i = 0; i < 256; i++) redisAppendCommand(here, "RPUSH there %b", content, bytes);
        redisAppendCommand(here, "RPUSH news 1");
        for (i = 0; i < 257; i++) {
            if (redisGetReply(here, &reply) != REDIS_OK) fail("redis", here->errstr);
            freeReplyObject(reply);
        }
    }
    pop(here, "back");
}

static void none(void) { pause(); }

int main(int argc, char **argv) {
    if (argc < 4) fail("redis", "usage: redis round|call|stream BYTES PLACEMENT");
    const char *kind = argv[1];
    bytes = strtoul(argv[2], NULL, 10);
    content = (char *)calloc(1, bytes + 1);
    memset(content, 'x', bytes);
    snprintf(path, sizeof path, "%s", name("redis"));
    char *const server[] = {"redis-server", "--port", "0",  "--unixsocket", path, "--save", "",
                            "--appendonly", "no",     "--daemonize", "no", NULL};
    pin(argv[3], 1);
    pid_t process = start(server);
    split(argv[3], strcmp(kind, "round") == 0 ? echo : strcmp(kind, "stream") == 0 ? sink : none);
    here = connected();
    if (strcmp(kind, "stream") == 0)
        serve(block, BLOCK, NULL, NULL);
    else
        serve(strcmp(kind, "call") == 0 ? call : round_trip, 1, NULL, NULL);
    kill(process, SIGTERM);
    waitpid(process, NULL, 0);
    return 0;
}

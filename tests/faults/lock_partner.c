/* A program without Linkspan: it locks (fcntl), reads and writes the given file on request. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file;
static off_t end;

static void lock(short how)
{
    struct flock what = { .l_type = how, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0 };
    if (fcntl(file, F_SETLKW, &what) != 0) {
        perror("fcntl");
        exit(1);
    }
    end = 0;
}

static void put(const char *text)
{
    size_t length = strlen(text);
    if (end == 0 && ftruncate(file, 0) != 0) {
        perror("ftruncate");
        exit(1);
    }
    if (pwrite(file, text, length, end) != (ssize_t)length) {
        perror("pwrite");
        exit(1);
    }
    end += (off_t)length;
}

static void value(const char *text)
{
    put(text);
    if (text[strlen(text) - 1] == '}')
        put("\n");
}

int main(int count, char **words)
{
    static char order[4096], content[4096];
    if (count != 2 || (file = open(words[1], O_RDWR)) < 0) {
        perror("open");
        return 1;
    }
    while (fgets(order, sizeof order, stdin)) {
        order[strcspn(order, "\n")] = 0;
        if (strcmp(order, "read") == 0) {
            lock(F_RDLCK);
            ssize_t got = pread(file, content, sizeof content - 1, 0);
            content[got < 0 ? 0 : got] = 0;
            content[strcspn(content, "\n")] = 0;
            lock(F_UNLCK);
            puts(content);
        } else if (strcmp(order, "lock shared") == 0) {
            lock(F_RDLCK);
            puts("locked");
        } else if (strcmp(order, "lock exclusive") == 0) {
            lock(F_WRLCK);
            puts("locked");
        } else if (strcmp(order, "unlock") == 0) {
            lock(F_UNLCK);
            puts("unlocked");
        } else if (strncmp(order, "put ", 4) == 0) {
            value(order + 4);
            puts("put");
        } else if (strncmp(order, "write ", 6) == 0) {
            int times = atoi(order + 6);
            for (int i = 0; i < times; i++) {
                lock(F_WRLCK);
                put("{\"by\":");
                value("\"partner\"}");
                lock(F_UNLCK);
            }
            printf("written %d\n", times);
        } else {
            puts("what?");
        }
        fflush(stdout);
    }
    return 0;
}

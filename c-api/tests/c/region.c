/* A struct in shared memory that this program writes and Linkspan reads. With `region READER` another program also
 * reads it. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct reading {
    uint32_t writes;
    double celsius;
    char name[16];
    int16_t raw[2][4];
    bool valid;
};
static const char LAYOUT[] = "u32 writes; f64 celsius; char name[16]; i16 raw[2][4]; bool valid";

static void read_here(const char *source, struct reading *shared) {
    linkspan_region *region;
    linkspan_message *m;
    linkspan_array raw;
    const char *name;
    char *text;
    size_t length;
    uint64_t there;
    double celsius;
    bool valid;
    OK(linkspan_region_open(source, &region));
    OK(linkspan_region_length(region, &there));
    CHECK(there == 2 * sizeof *shared);
    OK(linkspan_region_read(region, LAYOUT, sizeof *shared, "writes", &m));
    OK(linkspan_message_get_f64(m, "celsius", &celsius));
    OK(linkspan_message_get_text(m, "name", &name, &length));
    OK(linkspan_message_get_bool(m, "valid", &valid));
    OK(linkspan_message_get_array(m, "raw", &raw));
    CHECK(celsius == -40.5 && length == 6 && memcmp(name, "second", 6) == 0 && valid);
    CHECK(raw.dtype == LINKSPAN_I16 && raw.rank == 2 && raw.dims[0] == 2 && raw.dims[1] == 4);
    CHECK(((const int16_t *)raw.data)[7] == -107);
    linkspan_message_release(m);

    struct reading copy;
    OK(linkspan_region_bytes(region, 0, &copy, sizeof copy));
    CHECK(copy.celsius == 21.25 && copy.raw[1][3] == -7);
    OK(linkspan_region_bytes(region, 0, NULL, 0));
    CHECK(linkspan_region_bytes(region, 0, NULL, 1) == LINKSPAN_INVALID_STATE);
    CHECK(linkspan_region_bytes(region, there, &copy, 1) == LINKSPAN_OUT_OF_RANGE);
    OK(linkspan_region_text(region, offsetof(struct reading, name), &text, &length));
    CHECK(length == 5 && memcmp(text, "first", 5) == 0);
    linkspan_free(text, length);
    /* An empty text must also be freed. */
    OK(linkspan_region_text(region, there, &text, &length));
    CHECK(length == 0);
    linkspan_free(text, length);

    /* The owner died during a write. */
    shared[0].writes = 3;
    CHECK(linkspan_region_read(region, LAYOUT, 0, "writes", &m) == LINKSPAN_STALLED && m == NULL);
    shared[0].writes = 4;
    CHECK(linkspan_region_read(region, LAYOUT, 0, "nothing", &m) == LINKSPAN_MISSING);
    CHECK(linkspan_region_read(region, "f64", 0, NULL, &m) == LINKSPAN_MALFORMED);
    CHECK(linkspan_region_read(region, LAYOUT, there - 8, NULL, &m) == LINKSPAN_OUT_OF_RANGE);
    shared[0].name[0] = (char)0xff;
    CHECK(linkspan_region_text(region, offsetof(struct reading, name), &text, &length) == LINKSPAN_MALFORMED);
    CHECK(text == NULL && length == 0);
    shared[0].name[0] = 'f';
    linkspan_region_free(region);
    OK(linkspan_region_free(NULL));

    linkspan_error e = LINKSPAN_ERROR_INIT;
    CHECK(linkspan_region_open("posix:/linkspan-nobody", &region) == LINKSPAN_NOT_FOUND && region == NULL);
    linkspan_last_error(&e);
    CHECK(strcmp(e.endpoint, "posix:/linkspan-nobody") == 0);
    CHECK(linkspan_region_open("nonsense:", &region) == LINKSPAN_INVALID_ENDPOINT);
}

int main(int count, char **arguments) {
    char name[48], source[64];
    snprintf(name, sizeof name, "/linkspan-region-%ld", (long)getpid());
    snprintf(source, sizeof source, "posix:%s", name);
    const int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 2 * sizeof(struct reading)) == 0);
    struct reading *shared = mmap(NULL, 2 * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < 2; ++i) {
        shared[i].writes = 2;
        shared[i].celsius = i == 0 ? 21.25 : -40.5;
        strcpy(shared[i].name, i == 0 ? "first" : "second");
        for (int k = 0; k < 8; ++k) shared[i].raw[k / 4][k % 4] = (int16_t)(-100 * i - k);
        shared[i].valid = true;
    }
    int status = 0;
    if (count > 1) {
        const pid_t child = fork();
        if (child == 0) {
            execl(arguments[1], arguments[1], source, (char *)NULL);
            _exit(127);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
    } else {
        read_here(source, shared);
    }
    CHECK(munmap(shared, 2 * sizeof *shared) == 0 && shm_unlink(name) == 0 && close(fd) == 0);
    CHECK(status == 0);
    puts("ok");
    return 0;
}

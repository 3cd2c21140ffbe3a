/* A vendor's program: it shares a table and prints the offset of each field. */

#include <complex.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

struct table {
    uint64_t writes;
    bool valid;
    double celsius;
    int8_t small;
    uint32_t count;
    char name[16];
    int16_t raw[8];
    uint8_t blob[3];
    float complex z;
    double complex wide;
    uint16_t grid[2][3];
    float last;
};

static void *make(const char *kind, const char *where)
{
    if (strcmp(kind, "sysv") == 0) {
        int id = shmget((key_t)strtoul(where, NULL, 0), sizeof(struct table), IPC_CREAT | IPC_EXCL | 0600);
        return id < 0 ? MAP_FAILED : shmat(id, NULL, 0);
    }
    int file = strcmp(kind, "posix") == 0 ? shm_open(where, O_RDWR | O_CREAT | O_EXCL, 0600)
                                          : open(where, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || ftruncate(file, sizeof(struct table)) != 0)
        return MAP_FAILED;
    return mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
}

static void fill(volatile struct table *t, uint32_t i)
{
    t->valid = true;
    t->celsius = i + 0.5;
    t->small = -3;
    t->count = i;
    memcpy((char *)t->name, "oven", 5);
    for (int k = 0; k < 8; k++)
        t->raw[k] = (int16_t)(i - k);
    memcpy((uint8_t *)t->blob, "\001\002\003", 3);
    t->z = 1.0f + 2.0f * I;
    t->wide = 3.0 - 4.0 * I;
    for (int k = 0; k < 6; k++)
        t->grid[k / 3][k % 3] = (uint16_t)(10 * k);
    t->last = 0.25f * (i % 1024);
}

static void release(const char *kind, const char *where)
{
    if (strcmp(kind, "sysv") == 0)
        shmctl(shmget((key_t)strtoul(where, NULL, 0), 0, 0), IPC_RMID, NULL);
    else if (strcmp(kind, "posix") == 0)
        shm_unlink(where);
    else
        unlink(where);
}

int main(int count, char **words)
{
    char order[64];
    volatile struct table *t;
    if (count != 3 || (t = make(words[1], words[2])) == MAP_FAILED) {
        perror("making the table");
        return 1;
    }
    fill(t, 7);
#define SHOW(field) printf(#field " %zu\n", offsetof(struct table, field))
    SHOW(writes); SHOW(valid); SHOW(celsius); SHOW(small); SHOW(count); SHOW(name); SHOW(raw); SHOW(blob);
    SHOW(z); SHOW(wide); SHOW(grid); SHOW(last);
    printf("sizeof %zu\n", sizeof(struct table));
    fflush(stdout);
    while (fgets(order, sizeof order, stdin)) {
        for (uint32_t i = 0; strncmp(order, "write", 5) == 0 && i < 200000; i++) {
            t->writes = t->writes + 1;
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            fill(t, i);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            t->writes = t->writes + 1;
        }
        /* Imitates a writer that died during a write. */
        if (strncmp(order, "stick", 5) == 0)
            t->writes = t->writes | 1;
        puts("done");
        fflush(stdout);
    }
    release(words[1], words[2]);
    return 0;
}

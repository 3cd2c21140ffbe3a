/* A service whose user may have one more thread: the second thread is refused, and the first one ends. Run as root. */
#define _GNU_SOURCE
#include <linkspan.h>

#include <dirent.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../../c-api/tests/c/check.h"

/* A user without programs. */
#define NOBODY 61234
#define ATTEMPTS 50

static int threads(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) count += task->d_name[0] != '.';
    CHECK(closedir(tasks) == 0);
    return count;
}

int main(void) {
    const struct rlimit two = {2, 2};
    CHECK(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setrlimit(RLIMIT_NPROC, &two) == 0 && setuid(NOBODY) == 0);
    const struct timespec moment = {0, 1000000};
    for (int i = 0; i < ATTEMPTS; ++i) {
        linkspan_service *service;
        CHECK(linkspan_service_start("lab/power", NULL, &service) == LINKSPAN_OUT_OF_MEMORY && service == NULL);
        /* The error names the second thread, because the first thread starts each time. */
        CHECK(strstr(linkspan_last_error_text(), "linkspan-writer") != NULL);
        /* The deadline of the test bounds this loop. */
        while (threads() != 1) CHECK(nanosleep(&moment, NULL) == 0);
    }
    puts("ok");
    return 0;
}

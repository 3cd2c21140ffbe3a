/* Checks for the tests in C. The first failure is printed and ends the program with 1. */
#ifndef CHECK_H
#define CHECK_H

#include <linkspan.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__, #condition,           \
                    linkspan_last_error_text());                                                             \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
#define OK(call) CHECK((call) == LINKSPAN_OK)

#endif

/* The parts of generated structs: texts, bytes, UUIDs and arrays that the program owns.
 *
 * All memory is from malloc() and freed by free(), so a program may also fill a struct itself. Functions that allocate
 * return false if memory runs out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef LINKSPAN_RECORD_H
#define LINKSPAN_RECORD_H

#include <linkspan.h>

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Text in UTF-8 followed by a NUL; {NULL, 0} is the empty text. */
typedef struct linkspan_text {
    char *data;
    size_t length;
} linkspan_text;

/* Bytes; {NULL, 0} is empty. */
typedef struct linkspan_bytes {
    uint8_t *data;
    size_t length;
} linkspan_bytes;

/* A UUID, most significant byte first. */
typedef struct linkspan_uuid {
    uint8_t bytes[16];
} linkspan_uuid;

/* A copy of `length` bytes followed by a NUL; NULL if memory runs out, or if `from` is NULL and has a length. */
static inline void *linkspan_copy(const void *from, size_t length) {
    char *copy = from == NULL && length > 0 ? NULL : (char *)malloc(length + 1);
    if (copy != NULL) {
        if (length > 0) {
            memcpy(copy, from, length);
        }
        copy[length] = '\0';
    }
    return copy;
}

/* Frees a text. */
static inline void linkspan_text_free(linkspan_text *text) {
    free(text->data);
    text->data = NULL;
    text->length = 0;
}

/* Sets `to` to a copy of a text; false, and the empty text, if memory runs out. */
static inline bool linkspan_text_set(linkspan_text *to, const char *text, size_t length) {
    char *copy = (char *)linkspan_copy(text, length);
    linkspan_text_free(to);
    if (copy == NULL) {
        return false;
    }
    to->data = copy;
    to->length = length;
    return true;
}

/* Frees bytes. */
static inline void linkspan_bytes_free(linkspan_bytes *bytes) {
    free(bytes->data);
    bytes->data = NULL;
    bytes->length = 0;
}

/* Sets `to` to a copy of bytes; false, and no bytes, if memory runs out. */
static inline bool linkspan_bytes_set(linkspan_bytes *to, const uint8_t *bytes, size_t length) {
    uint8_t *copy = (uint8_t *)linkspan_copy(bytes, length);
    linkspan_bytes_free(to);
    if (copy == NULL) {
        return false;
    }
    to->data = copy;
    to->length = length;
    return true;
}

/* The elements of an array that a struct owns, writable. */
static inline void *linkspan_array_elements(const linkspan_array *array) {
    void *elements;
    memcpy(&elements, &array->data, sizeof elements);
    return elements;
}

/* Copies an array to `to`. False, with an empty `to`, without memory or if `linkspan_array_length` fails. */
static inline bool linkspan_array_set(linkspan_array *to, const linkspan_array *from) {
    linkspan_array shape = *from;
    void *copy = NULL;
    if (linkspan_array_length(from, &shape.length) == LINKSPAN_OK) {
        copy = linkspan_copy(from->data, shape.length);
    }
    linkspan_array_free(to);
    if (copy == NULL) {
        return false;
    }
    shape.data = copy;
    *to = shape;
    return true;
}

#ifdef __cplusplus
}
#endif

#endif

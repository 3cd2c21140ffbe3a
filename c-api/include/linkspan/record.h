/* What generated structs are made of: texts, bytes, UUIDs and arrays of a program's own, and their way to writers and from readers.
 *
 * All memory is from malloc() and freed by free(), so a program may fill a struct as it likes. Functions that need memory return
 * false where there is none, or have the reader refuse the value with LINKSPAN_OUT_OF_MEMORY.
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

/* Text in UTF-8 with a NUL behind it; {NULL, 0} is the empty text. */
typedef struct linkspan_text {
    char *data;
    size_t length;
} linkspan_text;

/* Bytes; {NULL, 0} has none. */
typedef struct linkspan_bytes {
    uint8_t *data;
    size_t length;
} linkspan_bytes;

/* A UUID, most significant byte first. */
typedef struct linkspan_uuid {
    uint8_t bytes[16];
} linkspan_uuid;

/* A copy of `length` bytes with a NUL behind them; NULL where there is no memory. */
static inline void *linkspan_copy(const void *from, size_t length) {
    char *copy = (char *)malloc(length + 1);
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

/* Makes `to` a copy of a text; false, and the empty text, where there is no memory. */
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

/* Makes `to` a copy of bytes; false, and no bytes, where there is no memory. */
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

/* The elements of an array that a struct owns, to be written. */
static inline void *linkspan_array_elements(const linkspan_array *array) {
    void *elements;
    memcpy(&elements, &array->data, sizeof elements);
    return elements;
}

/* Frees the elements of an array. */
static inline void linkspan_array_free(linkspan_array *array) {
    const linkspan_array none = LINKSPAN_ARRAY_INIT;
    free(linkspan_array_elements(array));
    *array = none;
}

/* Makes `to` a copy of an array, whose `length` is set; false, and no array, where there is no memory. */
static inline bool linkspan_array_set(linkspan_array *to, const linkspan_array *from) {
    void *copy = linkspan_copy(from->data, from->length);
    linkspan_array shape = *from;
    linkspan_array_free(to);
    if (copy == NULL) {
        return false;
    }
    shape.data = copy;
    *to = shape;
    return true;
}

/* What readers give. */

static inline void linkspan_read_memory(linkspan_reader *reader, bool there) {
    if (!there) {
        linkspan_reader_refuse(reader, LINKSPAN_OUT_OF_MEMORY, "no memory for this value");
    }
}

/* Memory for `count` values, all zero; NULL where there are none, and where there is no memory. */
static inline void *linkspan_read_items(linkspan_reader *reader, size_t *count, size_t size) {
    void *items = *count > 0 ? calloc(*count, size) : NULL;
    if (items == NULL && *count > 0) {
        *count = 0;
        linkspan_read_memory(reader, false);
    }
    return items;
}

static inline bool linkspan_read_bool(linkspan_reader *reader) {
    bool value;
    linkspan_reader_get_bool(reader, &value);
    return value;
}

static inline int64_t linkspan_read_integer(linkspan_reader *reader, int64_t least, int64_t greatest) {
    int64_t value;
    linkspan_reader_get_i64(reader, least, greatest, &value);
    return value;
}

static inline uint64_t linkspan_read_unsigned(linkspan_reader *reader, uint64_t greatest) {
    uint64_t value;
    linkspan_reader_get_u64(reader, greatest, &value);
    return value;
}

static inline float linkspan_read_f32(linkspan_reader *reader) {
    float value;
    linkspan_reader_get_f32(reader, &value);
    return value;
}

static inline double linkspan_read_f64(linkspan_reader *reader) {
    double value;
    linkspan_reader_get_f64(reader, &value);
    return value;
}

static inline int64_t linkspan_read_timestamp(linkspan_reader *reader) {
    int64_t value;
    linkspan_reader_get_timestamp(reader, &value);
    return value;
}

static inline linkspan_uuid linkspan_read_uuid(linkspan_reader *reader) {
    linkspan_uuid value;
    linkspan_reader_get_uuid(reader, value.bytes);
    return value;
}

static inline bool linkspan_read_null(linkspan_reader *reader) {
    bool null;
    linkspan_reader_get_null(reader, &null);
    return null;
}

static inline void linkspan_read_text(linkspan_reader *reader, linkspan_text *to) {
    const char *text;
    size_t length;
    if (linkspan_reader_get_text(reader, &text, &length) == LINKSPAN_OK) {
        linkspan_read_memory(reader, linkspan_text_set(to, text, length));
    }
}

static inline void linkspan_read_decimal(linkspan_reader *reader, linkspan_text *to) {
    const char *text;
    size_t length;
    if (linkspan_reader_get_decimal(reader, &text, &length) == LINKSPAN_OK) {
        linkspan_read_memory(reader, linkspan_text_set(to, text, length));
    }
}

static inline void linkspan_read_key(linkspan_reader *reader, linkspan_text *to) {
    const char *text;
    size_t length;
    if (linkspan_reader_get_key(reader, &text, &length) == LINKSPAN_OK) {
        if (length > 0 && memchr(text, '\0', length) != NULL) {
            linkspan_reader_refuse(reader, LINKSPAN_UNSUPPORTED, "a key has a NUL character inside, where C's texts end");
        }
        linkspan_read_memory(reader, linkspan_text_set(to, text, length));
    }
}

static inline void linkspan_read_bytes(linkspan_reader *reader, linkspan_bytes *to) {
    const uint8_t *bytes;
    size_t length;
    if (linkspan_reader_get_bytes(reader, &bytes, &length) == LINKSPAN_OK) {
        linkspan_read_memory(reader, linkspan_bytes_set(to, bytes, length));
    }
}

static inline void linkspan_read_message(linkspan_reader *reader, linkspan_message **to) {
    linkspan_message_release(*to);
    linkspan_reader_get_message(reader, to);
}

static inline void linkspan_read_array(linkspan_reader *reader, linkspan_dtype dtype, linkspan_order order, int32_t rank,
                                       const uint64_t *dims, linkspan_array *to) {
    linkspan_array view;
    if (linkspan_reader_get_array(reader, dtype, order, rank, dims, &view) == LINKSPAN_OK) {
        linkspan_read_memory(reader, linkspan_array_set(to, &view));
    }
}

/* An array in a program's own memory, in C's order. */
static inline linkspan_array linkspan_array_at(linkspan_dtype dtype, size_t rank, const uint64_t *dims, const void *data) {
    linkspan_array array = LINKSPAN_ARRAY_INIT;
    array.dtype = dtype;
    array.rank = rank;
    memcpy(array.dims, dims, rank * sizeof *dims);
    array.data = data;
    return array;
}

/* Reads an array of a fixed shape into memory of the same shape, in C's order. */
static inline void linkspan_read_elements(linkspan_reader *reader, linkspan_dtype dtype, size_t rank, const uint64_t *dims,
                                          void *to) {
    linkspan_array view;
    if (linkspan_reader_get_array(reader, dtype, -1, (int32_t)rank, dims, &view) == LINKSPAN_OK) {
        const linkspan_array here = linkspan_array_at(dtype, rank, dims, to);
        if (linkspan_array_copy(&view, &here) != LINKSPAN_OK) {
            linkspan_reader_refuse(reader, LINKSPAN_WRONG_TYPE, linkspan_last_error_text());
        }
    }
}

/* Writes an array of a fixed shape from memory of that shape, in C's order. */
static inline void linkspan_write_elements(linkspan_writer *writer, const char *key, linkspan_dtype dtype, size_t rank,
                                           const uint64_t *dims, const void *from) {
    const linkspan_array array = linkspan_array_at(dtype, rank, dims, from);
    linkspan_writer_put_array(writer, key, &array);
}

/* The key of an entry. */
static inline const char *linkspan_write_key(const linkspan_text *key) {
    return key->data == NULL ? "" : key->data;
}

/* Writes a text that stands for a value of an enum; NULL stands for none. */
static inline void linkspan_write_name(linkspan_writer *writer, const char *key, const char *name) {
    if (name == NULL) {
        linkspan_writer_refuse(writer, key, LINKSPAN_OUT_OF_RANGE, "the number is none of this enum's values");
    } else {
        linkspan_writer_put_text(writer, key, name, strlen(name));
    }
}

#ifdef __cplusplus
}
#endif

#endif

/* Reads a CBOR message into the generated struct and writes it back: `echo IN OUT`. */
#include ECHO_HEADER

#include <stdio.h>

static int failed(void) {
    fprintf(stderr, "%s\n", linkspan_last_error_text());
    return 1;
}

int main(int argc, char **argv) {
    static uint8_t in[1 << 20];
    uint8_t *out;
    size_t length;
    linkspan_message *message = NULL;
    linkspan_message *made = NULL;
    linkspan_message *around = NULL;
    ECHO_TYPE value;
    FILE *file;
    int code = 0;
    if (argc != 3 || (file = fopen(argv[1], "rb")) == NULL) {
        return 2;
    }
    length = fread(in, 1, sizeof in, file);
    fclose(file);
    if (!ECHO(init)(&value)) {
        return 2;
    }
    if (linkspan_decode(in, length, LINKSPAN_CBOR, &message) != LINKSPAN_OK || linkspan_message_new(&made) != LINKSPAN_OK ||
        linkspan_message_new(&around) != LINKSPAN_OK) {
        return failed();
    }
    /* Twice into one struct: the second decode frees the first one's memory. */
    /* Also as one value of a message that the program builds. */
    if (ECHO(decode)(&value, message) != LINKSPAN_OK || ECHO(decode)(&value, message) != LINKSPAN_OK ||
        ECHO(put)(&value, around, "it") != LINKSPAN_OK || ECHO(get)(&value, around, "it") != LINKSPAN_OK ||
        ECHO(encode)(&value, made) != LINKSPAN_OK || linkspan_encode(made, LINKSPAN_CBOR, &out, &length) != LINKSPAN_OK) {
        code = failed();
    } else {
        if ((file = fopen(argv[2], "wb")) == NULL || fwrite(out, 1, length, file) != length || fclose(file) != 0) {
            code = 2;
        }
        linkspan_free(out, length);
    }
    ECHO(free)(&value);
    linkspan_message_release(message);
    linkspan_message_release(made);
    linkspan_message_release(around);
    return code;
}

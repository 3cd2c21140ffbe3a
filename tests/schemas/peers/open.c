/* Opens a publisher with the schema in a file: `open PATH` prints the status and the error's text. */
#include <linkspan.h>

#include <stdio.h>

int main(int argc, char **argv) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_publisher *out = NULL;
    linkspan_status status;
    if (argc != 2) return 2;
    options.schema = argv[1];
    status = linkspan_publisher_new("unix:refused/c", &options, &out);
    printf("%d %s\n", (int)status, status == LINKSPAN_OK ? "" : linkspan_last_error_text());
    linkspan_publisher_free(out);
    return 0;
}

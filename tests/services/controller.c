/* The controller in C. See README.md. */
#include <linkspan.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Carries out a line `SERVICE COMMAND WITHIN ARGUMENTS`, and prints the value or the error. */
static linkspan_status carry_out(const linkspan_controller *controller, char *line) {
    const char *service = strtok(line, " "), *command = strtok(NULL, " "), *within = strtok(NULL, " ");
    const char *text = strtok(NULL, "\n");
    linkspan_message *arguments = NULL, *value = NULL;
    uint8_t *json = NULL;
    size_t length = 0;
    linkspan_status status =
        linkspan_decode((const uint8_t *)text, strlen(text), LINKSPAN_JSON, &arguments);
    if (status == LINKSPAN_OK)
        status = linkspan_controller_command(controller, service, command, arguments, (int64_t)(atof(within) * 1e9), &value);
    if (status == LINKSPAN_OK) status = linkspan_encode(value, LINKSPAN_JSON, &json, &length);
    if (status == LINKSPAN_OK) {
        printf("DONE %.*s\n", (int)length, (const char *)json);
        linkspan_free(json, length);
    }
    linkspan_message_release(arguments);
    linkspan_message_release(value);
    return status;
}

int main(void) {
    static char line[65536];
    linkspan_controller *controller;
    if (linkspan_controller_connect(NULL, NULL, LINKSPAN_DEFAULT, &controller) != LINKSPAN_OK) {
        fprintf(stderr, "%s\n", linkspan_last_error_text());
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        const linkspan_status status = carry_out(controller, line);
        if (status != LINKSPAN_OK) {
            printf("ERROR %d ", (int)status);
            for (const char *c = linkspan_last_error_text(); *c; ++c) putchar(isspace((unsigned char)*c) ? ' ' : *c);
            putchar('\n');
        }
        fflush(stdout);
    }
    linkspan_controller_free(controller);
    return 0;
}
